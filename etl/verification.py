"""Proving that a run's files are as they were written, and that no run of the chain is missing.

Everything is computed anew: the hashes, the counts, the results from the journal, the rows from the
input. What this proves, and what it cannot, stands in the README.
"""

from __future__ import annotations

import csv
import sqlite3
from itertools import zip_longest
from typing import TYPE_CHECKING

from etl.errors import FatoraClientsError, InconsistentError
from etl.extract.table import open_table
from etl.report.tables import results_table
from etl.runs.chain import breaks, newest
from etl.runs.manifest import Manifest, sha256_of
from etl.runs.reader import JournalReader
from etl.text import guard_formula

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.runs.folder import RunFolder, RunsFolder
    from etl.runs.manifest import Seal


def problems_of(folder: RunFolder) -> Iterator[str]:
    """Yield whatever does not hold of a run, a sentence each."""
    try:
        manifest = Manifest.read(folder.manifest)
    except InconsistentError:
        yield "manifest.json: it is damaged"
        return
    if folder.manifest.read_bytes() != manifest.as_bytes():
        yield "manifest.json: it is not as it was written"
        return
    if manifest.sealed is None:
        yield "manifest.json: the run has no end yet; run its file again"
        return
    try:
        wrong = list(_wrong_files(folder, manifest))
        # Where a file is wrong, what follows would only say the same in other words.
        yield from wrong or _contradictions(folder, manifest)
    except (KeyError, TypeError, AttributeError, ValueError):
        yield "manifest.json: it is not what this program writes"


def problems_of_chain(runs: RunsFolder) -> Iterator[str]:
    """Yield whatever is wrong with the chain of all runs, a sentence each."""
    yield from breaks(runs.manifests())


def end_of_chain(runs: RunsFolder) -> Seal | None:
    """Return the seal that only a copy kept elsewhere can vouch for, if there is any."""
    return newest(runs.manifests())


def _wrong_files(folder: RunFolder, manifest: Manifest) -> Iterator[str]:
    found = {file.name: file for file in folder.path.iterdir() if file != folder.manifest}
    for name in sorted(found.keys() | manifest.files.keys()):
        if name not in found:
            yield f"{name}: it is missing"
        elif name not in manifest.files:
            yield f"{name}: it was not written by the run"
        elif not found[name].is_file() or sha256_of(found[name]) != manifest.files[name]:
            yield f"{name}: it is not as it was written"


def _contradictions(folder: RunFolder, manifest: Manifest) -> Iterator[str]:
    try:
        with JournalReader(folder.journal) as journal:
            yield from _wrong_counts(journal, manifest)
            if manifest.pruned is None:
                yield from _wrong_results(folder, journal)
                yield from _exchanged_input(folder, manifest)
                yield from _wrong_rows(folder, journal, manifest)
    except (sqlite3.Error, InconsistentError):
        yield "journal.sqlite3: it cannot be read"


def _wrong_counts(journal: JournalReader, manifest: Manifest) -> Iterator[str]:
    counts = {str(status): count for status, count in journal.counts().items()}
    if counts != manifest.counts or sum(counts.values()) != manifest.rows:
        yield "manifest.json: its counts are not those of journal.sqlite3"
    attempts = journal.attempt_counts()
    if sum(times * rows for times, rows in attempts.items()) != journal.attempts_made():
        yield "journal.sqlite3: not each attempt of its rows is on record"


def _wrong_results(folder: RunFolder, journal: JournalReader) -> Iterator[str]:
    table = results_table(journal.staged().names, journal.rows(), folder.run)
    with folder.results(".csv").open(encoding="utf-8-sig", newline="") as file:
        written = csv.reader(file)
        if next(written, None) != [guard_formula(name) for name in table.header]:
            yield "results.csv: its header is not that of journal.sqlite3"
            return
        for row, cells in zip_longest(table.rows, written):
            if row is None or cells != [guard_formula(cell) for cell in row]:
                yield "results.csv: its rows are not those of journal.sqlite3"
                return


def _exchanged_input(folder: RunFolder, manifest: Manifest) -> Iterator[str]:
    same = sha256_of(folder.input) == manifest.input.sha256
    if not same or folder.input.stat().st_size != manifest.input.size:
        yield f"{folder.input.name}: it is not the file that operations sent"


def _wrong_rows(folder: RunFolder, journal: JournalReader, manifest: Manifest) -> Iterator[str]:
    asked = manifest.input
    try:
        with open_table(
            folder.input, sheet=asked.sheet, encoding=asked.encoding, aliases=asked.aliases
        ) as table:
            for record, row in zip_longest(table.records, journal.rows()):
                same = record and row and (record.row, *record.cells) == (row.row, *row.cells)
                if not same:
                    yield "journal.sqlite3: its rows are not those of the input"
                    return
    except FatoraClientsError:
        yield f"{folder.input.name}: it cannot be read any more"
