"""Printing, and the progress bar. A console that cannot be written to does not affect a run."""

from __future__ import annotations

import io
import json
import logging
import os
import select
import sys
from contextlib import contextmanager, suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import IO, TYPE_CHECKING, TextIO, cast

from etl.text import counted, visible, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.progress import Progress as RichProgress

    from etl.rows import RowResult, Status

_PATIENCE = 10.0  # seconds that a reader of the output may take for 4 KiB


def say(text: str = "") -> None:
    """Print lines on standard output."""
    _print(_readable(text), sys.stdout)


def say_json(value: object) -> None:
    """Print a value as JSON for programs, with every character as it is."""
    _print(json.dumps(value, ensure_ascii=False, indent=2), sys.stdout)


def complain(text: str) -> None:
    """Print lines on standard error, which is seen even if the output is redirected."""
    _print(_readable(text), sys.stderr)


def _readable(text: str) -> str:
    """Return the lines for a terminal, which does not interpret bidi marks."""
    return "\n".join(map(visible, without_isolates(text).split("\n")))


def _print(text: str, stream: TextIO) -> None:
    line = f"{text}\n".encode(stream.encoding or "utf-8", "replace")
    try:
        stream.flush()
        _write(stream.fileno(), line)
    except UnsupportedOperation:  # a stream in memory, which has no file descriptor
        stream.write(line.decode(stream.encoding or "utf-8"))
    except (OSError, ValueError):  # the reader is gone or has stopped reading, or the disk is full
        _silence(stream)


def _write(descriptor: int, line: bytes) -> None:
    """Write at the reader's pace, but give up on a reader that has stopped reading.

    A terminal is waited for, since a person may have paused its output.
    """
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    patience = None if os.isatty(descriptor) else 1000 * _PATIENCE
    while line:
        if not ready.poll(patience):
            raise TimeoutError
        # A pipe that is ready accepts this much without waiting: POSIX, write(2).
        line = line[os.write(descriptor, line[: select.PIPE_BUF]) :]


def _silence(stream: TextIO) -> None:
    """Discard everything that is still written to a stream."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_missing() -> None:
    """Open the standard streams that were closed when the program started.

    Otherwise the next files to be opened, such as the journal, would get their descriptors.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def let_go() -> None:
    """Flush the standard streams; what cannot be written is discarded, not retried at the exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(stream)


class ToConsole(logging.Handler):
    """Prints what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        complain(self.format(record))


class Silence:
    """Shows no progress, as under cron."""

    def staging(self, rows: int) -> None:
        """Show nothing."""

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Show nothing."""

    def sent(self, results: Sequence[RowResult]) -> None:
        """Show nothing."""

    def stopping(self, under_way: int) -> None:
        """Print what the run is waiting for, if there is a terminal where somebody may see it."""
        if terminal := _terminal():
            with terminal:
                terminal.write(f"{_stopping_in_words(under_way)}\n")


class _Terminal(io.TextIOBase):
    """A terminal that never blocks the program: what it does not accept at once is dropped."""

    def __init__(self, name: str) -> None:
        """Open it again without blocking, since other programs share the standard streams.

        Raises:
            OSError: it cannot be opened.
        """
        super().__init__()
        self._descriptor = os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(self._descriptor, text.encode(errors="replace"))
        return len(text)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


class ProgressBar:
    """A bar on a terminal: rows done, rows per second, time left, and rows of each status."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task = bar.add_task("Reading", total=None, rows="", details="")
        self._counts: dict[Status, int] = {}

    def staging(self, rows: int) -> None:
        """Show how many rows have been read."""
        self._bar.update(self._task, completed=rows, rows=counted(rows, "row"))

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Show the rows that are sent from now on."""
        self._counts = {status: count for status, count in counts.items() if status.final}
        self._bar.reset(self._task, description="Sending", total=pending)
        self._show()

    def sent(self, results: Sequence[RowResult]) -> None:
        """Show rows that are finished."""
        for result in results:
            self._counts[result.status] = self._counts.get(result.status, 0) + 1
        self._bar.advance(self._task, len(results))
        self._show()

    def stopping(self, under_way: int) -> None:
        """Print what the run is waiting for, and show the cursor, in case it is killed."""
        self._bar.console.print(_stopping_in_words(under_way), highlight=False, soft_wrap=True)
        self._bar.console.show_cursor()

    def leave(self) -> None:
        """Remove the bar, unless the run stopped early: then it shows how far it got."""
        (task,) = self._bar.tasks
        if task.total and not task.finished:
            self._bar.live.transient = False
            self._bar.columns = self._bar.columns[1:-1]  # without the spinner and the time left
            self._bar.update(self._task, description="Stopped")

    def _show(self) -> None:
        """Show how many rows are finished, how fast, and with which status."""
        (task,) = self._bar.tasks
        details = [f"{status} {count:,}" for status, count in self._counts.items() if count]
        if task.speed and task.speed >= 1:
            details.insert(0, f"{task.speed:,.0f} rows/s")
        self._bar.update(
            self._task,
            rows=f"{task.completed:,.0f} of {task.total or 0:,.0f}",
            details="  ".join(details),
        )


def _stopping_in_words(under_way: int) -> str:
    requests = "request" if under_way == 1 else f"{under_way} requests"
    waiting = f" after the {requests} under way" if under_way else ""
    return f"Stopping{waiting}. Press Ctrl-C again to stop at once."


@contextmanager
def progress(*, wanted: bool) -> Iterator[Silence | ProgressBar]:
    """Give a bar on standard error if that is a terminal, and `Silence` otherwise.

    The bar is removed afterwards, unless the run stopped early.
    """
    terminal = _terminal() if wanted else None
    if terminal is None:
        yield Silence()
        return
    # Imported only for a terminal: under cron the import would take longer than the output.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    with (
        terminal,
        Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[rows]}"),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(),
            console=Console(file=cast("IO[str]", terminal)),
            transient=True,
        ) as bar,
    ):
        shown = ProgressBar(bar)
        try:
            yield shown
        finally:
            shown.leave()


def _terminal() -> _Terminal | None:
    """Return standard error as a terminal, if it is one."""
    try:
        return _Terminal(os.ttyname(sys.stderr.fileno()))
    except OSError:
        return None
