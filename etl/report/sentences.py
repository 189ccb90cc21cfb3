"""The sentences about the outcome of a run, for the terminal, JSON, the report and workbooks."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import ExitCode
from etl.fields import ResultColumn
from etl.text import counted, isolated, quote, quoted_together

if TYPE_CHECKING:
    from etl.fields import Field
    from etl.manifest import Approval, Confirmation, Manifest, Plan
    from etl.rows import OpenRows, Totals

PLANNED, NEEDS_APPROVAL = "Planned", "Needs approval"
_DIGEST = 12  # characters of it that people compare
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


def verdict_of_run(manifest: Manifest, exit_code: int) -> str:
    """Return a word or two for how a run ended; ``exit_code`` is that of what is open by now."""
    if manifest.is_planned:
        return PLANNED
    if manifest.needs_approval:
        return NEEDS_APPROVAL
    return verdict_in_short(ExitCode(exit_code))


def updated_in_words(totals: Totals) -> str:
    """Return how many rows were updated, and how many of those the API stored differently."""
    words = f"{totals.updated:,} updated"
    if totals.stored_differently:
        words += f", {totals.stored_differently:,} of them stored differently from what was sent"
    return words


def plan_in_words(plan: Plan, rows: int, verb: str = "would change") -> str:
    """Return how many of all ``rows`` a plan changes, and how many change each field."""
    fields = sorted(plan.fields.items(), key=lambda item: -item[1])
    named = (_field_in_words(field, count, plan.emptied.get(field, 0)) for field, count in fields)
    words = f"{plan.rows:,} of {counted(rows, 'row')} {verb}"
    return f"{words}: {', '.join(named)}" if fields else words


def approval_in_words(approval: Approval) -> str:
    """Return who approved a plan, when and how."""
    who = f"{isolated(approval.user)} on {isolated(approval.host)}"
    words = f"{_minute(approval.time)} by {who}"
    if approval.signer:
        words += f", signed by {isolated(approval.signer)}"
    note = f" Note: {quote(approval.note)}." if approval.note else ""
    return f"{words}, for the plan {approval.digest[:_DIGEST]}….{note}"


def confirmation_in_words(confirmation: Confirmation) -> str:
    """Return what the API held when it was asked again about a run's clients, and who asked."""
    facts = (
        (confirmation.unchanged, "still so"),
        (confirmation.changed, "changed since"),
        (confirmation.not_as_sent, "not as sent"),
    )
    numbers = ", ".join(f"{number:,} {what}" for number, what in facts if number)
    words = f"{_minute(confirmation.time)} by {isolated(confirmation.user)}"
    words += f" on {isolated(confirmation.host)}: {counted(confirmation.clients, 'client')} read"
    words += f", {numbers}." if numbers else "."
    if confirmation.settled:
        verb = "was" if confirmation.settled == 1 else "were"
        words += f" {counted(confirmation.settled, 'unconfirmed row')} {verb} settled."
    return words


def _minute(time: str) -> str:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M} UTC"


def _field_in_words(field: Field, count: int, emptied: int) -> str:
    return f"{field} {count:,} ({emptied:,} emptied)" if emptied else f"{field} {count:,}"


def verdict_of(totals: Totals, plan: Plan | None = None) -> str:
    """Return how many rows were updated and how many were not, in a sentence or two.

    ``plan`` is what the run would change, if it was only planned.
    """
    if not totals.rows:
        return "The file contains no rows."
    if plan:
        return f"{plan_in_words(plan, totals.rows)}. Nothing was sent."
    not_updated, all_rows = totals.not_updated, counted(totals.rows, "row")
    verb = "was" if not_updated == 1 else "were"
    if totals.unchanged:
        verdict = _compared_in_words(totals)
    elif not_updated:
        verdict = f"{not_updated:,} of {all_rows} {verb} not updated."
    else:
        verdict = "All rows were updated."
    if totals.corrected:
        verdict += f" Later runs corrected {counted(totals.corrected, 'row')}."
    return f"{verdict} {updated_in_words(totals)}." if totals.stored_differently else verdict


