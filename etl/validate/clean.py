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
# A float is certain to have kept 15 digits.
_DECIMALS = re.compile(r"(\+?0*[0-9]{1,15})[.,]0+")
_THOUSANDS = re.compile(r"\+?[0-9]{1,3}(?:[.,]000)+")


def clean_column(texts: Sequence[str], field: Field) -> list[str]:
    """Return the values of a column's cells that are validated and sent; blank cells have "".

    Few columns need more than the first step, so the whole column is tested before its cells.
    """
    trimmed = strip_edges_of_each(texts)
    if field not in _STRIPPED:
        return [text if rest else "" for text, rest in zip(texts, trimmed, strict=True)]
    if field in _DIGITS_MAPPED and not "".join(trimmed).isascii():
        trimmed = [_mapped(text, field) for text in trimmed]
    if field is Field.ID:
        return list(map(_without_zeros, trimmed))
    if field is Field.PHONE and (".0" in (joined := "".join(trimmed)) or ",0" in joined):
        return list(map(_without_decimals, trimmed))
    return trimmed


def change_of(text: str, field: Field) -> Change | None:
    """Return the change by `clean_column` that operations should know, if there is one."""
    if is_blank(text) or field not in _STRIPPED:
        return None
    trimmed = strip_edges(text)
    mapped = _mapped(trimmed, field)
    whole = _without_decimals(mapped) if field is Field.PHONE else mapped
    if mapped != trimmed:
        return Change("the digits in {} were converted to {}", (trimmed, whole))
    if whole != mapped:
        return Change("{} is the decimal form of {}, which was used", (mapped, whole))
    if trimmed != text.strip():
        return Change("invisible characters at the ends were removed")
    return None


def _mapped(text: str, field: Field) -> str:
    return text.translate(_ASCII_DIGITS) if field in _DIGITS_MAPPED and not text.isascii() else text


def _without_zeros(number: str) -> str:
    """Return a whole number without leading zeros and decimals; other texts as they are."""
    if number.isdigit() and not number.startswith("0"):
        return number
    whole = number if "," in number else _without_decimals(number)
    return (whole.lstrip("0") or "0") if whole.isascii() and whole.isdigit() else number


def _without_decimals(number: str) -> str:
    """Return a whole number without the decimals of a float; other texts as they are.

    ``1.000`` stays: it is one, or a thousand.
    """
    decimals = _DECIMALS.fullmatch(number)
    return number if decimals is None or _THOUSANDS.fullmatch(number) else decimals[1]
