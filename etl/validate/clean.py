"""The value that is sent for a cell: its text, cleaned in some fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.fields import Field
from etl.rows import Change
from etl.text import is_blank, strip_edges, strip_edges_of_each

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def clean_column(texts: Sequence[str], field: Field) -> list[str]:
    """Return the values of a column's cells that are validated and sent; blank cells have "".

    Few columns need more than the first step, so the whole column is tested before its cells.
    """
    trimmed = strip_edges_of_each(texts)
    if field not in _STRIPPED:
        return [text if rest else "" for text, rest in zip(texts, trimmed, strict=True)]
    if field in _DIGITS_MAPPED and not "".join(trimmed).isascii():
        trimmed = [_mapped(text, field) for text in trimmed]
    return list(map(_without_zeros, trimmed)) if field is Field.ID else trimmed


def change_of(text: str, field: Field) -> Change | None:
    """Return the change by `clean_column` that operations should know, if there is one."""
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


def _without_zeros(number: str) -> str:
    """Return a whole number without leading zeros and decimals; other texts as they are."""
    if number.isdigit() and not number.startswith("0"):
        return number
    whole = _WHOLE.fullmatch(number)
    return number if whole is None else whole[1].lstrip("0") or "0"
