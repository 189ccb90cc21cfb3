"""What a run comes to: its totals, its exit code, and the sentences that say both.

Every place that shows counts, from the terminal to the auditor's manifest, takes them and their
words from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import ExitCode
from etl.fields import ResultColumn
from etl.rows import TO_FIX, Status, rows_left
from etl.text import counted, quoted_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.fields import Field


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of a run or a check, and which columns were read.

    ``counts`` has the rows of every status. ``sent`` maps each field to the header of its column;
    ``not_sent`` are the headers of all other columns. ``stored_differently`` counts the updated
    rows for which the API confirmed other values than were sent. ``sandbox`` tells that nothing
    reached Fatora.
    """

    rows: int = 0
    blank_rows: int = 0
    hidden_rows: int = 0
    counts: Mapping[Status, int] = field(default_factory=dict)
    sent: Mapping[Field, str] = field(default_factory=dict)
    not_sent: Sequence[str] = ()
    stored_differently: int = 0
    sandbox: bool = False

    @property
    def updated(self) -> int:
        """The number of rows that the API confirmed."""
        return self.counts.get(Status.SUCCESS, 0)

    @property
    def to_fix(self) -> int:
        """The number of rows that somebody must correct: they stand in the rework file."""
        return sum(self.counts.get(status, 0) for status in TO_FIX)

    @property
    def left(self) -> int:
        """The number of rows that running the same file again sends."""
        return rows_left(self.counts)


@dataclass(frozen=True, slots=True)
class OpenRows:
    """What is still open of a file that was run before, after all rework that was fed back.

    ``to_fix`` rows must be corrected, ``left`` rows are sent when the file is run again.
    """

    run: str
    file: str
    to_fix: int
    left: int

    @property
    def total(self) -> int:
        """The number of rows that are not final, or that nobody has corrected yet."""
        return self.to_fix + self.left


@dataclass(frozen=True, slots=True)
class Summary:
    """The result for one input; ``sentence`` explains it to people.

    ``run`` is None where the input could not be used and no run was made; ``stopped`` is the
    sentence that says why the run stopped early, if it did. ``reworked`` are the files whose rows
    this one corrects; ``still_open`` counts the rows of a file that was ``already_done`` and that
    still need fixing.
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
    already_done: bool = False
    still_open: int = 0
    reworked: Sequence[OpenRows] = ()


def rows_in_words(totals: Totals) -> str:
    """Return how many rows were read, and how many of them deserve a look."""
    words = counted(totals.rows, "row")
    if totals.hidden_rows:
        words += f", {totals.hidden_rows:,} of them hidden"
    if totals.blank_rows:
        verb = "was" if totals.blank_rows == 1 else "were"
        words += f"; {counted(totals.blank_rows, 'blank row')} {verb} skipped"
    return words


def columns_in_words(totals: Totals) -> str:
    """Return which columns are sent, and as which field, and which are not."""
    headers = iter(quoted_together(*totals.sent.values(), *totals.not_sent))
    sent = ", ".join(f"{name} ← {next(headers)}" for name in totals.sent)
    not_sent = ", ".join(headers)
    return f"Sent: {sent}." + (f" Not sent: {not_sent}." if not_sent else "")


def updated_in_words(totals: Totals) -> str:
    """Return how many rows were updated, and how many of them the API stored differently."""
    words = f"{totals.updated:,} updated"
    if totals.stored_differently:
        words += f", {totals.stored_differently:,} of them stored differently from what was sent"
    return words


def exit_code_of(counts: Mapping[Status, int], stopped: str | None) -> ExitCode:
    """Return the exit code of a run: by the status of its rows, and whether it ``stopped``."""
    if counts[Status.NOT_SENT] or (stopped and rows_left(counts)):
        return ExitCode.STOPPED
    rest = sum(counts.values()) - counts[Status.SUCCESS]
    return ExitCode.NOT_ALL_UPDATED if rest else ExitCode.DONE


def sentence_of(totals: Totals, stopped: str | None, rework: str) -> str:
    """Return what the engineer on call and operations need to know, in a few sentences.

    ``rework`` says where the rows to fix are.
    """
    if not totals.rows:
        return "The file contains no rows."
    missing = totals.rows - totals.updated
    if not missing:
        return f"All rows were updated: {updated_in_words(totals)}."
    verb = "was" if missing == 1 else "were"
    sentences = [f"{missing:,} of {counted(totals.rows, 'row')} {verb} not updated."]
    if totals.stored_differently:
        sentences.append(f"{updated_in_words(totals)}.")
    return " ".join([*sentences, *what_to_do(totals, stopped, rework)])


def what_to_do(totals: Totals, stopped: str | None, rework: str) -> list[str]:
    """Return what to do about the rows that were not updated, a sentence or two each.

    ``rework`` says where the rows to fix are.
    """
    advice = []
    if totals.left:
        rows = "row" if totals.left == 1 else f"{totals.left:,} rows"
        when = f"{stopped} When this is resolved, run" if stopped else "Run"
        advice.append(f"{when} the same file again to send the remaining {rows}.")
    if totals.to_fix:
        advice.append(
            f"Fix the {counted(totals.to_fix, 'row')} in {rework}"
            f" (see the {ResultColumn.UPDATE_FIX.header} column), then submit that file."
        )
    return advice
