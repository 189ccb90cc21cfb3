"""What a run comes to: the counts that add up, the exit code, the sentence that says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import ExitCode, InconsistentError
from etl.fields import ResultColumn
from etl.rows import Status, rows_left
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from etl.runs.folder import RunFolder
    from etl.runs.manifest import Manifest
    from etl.runs.reader import JournalReader


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of one input; ``sentence`` says it to people.

    ``run`` is None where the input could not be used, and no run was made; ``stopped`` tells why
    the run stopped early, if it did.
    """

    input: Path
    exit_code: ExitCode
    sentence: str
    stopped: str | None = None
    run: str | None = None
    folder: Path | None = None
    rows: int = 0
    blank_rows: int = 0
    hidden_rows: int = 0
    counts: Mapping[Status, int] = field(default_factory=dict)
    results: Path | None = None
    rework: Path | None = None


def rows_in_words(rows: int, hidden: int, blank: int) -> str:
    """Return how many rows were read, and what is worth telling of them."""
    told = counted(rows, "row")
    if hidden:
        told += f", {hidden} of them hidden"
    if blank:
        told += f", {counted(blank, 'blank row')} passed over"
    return told


def checked_counts(journal: JournalReader, rows: int) -> dict[Status, int]:
    """Return the rows of each status, which together must be all that were read."""
    counts = journal.counts()
    if sum(counts.values()) != rows:
        raise InconsistentError(f"{rows} rows were read but {sum(counts.values())} accounted for")
    return counts


def exit_code_of(counts: Mapping[Status, int], stopped: str | None) -> ExitCode:
    """Return the exit code of a run: by what became of its rows, and whether it ``stopped``."""
    if counts[Status.NOT_SENT] or (stopped and rows_left(counts)):
        return ExitCode.STOPPED
    rest = sum(counts.values()) - counts[Status.SUCCESS]
    return ExitCode.NOT_ALL_UPDATED if rest else ExitCode.DONE


def sentence_of(counts: Mapping[Status, int], stopped: str | None, rework: Path | None) -> str:
    """Return what the engineer on call and operations need to know, in a few sentences."""
    rows = sum(counts.values())
    if rework is None:
        return f"Everything was updated: {counted(rows, 'row')}." if rows else "There are no rows."
    not_updated = f"Not updated: {rows - counts[Status.SUCCESS]} of {counted(rows, 'row')}."
    return " ".join([not_updated, *what_to_do(counts, stopped, str(rework))])


def what_to_do(counts: Mapping[Status, int], stopped: str | None, rework: str) -> list[str]:
    """Return what is to be done about the rows that were not updated, a sentence each.

    ``rework`` is where they are to be corrected.
    """
    said = []
    wrong, left = counts[Status.INVALID] + counts[Status.REJECTED], rows_left(counts)
    if stopped and left:
        said.append(f"The run stopped early: {stopped}.")
    if wrong:
        how = f"the column {ResultColumn.UPDATE_FIX.header} says how"
        said.append(f"Correct {counted(wrong, 'row')} in {rework}, and send that file; {how}.")
    if left:
        again = "Once that is settled, run" if stopped else "Run"
        said.append(f"{again} the same file again for the {counted(left, 'row')} left.")
    return said


def summary_of(source: Path, folder: RunFolder, manifest: Manifest, sentence: str) -> Summary:
    """Return the summary of a run, as its manifest and its folder tell it."""
    endings = (".xlsx", ".csv")
    return Summary(
        run=folder.run,
        folder=folder.path,
        input=source,
        rows=manifest.rows,
        blank_rows=manifest.blank_rows,
        hidden_rows=manifest.hidden_rows,
        counts={Status(status): count for status, count in manifest.counts.items()},
        results=next((p for p in map(folder.results, endings) if p.exists()), None),
        rework=next((p for p in map(folder.rework, endings) if p.exists()), None),
        exit_code=ExitCode(manifest.exit_code or ExitCode.DONE),
        sentence=sentence,
    )
