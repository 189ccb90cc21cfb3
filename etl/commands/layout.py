"""Tables and sentences that fit the terminal, or 100 columns where there is none."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING, NamedTuple

from etl.commands import console
from etl.text import visible, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from etl.rows import Totals

_COLUMNS = 100
_FEWEST_COLUMNS = 40
_SHORTEST_CELL = 8
_GAP = "  "
_INDENT = 4
_STATUS = 8  # characters of most of them


class Entry(NamedTuple):
    """A line of a table, lines of sentences below it, and a text whose own lines are kept."""

    cells: Sequence[str]
    details: str = ""
    verbatim: str = ""


def columns() -> int:
    """Return how many characters a line may have."""
    if not sys.stdout.isatty():
        return _COLUMNS
    return max(shutil.get_terminal_size((_COLUMNS, 0)).columns, _FEWEST_COLUMNS)


def say_wrapped(text: str, label: str = "", indent: int = 0) -> None:
    """Print sentences on as many lines as they need, all indented by ``indent`` characters.

    The label fills the indentation of the first line.
    """
    lines = textwrap.wrap(
        visible(without_isolates(text)),
        columns(),
        initial_indent=label.ljust(indent),
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
    )
    for line in lines or [label]:
        console.say(line)


def say_entries(header: Sequence[str], entries: Iterable[Entry], *, cut: str) -> None:
    """Print a table, with numbers aligned to the right and the details of an entry below it.

    If the table is too wide, the cells of the column ``cut`` are shortened.
    """
    rows = [each._replace(cells=[visible(cell) for cell in each.cells]) for each in entries]
    table = [header, *(row.cells for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    flexible = header.index(cut)
    excess = sum(widths) + len(_GAP) * (len(header) - 1) - columns()
    if excess > 0:
        widths[flexible] = max(widths[flexible] - excess, _SHORTEST_CELL)
    _say_cells(header, widths)
    for row in rows:
        _say_cells(row.cells, widths)
        for line in row.details.splitlines():
            say_wrapped(line, indent=_INDENT)
        for line in row.verbatim.splitlines():
            say_wrapped(line, indent=2 * _INDENT)


def say_counts(totals: Totals) -> None:
    """Print the number of rows of each status, and what the status means."""
    counts = {status: count for status, count in totals.counts.items() if count}
    width = max(_STATUS, *map(len, counts), 0)
    for status, count in counts.items():
        console.say(f"  {count:>7,}  {status:<{width}}  {status.meaning}")


def _say_cells(cells: Sequence[str], widths: Sequence[int]) -> None:
    shown = (
        shortened.rjust(width) if _is_number(shortened) else shortened.ljust(width)
        for width, cell in zip(widths, cells, strict=True)
        for shortened in [_shortened(cell, width)]
    )
    console.say(_GAP.join(shown).rstrip())


def _is_number(text: str) -> bool:
    return text.replace(",", "").isdecimal()


def _shortened(text: str, width: int) -> str:
    """Return a text that fits, without its middle: file names often differ only at the end."""
    if len(text) <= width:
        return text
    tail = (width - 1) // 2
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"