def _compared_in_words(totals: Totals) -> str:
    """Return the result of a run in which some rows had nothing to change."""
    if totals.unchanged == totals.rows:
        if totals.rows == 1:
            return "The row was not sent: Fatora already had these values."
        return f"None of {totals.rows:,} rows was sent: Fatora already had these values."
    words = (
        f"{totals.updated:,} of {counted(totals.rows, 'row')} updated,"
        f" {totals.unchanged:,} already had these values"
    )
    if not_updated := totals.not_updated:
        words += f", {not_updated:,} {'was' if not_updated == 1 else 'were'} not updated"
    return f"{words}."


def sentence_of(totals: Totals, stopped: str | None, rework: str, plan: Plan | None = None) -> str:
    """Return the result and what to do next, in a few sentences.

    ``stopped`` says in full sentences why the run stopped early; ``rework`` is the file with the
    rows to fix. ``plan`` is what the run would change, if it was only planned.
    """
    verdict = verdict_of(totals, plan)
    return " ".join([verdict, *what_to_do(totals, stopped, rework, plan)])


def is_about_cleared(stopped: str | None) -> bool:
    """Whether a run stopped since an update emptied a field, which matters after its last row too.

    Other reasons to stop do not matter any more if no rows are left.
    """
    return stopped is not None and stopped.startswith(Code.API_CLEARED.meaning)


def what_to_do(
    totals: Totals, stopped: str | None, rework: str, plan: Plan | None = None
) -> list[str]:
    """Return what to do about rows to send and rows to fix: a text for each, if there are any.

    ``stopped``, ``rework`` and ``plan`` are as in `sentence_of`.
    """
    advice = []
    if totals.conflicts:
        advice.append(_conflicts_in_words(totals))
    if plan:
        advice += _how_to_send(totals, stopped, plan)
    elif left := totals.left - (totals.conflicts if totals.undoes else 0):
        when = f"{stopped} When this is resolved, run" if stopped else "Run"
        what = f"fatora-clients undo {totals.undoes}" if totals.undoes else "the same file"
        advice.append(f"{when} {what} again to send the remaining {_rows(left)}.")
    elif is_about_cleared(stopped):
        advice.append(str(stopped))
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


def _how_to_send(totals: Totals, stopped: str | None, plan: Plan) -> list[str]:
    """Return how to send what was only planned, and how to plan what could not be compared.

    The next update compares and sends these rows, too: then it sends more than these changes.
    """
    update, again = "update with the same file", "plan with the same file again"
    if totals.undoes:
        update, again = f"undo {totals.undoes}", f"undo {totals.undoes} --plan again"
    unread = totals.left - totals.conflicts - plan.rows
    is_all = unread <= 0 and (not totals.conflicts or totals.undoes)
    update = f"fatora-clients {update} to send {'exactly ' if is_all else ''}these changes"
    advice = [f"{stopped} When this is resolved, run {update}." if stopped else f"Run {update}."]
    if unread > 0:
        advice.append(
            f"{counted(unread, 'row')} could not be compared yet and would be sent unseen: run"
            f" fatora-clients {again}."
        )
    return advice


def _conflicts_in_words(totals: Totals) -> str:
    number = totals.conflicts
    if totals.undoes:
        was, keeps = ("was", "keeps its") if number == 1 else ("were", "keep their")
        who = counted(number, "client")
        return f"{who} {was} changed in Fatora since and {keeps} values."
    if number == 1:
        return "1 row was not sent, since its client was changed in Fatora meanwhile: check it."
    return (
        f"{number:,} rows were not sent, since their clients were changed in Fatora meanwhile:"
        " check them."
    )


def _rows(number: int) -> str:
    """Return a number of rows as it follows the word “the”: row, or 2,000 rows."""
    return "row" if number == 1 else f"{number:,} rows"
