"""Checking that the files of runs are intact, and that no run of the chain is missing.

Everything is computed again: the hashes, the counts, the results from the journal and the rows from
the input. ``docs/audit.md`` says what this proves and what it cannot prove.
"""

from __future__ import annotations

import csv
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeGuard

from etl.errors import ConfigError, FatoraClientsError, InconsistentError
from etl.extract.table import open_table
from etl.files import read_regular, sha256_of, unfinished_name
from etl.jobs.signatures import NotSignedError, Signer, require_signed
from etl.report.tables import results_table
from etl.runs.chain import breaks, newest
from etl.runs.folder import RunsFolder
from etl.runs.listing import Kind, Stranger, entries, entry_of
from etl.runs.reader import JournalReader
from etl.text import guard_formula, visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import TypeAlias

    from etl.config import Settings
    from etl.manifest import Manifest, Seal
    from etl.runs.folder import RunFolder
    from etl.runs.listing import Entry

    Finding: TypeAlias = tuple[str, str]  # a file's name, and what is wrong with it

_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file of a run."""

    run: str
    file: str
    problem: str

    def __str__(self) -> str:
        """Return it as one line of output."""
        return f"{self.run}: {self.file}: {self.problem}"


@dataclass(frozen=True, slots=True)
class Verification:
    """The runs that were verified and what is wrong with them.

    ``newest_seal`` is the last of the chain, None if the chain was not verified. ``ignored`` has a
    sentence about each entry of the runs folder that has nothing to do with runs.
    """

    runs: list[str]
    problems: list[Problem]
    newest_seal: Seal | None = None
    ignored: Sequence[str] = ()


def verify(settings: Settings, runs: Sequence[str] | None = None) -> Verification:
    """Check that the files of runs are intact, and what is wrong with those that are not.

    ``runs`` are ids, the beginnings of ids, or ``latest``; None means every run, and the chain that
    they form.

    Raises:
        ConfigError: there is no such run, or no runs folder.
    """
    kept = RunsFolder(settings.runs.dir)
    kept.require_existing()
    return verify_all(kept) if runs is None else verify_runs([kept.find(name) for name in runs])


def verify_runs(folders: Sequence[RunFolder]) -> Verification:
    """Verify runs one by one, without the chain."""
    problems = [problem for folder in folders for problem in problems_of(folder)]
    return Verification([folder.run for folder in folders], problems)


def verify_all(runs: RunsFolder) -> Verification:
    """Verify every run, and the chain that they form.

    Raises:
        ConfigError: there are none.
    """
    found = entries(runs)
    ours = [entry for entry in found if not _is_foreign(entry)]
    if not ours:
        raise ConfigError(f"there are no runs in {runs.path}")
    verified = verify_runs([entry.folder for entry in ours])
    problems = verified.problems
    manifests = [entry.manifest for entry in ours if entry.manifest]
    damaged = {problem.run for problem in problems if problem.file == _MANIFEST}
    problems += [
        Problem(run, _MANIFEST, problem)
        for run, problem in breaks(manifests).items()
        if run not in damaged
    ]
    ignored = [entry.sentence for entry in found if _is_foreign(entry)]
    return Verification(verified.runs, problems, newest(manifests), ignored)


def _is_foreign(entry: Entry) -> TypeGuard[Stranger]:
    return isinstance(entry, Stranger) and entry.kind is Kind.FOREIGN


def problems_of(folder: RunFolder) -> Iterator[Problem]:
    """Yield what is wrong with a run."""
    for file, problem in _findings(folder):
        yield Problem(folder.run, file, problem)


def _findings(folder: RunFolder) -> Iterator[Finding]:
    found = entry_of(folder)
    if isinstance(found, Stranger):
        yield _MANIFEST, found.problem
        return
    manifest = found.manifest
    if read_regular(folder.manifest) != manifest.as_bytes():
        yield _MANIFEST, "modified since the run"
        return
    for version in manifest.earlier:
        for name in version.modified:
            yield name, "modified before the run was resumed or pruned"
    if manifest.sealed is not None:
        yield from _wrong_contents(folder, manifest)
    elif manifest.pruned:
        yield _MANIFEST, "the pruning was interrupted; run fatora-clients prune again"
    elif manifest.exit_code is not None:
        yield _MANIFEST, "a confirm or approve was interrupted; run that command again"
    else:
        yield _MANIFEST, "the run has not finished; if it was interrupted, run its file again"


def _wrong_contents(folder: RunFolder, manifest: Manifest) -> Iterator[Finding]:
    try:
        wrong = list(_wrong_files(folder, manifest))
        # If a file was modified, the other checks would only repeat that.
        yield from wrong or _contradictions(folder, manifest)
    except (KeyError, TypeError, AttributeError, ValueError):
        yield _MANIFEST, "not what this program writes"


def _wrong_files(folder: RunFolder, manifest: Manifest) -> Iterator[Finding]:
    # A resume or a pruning that was killed right at its start leaves an unfinished manifest.
    skipped = {_MANIFEST, unfinished_name(_MANIFEST)}
    files = {file.name: file for file in folder.path.iterdir() if file.name not in skipped}
    for name in sorted(files.keys() | manifest.files.keys()):
        if name not in files or name not in manifest.files:
            yield name, "not written by the run" if name in files else "missing"
            continue
        try:
            if not manifest.covers(files[name]):
                yield name, "modified since the run"
        except OSError as error:
            yield name, f"cannot be read ({error.strerror})"


def _contradictions(folder: RunFolder, manifest: Manifest) -> Iterator[Finding]:
    try:
        with JournalReader(folder.journal) as journal:
            yield from _wrong_counts(journal, manifest)
            yield from _wrong_signatures(manifest)
            if manifest.pruned is None:
                yield from _wrong_plan(journal, manifest)
                yield from _wrong_results(folder, journal, manifest)
                yield from _exchanged_input(folder, manifest)
                if folder.inputs:
                    yield from _wrong_rows(folder, journal, manifest)
    except (sqlite3.Error, InconsistentError):
        yield folder.journal.name, "cannot be read"


def _wrong_counts(journal: JournalReader, manifest: Manifest) -> Iterator[Finding]:
    counts = journal.counts()
    if counts != dict(manifest.counts) or sum(counts.values()) != manifest.rows:
        yield _MANIFEST, "counts differ from journal.sqlite3"
    attempts = journal.attempt_counts()
    if sum(times * rows for times, rows in attempts.items()) != journal.attempts_made():
        yield "journal.sqlite3", "attempts are missing"


def _wrong_plan(journal: JournalReader, manifest: Manifest) -> Iterator[Finding]:
    """Find a plan that is not the one in the journal, so that its approval proves nothing."""
    if manifest.plan is None:
        return
    plan = journal.plan(manifest.run)
    if plan == manifest.plan:
        return
    yield _MANIFEST, "plan differs from journal.sqlite3"
    if manifest.approved:
        yield _MANIFEST, "what was approved is not the plan in journal.sqlite3"


def _wrong_signatures(manifest: Manifest) -> Iterator[Finding]:
    """Find signatures that do not prove their approval, by the key that was kept with each."""
    for approval in manifest.approvals:
        if not (approval.signature or approval.signer or approval.key):
            continue
        signer = Signer(approval.signer, approval.key)
        when = datetime.fromisoformat(approval.time)
        whose = f"the signature of {visible(approval.signer)}"
        try:
            require_signed(approval.signature, approval.digest, signer, when)
        except NotSignedError as error:
            yield _MANIFEST, f"{whose} {error}"
        except ConfigError as error:
            yield _MANIFEST, f"{whose} could not be verified: {error}"


def _wrong_results(
    folder: RunFolder, journal: JournalReader, manifest: Manifest
) -> Iterator[Finding]:
    names, rows = journal.staged().names, journal.rows()
    table = results_table(names, rows, folder.run, compares=manifest.compares)
    with folder.results(".csv").open(encoding="utf-8-sig", newline="") as file:
        written = csv.reader(file)
        if next(written, None) != [guard_formula(name) for name in table.header]:
            yield folder.results(".csv").name, "header differs from journal.sqlite3"
            return
        for row, cells in zip_longest(table.rows, written):
            if row is None or cells != [guard_formula(cell) for cell in row]:
                yield folder.results(".csv").name, "rows differ from journal.sqlite3"
                return


def _exchanged_input(folder: RunFolder, manifest: Manifest) -> Iterator[Finding]:
    if not folder.inputs:
        yield "input", "missing"
        return
    same = sha256_of(folder.input) == manifest.input.sha256
    if not same or folder.input.stat().st_size != manifest.input.size:
        yield folder.input.name, "not the file that was submitted"


def _wrong_rows(folder: RunFolder, journal: JournalReader, manifest: Manifest) -> Iterator[Finding]:
    reading = manifest.input
    try:
        with open_table(
            folder.input, sheet=reading.sheet, encoding=reading.encoding, aliases=reading.aliases
        ) as table:
            for record, row in zip_longest(table.records, journal.rows()):
                same = record and row and (record.row, *record.cells) == (row.row, *row.cells)
                if not same:
                    yield folder.journal.name, "rows differ from the input"
                    return
    except FatoraClientsError:
        yield folder.input.name, "cannot be read"
