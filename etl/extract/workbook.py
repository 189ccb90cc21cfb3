"""Reading workbooks with openpyxl, a row at a time.

Read-only mode, and the dimensions that the file claims are not believed: one value in the last cell
of a sheet would otherwise cost gigabytes.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import openpyxl

from etl.errors import InputError
from etl.extract.cells import RawCell, TypedCell
from etl.extract.layout import Layout, RawRow

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openpyxl.cell import Cell, MergedCell
    from openpyxl.worksheet._read_only import ReadOnlyWorksheet

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # ECMA-376 part 1, 22.9.2.19 (ST_Xstring)
_SURROGATES = range(0xD800, 0xE000)
_TRIPPED_OVER = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_DAMAGED = "the workbook is damaged or is none; open it in Excel and save it again as .xlsx"


@contextmanager
def layouts(path: Path, sheet: str | None) -> Iterator[list[Layout]]:
    """Give the sheets that a person sees, or the one named, while the workbook is open.

    Raises:
        InputError: it is no workbook, it is damaged, or has no sheet of that name.
    """
    with path.open("rb") as file:
        with _damage_in_one_sentence():
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True)
        with closing(workbook):
            shown = [each for each in workbook.worksheets if each.sheet_state == "visible"]
            if sheet is not None:
                names = ", ".join(repr(each.title) for each in shown)
                shown = [each for each in shown if each.title == sheet]
                if not shown:
                    raise InputError(f"there is no sheet {sheet!r}; the file has {names}")
            yield [Layout(each.title, partial(_read, each)) for each in shown]


def _read(sheet: ReadOnlyWorksheet) -> Iterator[RawRow]:
    sheet.reset_dimensions()
    with _damage_in_one_sentence():
        for row, cells in enumerate(sheet.rows, 1):
            yield RawRow(row, [_raw(cell) for cell in cells])


@contextmanager
def _damage_in_one_sentence() -> Iterator[None]:
    """Whatever the library trips over in a damaged file, operations read the same sentence."""
    try:
        yield
    except _TRIPPED_OVER:
        raise InputError(_DAMAGED) from None


def _raw(cell: Cell | MergedCell) -> RawCell:
    value: Any = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return _ESCAPED.sub(_unescape, value) if "_x" in value else value
    return TypedCell(value, cell.number_format)


def _unescape(escaped: re.Match[str]) -> str:
    code = int(escaped[1], 16)
    return escaped[0] if code in _SURROGATES else chr(code)
