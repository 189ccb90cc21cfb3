"""Writing files that are private, and that are either complete or absent.

A file is written under a temporary name in the same folder, flushed to the disk and renamed; then
the folder is flushed too. Only this order survives a power cut.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
WORKBOOKS = (".xlsx", ".xlsm")  # the endings of their names
_UNFINISHED = ".new"


def is_workbook(name: str) -> bool:
    """Whether a file of this name is a workbook; otherwise it is a CSV."""
    return name.lower().endswith(WORKBOOKS)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file that a block reads or writes in an `OSError` that names none.

    The system names a file that cannot be opened, but not one that cannot be written or flushed.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


def flush(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming(path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


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
    """Return what `replacing` and `scratch_beside` left because the program was killed."""
    return list(folder.glob(f".*{_UNFINISHED}"))


def remove_unfinished(folder: Path) -> None:
    """Remove what the program left unfinished because it was killed."""
    for path in unfinished_in(folder):
        remove(path)


def remove(path: Path) -> None:
    """Remove a file, a symbolic link, or a folder and all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def scratch_beside(path: Path) -> TemporaryDirectory[str]:
    """Return a private folder beside a file, for temporary files; as a context manager.

    TMPDIR is not used: it may be small, shared or missing, and the files hold personal data.
    """
    return TemporaryDirectory(prefix=".", suffix=_UNFINISHED, dir=path.parent)


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a path, or what it links to, is the folder or in it; neither needs to exist."""
    outer = Path(os.path.realpath(folder))
    itself = Path(os.path.realpath(path.parent), path.name)
    target = Path(os.path.realpath(path))
    return any(outer in (place, *place.parents) for place in (itself, target))


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
        with naming(path):
            yield new
        flush(new)
        new.replace(path)
    except BaseException:
        with suppress(OSError):
            new.unlink()
        raise
    flush(path.parent)


def _new_file(path: Path) -> Path:
    """Create the private file that will replace ``path``, beside it and empty."""
    new = path.with_name(unfinished_name(path.name))
    new.unlink(missing_ok=True)
    create(new)
    return new


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with naming(path), path.open("rb") as file:
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
