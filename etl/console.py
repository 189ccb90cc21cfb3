"""What is printed, and the progress bar; a console that cannot be written to changes nothing."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

import click

from etl.text import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.progress import Progress as RichProgress

    from etl.rows import RowResult, Status


def say(text: str = "") -> None:
    """Print a line for whoever ran the command."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print a line that must be seen even where the output is put away."""
    _print(text, sys.stderr)


def say_columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table: a line for each row, as wide as its text is, so that it can be searched."""
    table = [tuple(header), *(tuple(map(visible, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        say("  ".join(cells).rstrip())


def _print(text: str, stream: TextIO) -> None:
    with suppress(OSError, ValueError):  # a reader that has gone, a full disk, a closed stream
        click.echo(text.encode(stream.encoding or "utf-8", "replace").decode(), file=stream)


def let_go() -> None:
    """Flush the standard streams; what cannot be written now is not tried again at the exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class Silence:
    """Watches a run and shows nothing, as under cron."""

    def staging(self, rows: int) -> None:
        """Show nothing."""

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Show nothing."""

    def sent(self, results: Sequence[RowResult]) -> None:
        """Show nothing."""


class ProgressBar:
    """A bar on a terminal: rows done, rows a second, time left, and how many of each status."""

    def __init__(self, bar: RichProgress) -> None:
        self._bar = bar
        self._task = bar.add_task("reading", total=None, statuses="")
        self._counts: dict[Status, int] = {}

    def staging(self, rows: int) -> None:
        """Show how many rows have been read."""
        self._bar.update(self._task, completed=rows)

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Begin to count the rows that are sent."""
        self._counts = {status: count for status, count in counts.items() if status.final}
        self._bar.reset(self._task, description="sending", total=pending)

    def sent(self, results: Sequence[RowResult]) -> None:
        """Count rows that ended."""
        for result in results:
            self._counts[result.status] = self._counts.get(result.status, 0) + 1
        shown = [f"{status} {count}" for status, count in self._counts.items() if count]
        if speed := self._bar.tasks[0].speed:
            shown.insert(0, f"{speed:.0f} rows/s")
        self._bar.update(self._task, advance=len(results), statuses="  ".join(shown))


@contextmanager
def progress(*, wanted: bool) -> Iterator[Silence | ProgressBar]:
    """Give a bar on standard error if that is a terminal, and silence otherwise."""
    if not (wanted and sys.stderr.isatty()):
        yield Silence()
        return
    # Only where there is a terminal: under cron the import alone would cost more than the output.
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[statuses]}"),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        yield ProgressBar(bar)
