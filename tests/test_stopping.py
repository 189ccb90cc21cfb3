"""Stopping because of a signal, or of what the system refuses."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from etl.errors import StoppedError
from etl.stopping import StopRequest, is_disk_full, stop_on_refusal, stop_on_signals

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


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO])
def test_a_full_or_failing_disk_is_told_from_other_refusals(number: int) -> None:
    """A full disk or quota, a file that may not grow and a failing disk are no wrong settings."""
    assert is_disk_full(OSError(number, os.strerror(number)))
    assert not is_disk_full(OSError(errno.EACCES, "denied"))


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "The disk is full: r/results.csv. Make room on it, then run the command"),
        (errno.EDQUOT, "The disk quota is used up: r/results.csv. Make room, or raise the quota,"),
        (errno.EFBIG, "A file may not grow any more: r/results.csv. Raise the limit (ulimit -f),"),
        (errno.EIO, "The disk is failing: r/results.csv. Check it,"),
        (errno.EACCES, "Permission denied: r/results.csv. Give the job's user access,"),
        (errno.EROFS, "The disk is read-only: r/results.csv. Mount it for writing,"),
        (errno.EMFILE, "Too many files are open: r/results.csv. Raise the limit (ulimit -n), or"),
        (errno.ENAMETOOLONG, "A path is too long: r/results.csv. Choose a folder with a shorter"),
        (errno.ESTALE, "The network disk was replaced: r/results.csv. Mount its disk again,"),
        (errno.ENOLCK, f"{os.strerror(errno.ENOLCK)}: r/results.csv. Correct this,"),
    ],
)
def test_what_the_system_refuses_stops_the_run(number: int, sentence: str) -> None:
    """The sentence has the reason, the path and what to do; the run can be resumed."""
    with pytest.raises(StoppedError) as raised, stop_on_refusal():
        raise OSError(number, os.strerror(number), "r/results.csv")
    assert str(raised.value).startswith(sentence)
    assert str(raised.value).endswith(", then run the command again.")


@pytest.mark.parametrize("name", ["a\nb.csv", b"caf\xe9\n.csv"])
def test_a_path_in_the_sentence_is_one_readable_line(name: str | bytes) -> None:
    """A line break in a file's name cannot fake another line."""
    with pytest.raises(StoppedError, match=r"<U\+000A>"), stop_on_refusal():
        raise OSError(errno.EIO, "failed", name)


def test_memory_that_is_used_up_stops_the_run() -> None:
    """It can be resumed with more memory."""
    with pytest.raises(StoppedError, match=r"^The memory is used up"), stop_on_refusal():
        raise MemoryError


def test_a_thread_that_cannot_be_started_stops_the_run() -> None:
    """CPython reports it without a number."""
    with pytest.raises(StoppedError, match=r"^No more threads can be started\."), stop_on_refusal():
        raise RuntimeError("can't start new thread")


@pytest.mark.parametrize(
    "error", [OSError("no number"), ValueError("other"), RuntimeError("other")]
)
def test_other_errors_are_not_changed(error: Exception) -> None:
    """A fault of the program stays one."""
    with pytest.raises(type(error)) as raised, stop_on_refusal():
        raise error
    assert raised.value is error
