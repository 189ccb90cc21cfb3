"""Stopping because of a signal, or because the disk is full."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from etl.errors import StoppedError
from etl.stopping import StopRequest, is_disk_full, stop_on_full_disk, stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]
REASONS = {
    signal.SIGTERM: "The run was stopped (SIGTERM).",
    signal.SIGINT: "The run was interrupted (Ctrl-C).",
    signal.SIGHUP: "The run was stopped (SIGHUP).",
}


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    """Restore the signal handlers after each test."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_asks_the_run_to_stop(number: signal.Signals) -> None:
    """A signal wakes the run, and the reason is a sentence that names it."""
    woken = []
    with stop_on_signals() as request:
        request.on_ask(lambda: woken.append(True))
        os.kill(os.getpid(), number)
        assert request.reason == REASONS[number]
    assert woken == [True]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored(number: signal.Signals) -> None:
    """A signal that was ignored, as with nohup, stays ignored."""
    signal.signal(number, signal.SIG_IGN)
    with stop_on_signals() as request:
        os.kill(os.getpid(), number)
        assert request.reason is None
    assert signal.getsignal(number) is signal.SIG_IGN


def test_afterwards_signals_do_what_they_did_before() -> None:
    """The signal handlers are restored after the run."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with stop_on_signals():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_a_second_signal_ends_it_at_once() -> None:
    """A second signal ends the program at once."""
    code = (
        "import os, signal, time\n"
        "from etl.stopping import stop_on_signals\n"
        "with stop_on_signals():\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "        os.kill(os.getpid(), signal.SIGHUP)\n"
        "    finally:\n"
        "        time.sleep(60)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 4


def test_a_file_that_was_not_started_is_not_started() -> None:
    """Nothing was sent, and the message says so in full sentences."""
    request = StopRequest()
    request.check()
    request.ask("The run was stopped (SIGTERM).")
    with pytest.raises(StoppedError) as raised:
        request.check()
    assert str(raised.value) == (
        "The run was stopped (SIGTERM). Nothing was sent. Run the command again."
    )


def sqlite_error(statement: str) -> sqlite3.Error:
    """SQLite's error in a database that may not grow."""
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.Error) as raised:
            db.execute(statement)
    return raised.value


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_no_room_stops_the_run(number: int) -> None:
    """A full disk or quota, a file that may not grow, and a failing disk stop the run."""
    with (
        pytest.raises(StoppedError, match=r"^The disk is full or failing\. Make room, "),
        stop_on_full_disk(),
    ):
        raise OSError(number, os.strerror(number))


def test_no_room_for_the_journal_stops_the_run() -> None:
    """SQLite reports it in its own way."""
    full = sqlite_error("CREATE TABLE rows (row INTEGER)")
    assert is_disk_full(full)
    with (
        pytest.raises(StoppedError, match=r"^The disk is full or failing\. Make room, "),
        stop_on_full_disk(),
    ):
        raise full


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EACCES, "denied"),
        OSError("no number"),
        ValueError("other"),
        sqlite3.ProgrammingError("closed"),
    ],
)
def test_other_errors_are_not_taken_for_a_full_disk(error: Exception) -> None:
    """Other errors are not changed."""
    with pytest.raises(type(error)) as raised, stop_on_full_disk():
        raise error
    assert raised.value is error
    assert not is_disk_full(sqlite_error("no SQL"))
