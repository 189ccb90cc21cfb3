"""Turning a cell into text, which no other module does."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import NamedTuple, TypeAlias

from etl.codes import Code
from etl.extract.formats import (
    GENERAL,
    adds_digits,
    plain_number,
    shown_duration,
    shown_moment,
    shown_number,
)
from etl.fields import Field
from etl.rows import Change
from etl.text import unguard_formula

# Above this, not every whole number is a float, so the last digits may be lost.
_LARGEST_EXACT = 2**53
_EXACT_DIGITS = 15  # which every float keeps

_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")  # ECMA-376 part 1, 22.9.2.19 (ST_Xstring)

_SEPARATORS = re.compile(r"[ ()./-]")


class TypedCell(NamedTuple):
    """A cell with a value that is not text, and the display format of that value."""

    value: bool | float | datetime | date | time | timedelta
    number_format: str = GENERAL


RawCell: TypeAlias = str | TypedCell


class CellText(NamedTuple):
    """The text of a cell, as people see it.

    ``fault`` is a fault that the text itself does not show. ``change`` means that the text may
    differ from what the cell shows.
    """

    text: str
    fault: Code | None = None
    change: Change | None = None


def to_text(cell: RawCell, field: Field | None) -> CellText:
    """Return the text of a cell; ``field`` is its column's, None if the column is not sent."""
    if isinstance(cell, str):
        return CellText(unguard_formula(cell))
    if isinstance(cell.value, bool):
        return CellText(str(cell.value).upper())
    if not isinstance(cell.value, int | float):
        return _moment(cell.value, cell.number_format, field)
    if field in {Field.ID, Field.PHONE}:
        return _exact_digits(cell.value, cell.number_format, field)
    shown = shown_number(cell.value, cell.number_format)
    if shown is not None:
        return CellText(shown)
    return _not_as_shown(plain_number(cell.value), cell.number_format)


def plain_text(cell: RawCell) -> str | None:
    """Return the text of a cell that is the same for each field; None for cells that need a look.

    It is that of a text and of a whole number without a format, which most cells are.
    """
    if isinstance(cell, str):
        return cell
    digits = str(cell.value) if cell.number_format == GENERAL else ""
    return digits if digits.isdigit() and len(digits) <= _EXACT_DIGITS else None


def unescaped(text: str) -> str:
    """Return a workbook's text with escaped characters such as ``_x000D_`` decoded, once."""
    if "_x" not in text:
        return text
    decoded = _ESCAPED.sub(lambda escaped: chr(int(escaped[1], 16)), text)
    # Two surrogates are one character; a single one becomes U+FFFD, which counts as damage.
    return decoded.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _exact_digits(value: float, number_format: str, field: Field) -> CellText:
    fault = None if abs(value) <= _LARGEST_EXACT else Code.TEXT_DAMAGED  # nan too
    digits = plain_number(value)
    if field is Field.PHONE:
        return _as_dialled(value, digits, number_format)._replace(fault=fault)
    return CellText(digits, fault)


def _as_dialled(value: float, digits: str, number_format: str) -> CellText:
    """Return a phone number with what its format adds: leading zeros, a plus sign, a country."""
    shown = shown_number(value, number_format)
    if adds_digits(number_format):
        if shown is None:
            return _not_as_shown(digits, number_format)
        words = "{} was used, as Excel shows it; the cell itself holds {} (format {})"
        return CellText(shown, change=Change(words, (shown, digits, number_format)))
    dialled = _SEPARATORS.sub("", shown or "")
    is_same = dialled.isdigit() and dialled.lstrip("0") == digits.lstrip("0")
    return CellText(dialled if is_same else digits)


def _moment(
    value: datetime | date | time | timedelta, number_format: str, field: Field | None
) -> CellText:
    fault = Code.TEXT_DAMAGED if field is Field.PHONE else None
    shown = (
        shown_duration(value, number_format)
        if isinstance(value, timedelta)
        else shown_moment(value, number_format)
    )
    if shown is not None:
        return CellText(shown, fault)
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return _not_as_shown(str(value), number_format)._replace(fault=fault)


def _not_as_shown(text: str, number_format: str) -> CellText:
    words = "the value {} was used; Excel may show it differently (format {})"
    return CellText(text, change=Change(words, (text, number_format)))
