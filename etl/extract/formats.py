"""The text that a spreadsheet program shows for a number or a date, where the file determines it.

Source: ECMA-376 part 1, 18.8.30 and 18.8.31 (number formats). Formats that depend on the reader's
settings, conditions and fractions are not supported.
"""

from __future__ import annotations

import math
import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERAL = "General"
_TEXT = "@"
_LONGEST = 255  # characters; Excel accepts no longer format
_EXACT = Context(prec=6_000)  # more digits than any number has in any format

# Windows shows these as the reader has set them: short date, long date and time.
_BY_SETTINGS = re.compile(r"mm-dd-yy|m/d/yy h:mm|\[\$-F[48]00\].*", re.IGNORECASE)

_SECTIONS = re.compile(r'(?:^|;)((?:"[^"]*"|\\.|[^;"\\])*)')
_LITERAL = (
    r'(?:"[^"]*"|\\.|[ $€£+\-()/:!^&\'~{}<>=]|_.|\*.'
    r"|\[\$[^\]-]*(?:-[0-9A-Fa-f]{1,4})?\]|\[[A-Za-z]+\])"
)
_NUMBER = re.compile(
    rf"(?P<before>(?:{_LITERAL}|[1-9])*)(?P<whole>[#0?,]*[#0?])(?:\.(?P<decimals>[0#?]*))?"
    rf"(?P<after>(?:{_LITERAL}|%)*)"
)
# Digits with literals between them, as in phone numbers, such as 000-0000. A slash that is not
# quoted makes a fraction.
_SPACED = re.compile(rf"(?:(?!/){_LITERAL}|[1-9])*[#0](?:(?!/){_LITERAL}|[1-9#0])*")
_PIECE = re.compile(rf"{_LITERAL}|.")
_LITERALS = re.compile(
    r'"(?P<quoted>[^"]*)"|\\(?P<escaped>.)|_.|\*.|\[\$(?P<symbol>[^\]-]*)[^\]]*\]|\[[^\]]*\]|(?P<plain>.)'
)
# Only English (MS-LCID: numbers like 0409), for the names of months and days below. Longer numbers
# mean other digits or another calendar.
_DATE_PART = re.compile(
    r'"[^"]*"|\\.|\[\$-[0-9A-F]?[048C]09\]|AM/PM|[ /:,.-]'
    r"|(?:yyyy|yy)(?!y)|m{1,4}(?!m)|d{1,4}(?!d)|hh?(?!h)|ss?(?!s)",
    re.IGNORECASE,
)
_EXPONENT = re.compile(r"[0#](?:\.(?P<decimals>0+))?E\+(?P<digits>0+)", re.IGNORECASE)
_POWER = re.compile(r"E[+-]", re.IGNORECASE)
_DIALLED = "+0123456789"
_DURATION = re.compile(r"\[h+\]:mm(?P<seconds>:ss)?(?:;@)?", re.IGNORECASE)
_MONTHS = "January February March April May June July August September October November December"
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday"


def shown_number(value: float, number_format: str) -> str | None:
    """Return the text shown for a number, or None if the file does not determine it."""
    if number_format in {GENERAL, _TEXT}:
        return plain_number(value)
    sections = _sections(number_format)
    if not sections or (isinstance(value, float) and not math.isfinite(value)):
        return None
    has_negatives = value < 0 and len(sections) > 1
    section = sections[1] if has_negatives else sections[0]
    if value == 0 and len(sections) > 2:  # noqa: PLR2004 - positive; negative; zero
        section = sections[2]
    if not section and len(sections) > 1:
        return ""  # such as 0;-0;;@ which hides zeros
    if match := _EXPONENT.fullmatch(section):
        return _with_exponent(value, len(match["decimals"] or ""), len(match["digits"]))
    sign = "-" if value < 0 and not has_negatives else ""
    amount = Decimal(repr(value)).copy_abs()
    match = _NUMBER.fullmatch(section)
    if match is None:
        return sign + _spaced(amount, section) if _SPACED.fullmatch(section) else None
    percents = sum(literal["plain"] == "%" for literal in _LITERALS.finditer(match["after"]))
    digits = _digits(amount.scaleb(2 * percents, _EXACT), match["whole"], match["decimals"])
    return sign + _literals(match["before"]) + digits + _literals(match["after"])


@lru_cache(1_000)  # a sheet has few formats and a million numbers
def adds_digits(number_format: str) -> bool:
    """Whether a format shows digits or a plus sign that are not of the number, such as +974."""
    section = "".join(_sections(number_format)[:1])
    return any(
        not set(_DIALLED).isdisjoint(match["quoted"] or match["escaped"] or match["symbol"] or "")
        or (match["plain"] or "0") in _DIALLED.replace("0", "")
        for match in _LITERALS.finditer(_POWER.sub("", section))
    )


def plain_number(value: float) -> str:
    """Return a number as the format General shows it in a wide enough cell."""
    return str(int(value)) if value == value // 1 else f"{value:.15g}".upper()


