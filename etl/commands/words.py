"""The words in which the commands speak of runs that are on record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etl.errors import ExitCode
from etl.text import counted, without_isolates

if TYPE_CHECKING:
    from etl.outcome import OpenRows
    from etl.runs.lock import Holder
    from etl.runs.manifest import Manifest

RUNNING, INTERRUPTED = "running", "interrupted"
_OUTCOMES = {
    ExitCode.DONE: "all updated",
    ExitCode.NOT_ALL_UPDATED: "needs attention",
    ExitCode.USAGE: "key refused",
    ExitCode.STOPPED: "stopped early",
}
_START = "%Y%m%dT%H%M%S.%fZ"  # with which a run's id begins
_START_LENGTH = len("20261128T021500.409Z")


def short_id(run: str) -> str:
    """Return the beginning of a run's id that tells it from others, and that `show` takes."""
    return run[:_START_LENGTH]


def started(manifest: Manifest) -> datetime:
    """Return when the newest session of a run began."""
    if manifest.sessions:
        return datetime.fromisoformat(manifest.sessions[-1].begun)
    return datetime.strptime(short_id(manifest.run), _START).replace(tzinfo=UTC)


def minute(time: datetime) -> str:
    """Return a time as tables show it."""
    return f"{time:%Y-%m-%d %H:%M}"


def outcome_of(manifest: Manifest, still_open: OpenRows, holder: Holder | None) -> str:
    """Return how a run ended, or whether it goes on.

    ``still_open`` is what all rework has left open; ``holder`` is who holds the runs folder, and
    the only one who can be working on a run.
    """
    if manifest.exit_code is None:
        goes_on = holder and (holder.since is None or holder.since <= started(manifest))
        return RUNNING if goes_on else INTERRUPTED
    if manifest.exit_code == ExitCode.NOT_ALL_UPDATED and not still_open.total:
        return "all corrected"
    return _OUTCOMES[ExitCode(manifest.exit_code)]


def stop_reason(manifest: Manifest) -> str | None:
    """Return why the newest session of a run stopped early, if that is on record."""
    stopped = manifest.sessions[-1].stopped if manifest.sessions else None
    return stopped and without_isolates(stopped)


def api_of(manifest: Manifest) -> str:
    """Return where a run sent its rows: the API's host, or SANDBOX."""
    return "SANDBOX" if manifest.sandbox else urlsplit(manifest.api).netloc


def rows_in_short(to_fix: int, left: int) -> str:
    """Return how many rows are open, such as ``18 to fix, 3 left``, or nothing."""
    words = [f"{to_fix:,} to fix"] * bool(to_fix) + [f"{left:,} left"] * bool(left)
    return ", ".join(words)


def open_in_words(rows: OpenRows) -> str:
    """Return what is still open of a file after all its rework."""
    words = [f"{counted(rows.to_fix, 'row')} to fix"] * bool(rows.to_fix)
    words += [f"{counted(rows.left, 'row')} left to send"] * bool(rows.left)
    return f"{rows.file} (run {rows.run}): {', '.join(words) or 'nothing'}"
