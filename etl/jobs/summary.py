"""The result of each input of an update."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import ExitCode
from etl.images import changes_in_words
from etl.report.sentences import is_about_cleared
from etl.rows import NOT_UPDATED, Status, Totals, rows_left
from etl.runs.folder import RunFolder
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.manifest import Manifest, Plan
    from etl.rows import OpenRows


@dataclass(frozen=True, slots=True)
class Summary:
    """The result for one input; ``sentence`` explains it to people.

    ``run`` is None if the input could not be used, so that no run was made. ``stopped`` says in
    full sentences why the run stopped early, if it did. ``delivered`` is the folder in which
    operations find the results. ``sha256`` is the hash of the input, if it could be read.
    ``not_moved`` is why the input could not be moved out of its folder, where it had to be.
    ``reworked`` has what is still open of each file whose rows this one corrects. ``already_done``
    means that the file was processed before; ``still_open`` is how many of its rows still need
    fixing. ``skipped`` means that the file was left for later, because it has just changed.
    ``plan`` is what the run changes, None if it does not compare; ``planned`` means that the run
    only made it, as it was asked to, and ``needs_approval`` that somebody must approve it first.
    ``held`` means that the guard held it back, which says nothing about other files.
    ``not_restored`` is the number of clients that an undo leaves, since it is not known what they
    held before.
    """

    input: Path
    exit_code: ExitCode
    sentence: str
    stopped: str | None = None
    run: str | None = None
    folder: Path | None = None
    totals: Totals = field(default_factory=Totals)
    results: Path | None = None
    rework: Path | None = None
    delivered: Path | None = None
    already_done: bool = False
    sha256: str | None = None
    still_open: int = 0
    not_moved: str | None = None
    reworked: Sequence[OpenRows] = ()
    skipped: bool = False
    plan: Plan | None = None
    planned: bool = False
    needs_approval: bool = False
    held: bool = False
    not_restored: int = 0


def summary_of(source: Path, folder: RunFolder, manifest: Manifest, sentence: str) -> Summary:
    """Return the summary of a run, from its manifest and its folder."""
    return Summary(
        run=folder.run,
        folder=folder.path,
        input=source,
        totals=manifest.totals,
        results=folder.results_to_open,
        rework=folder.rework_to_fix,
        exit_code=ExitCode(manifest.exit_code or ExitCode.DONE),
        sentence=sentence,
        sha256=manifest.input.sha256,
        plan=manifest.plan,
        planned=manifest.unsent_plan is not None,
        needs_approval=manifest.needs_approval,
        held=manifest.is_held,
    )


def first_changes(summary: Summary, most: int) -> list[tuple[int, int | None, str]]:
    """Return the first changes that a run plans, in words: row, client and changes of each.

    Raises:
        DamagedError: the journal is damaged.
        OSError: it cannot be read.
    """
    if not summary.planned or summary.folder is None:
        return []
    with JournalReader(RunFolder(summary.folder).journal) as journal:
        rows = journal.rows(statuses=(Status.NOT_SENT,), changed=True, limit=most)
        return [(row.row, row.client_id, changes_in_words(row.changes)) for row in rows]


def exit_code_of(counts: Mapping[Status, int], stopped: str | None) -> ExitCode:
    """Return the exit code of a run, from the status of its rows and from why it ``stopped``."""
    if counts.get(Status.NOT_SENT) or (stopped and rows_left(counts)) or is_about_cleared(stopped):
        return ExitCode.STOPPED
    not_updated = any(counts.get(status) for status in NOT_UPDATED)
    return ExitCode.NOT_ALL_UPDATED if not_updated else ExitCode.DONE
