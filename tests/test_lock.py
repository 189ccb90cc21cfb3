"""Two runs never share a runs folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import BusyError
from etl.runs.lock import locked

HOLDER = """
import pathlib, sys
from etl.runs.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_that_is_held_is_refused(tmp_path: Path) -> None:
    """At once, and the message says that nothing was sent."""
    with (
        locked(tmp_path),
        pytest.raises(BusyError, match="nothing was sent: wait for its end"),
        locked(tmp_path),
    ):
        pytest.fail("two runs hold the folder")


def test_a_folder_can_be_held_again(tmp_path: Path) -> None:
    """Once the other run has ended, well or not."""

    def fail() -> None:
        with locked(tmp_path):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    with locked(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [".lock"]


def test_another_folder_is_another_matter(tmp_path: Path) -> None:
    """Two accounts may run at the same time, each in its own."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with locked(tmp_path / "a"), locked(tmp_path / "b"):
        pass


def test_the_lock_is_private_and_stays_the_same_file(tmp_path: Path) -> None:
    """Were it removed, a second holder could lock a new file of its name."""
    with locked(tmp_path):
        first = (tmp_path / ".lock").stat()
    with locked(tmp_path):
        second = (tmp_path / ".lock").stat()
    assert first.st_ino == second.st_ino
    assert first.st_mode & 0o777 == 0o600


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    """The kernel lets go of the lock: nobody has to tidy up before the next night."""
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
