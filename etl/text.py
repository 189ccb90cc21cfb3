"""What the job knows of text: which characters are unseen, how to quote, what a formula is like.

The only rules about text that more than one stage needs; what a field may hold is the business of
``etl.validate``.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime

_LONGEST_QUOTE = 60
_LONGEST_LINE = 500

# Control, format (zero-width and bidi marks), surrogate, private-use and unassigned characters, and
# the line and paragraph separators: what could forge a line of a log or hide in an address.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))  # U+3000 is the last
# These have no width either: soft hyphen, Arabic letter mark, Mongolian vowel separator, zero-width
# and bidi characters, word joiner and invisible operators, byte order mark.
_MARKS = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069"
    "\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
)
_EDGES = _WHITE_SPACE + _MARKS

# A cell that a spreadsheet program would run, and one that is such a cell behind apostrophes:
# OWASP ASVS 5.0, 1.2.10. A phone number is none: nothing in it can be called.
_FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d]")
_PHONE = re.compile(r"\+[0-9]+")

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750, 2.1: b64token


def strip_edges(text: str) -> str:
    """Return the text without white space and unseen marks at its ends."""
    return text.strip(_EDGES)


def is_blank(text: str) -> bool:
    """Whether a person sees nothing in the cell."""
    return not text or (text[0] in _EDGES and not strip_edges(text))


def visible(text: str) -> str:
    """Return the text with every unseen character written out, such as ``<U+200F>``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _UNSEEN else char for char in text
    )


def quote(value: str) -> str:
    """Return a cell's value as messages quote it: in backticks, at most 60 characters of it."""
    cut = value if len(value) <= _LONGEST_QUOTE else value[:_LONGEST_QUOTE] + "…"
    return f"`{visible(cut)}`"


def one_line(text: str) -> str:
    """Return text from outside as one readable line of at most 500 characters."""
    line = visible(" ".join(text[: 4 * _LONGEST_LINE].split()))
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 2 rows."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def guard_formula(text: str) -> str:
    """Return the text as a CSV cell that no spreadsheet program runs; undone by `unguard_formula`.

    An apostrophe is put before what begins like a formula, phone numbers excepted, and before an
    apostrophe that stands before such a thing: so exactly one can be taken off again.
    """
    if _FORMULA.match(text) and not _PHONE.fullmatch(text):
        return "'" + text
    return text


def unguard_formula(text: str) -> str:
    """Return a cell's text without the apostrophe that guards it: ``'+974`` but not ``'Abdul``."""
    if text.startswith("'") and _FORMULA.match(text):
        return text[1:]
    return text


def utc_time(seconds: float) -> str:
    """Return a time, in seconds since 1970, as the job writes it: UTC, ISO 8601, to milliseconds.

    So written, times are in the order of their texts, as which the journal compares them.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def is_token(text: str) -> bool:
    """Whether the text can be sent as a bearer token, and as nothing else than one."""
    return _TOKEN.fullmatch(text) is not None
