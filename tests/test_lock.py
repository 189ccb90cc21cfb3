"""Two runs never share a runs folder."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from etl.errors import BusyError
from etl.runs.lock import holder_of, locked

HOLDER = """
import pathlib, sys
from etl.runs.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_is_held_is_refused(tmp_path: Path) -> None:
    """The message says who holds it, since when, and that nothing was sent."""
    holder = rf"\(PID {os.getpid()}, since 20[0-9-]{{8}} [0-9:]{{5}} UTC\)"
    message = rf"another run is using {tmp_path} {holder}; nothing was sent$"
    with locked(tmp_path), pytest.raises(BusyError, match=message), locked(tmp_path):
        pytest.fail("two runs hold the folder")


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff\x00",
        b"[]",
        b'{"pid": 1}',
        b'{"pid": "x", "since": "2026-11-28T02:15:00+00:00"}',
        b'{"pid": 1e999, "since": "2026-11-28T02:15:00+00:00"}',
        b'{"pid": 1, "since": "yesterday"}',
        b'{"pid": 1, "since": 5}',
        b"[" * 100_000,
    ],
)
def test_a_note_that_is_rubbish_is_left_out(tmp_path: Path, note: bytes) -> None:
    """A damaged note is ignored, and the lock still holds."""
    with FileLock(tmp_path / ".lock"):
        (tmp_path / ".lock").write_bytes(note)
        message = f"another run is using {tmp_path}; nothing was sent$"
        with pytest.raises(BusyError, match=message), locked(tmp_path):
            pytest.fail("two runs hold the folder")
        assert (tmp_path / ".lock").read_bytes() == note


def test_the_holder_is_known_while_it_holds(tmp_path: Path) -> None:
    """The holder is known only while it holds the lock."""
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
        assert holder.since is not None
        assert abs(datetime.now(UTC) - holder.since) < timedelta(minutes=1)
    assert holder_of(tmp_path) is None
    assert holder_of(tmp_path / "none") is None


def test_looking_for_the_holder_keeps_nobody_out(tmp_path: Path) -> None:
    """Looking for the holder does not prevent a run from starting."""
    with locked(tmp_path):
        pass
    descriptor = os.open(tmp_path / ".lock", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    letting_go = threading.Timer(0.1, os.close, [descriptor])
    letting_go.start()
    with locked(tmp_path):
        letting_go.join()


def test_a_folder_can_be_held_again(tmp_path: Path) -> None:
    """A folder can be locked again after the other run ended, also by an error."""

    def fail() -> None:
        with locked(tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with locked(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_two_folders_can_be_used_at_once(tmp_path: Path) -> None:
    """Two runs folders can be used at the same time."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        pass


def test_the_lock_is_private_and_stays_the_same_file(tmp_path: Path) -> None:
    """The lock file is private and is never replaced."""
    with locked(tmp_path):
        first = (tmp_path / ".lock").stat()
    with locked(tmp_path):
        second = (tmp_path / ".lock").stat()
    assert first.st_ino == second.st_ino
    assert first.st_mode & 0o777 == 0o600


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    """The lock of a killed program is free."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError), locked(tmp_path):
            pytest.fail("two runs hold the folder")
        holder.kill()
    with locked(tmp_path):
        pass
