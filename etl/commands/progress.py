"""The progress bar of a run, on standard error."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, cast

from etl.jobs.context import Progress
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.progress import Progress as RichProgress

    from etl.rows import RowResult, Status


class Silence(Progress):
    """Shows no progress, as under cron."""

    def hide(self) -> None:
        """Do nothing: there is no bar."""

    def stopping(self, under_way: int) -> None:
        """Print what the run is waiting for, if there is a terminal where somebody may see it."""
        if terminal := _terminal():
            with terminal:
                terminal.write(f"{_stopping_in_words(under_way)}\n")


class Bar(Progress):
    """A bar on a terminal: rows done, rows per second, time left, and rows of each status."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task = bar.add_task("Reading", total=None, rows="", details="")
        self._counts: dict[Status, int] = {}

    def hide(self) -> None:
        """Remove the bar so that something can be printed; it returns with the next file."""
        self._bar.stop()

    def staging(self, rows: int) -> None:
        """Show how many rows have been read."""
        self._bar.start()
        self._bar.update(self._task, completed=rows, rows=counted(rows, "row"))

    def reading(self, pending: int) -> None:
        """Show that clients are read from now on."""
        self._counts = {}
        self._bar.reset(self._task, description="Comparing", total=pending)
        self._show()

    def read(self, results: Sequence[RowResult]) -> None:
        """Show rows whose clients were read."""
        self._bar.advance(self._task, len(results))
        self._show()

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
        """Print what the run is waiting for, and show the cursor again, in case it is killed."""
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


@contextmanager
def progress(*, enabled: bool) -> Iterator[Silence | Bar]:
    """Yield a bar on standard error if that is a terminal and ``enabled``, otherwise `Silence`.

    The bar is removed when the block ends, unless the run stopped early.
    """
    terminal = _terminal() if enabled else None
    if terminal is None:
        yield Silence()
        return
    # Imported only for a terminal: under cron the import would take longer than the output.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress  # noqa: PLC0415

    with (
        terminal,
        RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[rows]}"),
            TextColumn("{task.fields[details]}"),
            TimeRemainingColumn(),
            console=Console(file=cast("IO[str]", terminal)),
            transient=True,
        ) as shown,
    ):
        bar = Bar(shown)
        try:
            yield bar
        finally:
            bar.leave()


class _Terminal(io.TextIOBase):
    """A terminal that never blocks the program: what it does not accept at once is dropped."""

    def __init__(self, name: str) -> None:
        """Open a terminal again, without blocking.

        Making the standard streams non-blocking would affect the other programs that share them.

        Raises:
            OSError: the terminal cannot be opened.
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


def _terminal() -> _Terminal | None:
    """Return standard error as a terminal, if it is one."""
    try:
        return _Terminal(os.ttyname(sys.stderr.fileno()))
    except OSError:
        return None


def _stopping_in_words(under_way: int) -> str:
    requests = "request" if under_way == 1 else f"{under_way} requests"
    waiting = f" after the {requests} under way" if under_way else ""
    return f"Stopping{waiting}. Press Ctrl-C again to stop at once."
