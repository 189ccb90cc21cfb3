"""What is still open of a file once the rework of its rows was fed back.

A rework file and a results file name the run and the row of each of their rows. A run whose input
does so corrects those rows: a row is closed once a correction of it was updated, be it in the
correction of a correction. Of rows with one client number, whoever corrects them keeps one and
deletes the others: these are closed with the one.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from etl.errors import InconsistentError
from etl.outcome import OpenRows
from etl.rows import NOT_FINAL, TO_FIX, Status
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from etl.runs.folder import RunsFolder


class Reworks:
    """Which runs correct rows of which other runs; runs that are damaged are left out."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._manifests = {manifest.run: manifest for manifest in runs.manifests()}
        self._corrected_by: dict[str, list[str]] = {}
        for run in self._manifests:
            for original in self._corrected_in(run):
                self._corrected_by.setdefault(original, []).append(run)

    def open_rows(self, run: str) -> OpenRows:
        """Return what is still open of the file of a run.

        Raises:
            InconsistentError: its journal is damaged.
        """
        manifest = self._manifests[run]
        with self._journal(run) as journal:
            to_fix, left = journal.rows_with(TO_FIX), journal.rows_with(NOT_FINAL)
        closed = self.closed_rows(run)
        return OpenRows(run, manifest.input.name, len(to_fix - closed), len(left - closed))

    def open_originals(self, run: str) -> list[OpenRows]:
        """Return what is still open of the files that a run corrects, however indirectly."""
        found = []
        for original in sorted(self._originals(run) - {run}):
            with suppress(InconsistentError):
                found.append(self.open_rows(original))
        return found

    def _corrected_in(self, run: str) -> list[str]:
        """Return the runs that a run corrects: earlier ones, whatever its cells say."""
        reworks = self._manifests[run].reworks
        return [each for each in reworks if each in self._manifests and each < run]

    def _originals(self, run: str) -> set[str]:
        corrected = self._corrected_in(run)
        return set().union(*map(self._originals, corrected)) if corrected else {run}

    def closed_rows(self, run: str) -> set[int]:
        """Return the rows of a run that were updated by later ones."""
        closed, corrected = set(), set()
        for later in self._corrected_by.get(run, []):
            closed_later = self.closed_rows(later)
            with suppress(InconsistentError), self._journal(later) as journal:
                for origin, row, status in journal.corrections_of(run):
                    corrected.add(origin.row)
                    if status is Status.SUCCESS or row in closed_later:
                        closed.add(origin.row)
        return closed | self._deleted(run, closed, corrected)

    def _deleted(self, run: str, closed: set[int], corrected: set[int]) -> set[int]:
        """Return the duplicates of closed rows that nobody wants any more."""
        if closed:
            with suppress(InconsistentError), self._journal(run) as journal:
                return journal.duplicates_of(closed) - corrected
        return set()

    def _journal(self, run: str) -> JournalReader:
        return JournalReader(self._runs.folder(run).journal)
