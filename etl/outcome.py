"""The outcome of a run: its totals, its exit code, and the sentences that explain them.

The terminal, the JSON summary, the report and the manifest all take counts and wording from here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import ExitCode
from etl.fields import ResultColumn
from etl.rows import TO_FIX, Status, rows_left
from etl.text import counted, isolated, quoted_together

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.fields import Field

IN_SANDBOX = "SANDBOX: nothing was sent to Fatora."
_VERDICTS = {
    ExitCode.DONE: "OK",
    ExitCode.NOT_ALL_UPDATED: "Action needed",
    ExitCode.INPUT_UNUSABLE: "Action needed",
    ExitCode.STOPPED: "Stopped early",
    ExitCode.INTERNAL: "Internal error",
}


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of a run or a check, and the columns that it read.

    ``counts`` has the number of rows by status. ``sent`` maps each field to the header of its
    column; ``not_sent`` are the headers of the other columns. ``stored_differently`` counts the
    updated rows for which the API confirmed values other than those sent, ``corrected`` the rows to
    fix whose rework later runs had already updated. ``sandbox``: the run used the sandbox, so
    nothing was sent to Fatora.
    """

    rows: int = 0
    blank_rows: int = 0
    hidden_rows: int = 0
    counts: Mapping[Status, int] = field(default_factory=dict)
    sent: Mapping[Field, str] = field(default_factory=dict)
    not_sent: Sequence[str] = ()
    stored_differently: int = 0
    corrected: int = 0
    sandbox: bool = False

    @property
    def updated(self) -> int:
        """The number of rows that the API confirmed."""
        return self.counts.get(Status.SUCCESS, 0)

    @property
    def to_fix(self) -> int:
        """The number of rows that somebody must correct, or has corrected."""
        return sum(self.counts.get(status, 0) for status in TO_FIX)

    @property
    def still_to_fix(self) -> int:
        """The number of rows in the rework file."""
        return self.to_fix - self.corrected

    @property
    def left(self) -> int:
        """The number of rows that running the same file again sends."""
        return rows_left(self.counts)


@dataclass(frozen=True, slots=True)
class OpenRows:
    """The number of rows of an earlier run that are still open after all its rework.

    ``to_fix`` rows must be corrected, and ``left`` rows are sent when ``file`` is run again.
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

    ``run`` is None if the input could not be used, so that no run was made. ``stopped`` says in
    full sentences why the run stopped early, if it did. ``delivered`` is the folder in which
    operations find the results. ``sha256`` is the hash of the input, if it could be read.
    ``not_moved`` is why the input could not be moved out of its folder, where it had to be.
    ``reworked`` has what is still open of each file whose rows this one corrects. ``already_done``
    means that the file was processed before; ``still_open`` is how many of its rows still need
    fixing.
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


def rows_in_words(totals: Totals) -> str:
    """Return how many rows were read, how many of them are hidden, and how many were blank."""
    words = counted(totals.rows, "row")
    if totals.hidden_rows:
        words += f", {_of_them(totals.hidden_rows, totals.rows)}hidden"
    if totals.blank_rows:
        verb = "was" if totals.blank_rows == 1 else "were"
        words += f"; {counted(totals.blank_rows, 'blank row')} {verb} skipped"
    return words


def columns_in_words(totals: Totals) -> str:
    """Return which columns are sent, each with its field, and which are not."""
    headers = iter(quoted_together(*totals.sent.values(), *totals.not_sent))
    sent = ", ".join(f"{name} ← {next(headers)}" for name in totals.sent)
    not_sent = ", ".join(headers)
    return f"Sent: {sent}." + (f" Not sent: {not_sent}." if not_sent else "")


def open_in_words(rows: OpenRows) -> str:
    """Return how many rows of an earlier run are still open: 18 rows to fix, 3 rows to send."""
    tasks = ((rows.to_fix, "fix"), (rows.left, "send"))
    words = [f"{counted(number, 'row')} to {task}" for number, task in tasks if number]
    return ", ".join(words) or "nothing"


def verdict_in_short(exit_code: ExitCode) -> str:
    """Return in a word or two whether somebody must do something."""
    return _VERDICTS.get(exit_code, _VERDICTS[ExitCode.STOPPED])


def updated_in_words(totals: Totals) -> str:
    """Return how many rows were updated, and how many of those the API stored differently."""
    words = f"{totals.updated:,} updated"
    if totals.stored_differently:
        words += f", {totals.stored_differently:,} of them stored differently from what was sent"
    return words


def _of_them(part: int, whole: int) -> str:
    return "" if whole == 1 else f"{part:,} of them "


def exit_code_of(counts: Mapping[Status, int], stopped: str | None) -> ExitCode:
    """Return the exit code of a run, from the status of its rows and from why it ``stopped``."""
    if counts[Status.NOT_SENT] or (stopped and rows_left(counts)):
        return ExitCode.STOPPED
    rest = sum(counts.values()) - counts[Status.SUCCESS]
    return ExitCode.NOT_ALL_UPDATED if rest else ExitCode.DONE


def verdict_of(totals: Totals) -> str:
    """Return how many rows were updated and how many were not, in a sentence or two."""
    if not totals.rows:
        return "The file contains no rows."
    missing = totals.rows - totals.updated
    verb = "was" if missing == 1 else "were"
    verdict = (
        f"{missing:,} of {counted(totals.rows, 'row')} {verb} not updated."
        if missing
        else "All rows were updated."
    )
    if totals.corrected:
        verdict += f" Later runs corrected {counted(totals.corrected, 'row')}."
    return f"{verdict} {updated_in_words(totals)}." if totals.stored_differently else verdict


def sentence_of(totals: Totals, stopped: str | None, rework: str) -> str:
    """Return the result and what to do next, in a few sentences.

    ``stopped`` says in full sentences why the run stopped early; ``rework`` is the file with the
    rows to fix.
    """
    return " ".join([verdict_of(totals), *what_to_do(totals, stopped, rework)])


def what_to_do(totals: Totals, stopped: str | None, rework: str) -> list[str]:
    """Return what to do about the rows that were not updated, in a few sentences for each kind.

    The arguments are those of `sentence_of`.
    """
    advice = []
    if totals.left:
        when = f"{stopped} When this is resolved, run" if stopped else "Run"
        advice.append(f"{when} the same file again to send the remaining {_rows(totals.left)}.")
    if totals.still_to_fix:
        advice.append(
            f"Fix the {_rows(totals.still_to_fix)} in {isolated(rework)}"
            f" (see the {ResultColumn.UPDATE_FIX.header} column), then submit that file."
        )
    return advice


def _rows(number: int) -> str:
    """Return the rows after ``the``: the row, the 2,000 rows."""
    return "row" if number == 1 else f"{number:,} rows"
