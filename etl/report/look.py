"""How a workbook looks: its colours, column widths, wrapping and printing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.fields import Field, ResultColumn
from etl.report.tables import DETAILS
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.workbook import Workbook
    from xlsxwriter.worksheet import Worksheet

    from etl.report.tables import Column
    from etl.rows import Fault

# The fill and text colour of each status, whose name is always in the cell too.
COLOURS: Mapping[Status, tuple[str, str]] = {
    Status.SUCCESS: ("#D9F0DD", "#0B4A1C"),
    Status.INVALID: ("#FFE9B8", "#5A3A00"),
    Status.REJECTED: ("#F9D0CC", "#74120B"),
    Status.FAILED: ("#FBDCC4", "#6B2A00"),
    Status.UNKNOWN: ("#E3D7F5", "#402070"),
    Status.NOT_SENT: ("#E4E6EA", "#333A45"),
    Status.UNCHANGED: ("#E3F1F3", "#12474F"),
    Status.CONFLICT: ("#F8D7E8", "#6D1145"),
}
FAULTY = ("#FFC2BD", "#6A0F08")  # a cell that must be corrected
HEADER = ("#E9EDF2", "#1B2530")  # of the operator's own columns
OWN_HEADER = ("#1F3A5F", "#FFFFFF")  # of the columns that the job adds
SANDBOX = ("#8A1C14", "#FFFFFF")

# Columns of sentences have a fixed width.
_SENTENCES = {
    ResultColumn.UPDATE_ERROR: 60,
    ResultColumn.UPDATE_FIX: 50,
    ResultColumn.UPDATE_WARNING: 50,
    ResultColumn.UPDATE_CHANGES: 60,
}
# In a right-to-left sheet, a phone number would otherwise end with its plus sign.
_LATIN = frozenset({Field.ID, Field.EMAIL, Field.PHONE})
_NARROWEST, _WIDEST = 8, 40  # of any other column, in characters
_MARGIN = 2
_ARROW = 3  # the filter button, which covers the end of a header
_MOST_LINES = 20  # of a row; Excel allows at most 409 points
LINE = 15  # the height of a line of text, in points
_LINE_COLOUR = "#8A94A3"
_LEFT_TO_RIGHT = 1

_FROZEN = 80  # characters; wider frozen columns would leave little room for the others
_A4 = 9
_PAPER = 220  # characters that are still legible on the width of an A4 page
_EDGES = {"left": 0.4, "right": 0.4, "top": 0.6, "bottom": 0.6}  # inches

_NOTE_WIDTH, _NOTE_LINE = 340, 16  # pixels
_NOTE_CHARACTERS = 48  # of a line
_NOTE_FONT = {"font_name": "Calibri", "font_size": 10}


class Look:
    """The formats of one workbook. Every cell is text, including blank ones.

    The job's own cells are English, even if they quote Arabic or the sheet is right-to-left, so
    they are always read from left to right.
    """

    def __init__(self, workbook: Workbook) -> None:
        text = {"num_format": "@", "valign": "top"}
        own = {**text, "reading_order": _LEFT_TO_RIGHT}
        prose = {**own, "align": "left"}
        header = {"bold": True, "bottom": 1, "bottom_color": _LINE_COLOUR}
        self._text: Format = workbook.add_format(text)
        self._latin: Format = workbook.add_format(own)
        self._sentence: Format = workbook.add_format({**prose, "text_wrap": True})
        self._faulty: Format = workbook.add_format({**text, **_colours(*FAULTY)})
        self._faulty_latin: Format = workbook.add_format({**own, **_colours(*FAULTY)})
        self._header: Format = workbook.add_format({**text, **header, **_colours(*HEADER)})
        self._own_header: Format = workbook.add_format({**own, **header, **_colours(*OWN_HEADER)})
        self.statuses: Mapping[str, Format] = {
            status: workbook.add_format({**own, "bold": True, "align": "center", **_colours(*pair)})
            for status, pair in COLOURS.items()
        }
        large = {**prose, "bold": True, "font_size": 16}
        self.title: Format = workbook.add_format(large)
        self.sandbox: Format = workbook.add_format({**large, **_colours(*SANDBOX)})
        self.label: Format = workbook.add_format({**prose, "bold": True})
        self.prose: Format = workbook.add_format({**prose, "text_wrap": True})
        self.prose_header: Format = workbook.add_format(
            {**prose, **header, **_colours(*OWN_HEADER)}
        )
        self.verdicts: Mapping[bool, Format] = {
            good: workbook.add_format({**prose, "bold": True, **_colours(*COLOURS[status])})
            for good, status in ((True, Status.SUCCESS), (False, Status.INVALID))
        }
        right = {"align": "right", "indent": 1}
        self.count: Format = workbook.add_format({**own, **right, "num_format": "#,##0"})
        self.count_header: Format = workbook.add_format(
            {**own, **right, **header, **_colours(*OWN_HEADER)}
        )

    def of_header(self, column: Column) -> Format:
        """Return the format of a column's header."""
        return self._own_header if isinstance(column, ResultColumn) else self._header

    def of_column(self, column: Column) -> Format:
        """Return the format of a column's cells."""
        if column in _SENTENCES:
            return self._sentence
        is_latin = column in _LATIN or isinstance(column, ResultColumn)
        return self._latin if is_latin else self._text

    def of_faulty(self, column: Column) -> Format:
        """Return the format of a cell of this column that must be corrected."""
        return self._faulty_latin if column in _LATIN else self._faulty


