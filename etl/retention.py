"""Removing the personal data of old runs, so that what is left still proves what was done."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.rows import Status, rows_left
from etl.runs.chain import newest
from etl.runs.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta
    from pathlib import Path

    from etl.runs.folder import RunFolder, RunsFolder
    from etl.runs.manifest import Manifest

_KEPT = frozenset({"manifest.json", "journal.sqlite3", "run.log"})


@dataclass(frozen=True, slots=True)
class OldRun:
    """A run whose personal data may go; ``unfinished`` says that rows of it are still left."""

    folder: RunFolder
    manifest: Manifest
    unfinished: bool

    @property
    def personal(self) -> list[Path]:
        """The files that are removed; the journal is kept, without its cells."""
        return sorted(file for file in self.folder.path.iterdir() if file.name not in _KEPT)


def runs_older_than(age: timedelta, runs: RunsFolder) -> Iterator[OldRun]:
    """Yield the runs that ended so long ago and hold personal data, the oldest first."""
    for manifest in sorted(runs.manifests(), key=lambda each: each.run):
        last = manifest.sessions[-1] if manifest.sessions else None
        ended = last and datetime.fromisoformat(last.ended or last.begun)
        if ended and manifest.pruned is None and datetime.now(UTC) - ended > age:
            yield OldRun(runs.find(manifest.run), manifest, _has_rows_left(manifest))


def _has_rows_left(manifest: Manifest) -> bool:
    """Whether running the file again would send rows, whose values must therefore stay."""
    counts = {Status(status): count for status, count in manifest.counts.items()}
    return manifest.sealed is None or rows_left(counts) > 0


def prune(old: OldRun, runs: RunsFolder) -> None:
    """Remove the personal data of a run; killed on the way, it can be done again.

    The runs folder must be held. The manifest is written last: until then `verify` tells what is
    missing.
    """
    folder, manifest = old.folder, old.manifest
    with Journal(folder.journal) as journal:
        journal.forget_persons()
        journal.finish()
    for file in old.personal:
        file.unlink()
    kept = folder.hashes()
    removed = {name: digest for name, digest in manifest.files.items() if kept.get(name) != digest}
    manifest = manifest.prune(removed)
    others = [each for each in runs.manifests() if each.run != manifest.run]
    manifest.seal(newest([*others, manifest]), kept).write(folder.manifest)
