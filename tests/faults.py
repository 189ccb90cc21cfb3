"""A system that refuses: one call of the program to the operating system fails."""

from __future__ import annotations

import builtins
import io
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_OPEN = io.open
_CALLS = (
    "chmod",
    "fsync",
    "listdir",
    "mkdir",
    "open",
    "rename",
    "replace",
    "rmdir",
    "scandir",
    "stat",
    "unlink",
)


@dataclass
class Refusal:
    """Lets the call number ``fails`` fail with this error; ``seen`` counts the calls."""

    number: int
    fails: int
    seen: int = 0
    failed: str = ""

    def pass_or_fail(self, name: str, path: object) -> None:
        """Count a call, and raise if it is the one to fail."""
        self.seen += 1
        if self.seen == self.fails:
            self.failed = name
            named = path if isinstance(path, str | os.PathLike) else None
            raise OSError(self.number, os.strerror(self.number), named and os.fspath(named))

    @contextmanager
    def in_force(self) -> Iterator[None]:
        """Count the calls of this process in the block."""
        with pytest.MonkeyPatch.context() as patch:
            for name in _CALLS:
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
            patch.setattr(io, "open", self._opened)
            patch.setattr(builtins, "open", self._opened)
            yield

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            self.pass_or_fail(name, arguments[0] if arguments else None)
            return call(*arguments, **named)

        return watched

    def _opened(self, file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:  # noqa: ANN401
        self.pass_or_fail(f"open {mode}", file)
        opened = _OPEN(file, mode, *rest, **named)
        return _Watched(opened, self) if mode in {"rb", "wb"} else opened


class _Watched:
    """A binary file whose reads and writes may fail; such errors name no file."""

    def __init__(self, file: Any, refusal: Refusal) -> None:  # noqa: ANN401
        self._file, self._refusal = file, refusal

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)

    def read(self, *size: int) -> bytes:
        """Read, or fail."""
        self._refusal.pass_or_fail("read", None)
        data: bytes = self._file.read(*size)
        return data

    def write(self, data: bytes) -> int:
        """Write, or fail."""
        self._refusal.pass_or_fail("write", None)
        count: int = self._file.write(data)
        return count