class Widths:
    """The widths of a table's columns, from its header and its first rows."""

    def __init__(self, header: Sequence[str], columns: Sequence[Column]) -> None:
        self._columns = columns
        self._longest = [_longest_line(name) + _ARROW for name in header]
        self._empty = {
            index: column
            for index, column in enumerate(columns)
            if isinstance(column, ResultColumn) and column in _SENTENCES
        }

    def measure(self, row: Sequence[str]) -> None:
        """Take a row into account."""
        self._longest = list(map(max, self._longest, map(_longest_line, row)))

    def see_sentences(self, row: Sequence[str]) -> None:
        """Note which columns of sentences have a text, and so need their full width."""
        for index in [index for index in self._empty if row[index]]:
            del self._empty[index]

    def in_characters(self) -> list[int]:
        """Return the width of each column, as Excel counts it, in characters."""
        return [
            _SENTENCES[column]
            if column in _SENTENCES and index not in self._empty
            else min(max(longest, _NARROWEST), _WIDEST) + _MARGIN
            for index, (column, longest) in enumerate(
                zip(self._columns, self._longest, strict=True)
            )
        ]


def height_of(cells: Sequence[str], columns: Sequence[Column]) -> int | None:
    """Return the height of a row in points, or None if one line is enough.

    Not every program adapts the height of a row to its text, and none does so for merged cells.
    """
    lines = max(
        (
            lines_of(text, _SENTENCES[column])
            for text, column in zip(cells, columns, strict=True)
            if text and isinstance(column, ResultColumn) and column in _SENTENCES
        ),
        default=1,
    )
    return LINE * lines if lines > 1 else None


def lines_of(text: str, width: int) -> int:
    """Return about how many lines a text needs in a column of this width."""
    return min(1 + len(text) // width, _MOST_LINES)


def note_of(faults: Sequence[Fault]) -> tuple[str, Mapping[str, object]]:
    """Return the note of a faulty cell (what is wrong, and how to fix it) and its format."""
    text = "\n\n".join(f"{fault.text}\nHow to fix it: {fault.code.fix}" for fault in faults)
    lines = sum(1 + len(line) // _NOTE_CHARACTERS for line in text.splitlines())
    return text, {"width": _NOTE_WIDTH, "height": _NOTE_LINE * (lines + 1), **_NOTE_FONT}


def set_columns(
    sheet: Worksheet, columns: Sequence[Column], widths: Sequence[int], look: Look
) -> None:
    """Set the widths of the columns, and collapse the details into a group.

    Excel shows the group's button at the column behind it, which must be marked as collapsed.
    """
    folded = False
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        options = {"level": 1, "hidden": True} if column in DETAILS else {"collapsed": folded}
        folded = column in DETAILS
        sheet.set_column(index, index, width, look.of_column(column), options)
    if folded:
        sheet.set_column(len(columns), len(columns), None, None, {"collapsed": True})


def set_view(sheet: Worksheet, widths: Sequence[int], leading: int) -> None:
    """Freeze the header and, unless they are too wide, the leading columns."""
    sheet.freeze_panes(1, leading if sum(widths[:leading]) <= _FROZEN else 0)
    sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})  # they are text on purpose


def set_paper(sheet: Worksheet) -> None:
    """Set how a sheet prints: as wide as the paper, on as many pages as needed."""
    sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.set_margins(**_EDGES)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&F&R&P / &N")


def printed(columns: Sequence[Column], widths: Sequence[int]) -> int:
    """Return how many columns are printed: as many as are legible on a page."""
    used = 0
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        if column in DETAILS:
            return index
        used += width
        if used > _PAPER and index:
            return index
    return len(columns)


def _colours(fill: str, letters: str) -> dict[str, str]:
    return {"bg_color": fill, "font_color": letters}


def _longest_line(text: str) -> int:
    """Return the length of the longest line in the beginning of a text, which may be very long."""
    return max(map(len, text[: 10 * _WIDEST].splitlines()), default=0)
