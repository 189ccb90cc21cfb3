"""The value that is sent for a cell: its text, cleaned in some fields."""

from __future__ import annotations

import re

from etl.fields import Field
from etl.rows import Change
from etl.text import is_blank, strip_edges

# Fields that are looked up or dialled. Names, addresses and notes are sent unchanged.
_STRIPPED = frozenset({Field.ID, Field.EMAIL, Field.PHONE})
_DIGITS_MAPPED = frozenset({Field.ID, Field.PHONE})

_ASCII_DIGITS = str.maketrans(
    {
        chr(zero + digit): str(digit)
        for zero in (0x0660, 0x06F0, 0xFF10)  # Arabic-Indic, Persian, full-width
        for digit in range(10)
    }
)
_WHOLE = re.compile(r"([0-9]+)(?:\.0+)?")


def clean(text: str, field: Field) -> str:
    """Return the value that is validated and sent for a cell; a blank cell has an empty one."""
    if is_blank(text):
        return ""
    if field not in _STRIPPED:
        return text
    trimmed = _mapped(strip_edges(text), field)
    if field is Field.ID and (whole := _WHOLE.fullmatch(trimmed)):
        return whole[1].lstrip("0") or "0"
    return trimmed


def change_of(text: str, field: Field) -> Change | None:
    """Return the change by `clean` that operations should know, if there is one."""
    if is_blank(text) or field not in _STRIPPED:
        return None
    trimmed = strip_edges(text)
    mapped = _mapped(trimmed, field)
    if mapped != trimmed:
        return Change("the digits in {} were converted to {}", (trimmed, mapped))
    if trimmed != text.strip():
        return Change("invisible characters at the ends were removed")
    return None


def _mapped(text: str, field: Field) -> str:
    return text.translate(_ASCII_DIGITS) if field in _DIGITS_MAPPED and not text.isascii() else text
