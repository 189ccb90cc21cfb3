"""Writing a table of text as CSV or as a workbook, so that reading gives the same cells."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import InconsistentError
from etl.fields import Field, ResultColumn
from etl.files import scratch_beside
from etl.report.look import (
    SANDBOX,
    Look,
    Widths,
    height_of,
    note_of,
    printed,
    set_columns,
    set_paper,
    set_view,
)
from etl.report.sentences import IN_SANDBOX
from etl.report.summary import write_summary
from etl.text import guard_formula, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from etl.report.summary import SummaryFacts
    from etl.report.tables import Column, Line, ReportTable
    from etl.rows import Fault

_LONGEST_CELL = 32_767  # characters; Excel's specifications and limits
MOST_ROWS = 1_048_575  # of a sheet, below its header; the same source
_MEASURED = 100  # rows, which decide the widths of the columns
_FITTED = 10_000  # rows whose heights are set, which XlsxWriter keeps in memory
_NOTED = 10_000  # cells with a note, for the same reason
_FIELDS = {Code.API_NOT_FOUND: Field.ID}  # the field that an answer is about, if it can only be one
_SUMMARY = "Summary"
_CUT = " … cut here; the whole text is in results.csv"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet for a table; ``right_to_left`` shows its first column at the right.

    ``sandbox`` means that nothing was sent to Fatora.
    """

    name: str
    right_to_left: bool = False
    sandbox: bool = False


RESULTS = Sheet("Results")  # for a CSV, which has no sheet to take the name from


def write_table(
    path: Path,
    table: ReportTable,
    ending: str,
    sheet: Sheet = RESULTS,
    summary: SummaryFacts | None = None,
) -> int:
    """Write the table as CSV or, if ``ending`` is ``.xlsx``, as a workbook.

    A workbook opens with the summary, if there is one. Its first sheet always has the rows, for
    scripts that read the first sheet. Returns how many rows were written, without the header.
    """
    if ending == ".xlsx":
        return _write_workbook(path, table, sheet, summary)
    return _write_csv(path, table)


def _write_csv(path: Path, table: ReportTable) -> int:
    """Write UTF-8 with a byte order mark, without which Excel does not show Arabic.

    Every cell is quoted; otherwise a lone carriage return in a cell ends the row for some readers.
    """
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(map(guard_formula, table.header))
        for count, row in enumerate(table.rows, 1):  # noqa: B007 - its last value is the result
            writer.writerow(map(guard_formula, row))
    return count


def _write_workbook(
    path: Path, table: ReportTable, sheet: Sheet, summary: SummaryFacts | None
) -> int:
    """Write a workbook of text cells, a row at a time."""
    import xlsxwriter  # noqa: PLC0415 - slow, and most runs write no workbook
    from xlsxwriter.exceptions import FileCreateError  # noqa: PLC0415 - as above

    try:
        with (
            scratch_beside(path) as parts,
            xlsxwriter.Workbook(path, {"constant_memory": True, "tmpdir": parts}) as workbook,
        ):
            look = Look(workbook)
            taken = _SUMMARY if summary else ""
            count = _write_sheet(_add_sheet(workbook, sheet, taken), table.arranged(), look)
            if summary:
                page = workbook.add_worksheet(_SUMMARY)
                write_summary(page, summary, look)
                page.activate()
            return count
    except FileCreateError as error:  # which hides that the disk is full, for example
        (cause,) = error.args
        raise cause from None


def _add_sheet(workbook: Workbook, sheet: Sheet, taken: str) -> Worksheet:
    """Add a sheet to a workbook; it is called Results if its name is taken or not allowed."""
    from xlsxwriter.exceptions import XlsxInputError  # noqa: PLC0415 - as above

    name = RESULTS.name if sheet.name.casefold() == taken.casefold() else sheet.name
    try:
        added = workbook.add_worksheet(name)
    except XlsxInputError:
        added = workbook.add_worksheet(RESULTS.name)
    added.set_comments_author("fatora-clients")
    if sheet.right_to_left:
        added.right_to_left()
    if sheet.sandbox:
        added.set_tab_color(SANDBOX[0])
        added.set_header(f"&C&B&14{IN_SANDBOX}")
    return added


def _write_sheet(sheet: Worksheet, table: ReportTable, look: Look) -> int:
    """Write a table with its formats, widths and print settings, and return its number of rows."""
    columns = table.columns
    widths = Widths(table.header, columns)
    rows = _Rows(sheet, columns, look)
    rows.write_header(table.header)
    count = 0
    for count, line in enumerate(table.lines, 1):
        if count <= _MEASURED:
            widths.measure(line.cells)
        widths.see_sentences(line.cells)
        if count <= _FITTED and (height := height_of(line.cells, columns)):
            sheet.set_row(count, height)
        rows.write(count, line)
    characters = widths.in_characters()
    set_columns(sheet, columns, characters, look)  # XlsxWriter writes these above the rows
    set_view(sheet, characters, table.leading)
    set_paper(sheet)
    sheet.print_area(0, 0, count, printed(columns, characters) - 1)
    sheet.repeat_rows(0)
    sheet.hide_gridlines(0)  # shows them on paper too
    sheet.autofilter(0, 0, count, len(table.header) - 1)
    return count


class _Rows:
    """The rows of one sheet; statuses and faulty cells are coloured."""

    def __init__(self, sheet: Worksheet, columns: Sequence[Column], look: Look) -> None:
        self._sheet, self._columns, self._look = sheet, columns, look
        self._places = {column: index for index, column in enumerate(columns) if column}
        self._status = self._places.get(ResultColumn.UPDATE_STATUS)
        self._styles = [look.of_column(column) for column in columns]
        self._notes = 0

    def write_header(self, names: Sequence[str]) -> None:
        """Write the first row."""
        self._write(0, names, [self._look.of_header(column) for column in self._columns])

    def write(self, row: int, line: Line) -> None:
        """Write a row, and a note to each faulty cell that says what is wrong."""
        styles = self._styles
        if self._status is not None:
            styles[self._status] = self._look.statuses[line.cells[self._status]]
        faulty = self._faulty_cells(line)
        if faulty:
            styles = styles.copy()
            for index in faulty:
                styles[index] = self._look.of_faulty(self._columns[index])
        self._write(row, line.cells, styles)
        for index, faults in faulty.items():
            if not line.cells[index]:
                self._sheet.write_blank(row, index, None, styles[index])
            if self._notes < _NOTED:
                self._notes += 1
                self._sheet.write_comment(row, index, *note_of(faults))

    def _faulty_cells(self, line: Line) -> Mapping[int, Sequence[Fault]]:
        """Return the faults of each faulty cell of a row, by the cell's index."""
        faulty: dict[int, list[Fault]] = {}
        for fault in line.faults:
            field = fault.field or _FIELDS.get(fault.code)
            if field and (index := self._places.get(field)) is not None:
                faulty.setdefault(index, []).append(fault)
        return faulty

    def _write(self, row: int, cells: Sequence[str], styles: Sequence[Format]) -> None:
        for index, text in enumerate(cells):
            if not text:
                continue
            shown = _fitting(_as_read(text))
            if self._sheet.write_string(row, index, shown, styles[index]) != 0:
                raise InconsistentError(f"row {row + 1} of a workbook could not be written")


def _as_read(text: str) -> str:
    """Return the cell that reads back as this text: it has one more apostrophe if one is lost."""
    return text if unguard_formula(text) == text else "'" + text


def _fitting(text: str) -> str:
    """Return a text that Excel's limit for a cell allows, with a note if it was cut."""
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - len(_CUT)] + _CUT
