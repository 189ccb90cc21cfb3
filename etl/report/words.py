"""How the page of a run writes numbers, times, verdicts and long texts."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING

from etl.errors import ExitCode
from etl.report.sentences import open_in_words
from etl.text import counted, quote, visible

if TYPE_CHECKING:
    from etl.manifest import Manifest
    from etl.rows import OpenRows

_LONGEST_TEXT = 500
_FEW_SECONDS = 10  # of which tenths are shown
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_ISOLATES = re.compile("[\u2068\u2069]")
_ENDINGS = {
    ExitCode.DONE: "nothing left to do",
    ExitCode.NOT_ALL_UPDATED: "some rows need attention",
    ExitCode.USAGE: "wrong settings or credentials",
    ExitCode.INPUT_UNUSABLE: "the file could not be used",
    ExitCode.STOPPED: "stopped early, some rows still to send",
    ExitCode.INTERNAL: "internal error",
    ExitCode.BUSY: "another run was using the runs folder",
}


def clock(time: str) -> str:
    """Return the time of day."""
    return f"{datetime.fromisoformat(time):%H:%M:%S}"


def counted_attempts(attempts: int) -> str:
    """Return how many attempts a row had; empty for a single one."""
    return counted(attempts, "attempt") if attempts > 1 else ""


def cut(text: str) -> str:
    """Return at most 500 characters of a text."""
    return text if len(text) <= _LONGEST_TEXT else text[:_LONGEST_TEXT] + "…"


def dated(time: str) -> str:
    """Return a date as people write it, and the time: 28 November 2026, 02:15 UTC."""
    then = datetime.fromisoformat(time)
    return f"{then.day} {then:%B %Y, %H:%M} UTC"


def ending(manifest: Manifest) -> str:
    """Return the exit code of a run with its meaning: 1 (some rows need attention)."""
    code = ExitCode(manifest.exit_code or ExitCode.DONE)
    meaning = _ENDINGS[code]
    if manifest.is_planned:
        meaning = "planned, nothing sent so far"
    elif manifest.needs_approval:
        meaning = "the plan needs approval"
    return f"{int(code)} ({meaning})"


def local(time: str) -> str:
    """Return the local time of this machine, with its date if that differs from the UTC date."""
    then = datetime.fromisoformat(time)
    here = then.astimezone()
    date = "" if here.date() == then.date() else f"{here:%Y-%m-%d} "
    return f"{date}{here:%H:%M:%S} at UTC{here.isoformat()[-6:]}"


def number(value: float) -> str:
    """Return a number with thousands separators."""
    return f"{value:,}"


def open_rows(earlier: OpenRows) -> str:
    """Return what is still open of an earlier file, and how to send the rest of it."""
    advice = " Run that file again to send them." if earlier.left else ""
    return f"Still open in {quote(earlier.file)}: {open_in_words(earlier)}.{advice}"


def parts(sentence: str) -> list[str]:
    """Split a sentence at its isolates: every second part is a quote with its own direction."""
    return [visible(part) for part in _ISOLATES.split(sentence)]


def percent(count: int, rows: int) -> str:
    """Return a share in percent; 0% and 100% are always exact."""
    if count in {0, rows}:
        return "100%" if count else "0%"
    share = min(max(100 * count / rows, 0.1), 99.9)
    return f"{share:.1f}%"


def visible_lines(text: str) -> str:
    """Return a text with invisible characters written out, except line breaks."""
    if text.isprintable():
        return text
    return "\n".join(map(visible, text.replace("\r\n", "\n").split("\n")))


def setting(value: object) -> str:
    """Return a setting's value as in the configuration file."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def span(seconds: float) -> str:
    """Return a length of time: 40 ms, 1.2 s, 12 s, or the two largest units as in 3 min 5 s."""
    if seconds < _FEW_SECONDS:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.0f} ms"
    left, units = round(seconds), []
    for size, unit in _UNITS:
        if left >= size:
            units.append(f"{left // size} {unit}")
        left %= size
    return " ".join(units[:2])


def utc(time: str) -> str:
    """Return a UTC time to the second."""
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M:%S} UTC"
