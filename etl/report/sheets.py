"""Writing a table of text as CSV or as a workbook, so that it reads back as the same cells."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import xlsxwriter

from etl.errors import InconsistentError
from etl.text import guard_formula, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from etl.report.tables import ReportTable

_LONGEST_CELL = 32_767  # characters; Excel's specifications and limits
MOST_ROWS = 1_048_576  # of a sheet, the header included; the same source
_WIDTH = 22  # of a column, in characters
_CUT = " … cut here; the whole text is in results.csv"


def write_table(path: Path, table: ReportTable, ending: str) -> int:
    """Write the table as CSV or, where ``ending`` is ``.xlsx``, as a workbook.

    Returns how many rows were written, the header not counted.
    """
    return (_write_workbook if ending == ".xlsx" else _write_csv)(path, table)


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


def _write_workbook(path: Path, table: ReportTable) -> int:
    """Write a workbook of text cells, a row at a time."""
    count = 0
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as workbook:
        sheet = workbook.add_worksheet("Results")
        sheet.freeze_panes(1, 0)
        sheet.set_column(0, len(table.header) - 1, _WIDTH)
        _write_row(sheet, 0, table.header, workbook.add_format({"bold": True}))
        text = workbook.add_format({"num_format": "@"})
        for count, row in enumerate(table.rows, 1):
            _write_row(sheet, count, row, text)
    return count


def _write_row(sheet: Worksheet, row: int, cells: Sequence[str], style: Format) -> None:
    for column, text in enumerate(cells):
        if text and sheet.write_string(row, column, _fitting(_as_read(text)), style) != 0:
            raise InconsistentError(f"row {row + 1} of a workbook could not be written")


def _as_read(text: str) -> str:
    """Return the text with one more apostrophe where reading takes one off."""
    return text if unguard_formula(text) == text else "'" + text


def _fitting(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - len(_CUT)] + _CUT
