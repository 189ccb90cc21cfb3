"""How the commands name runs, times and results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etl.errors import ExitCode
from etl.outcome import open_in_words
from etl.text import without_isolates

if TYPE_CHECKING:
    from etl.outcome import OpenRows
    from etl.runs.lock import Holder
    from etl.runs.manifest import Manifest

RUNNING, INTERRUPTED = "running", "interrupted"
_OUTCOMES = {
    ExitCode.DONE: "all updated",
    ExitCode.NOT_ALL_UPDATED: "action needed",
    ExitCode.USAGE: "key refused",
    ExitCode.STOPPED: "stopped early",
}
_START = "%Y%m%dT%H%M%S.%fZ"  # the beginning of a run's id
_START_LENGTH = len("20261128T021500.409Z")


def short_id(run: str) -> str:
    """Return the beginning of a run's id, which is unique and which `show` accepts."""
    return run[:_START_LENGTH]


def started(manifest: Manifest) -> datetime:
    """Return when the newest session of a run started."""
    if manifest.sessions:
        return datetime.fromisoformat(manifest.sessions[-1].begun)
    return datetime.strptime(short_id(manifest.run), _START).replace(tzinfo=UTC)


def minute(time: datetime) -> str:
    """Return a time as tables show it."""
    return f"{time:%Y-%m-%d %H:%M}"


def outcome_of(manifest: Manifest, still_open: OpenRows, holder: Holder | None) -> str:
    """Return how a run ended, or that it is still running.

    ``still_open`` is what is still open after all rework. ``holder`` is the process that uses the
    runs folder; no other can be working on a run.
    """
    if manifest.exit_code is None:
        is_running = holder and (holder.since is None or holder.since <= started(manifest))
        return RUNNING if is_running else INTERRUPTED
    if manifest.exit_code == ExitCode.NOT_ALL_UPDATED and not still_open.total:
        return "all corrected"
    return _OUTCOMES[ExitCode(manifest.exit_code)]


def stop_reason(manifest: Manifest) -> str | None:
    """Return why the newest session of a run stopped early, if it is recorded."""
    stopped = manifest.sessions[-1].stopped if manifest.sessions else None
    return stopped and without_isolates(stopped)


def api_of(manifest: Manifest) -> str:
    """Return where a run sent its rows: the API's host, or SANDBOX."""
    return "SANDBOX" if manifest.sandbox else urlsplit(manifest.api).netloc


def rows_in_short(to_fix: int, left: int) -> str:
    """Return how many rows are open, such as ``18 to fix, 3 to send``; empty if none are."""
    words = [f"{to_fix:,} to fix"] * bool(to_fix) + [f"{left:,} to send"] * bool(left)
    return ", ".join(words)


def named_open_rows(rows: OpenRows) -> str:
    """Return what is still open after all rework of a run, with its file and its id."""
    return f"{rows.file} (run {rows.run}): {open_in_words(rows)}"
