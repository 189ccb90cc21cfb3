"""How a workbook looks: its colours, the width of its columns, what is wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.fields import ResultColumn
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

# The fill and the letters of each status; the word always stands there, too.
COLOURS: Mapping[Status, tuple[str, str]] = {
    Status.SUCCESS: ("#D9F0DD", "#0B4A1C"),
    Status.INVALID: ("#FFE9B8", "#5A3A00"),
    Status.REJECTED: ("#F9D0CC", "#74120B"),
    Status.FAILED: ("#FBDCC4", "#6B2A00"),
    Status.UNKNOWN: ("#E3D7F5", "#402070"),
    Status.NOT_SENT: ("#E4E6EA", "#333A45"),
}
HEADER = ("#E9EDF2", "#1B2530")  # of the operator's own columns
OWN_HEADER = ("#1F3A5F", "#FFFFFF")  # of the columns that the job adds

# Columns of sentences, which are as wide whatever the first rows hold.
_SENTENCES = {
    ResultColumn.UPDATE_ERROR: 70,
    ResultColumn.UPDATE_FIX: 70,
    ResultColumn.UPDATE_WARNING: 50,
}
_NARROWEST, _WIDEST = 8, 40  # of any other column, in characters
_MARGIN = 2
_ARROW = 3  # the button of the filter, which covers the end of a header
_MOST_LINES = 20
LINE = 15  # the height of a line of text, in points
_LINE_COLOUR = "#8A94A3"
_LEFT_TO_RIGHT = 1
_A4 = 9


class Look:
    """The formats of one workbook. Every cell is text, those that are still blank included."""

    def __init__(self, workbook: Workbook, *, right_to_left: bool) -> None:
        self.right_to_left = right_to_left
        text = {"num_format": "@", "valign": "top"}
        # The job speaks English, also where it quotes Arabic, and in a sheet that begins at the
        # right.
        own = {**text, "reading_order": _LEFT_TO_RIGHT}
        told = {**own, "align": "right" if right_to_left else "left"}
        header = {"bold": True, "bottom": 1, "bottom_color": _LINE_COLOUR}
        self.text: Format = workbook.add_format(text)
        self.sentence: Format = workbook.add_format({**own, "align": "left", "text_wrap": True})
        self.header: Format = workbook.add_format({**text, **header, **_colours(*HEADER)})
        self.own_header: Format = workbook.add_format({**own, **header, **_colours(*OWN_HEADER)})
        self.statuses: Mapping[str, Format] = {
            status: workbook.add_format({**own, "bold": True, "align": "center", **_colours(*pair)})
            for status, pair in COLOURS.items()
        }
        self.title: Format = workbook.add_format({**told, "bold": True, "font_size": 16})
        self.label: Format = workbook.add_format({**told, "bold": True})
        self.told: Format = workbook.add_format({**told, "text_wrap": True})
        self.told_header: Format = workbook.add_format({**told, **header, **_colours(*OWN_HEADER)})
        self.count: Format = workbook.add_format({**own, "align": "center"})

    def of_header(self, column: ResultColumn | None) -> Format:
        """Return the format of a column's header; None stands for one of the operator's."""
        return self.header if column is None else self.own_header

    def of_column(self, column: ResultColumn | None) -> Format:
        """Return the format of a column's cells; None stands for one of the operator's."""
        return self.sentence if column in _SENTENCES else self.text


class Widths:
    """How wide the columns of a table are, by their headers and some of its rows."""

    def __init__(self, header: Sequence[str], columns: Sequence[ResultColumn | None]) -> None:
        self._columns = columns
        self._longest = [_longest_line(name) + _ARROW for name in header]

    def measure(self, row: Sequence[str]) -> None:
        """Take a row into account."""
        self._longest = list(map(max, self._longest, map(_longest_line, row)))

    def found(self) -> list[int]:
        """Return the width of each column, in characters."""
        return [
            _SENTENCES[column]
            if column in _SENTENCES
            else min(max(longest, _NARROWEST), _WIDEST) + _MARGIN
            for column, longest in zip(self._columns, self._longest, strict=True)
        ]


def height_of(cells: Sequence[str], columns: Sequence[ResultColumn | None]) -> int | None:
    """Return how high a row is, in points, or None where a line is enough.

    Programs fit a row to its sentences themselves, but not all of them, nor to merged cells.
    """
    lines = max(
        (
            lines_of(text, _SENTENCES[column])
            for text, column in zip(cells, columns, strict=True)
            if text and column in _SENTENCES
        ),
        default=1,
    )
    return LINE * lines if lines > 1 else None


def lines_of(text: str, width: int) -> int:
    """Return how many lines a text takes, more or less, in a column of this width."""
    return min(1 + len(text) // width, _MOST_LINES)


def set_up(sheet: Worksheet, widths: Sequence[int], look: Look) -> None:
    """Set what holds for a sheet as a whole: its direction, its columns and how it prints."""
    if look.right_to_left:
        sheet.right_to_left()
    for column, width in enumerate(widths):
        sheet.set_column(column, column, width, look.text)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})  # they are meant to be text
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.fit_to_pages(1, 0)


def _colours(fill: str, letters: str) -> dict[str, str]:
    return {"bg_color": fill, "font_color": letters}


def _longest_line(text: str) -> int:
    """Return the length of the longest line, of a text that is cut: a cell may hold a novel."""
    return max(map(len, text[: 10 * _WIDEST].splitlines()), default=0)
