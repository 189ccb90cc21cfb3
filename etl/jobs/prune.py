"""Removing the personal data of old runs, while keeping the audit trail."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from etl.errors import FatoraClientsError
from etl.files import remove
from etl.manifest import Seal
from etl.rows import Status, rows_left
from etl.runs.chain import newest
from etl.runs.forgetting import write_without_persons
from etl.runs.listing import Run, entries, run_of
from etl.runs.lock import locked
from etl.stopping import is_disk_full

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import timedelta
    from pathlib import Path

    from etl.manifest import Manifest
    from etl.runs.folder import RunFolder, RunsFolder
    from etl.runs.listing import Entry

# Most of the time goes to flushes, and a disk does several of them together: a run took 34 ms one
# by one and 12 ms with 16 together (128 runs each, in turns, on the machine of architecture.md).
_TOGETHER = 16
_PAUSE = 0.015  # seconds in which a waiting `update` takes the lock: it looks every 0.01 s


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that is old enough to prune; ``unfinished`` means that it still has rows to send."""

    folder: RunFolder
    manifest: Manifest
    unfinished: bool

    @property
    def personal(self) -> list[Path]:
        """The files that are removed; the journal is kept, without its cells."""
        return _personal_in(self.folder)


def _personal_in(folder: RunFolder) -> list[Path]:
    kept = {folder.manifest, folder.journal, folder.log}
    return sorted(file for file in folder.path.iterdir() if file not in kept)


def older_than(age: timedelta, found: Iterable[Entry]) -> list[OldRun]:
    """Return the runs that ended longer ago than ``age`` and have personal data, oldest first."""
    return sorted(
        (
            OldRun(run.folder, run.manifest, _has_rows_left(run.manifest))
            for run in found
            if isinstance(run, Run)
            and _holds_personal_data(run.manifest)
            and _is_older_than(age, run.manifest)
        ),
        key=lambda old: old.folder.run,
    )


def _holds_personal_data(manifest: Manifest) -> bool:
    return manifest.pruned is None or manifest.sealed is None


def _is_older_than(age: timedelta, manifest: Manifest) -> bool:
    if not manifest.sessions:
        return False
    last = manifest.sessions[-1]
    return datetime.now(UTC) - datetime.fromisoformat(last.ended or last.begun) > age


def _has_rows_left(manifest: Manifest) -> bool:
    """Whether running the file again would send rows, so that their values must be kept."""
    counts = {Status(status): count for status, count in manifest.counts.items()}
    return manifest.exit_code is None or rows_left(counts) > 0


def prune(chosen: Sequence[OldRun], runs: RunsFolder) -> Iterator[str | None]:
    """Remove the personal data of runs; yield for each of them None, or why it was not pruned.

    The runs folder is locked for a few runs at a time, and anybody may take the lock in between.
    If pruning is killed or fails, the manifest stays open: `verify` reports it, and pruning again
    finishes it.

    Raises:
        BusyError: another program has taken the lock; the other runs were not pruned.
    """
    last: Seal | None = None
    note: bytes | None = None
    with ThreadPoolExecutor(_TOGETHER) as pool:
        for start in range(0, len(chosen), _TOGETHER):
            time.sleep(_PAUSE if start else 0)
            folders = [old.folder for old in chosen[start : start + _TOGETHER]]
            with locked(runs.path, briefly=True) as turn:
                if note is None or turn.before != note:  # somebody else may have sealed a run
                    runs.clear_staging()
                    last = newest(each.manifest for each in entries(runs) if each.manifest)
                note = turn.note
                with runs.workplace("prune") as place:
                    for emptied in pool.map(partial(_emptied, place=place), folders):
                        if isinstance(emptied, Run):
                            last = _seal(emptied, last)
                        yield emptied if isinstance(emptied, str) else None


def _seal(run: Run, last: Seal | None) -> Seal:
    manifest = run.manifest.seal(last, run.folder.hashes())
    manifest.write(run.folder.manifest)
    return Seal(manifest.run, manifest.sealed_as or "")


def _emptied(folder: RunFolder, place: Path) -> Run | str | None:
    """Remove the personal data of a run; return the run to be sealed, or why it was not pruned.

    Returns None if it was pruned meanwhile.
    """
    try:
        return _empty(folder, place)
    except FatoraClientsError as error:
        return f"{error}; it was not pruned"
    except (OSError, sqlite3.Error) as error:
        if is_disk_full(error):
            raise
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
        return (
            f"run {folder.run} was not pruned completely ({reason}); remove the cause, then run"
            " fatora-clients prune again"
        )


def _empty(folder: RunFolder, place: Path) -> Run | None:
    """Remove the personal data of a run, and return the run, whose manifest is open.

    ``place`` is a hidden folder for the new journal.

    Raises:
        DamagedError: the journal is damaged, or the manifest was modified after it was sealed;
            nothing was removed.
        OSError: some files could not be removed.
    """
    manifest = run_of(folder).manifest
    if not _holds_personal_data(manifest):
        return None
    journal = place / f"{folder.run}.sqlite3"
    write_without_persons(folder.journal, journal)
    if manifest.pruned is None:
        removed = {name: sha for name, sha in manifest.files.items() if name != folder.log.name}
        manifest = manifest.reopened(folder.continued).begin_pruning(removed)
        manifest.write(folder.manifest)
    journal.replace(folder.journal)
    _remove(_personal_in(folder))
    return Run(folder, manifest)


def _remove(files: Iterable[Path]) -> None:
    """Remove files and folders, all that can be removed.

    Raises:
        OSError: one of them cannot.
    """
    failed: OSError | None = None
    for file in files:
        try:
            remove(file)
        except OSError as error:
            failed = error
    if failed:
        raise failed
