"""Removing the personal data of old runs, while keeping the audit trail."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.errors import DamagedError
from etl.manifest import Manifest
from etl.rows import Status, rows_left
from etl.runs.chain import newest
from etl.runs.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from pathlib import Path

    from etl.runs.folder import RunFolder, RunsFolder


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run that is old enough to prune; ``unfinished`` means that it still has rows to send."""

    folder: RunFolder
    manifest: Manifest
    unfinished: bool

    @property
    def personal(self) -> list[Path]:
        """The files that are removed; the journal is kept, without its cells."""
        kept = {self.folder.manifest, self.folder.journal, self.folder.log}
        return sorted(file for file in self.folder.path.iterdir() if file not in kept)


def runs_older_than(age: timedelta, runs: RunsFolder) -> Iterator[OldRun]:
    """Yield the runs that ended longer ago than ``age`` and have personal data, oldest first.

    A run whose manifest is damaged is skipped; `verify` reports it.
    """
    for folder in reversed(runs.all()):
        with suppress(DamagedError):
            manifest = Manifest.read(folder.manifest)
            if _holds_personal_data(manifest) and _is_older_than(age, manifest):
                yield OldRun(folder, manifest, _has_rows_left(manifest))


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


def prune(old: OldRun, runs: RunsFolder) -> None:
    """Remove the personal data of a run.

    The caller must have locked the runs folder. If pruning is killed, the manifest stays open:
    `verify` reports it, and pruning again finishes it.

    Raises:
        DamagedError: the manifest was modified after it was sealed; nothing was removed.
    """
    folder, manifest = old.folder, old.manifest
    if manifest.pruned is None:
        removed = {name: sha for name, sha in manifest.files.items() if name != folder.log.name}
        manifest = manifest.reopened(folder.continued).begin_pruning(removed)
        manifest.write(folder.manifest)
    with Journal(folder.journal) as journal:
        journal.forget_persons()
        journal.finish()
    for file in old.personal:
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    manifest.seal(newest(runs.manifests()), folder.hashes()).write(folder.manifest)
