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

# Unicode Standard Annex 9: what stands between these two keeps its own direction, and turns nothing
# of the sentence around it.
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_ISOLATES = str.maketrans(dict.fromkeys((_ISOLATE, _END_ISOLATE)))
_RIGHT_TO_LEFT = frozenset(
    {"R", "AL", "AN"}
)  # the bidirectional classes of such letters and digits

SHORTEST_CREDENTIAL = 16
"""Characters. No key or token is shorter, and masking a shorter one would garble messages."""

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
    """Return a value as messages quote it: in quotation marks, at most 60 characters of it."""
    (quoted,) = quoted_together(value)
    return quoted


def quoted_together(*values: str) -> tuple[str, ...]:
    """Return the values of one sentence as `quote` does.

    Where one of them reads from right to left, each is isolated, so that it cannot turn the English
    around it: no Arabic header tears the value after it apart. Other sentences hold no such marks.
    """
    shown = [
        visible(value[:_LONGEST_QUOTE] + "…" * (len(value) > _LONGEST_QUOTE)) for value in values
    ]
    if any(map(_has_right_to_left, shown)):
        shown = [f"{_ISOLATE}{text}{_END_ISOLATE}" for text in shown]
    return tuple(f"“{text}”" for text in shown)


def isolated(text: str) -> str:
    """Return words from outside, such as an answer's, so that they cannot turn our own around."""
    return f"{_ISOLATE}{text}{_END_ISOLATE}" if _has_right_to_left(text) else text


def without_isolates(sentence: str) -> str:
    """Return a sentence for terminals and programs, which make nothing of such marks."""
    return sentence.translate(_ISOLATES)


def _has_right_to_left(text: str) -> bool:
    return not text.isascii() and any(
        unicodedata.bidirectional(char) in _RIGHT_TO_LEFT for char in text
    )


def one_line(text: str) -> str:
    """Return text from outside as one readable line of at most 500 characters."""
    line = visible(" ".join(text[: 4 * _LONGEST_LINE].split()))
    return line if len(line) <= _LONGEST_LINE else line[:_LONGEST_LINE] + "…"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 row, 2,000 rows."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
