"""Keeping two runs out of one runs folder.

``flock`` by way of filelock: the kernel lets go of the lock when its holder ends, however it ends,
and the file itself is never removed, since a second holder could lock a new file of that name.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from etl.errors import BusyError, ConfigError
from etl.files import PRIVATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = ".lock"


@contextmanager
def locked(runs_dir: Path) -> Iterator[None]:
    """Hold the runs folder.

    Raises:
        BusyError: another run holds it.
        ConfigError: it cannot be held, such as on a file system without locks.
    """
    lock = FileLock(runs_dir / _NAME, timeout=0, mode=PRIVATE_FILE, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"another run holds the folder {runs_dir}; nothing was sent: wait for its end"
        ) from None
    except (OSError, NotImplementedError):
        raise ConfigError(
            f"the file {runs_dir / _NAME} cannot be locked; nothing was sent: choose another folder"
            " with --runs-dir"
        ) from None
    try:
        yield
    finally:
        lock.release()
