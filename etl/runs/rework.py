"""Which rows of a file are still open after its rework was submitted.

Each row of a rework or results file names a run and a row of that run. A run of such a file
corrects those rows. A row is closed once a correction of it was updated, or a correction of that
correction. Where several rows have one client number, people keep one and delete the others: these
are closed together with the one that was kept.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from etl.errors import DamagedError
from etl.rows import DONE, NOT_FINAL, TO_FIX, OpenRows, Status, rows_left
from etl.runs.reader import JournalReader, counts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.manifest import Manifest
    from etl.runs.folder import RunFolder, RunsFolder


class Reworks:
    """Which runs correct rows of which other runs. Damaged runs are left out."""

    def __init__(
        self,
        runs: RunsFolder,
        manifests: Mapping[str, Manifest],
        counts: Callable[[RunFolder], Mapping[Status, int]] = counts_of,
    ) -> None:
        """Take the manifest of each run by its id, and where the counts of a run come from."""
        self._runs = runs
        self._manifests = manifests
        self._counts = counts
        self._corrected_by: dict[str, list[str]] = {}
        for run in self._manifests:
            for original in self._corrected_in(run):
                self._corrected_by.setdefault(original, []).append(run)

    def open_rows(self, run: str) -> OpenRows:
        """Return how many rows of a run are still open.

        Raises:
            DamagedError: the run's journal is damaged.
        """
        name, closed = self._manifests[run].input.name, self.closed_rows(run)
        if not closed:
            counts = self._counts(self._runs.folder(run))
            return OpenRows(run, name, sum(counts[each] for each in TO_FIX), rows_left(counts))
        with self._journal(run) as journal:
            to_fix, left = journal.rows_with(TO_FIX), journal.rows_with(NOT_FINAL)
        return OpenRows(run, name, len(to_fix - closed), len(left - closed))

    def open_originals(self, run: str) -> list[OpenRows]:
        """Return what is still open of each original file that this run corrects.

        A run may correct an original indirectly, as the rework of a rework.
        """
        still_open = []
        for original in sorted(self._originals(run) - {run}):
            with suppress(DamagedError):
                still_open.append(self.open_rows(original))
        return still_open

    def _corrected_in(self, run: str) -> list[str]:
        """Return the earlier runs that a run corrects; a rework cannot name later ones."""
        named = self._manifests[run].reworks
        return [earlier for earlier in named if earlier in self._manifests and earlier < run]

    def _originals(self, run: str) -> set[str]:
        """Return the runs at the origin of a run's corrections, which correct no other run."""
        corrected = self._corrected_in(run)
        return set().union(*map(self._originals, corrected)) if corrected else {run}

    def closed_rows(self, run: str) -> set[int]:
        """Return the rows of a run that later runs settled, or that people deleted."""
        closed, corrected = set(), set()
        for later in self._corrected_by.get(run, []):
            closed_later = self.closed_rows(later)
            with suppress(DamagedError), self._journal(later) as journal:
                for origin, row, status in journal.corrections_of(run):
                    corrected.add(origin.row)
                    if status in DONE or row in closed_later:
                        closed.add(origin.row)
        return closed | self._deleted(run, closed, corrected)

    def _deleted(self, run: str, closed: set[int], corrected: set[int]) -> set[int]:
        """Return the duplicates of closed rows that are in no rework: people deleted them."""
        if closed:
            with suppress(DamagedError), self._journal(run) as journal:
                return journal.duplicates_of(closed) - corrected
        return set()

    def _journal(self, run: str) -> JournalReader:
        return JournalReader(self._runs.folder(run).journal)
