"""What is sent for a cell: its text, but for what nobody sees or means at the ends of an id."""

from __future__ import annotations

import re
from typing import NamedTuple

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


class Cleaned(NamedTuple):
    """The text to validate and send, and what was changed in it that a reader should know of."""

    text: str
    change: str | None = None


def clean(text: str, field: Field) -> Cleaned:
    """Return what is sent for a cell of this field; for a blank cell, an empty text."""
    if is_blank(text):
        return Cleaned("")
    if field not in _STRIPPED:
        return Cleaned(text)
    trimmed = strip_edges(text)
    change = None
    if trimmed != text.strip():
        change = "unseen characters at the ends were taken off"
    if field in _DIGITS_MAPPED and not trimmed.isascii():
        mapped = trimmed.translate(_ASCII_DIGITS)
        if mapped != trimmed:
            change = f"the digits of {quote(trimmed)} were mapped to {quote(mapped)}"
            trimmed = mapped
    if field is Field.ID and (whole := _WHOLE.fullmatch(trimmed)):
        trimmed = whole[1].lstrip("0") or "0"
    return Cleaned(trimmed, change)
