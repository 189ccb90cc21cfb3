"""Writing a table of text as CSV or as a workbook, so that it reads back as the same cells."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import InconsistentError
from etl.report.look import Look, Widths, height_of, set_up
from etl.report.summary import write_summary
from etl.text import guard_formula, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xlsxwriter import Workbook
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from etl.report.summary import SummaryFacts
    from etl.report.tables import ReportTable

_LONGEST_CELL = 32_767  # characters; Excel's specifications and limits
SHEET_ROWS = 1_048_576  # of a sheet, the header included; the same source
_MEASURED = 100  # rows, by which the columns get their widths
_FITTED = 10_000  # rows, of which the heights are set: XlsxWriter keeps them all in memory
_CUT = " … cut here; the whole text is in results.csv"


@dataclass(frozen=True, slots=True)
class Sheet:
    """The sheet of a workbook that is to hold a table; its first column may be the rightmost."""

    name: str
    right_to_left: bool = False


RESULTS = Sheet("Results")  # where the input has none that it could be named after


def write_table(
    path: Path,
    table: ReportTable,
    ending: str,
    sheet: Sheet = RESULTS,
    summary: SummaryFacts | None = None,
) -> int:
    """Write the table as CSV or, where ``ending`` is ``.xlsx``, as a workbook.

    A workbook begins with a sheet that holds the summary, where there is one. Returns how many rows
    were written, the header not counted.
    """
    if ending == ".xlsx":
        return _write_workbook(path, table, sheet, summary)
    return _write_csv(path, table)


def _write_csv(path: Path, table: ReportTable) -> int:
    """Write UTF-8 with a byte order mark, without which Excel does not show Arabic.

    Every cell is quoted: else a lone carriage return in one ends the row for some readers.
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
    import xlsxwriter  # noqa: PLC0415 - most runs write none

    with xlsxwriter.Workbook(path, {"constant_memory": True}) as workbook:
        look = Look(workbook, right_to_left=sheet.right_to_left)
        if summary:
            write_summary(workbook.add_worksheet("Summary"), summary, look)
        return _write_sheet(_added(workbook, sheet.name), table, look)


def _added(workbook: Workbook, name: str) -> Worksheet:
    """Add a sheet of this name, or of one that will do where Excel or the summary bars the name."""
    from xlsxwriter.exceptions import XlsxInputError  # noqa: PLC0415 - as above

    try:
        return workbook.add_worksheet(name)
    except XlsxInputError:
        return workbook.add_worksheet(RESULTS.name)


def _write_sheet(sheet: Worksheet, table: ReportTable, look: Look) -> int:
    columns = table.columns
    widths = Widths(table.header, columns)
    _write_row(sheet, 0, table.header, [look.of_header(column) for column in columns])
    styles = [look.of_column(column) for column in columns]
    status = table.status
    count = 0
    for count, row in enumerate(table.rows, 1):
        if status is not None:
            styles[status] = look.statuses[row[status]]
        if count <= _MEASURED:
            widths.measure(row)
        if count <= _FITTED and (height := height_of(row, columns)):
            sheet.set_row(count, height)
        _write_row(sheet, count, row, styles)
    set_up(sheet, widths.found(), look)  # XlsxWriter puts these above the rows in any case
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.hide_gridlines(0)  # which shows them on paper, too
    sheet.autofilter(0, 0, count, len(table.header) - 1)
    return count


def _write_row(sheet: Worksheet, row: int, cells: Sequence[str], styles: Sequence[Format]) -> None:
    for column, text in enumerate(cells):
        if text and sheet.write_string(row, column, _fitting(_as_read(text)), styles[column]) != 0:
            raise InconsistentError(f"row {row + 1} of a workbook could not be written")


def _as_read(text: str) -> str:
    """Return the text with one more apostrophe where reading takes one off."""
    return text if unguard_formula(text) == text else "'" + text


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - len(_CUT)] + _CUT
