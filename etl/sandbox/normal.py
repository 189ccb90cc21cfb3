"""How the sandbox normalises the values of an update, if it is asked to (``--normalises``).

Whether the API itself changes what it is sent, and how, is not published. These rules are the
sandbox's own choice, of the kind that such systems have. A normalised value stays as it is.
"""

from __future__ import annotations

import unicodedata


def normalised(changes: dict[str, str]) -> dict[str, str]:
    """Return the fields of an update with their values as they are stored."""
    return {field: _RULES[field](value) for field, value in changes.items()}


def _on_one_line(text: str) -> str:
    """Return a text without space around it, and with a single space between its words."""
    return " ".join(text.split())


def _phone(text: str) -> str:
    """Return the digits of a number as ASCII, after a ``+`` if it starts with ``+`` or ``00``."""
    digits = "".join(str(unicodedata.decimal(each)) for each in text if each.isdecimal())
    if text.lstrip().startswith("+"):
        return f"+{digits}"
    return f"+{digits[2:]}" if digits.startswith("00") else digits


def _email(text: str) -> str:
    return text.strip().lower()


def _notes(text: str) -> str:
    """Return a text of several lines with plain line ends, and without space around it."""
    return "\n".join(text.splitlines()).strip()


_RULES = {
    "name": _on_one_line,
    "phone": _phone,
    "email": _email,
    "address": _on_one_line,
    "notes": _notes,
}
