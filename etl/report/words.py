"""How the page of a run says numbers, times and long texts."""

from __future__ import annotations

from datetime import datetime

_LONGEST_CELL = 500
_FEW_SECONDS = 10  # of which tenths are told
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def clock(time: str) -> str:
    """Return the time of day."""
    return f"{datetime.fromisoformat(time):%H:%M:%S}"


def cut(text: str) -> str:
    """Return at most 500 characters of a text."""
    return text if len(text) <= _LONGEST_CELL else text[:_LONGEST_CELL] + "…"


def large(text: str) -> str:
    """Return a text with its first letter large, and the others as they are."""
    return text[:1].upper() + text[1:]


def local(time: str) -> str:
    """Return what the clock of this machine shows then, and the date where that is another one."""
    then = datetime.fromisoformat(time)
    here = then.astimezone()
    date = "" if here.date() == then.date() else f"{here:%Y-%m-%d} "
    return f"{date}{here:%H:%M:%S} at UTC{here.isoformat()[-6:]}"


def number(value: float) -> str:
    """Return a number with its thousands set apart."""
    return f"{value:,}"


def percent(count: int, rows: int) -> str:
    """Return a share that says 0% and 100% only where that is exact."""
    if count in {0, rows}:
        return "100%" if count else "0%"
    share = min(max(100 * count / rows, 0.1), 99.9)
    return f"{share:.1f}%"


def span(seconds: float) -> str:
    """Return a length of time: 40 ms, 1.2 s, 12 s, or the two largest units as in 3 min 5 s."""
    if seconds < _FEW_SECONDS:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
    left, told = round(seconds), []
    for size, unit in _UNITS:
        if left >= size:
            told.append(f"{left // size} {unit}")
        left %= size
    return " ".join(told[:2])


def utc(time: str) -> str:
    """Return a time that is UTC to the second."""
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC"
