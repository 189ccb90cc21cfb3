"""How the commands name runs, times and results."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etl.report.sentences import open_in_words
from etl.text import visible, without_isolates

if TYPE_CHECKING:
    from datetime import datetime

    from etl.manifest import Manifest
    from etl.rows import OpenRows

_START_LENGTH = len("20261128T021500.409Z")


def short_id(run: str) -> str:
    """Return the beginning of a run's id, which is unique and which `show` accepts."""
    return run[:_START_LENGTH]


def minute(time: datetime) -> str:
    """Return a date and time to the minute, such as ``2026-11-28 02:15``."""
    return f"{time:%Y-%m-%d %H:%M}"


def stop_reason(manifest: Manifest) -> str | None:
    """Return why the newest session of a run stopped early, if it is recorded and still so."""
    return manifest.stopped and without_isolates(manifest.stopped)


def api_of(manifest: Manifest) -> str:
    """Return where a run sent its rows: the API's host, or SANDBOX."""
    return "SANDBOX" if manifest.sandbox else urlsplit(manifest.api).netloc


def rows_in_short(to_fix: int, left: int) -> str:
    """Return how many rows are open, such as ``18 to fix, 3 to send``; empty if none are."""
    words = [f"{to_fix:,} to fix"] * bool(to_fix) + [f"{left:,} to send"] * bool(left)
    return ", ".join(words)


def named_open_rows(rows: OpenRows) -> str:
    """Return what is still open after all rework of a run, with its file and its id."""
    return f"{visible(rows.file)} (run {rows.run}): {open_in_words(rows)}"
