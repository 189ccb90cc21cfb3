"""Locking a runs folder, so that only one program uses it at a time.

This is ``flock`` through filelock. The kernel releases the lock when its holder ends, even if it is
killed. The file is never removed, since another program could then lock a new file of that name.
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
from etl.files import PRIVATE_FILE, NotRegularError, read_regular
from etl.runs.listing import unreadable
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = ".lock"
_PATIENCE = 0.25  # seconds, since `holder_of` takes the lock for an instant
_POLL = 0.01  # seconds; pruning lets others in for longer than that
_LONGEST_NOTE = 200  # bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that uses a runs folder, by its own note in the lock file.

    The note is for people and proves nothing. Both values are None if it cannot be read.
    """

    pid: int | None = None
    since: datetime | None = None

    def __str__(self) -> str:
        return f"PID {self.pid}, since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A time during which this process holds the lock.

    ``note`` is what it left in the lock file, and ``before`` the note that it found there. Whoever
    finds its own note again knows that nobody held the lock meanwhile.
    """

    note: bytes
    before: bytes | None


@contextmanager
def locked(runs_dir: Path) -> Iterator[Turn]:
    """Lock the runs folder.

    Raises:
        BusyError: another run is using it.
        ConfigError: it cannot be locked: its lock file is another user's, or the file system has no
            locks.
    """
    path = runs_dir / _NAME
    lock = FileLock(path, timeout=_PATIENCE, mode=PRIVATE_FILE, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=_POLL)
    except Timeout:
        raise BusyError(_in_use(runs_dir)) from None
    except PermissionError as error:
        raise ConfigError(f"{unreadable(path, error)}; nothing was sent") from None
    except (OSError, NotImplementedError):
        raise ConfigError(
            f"the file {path} cannot be locked; nothing was sent: choose another folder"
            " with --runs-dir"
        ) from None
    try:
        yield _note_holder(path)
    finally:
        lock.release()


def holder_of(runs_dir: Path) -> Holder | None:
    """Return the process that uses the runs folder, or None if there is none or it is unknown."""
    with suppress(OSError):
        descriptor = os.open(runs_dir / _NAME, os.O_RDONLY | os.O_NONBLOCK)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _parsed(os.read(descriptor, _LONGEST_NOTE))
        finally:
            os.close(descriptor)
    return None


def _in_use(runs_dir: Path) -> str:
    known = str(holder_of(runs_dir) or "")
    return f"another run is using {runs_dir}{f' ({known})' if known else ''}; nothing was sent"


def _note_holder(path: Path) -> Turn:
    facts = {"pid": os.getpid(), "since": utc_time(time.time())}
    note, before = f"{json.dumps(facts)}\n".encode("ascii"), None
    with suppress(OSError, NotRegularError):  # a full disk stops the run where it matters
        before = read_regular(path)
        path.write_bytes(note)
    return Turn(note, before)


def _parsed(note: bytes) -> Holder:
    """Return the holder that a lock file's note names; the note may be empty or damaged."""
    try:
        facts = json.loads(note)
        return Holder(int(facts["pid"]), datetime.fromisoformat(facts["since"]).astimezone(UTC))
    except (ValueError, TypeError, KeyError, OverflowError):
        return Holder()
