"""Writing files so that they are either whole or not there, and private.

A file is written beside its final name, flushed to the disk, renamed over it, and the folder is
flushed too: only then does it survive a power cut.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
WORKBOOKS = frozenset({".xlsx", ".xlsm"})  # the endings of their names
_UNFINISHED = ".new"


def sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: Path) -> None:
    """Make a new, empty, private file.

    Raises:
        FileExistsError: something of that name is there, be it a link.
    """
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))


def unfinished_name(name: str) -> str:
    """Return the name under which `replacing` writes a file of this name."""
    return f".{name}{_UNFINISHED}"


def unfinished_in(folder: Path) -> list[Path]:
    """Return what `replacing` could not finish, because the program was killed."""
    return list(folder.glob(f".*{_UNFINISHED}"))


def require_replaceable(path: Path) -> None:
    """Check that a file can be written in the place of ``path``, which is left as it is.

    Raises:
        OSError: it cannot, for want of rights or because of the name.
    """
    _begun(path).unlink()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a new private file that takes the place of ``path`` when all went well.

    After an error ``path`` is what it was before and the new file is gone.
    """
    new = _begun(path)
    try:
        yield new
        with new.open("rb") as written:
            os.fsync(written.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _begun(path: Path) -> Path:
    new = path.with_name(unfinished_name(path.name))
    new.unlink(missing_ok=True)
    create(new)
    return new
