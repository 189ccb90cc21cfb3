"""Printing never fails and never waits forever."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pty
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from etl.commands import console
from etl.commands.progress import Bar, progress
from etl.rows import RowResult, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def standard_output(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make a copy of a descriptor the standard output, and yield its number."""
    with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        yield stream.fileno()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Yield the reading end and the writing end of a pipe."""
    reader, writer = os.pipe()
    yield reader, writer
    for end in (reader, writer):
        os.close(end)


def test_a_line_is_printed_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that is longer than a pipe's buffer is printed completely."""
    text = "سارة " * 50_000
    with (tmp_path / "out").open("w") as file, standard_output(file.fileno(), monkeypatch):
        console.say(text)
        console.say()
    assert (tmp_path / "out").read_text(encoding="utf-8") == f"{text}\n\n"


def test_what_the_encoding_lacks_is_a_question_mark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Characters that the console's encoding lacks become question marks."""
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        console.say("سارة")
    assert (tmp_path / "out").read_bytes() == b"????\n"


def test_invisible_characters_are_written_out_on_the_console(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Control characters are written out, and bidi isolates are removed."""
    console.say("“\u2068سارة\u2069”\x1b[2J\nnext\u200f")
    console.complain("\u2068عمر\u2069\r")
    printed = capfd.readouterr()
    assert printed.out == "“سارة”<U+001B>[2J\nnext<U+200F>\n"
    assert printed.err == "عمر<U+000D>\n"


@pytest.mark.parametrize(
    "text", ["a\u200f\n\x7f\x9b\u202e.csv", "caf\udce9.csv", "سارة 😀\U000e0001"]
)
def test_json_has_escapes_for_invisible_characters(
    text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A terminal that shows it is safe, letters are readable, and programs read the same text."""
    console.say_json({"input": text})
    printed = capfd.readouterr().out
    assert json.loads(printed) == {"input": text}
    assert all(map(str.isprintable, printed.splitlines()))
    assert ("سارة 😀" in printed) == ("سارة 😀" in text)


def test_json_loses_nothing_on_a_stream_of_another_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoding lacks is an escape, not a question mark."""
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        monkeypatch.setattr(sys, "stdout", file)
        console.say_json({"input": "عملاء.csv"})
    assert json.loads((tmp_path / "out").read_text("ascii")) == {"input": "عملاء.csv"}


def test_a_reader_that_stops_reading_is_waited_for_once(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that stops reading is waited for once; then output is discarded."""
    monkeypatch.setattr(console, "_PATIENCE", 0.2)
    reader, writer = pipe
    with standard_output(writer, monkeypatch):
        start = time.monotonic()
        for _ in range(100):
            console.say("x" * 4_000)
        assert 0.2 < time.monotonic() - start < 2
    assert os.read(reader, 4_001) == b"x" * 4_000 + b"\n"


def test_a_slow_reader_gets_everything(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow reader gets all of the output."""
    reader, writer = pipe
    child = os.fork()
    if child == 0:
        os.close(writer)
        count = 0
        while data := os.read(reader, 50_000):
            count += len(data)
            time.sleep(0.01)
        os._exit(count == 200 * 4_001)
    with standard_output(writer, monkeypatch):
        for _ in range(200):
            console.say("x" * 4_000)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    os.dup2(reader, writer)  # so that the fixture can close both
    assert os.waitstatus_to_exitcode(status) == 1


def test_a_closed_pipe_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A closed pipe is not an error, also at the exit."""
    reader, writer = os.pipe()
    os.close(reader)
    with standard_output(writer, monkeypatch):
        os.close(writer)
        console.say("to nobody")
        console.say("to nobody")
        console.flush()


@contextmanager
def terminal_as_error(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Make a terminal the standard error, and yield the end that reads what it shows."""
    monkeypatch.setenv("TERM", "xterm")
    shown, descriptor = pty.openpty()
    os.set_blocking(shown, False)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield shown
        # This end first: closing the other one waits until its output is read.
        with contextlib.suppress(OSError):
            os.close(shown)


def shown_until(terminal: int, text: str) -> str:
    """Return what a terminal shows until ``text`` arrives, for at most a minute."""
    shown, until = "", time.monotonic() + 60
    while text not in shown and time.monotonic() < until:
        with contextlib.suppress(BlockingIOError):
            shown += os.read(terminal, 1 << 16).decode()
    return shown


def ended(status: Status) -> RowResult:
    """Return the result of a row that ended with this status."""
    return RowResult(2, 7, status, 1, "", 20)


def test_a_terminal_shows_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar shows the number of rows sent, the total, and the statuses."""
    with terminal_as_error(monkeypatch) as terminal:
        with progress(enabled=True) as bar:
            bar.sending({Status.INVALID: 1_000}, 3_000)
            bar.sent([ended(Status.SUCCESS)])
        shown = shown_until(terminal, "\x1b[?25h")
    assert "1 of 3,000 INVALID 1,000  SUCCESS 1" in shown


def test_the_bar_of_a_run_that_stopped_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bar of a stopped run stays; those of a finished run and of reading are removed."""
    stays = {}
    for pending in (0, 1, 2):
        with terminal_as_error(monkeypatch) as terminal:
            with progress(enabled=True) as bar:
                bar.staging(5)
                if pending:
                    bar.sending({}, pending)
                    bar.sent([ended(Status.SUCCESS)])
            stays[pending] = shown_until(terminal, "\x1b[?25h").endswith("SUCCESS 1\r\n\x1b[?25h")
    assert stays == {0: False, 1: False, 2: True}


@pytest.mark.parametrize("enabled", [True, False])
@pytest.mark.parametrize(
    ("under_way", "words"),
    [
        (8, "Stopping after the 8 requests under way. Press Ctrl-C again to stop at once."),
        (1, "Stopping after the request under way. Press Ctrl-C again to stop at once."),
        (0, "Stopping. Press Ctrl-C again to stop at once."),
    ],
)
def test_a_terminal_shows_what_the_run_waits_for(
    monkeypatch: pytest.MonkeyPatch,
    under_way: int,
    words: str,
    enabled: bool,  # noqa: FBT001
) -> None:
    """After Ctrl-C the terminal says at once what the run waits for."""
    with terminal_as_error(monkeypatch) as terminal, progress(enabled=enabled) as bar:
        bar.stopping(under_way)
        assert words in shown_until(terminal, "at once.")


def test_a_paused_terminal_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A paused terminal does not block the run."""
    with terminal_as_error(monkeypatch) as terminal:
        os.set_blocking(sys.stderr.fileno(), False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(sys.stderr.fileno(), b"x" * 1_000)
        os.set_blocking(sys.stderr.fileno(), True)
        start = time.monotonic()
        with progress(enabled=True) as bar:
            assert isinstance(bar, Bar)
            bar.staging(1_000)
        assert time.monotonic() - start < 5
        assert os.read(terminal, 1) == b"x"  # it arrived long ago


def test_a_closed_terminal_is_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that was closed during the run is not an error."""
    with terminal_as_error(monkeypatch) as terminal, progress(enabled=True) as bar:
        assert isinstance(bar, Bar)
        os.close(terminal)
        bar.staging(1_000)


def test_without_a_terminal_there_is_no_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no bar without a terminal, or if it is not enabled."""
    with (tmp_path / "err").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        for enabled in (True, False):
            with progress(enabled=enabled) as bar:
                bar.staging(1_000)
                bar.stopping(8)
    assert (tmp_path / "err").read_bytes() == b""


def test_the_log_can_be_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The log can be printed to standard error."""
    handler = console.ToConsole()
    handler.emit(logging.LogRecord("etl", logging.INFO, "", 0, "held", None, None))
    assert capfd.readouterr().err == "held\n"
