"""The rules about text that several stages share: invisible characters, quoting, formulas.

The rules for the values of each field are in ``etl.validate``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from itertools import repeat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LONGEST_QUOTE = 60
_LONGEST_LINE = 500

# The categories of what could fake a line of a log or hide in an address: control, format (zero-
# width and bidi marks), surrogate, private-use and unassigned characters, and the separators of
# lines and paragraphs.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})

_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))  # U+3000 is the last
# Characters without a width: soft hyphen, Arabic letter mark, Mongolian vowel separator, zero-width
# and bidi characters, word joiner and invisible operators, byte order mark.
_MARKS = (
    "\u00ad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e"
    "\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069"
    "\u206a\u206b\u206c\u206d\u206e\u206f\ufeff"
)
_EDGES = _WHITE_SPACE + _MARKS

# A cell that a spreadsheet program would run as a formula, with or without apostrophes before it:
# OWASP ASVS 5.0, 1.2.10. A phone number is harmless, since it cannot call anything.
_FORMULA = re.compile(r"'*[=+\-@\t\r\uff1d]")
_PHONE = re.compile(r"\+[0-9]+")

# Unicode Standard Annex 9: FIRST STRONG ISOLATE and POP DIRECTIONAL ISOLATE. Text between them has
# its own direction and cannot change that of the sentence around it.
_ISOLATE, _END_ISOLATE = "\u2068", "\u2069"
_ISOLATES = str.maketrans(dict.fromkeys((_ISOLATE, _END_ISOLATE)))
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})  # bidirectional classes of letters and digits

SHORTEST_CREDENTIAL = 16
"""Characters. No key or token is shorter, and masking a shorter one would garble messages."""

_NOT_ASCII = re.compile(r"[^\n -~]")  # nor the line breaks of JSON that is indented
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")  # RFC 6750, 2.1: b64token


def strip_edges(text: str) -> str:
    """Return the text without white space and invisible characters at its ends."""
    return text.strip(_EDGES)


def strip_edges_of_each(texts: Iterable[str]) -> list[str]:
    """Return what `strip_edges` returns for each of many texts, in a fifth of the time."""
    return list(map(str.strip, texts, repeat(_EDGES)))


def is_blank(text: str) -> bool:
    """Whether a cell with this text looks empty."""
    return not text or (text[0] in _EDGES and not strip_edges(text))


def visible(text: str) -> str:
    """Return the text with every invisible character written out, such as ``<U+200F>``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        f"<U+{ord(char):04X}>" if unicodedata.category(char) in _INVISIBLE else char
        for char in text
    )


def quote(value: str) -> str:
    """Return a value as sentences quote it: in quotation marks, cut after 60 characters."""
    (quoted,) = quoted_together(value)
    return quoted


def quoted_together(*values: str) -> tuple[str, ...]:
    """Return the values for one sentence, each as `quote` returns it.

    If one of them has right-to-left text, all are isolated: an Arabic header then changes the order
    neither of the English words nor of the value after it. Other sentences get no isolates.
    """
    shown = [
        visible(value[:_LONGEST_QUOTE] + "…" * (len(value) > _LONGEST_QUOTE)) for value in values
    ]
    if any(map(_has_right_to_left, shown)):
        shown = [f"{_ISOLATE}{text}{_END_ISOLATE}" for text in shown]
    return tuple(f"“{text}”" for text in shown)


def isolated(text: str) -> str:
    """Return text from outside, such as an answer's, for the middle of one of our sentences.

    Its invisible characters are written out, and right-to-left text is isolated.
    """
    shown = visible(text)
    return f"{_ISOLATE}{shown}{_END_ISOLATE}" if _has_right_to_left(shown) else shown


def quoted_path(path: Path) -> str:
    """Return a path as sentences quote it: whole, since paths often differ only at the end."""
    return f"“{isolated(str(path))}”"


def without_isolates(sentence: str) -> str:
    """Return a sentence for terminals and programs, which do not interpret isolates."""
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

    An apostrophe is put before text that begins like a formula, with or without apostrophes of its
    own, so that exactly one can be removed again. Phone numbers stay as they are.
    """
    if _FORMULA.match(text) and not _PHONE.fullmatch(text):
        return "'" + text
    return text


def unguard_formula(text: str) -> str:
    """Return a cell's text without the apostrophe of `guard_formula`; ``'Abdul`` keeps its own."""
    if text.startswith("'") and _FORMULA.match(text):
        return text[1:]
    return text


def json_text(value: object, indent: int | None = None) -> str:
    """Return a value as JSON with readable letters, but an escape for each invisible character.

    So it can be printed on a terminal, and encoded although a file's name was not valid UTF-8.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _NOT_ASCII.sub(lambda match: _escaped(match[0]), text)


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    return r"\u007f" if char == "\x7f" else json.dumps(char)[1:-1]


def utc_time(seconds: float) -> str:
    """Return a time, in seconds since 1970, as the job writes it: UTC, ISO 8601, to milliseconds.

    Such texts sort like the times themselves; the journal relies on that.
    """
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def is_token(text: str) -> bool:
    """Whether the text has only characters that a bearer token may have."""
    return _TOKEN.fullmatch(text) is not None
