"""Keeping two runs out of one runs folder.

``flock`` by way of filelock: the kernel lets go of the lock when its holder ends, however it ends,
and the file itself is never removed, since a second holder could lock a new file of that name.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from etl.errors import BusyError, ConfigError
from etl.files import PRIVATE_FILE
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = ".lock"
_PATIENCE = 0.25  # seconds: `holder_of` has the lock for an instant
_LONGEST_NOTE = 200  # bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a runs folder, by its own note in the lock file.

    The note is for people and proves nothing: both are None where it cannot be read.
    """

    pid: int | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        return f"PID {self.pid}, since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""


@contextmanager
def locked(runs_dir: Path) -> Iterator[None]:
    """Hold the runs folder.

    Raises:
        BusyError: another run holds it.
        ConfigError: it cannot be held, such as on a file system without locks.
    """
    path = runs_dir / _NAME
    lock = FileLock(path, timeout=_PATIENCE, mode=PRIVATE_FILE, fallback_to_soft=False)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(_in_use(runs_dir)) from None
    except (OSError, NotImplementedError):
        raise ConfigError(
            f"the file {path} cannot be locked; nothing was sent: choose another folder"
            " with --runs-dir"
        ) from None
    try:
        _note_holder(path)
        yield
    finally:
        lock.release()


def holder_of(runs_dir: Path) -> Holder | None:
    """Return who holds the runs folder; None where nobody does, or nobody can tell."""
    with suppress(OSError):
        descriptor = os.open(runs_dir / _NAME, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _noted(os.read(descriptor, _LONGEST_NOTE))
        finally:
            os.close(descriptor)
    return None


def _in_use(runs_dir: Path) -> str:
    known = str(holder_of(runs_dir) or "")
    return f"another run is using {runs_dir}{f' ({known})' if known else ''}; nothing was sent"


def _note_holder(path: Path) -> None:
    note = json.dumps({"pid": os.getpid(), "since": utc_time(time.time())})
    with suppress(OSError):  # a full disk stops the run where it matters
        path.write_text(f"{note}\n", encoding="ascii")


def _noted(note: bytes) -> Holder:
    """Read what a holder wrote of itself, be it nothing or rubbish."""
    try:
        facts = json.loads(note)
        return Holder(int(facts["pid"]), datetime.fromisoformat(facts["since"]).astimezone(UTC))
    except (ValueError, TypeError, KeyError, OverflowError):
        return Holder()
