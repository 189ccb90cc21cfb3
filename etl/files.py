"""Writing files that are private, and that are either complete or absent.

A file is written under a temporary name in the same folder, flushed to the disk and renamed; then
the folder is flushed too. Only this order survives a power cut.
"""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
WORKBOOKS = (".xlsx", ".xlsm")  # the endings of their names
_UNFINISHED = ".new"


def is_workbook(name: str) -> bool:
    """Whether a file of this name is a workbook; otherwise it is a CSV."""
    return name.lower().endswith(WORKBOOKS)


def flush(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk."""
    flush(folder)


def create(path: Path) -> None:
    """Create an empty, private file.

    Raises:
        FileExistsError: the name exists, even if it is only a symbolic link.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def unfinished_name(name: str) -> str:
    """Return the name under which `replacing` writes a file of this name."""
    return f".{name}{_UNFINISHED}"


def unfinished_in(folder: Path) -> list[Path]:
    """Return the files that `replacing` left unfinished because the program was killed."""
    return list(folder.glob(f".*{_UNFINISHED}"))


def require_replaceable(path: Path) -> None:
    """Check that `replacing` can write this path, without changing the path itself.

    Raises:
        OSError: the path cannot be written, because of permissions or its name.
    """
    _new_file(path).unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield the path of a new private file, which replaces ``path`` when the block ends.

    If the block raises, ``path`` is unchanged and the new file is removed.
    """
    new = _new_file(path)
    try:
        yield new
        flush(new)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _new_file(path: Path) -> Path:
    """Create the private file that will replace ``path``, beside it and empty."""
    new = path.with_name(unfinished_name(path.name))
    new.unlink(missing_ok=True)
    create(new)
    return new


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class NotRegularError(ValueError):
    """What has the name of a file is a folder, a pipe or a device."""


def read_regular(path: Path) -> bytes:
    """Return the content of a file, without waiting for a writer if it is a pipe.

    Raises:
        OSError: it cannot be read.
        NotRegularError: it is not a file.
    """
    # Opening a pipe for reading waits for its writer, unless it is opened with O_NONBLOCK.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        require_regular(descriptor)
    except NotRegularError:
        os.close(descriptor)
        raise
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def require_regular(descriptor: int) -> None:
    """Check that what was opened is a file.

    Raises:
        NotRegularError: it is a folder, a pipe or a device.
    """
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise NotRegularError("not a regular file")
