"""The one place that turns a cell into text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from etl.codes import Code
from etl.fields import Field
from etl.text import unguard_formula

# Excel keeps 15 significant digits; above this a float has lost the last ones for certain.
_LARGEST_EXACT = 2**53

_PADDED = re.compile(r"0{2,}")
_PLUS_SHOWN = re.compile(r'(?:"\+"|\\\+|\+)[0#?]')


@dataclass(frozen=True, slots=True)
class TypedCell:
    """A cell that holds something else than text, and the display format that Excel gives it."""

    value: bool | float | datetime | date | time | timedelta
    number_format: str = "General"


RawCell: TypeAlias = str | TypedCell


def to_text(cell: RawCell, field: Field | None) -> tuple[str, Code | None]:
    """Return what a person sees in the cell, and what is wrong with it if its text cannot tell.

    ``field`` is the field that the cell's column feeds, or None where the column is not sent.
    """
    if isinstance(cell, str):
        return unguard_formula(cell), None
    if isinstance(cell.value, bool):
        return str(cell.value).upper(), None
    if isinstance(cell.value, int | float):
        return _number(cell.value, cell.number_format, field)
    return _moment(cell.value), Code.TEXT_DAMAGED if field is Field.PHONE else None


def _number(value: float, number_format: str, field: Field | None) -> tuple[str, Code | None]:
    lost = field in {Field.ID, Field.PHONE} and abs(value) > _LARGEST_EXACT
    code = Code.TEXT_DAMAGED if lost else None
    if value % 1:  # infinity too: a number of a damaged file that is too large for a float
        return f"{value:.15g}", code
    digits = str(int(value))
    return _as_dialled(digits, number_format) if field is Field.PHONE else digits, code


def _as_dialled(digits: str, number_format: str) -> str:
    """Return a phone's digits with the leading zeros or the plus sign that its format shows."""
    if padded := _PADDED.fullmatch(number_format):
        return digits.zfill(len(padded[0]))
    return "+" + digits if _PLUS_SHOWN.match(number_format) else digits


def _moment(value: datetime | date | time | timedelta) -> str:
    if isinstance(value, datetime) and value.time() == time():
        return value.date().isoformat()
    return str(value)