def shown_moment(value: datetime | date | time, number_format: str) -> str | None:
    """Return the text shown for a date or a time, or None if the file does not determine it."""
    if _BY_SETTINGS.fullmatch(number_format):
        return None
    section = "".join(_sections(number_format)[:1])
    parts = _DATE_PART.findall(section)
    if not section or "".join(parts) != section:
        return None
    moment = _whole_moment(value)
    return "".join(_moment_parts(moment, [part for part in parts if part]))


def shown_duration(value: timedelta, number_format: str) -> str | None:
    """Return the text shown for a duration, or None if the file does not determine it."""
    match = _DURATION.fullmatch(number_format)
    if match is None or value < timedelta():
        return None
    minutes, seconds = divmod(round(value.total_seconds()), 60)
    shown = f"{minutes // 60}:{minutes % 60:02}"
    return f"{shown}:{seconds:02}" if match["seconds"] else shown


def _with_exponent(value: float, decimals: int, digits: int) -> str:
    mantissa, exponent = f"{value:.{decimals}E}".split("E")
    return f"{mantissa}E{exponent[0]}{exponent[1:].lstrip('0').zfill(digits)}"


def _sections(number_format: str) -> list[str]:
    """Return the parts between semicolons; none if the format is malformed."""
    sections: list[str] = _SECTIONS.findall(number_format)
    is_whole = len(number_format) <= _LONGEST and ";".join(sections) == number_format
    return sections if is_whole else []


def _digits(amount: Decimal, whole: str, decimals: str | None) -> str:
    least, most = (decimals or "").count("0"), len(decimals or "")
    rounded = amount.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP, _EXACT)
    before, _, after = f"{rounded:f}".partition(".")
    before = before.lstrip("0").zfill(whole.count("0"))
    if "," in whole:
        before = _grouped(before)
    while len(after) > least and after.endswith("0"):
        after = after[:-1]
    return f"{before}.{after}" if decimals is not None else before


def _spaced(amount: Decimal, section: str) -> str:
    """Return a whole number in a format with literals between its digits.

    Digits are put into their places from the right; those without a place come with the first one.
    """
    pieces = _PIECE.findall(section)
    places = [piece for piece in pieces if piece in {"#", "0"}]
    least = len(places) - places.index("0") if "0" in places else 0
    digits = f"{amount.quantize(Decimal(1), ROUND_HALF_UP, _EXACT):f}".lstrip("0").zfill(least)
    spare = max(0, len(digits) - len(places))
    blank = [""] * (len(places) - len(digits))
    filled = iter([*blank, digits[: spare + 1], *digits[spare + 1 :]])
    return "".join(next(filled) if piece in places else _literals(piece) for piece in pieces)


def _grouped(digits: str) -> str:
    head = len(digits) % 3
    groups = [digits[:head]] if head else []
    return ",".join(groups + [digits[i : i + 3] for i in range(head, len(digits), 3)])


def _literals(text: str) -> str:
    return "".join(
        match["quoted"] or match["escaped"] or match["symbol"] or match["plain"] or ""
        for match in _LITERALS.finditer(text)
    )


def _whole_moment(value: datetime | date | time) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, time):
        return datetime.combine(date(1899, 12, 31), value)  # day 0 of ECMA-376 part 1, 18.17.4.1
    return datetime.combine(value, time())


def _moment_parts(moment: datetime, parts: list[str]) -> Iterator[str]:
    """Yield the text of each part; an m next to hours or seconds means minutes."""
    noon = any(part.upper() == "AM/PM" for part in parts)
    letters = [part.lower() for part in parts if part[0].lower() in "ymdhs"]
    position = -1
    for part in parts:
        code = part.lower()
        if code[0] not in "ymdhs":
            yield _literals(part) if code != "am/pm" else f"{moment:%p}"
            continue
        position += 1
        before = letters[position - 1] if position else ""
        after = letters[position + 1] if position + 1 < len(letters) else ""
        if code in {"m", "mm"} and (before in {"h", "hh"} or after in {"s", "ss"}):
            code = code.replace("m", "n")
        yield _moment_part(moment, code, noon=noon)


def _moment_part(moment: datetime, code: str, *, noon: bool) -> str:
    hour = (moment.hour % 12 or 12) if noon else moment.hour
    numbers = {
        "d": moment.day,
        "m": moment.month,
        "h": hour,
        "n": moment.minute,
        "s": moment.second,
    }
    names = {
        "yyyy": f"{moment.year:04}",
        "yy": f"{moment.year % 100:02}",
        "mmmm": _MONTHS.split()[moment.month - 1],
        "mmm": _MONTHS.split()[moment.month - 1][:3],
        "dddd": _DAYS.split()[moment.weekday()],
        "ddd": _DAYS.split()[moment.weekday()][:3],
    }
    if code in names:
        return names[code]
    return f"{numbers[code[0]]:02}" if len(code) > 1 else str(numbers[code])
