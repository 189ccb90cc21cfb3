"""What is sent for a cell: its text, but for what nobody sees or means at the ends of an id."""

from __future__ import annotations

import re

from etl.fields import Field
from etl.text import is_blank, quote, strip_edges

# Fields that are looked up or dialled; in names, addresses and notes everything stays as it stands.
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
    """Return what is validated and sent for a cell of this field; an empty text if it is blank."""
    if is_blank(text):
        return ""
    if field not in _STRIPPED:
        return text
    trimmed = _mapped(strip_edges(text), field)
    if field is Field.ID and (whole := _WHOLE.fullmatch(trimmed)):
        return whole[1].lstrip("0") or "0"
    return trimmed


def change_of(text: str, field: Field) -> str | None:
    """Return what a reader should know of that `clean` changes in a cell, if there is anything."""
    if is_blank(text) or field not in _STRIPPED:
        return None
    trimmed = strip_edges(text)
    mapped = _mapped(trimmed, field)
    if mapped != trimmed:
        return f"the digits of {quote(trimmed)} were mapped to {quote(mapped)}"
    if trimmed != text.strip():
        return "unseen characters at the ends were taken off"
    return None


def _mapped(text: str, field: Field) -> str:
    return text.translate(_ASCII_DIGITS) if field in _DIGITS_MAPPED and not text.isascii() else text
