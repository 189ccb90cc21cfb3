"""The sentences about the outcome of a run, for the terminal, JSON, the report and workbooks."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from etl.errors import ExitCode
from etl.fields import ResultColumn
from etl.rows import Status
from etl.text import counted, isolated, quoted_together

if TYPE_CHECKING:
    from etl.rows import OpenRows, Totals

IN_SANDBOX = "SANDBOX: nothing was sent to Fatora."
_VERDICTS = {
    ExitCode.DONE: "OK",
    ExitCode.NOT_ALL_UPDATED: "Action needed",
    ExitCode.INPUT_UNUSABLE: "Action needed",
    ExitCode.STOPPED: "Stopped early",
    ExitCode.INTERNAL: "Internal error",
}


def rows_in_words(totals: Totals) -> str:
    """Return how many rows were read, how many of them are hidden, and how many were blank."""
    words = counted(totals.rows, "row")
    if totals.hidden_rows:
        some = "" if totals.rows == 1 else f"{totals.hidden_rows:,} of them "
        words += f", {some}hidden"
    if totals.blank_rows:
        verb = "was" if totals.blank_rows == 1 else "were"
        words += f"; {counted(totals.blank_rows, 'blank row')} {verb} skipped"
    return words


def columns_in_words(totals: Totals) -> str:
    """Return which columns are sent, each with its field, which are not, and which may have to."""
    headers = iter(quoted_together(*totals.sent.values(), *totals.not_sent, *totals.lookalikes))
    sent = ", ".join(f"{name} ← {next(headers)}" for name in totals.sent)
    not_sent = ", ".join(islice(headers, len(totals.not_sent)))
    words = f"Sent: {sent}." + (f" Not sent: {not_sent}." if not_sent else "")
    for name, field in zip(headers, totals.lookalikes.values(), strict=True):
        words += f" {name} looks like {field}; add it to columns.{field}.aliases if it is."
    return words


def open_in_words(rows: OpenRows) -> str:
    """Return how many rows of an earlier run are still open: 18 rows to fix, 3 rows to send."""
    tasks = ((rows.to_fix, "fix"), (rows.left, "send"))
    words = [f"{counted(number, 'row')} to {task}" for number, task in tasks if number]
    return ", ".join(words) or "nothing"


def verdict_in_short(exit_code: ExitCode) -> str:
    """Return a word or two for an exit code, which show whether somebody must act."""
    return _VERDICTS.get(exit_code, _VERDICTS[ExitCode.STOPPED])


def updated_in_words(totals: Totals) -> str:
    """Return how many rows were updated, and how many of those the API stored differently."""
    words = f"{totals.updated:,} updated"
    if totals.stored_differently:
        words += f", {totals.stored_differently:,} of them stored differently from what was sent"
    return words


def verdict_of(totals: Totals) -> str:
    """Return how many rows were updated and how many were not, in a sentence or two."""
    if not totals.rows:
        return "The file contains no rows."
    not_updated = totals.rows - totals.updated
    verb = "was" if not_updated == 1 else "were"
    verdict = (
        f"{not_updated:,} of {counted(totals.rows, 'row')} {verb} not updated."
        if not_updated
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
    """Return what to do about rows to send and rows to fix: a text for each, if there are any.

    ``stopped`` and ``rework`` are as in `sentence_of`.
    """
    advice = []
    kept = totals.counts.get(Status.CONFLICT, 0) if totals.undoes else 0
    if left := totals.left - kept:
        when = f"{stopped} When this is resolved, run" if stopped else "Run"
        what = f"fatora-clients undo {totals.undoes}" if totals.undoes else "the same file"
        advice.append(f"{when} {what} again to send the remaining {_rows(left)}.")
    if kept:
        was, keeps = ("was", "keeps its") if kept == 1 else ("were", "keep their")
        advice.append(
            f"{counted(kept, 'client')} {was} changed in Fatora since and {keeps} values."
        )
    if totals.given_up:
        who = "1 row" if totals.given_up == 1 else f"{totals.given_up:,} rows"
        clients = "this client" if totals.given_up == 1 else "these clients"
        advice.append(
            f"Fatora could not serve {who} on several nights: ask its support about {clients}."
        )
    if totals.still_to_fix:
        advice.append(
            f"Fix the {_rows(totals.still_to_fix)} in {isolated(rework)}"
            f" (see the {ResultColumn.UPDATE_FIX.header} column), then submit that file."
        )
    return advice


def _rows(number: int) -> str:
    """Return a number of rows as it follows the word “the”: row, or 2,000 rows."""
    return "row" if number == 1 else f"{number:,} rows"
