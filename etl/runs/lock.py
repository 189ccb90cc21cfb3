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
_PATIENCE_WITH_BRIEF = 60.0  # seconds
_POLL = 0.01  # seconds; who holds the lock briefly lets others in for longer than that
_LONGEST_NOTE = 200  # bytes


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that uses a runs folder, by its own note in the lock file.

    The note is for people and proves nothing. Both values are None if it cannot be read.
    ``briefly`` means that it lets others in between two pieces of its work.
    """

    pid: int | None = None
    since: datetime | None = None
    briefly: bool = False

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
def locked(runs_dir: Path, *, briefly: bool = False) -> Iterator[Turn]:
    """Lock the runs folder.

    ``briefly`` tells others that it is worth waiting for the lock.

    Raises:
        BusyError: another run is using it, and not briefly.
        ConfigError: it cannot be locked: its lock file is another user's, or the file system has no
            locks.
    """
    path = runs_dir / _NAME
    lock = FileLock(path, timeout=_PATIENCE, mode=PRIVATE_FILE, fallback_to_soft=False)
    until = time.monotonic() + _PATIENCE_WITH_BRIEF
    try:
        while not _acquired(lock):
            holder = holder_of(runs_dir)
            # It is None if the lock was given back just now.
            if time.monotonic() > until or not (holder is None or holder.briefly):
                raise BusyError(_in_use(runs_dir, holder))
    except PermissionError as error:
        raise ConfigError(f"{unreadable(path, error)}; nothing was sent") from None
    except (OSError, NotImplementedError):
        raise ConfigError(
            f"the file {path} cannot be locked; nothing was sent: choose another folder"
            " with --runs-dir"
        ) from None
    try:
        yield _note_holder(path, briefly=briefly)
    finally:
        lock.release()


def _acquired(lock: FileLock) -> bool:
    try:
        lock.acquire(poll_interval=_POLL)
    except Timeout:
        return False
    return True


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


def _in_use(runs_dir: Path, holder: Holder | None) -> str:
    known = str(holder or "")
    return f"another run is using {runs_dir}{f' ({known})' if known else ''}; nothing was sent"


def _note_holder(path: Path, *, briefly: bool) -> Turn:
    facts = {"pid": os.getpid(), "since": utc_time(time.time()), "briefly": briefly}
    note, before = f"{json.dumps(facts)}\n".encode("ascii"), None
    with suppress(OSError, NotRegularError):  # a full disk stops the run where it matters
        before = read_regular(path)
        path.write_bytes(note)
    return Turn(note, before)


def _parsed(note: bytes) -> Holder:
    """Return the holder that a lock file's note names; the note may be empty or damaged."""
    try:
        facts = json.loads(note)
        since = datetime.fromisoformat(facts["since"]).astimezone(UTC)
        return Holder(int(facts["pid"]), since, facts.get("briefly") is True)
    except (ValueError, TypeError, KeyError, OverflowError):
        return Holder()
