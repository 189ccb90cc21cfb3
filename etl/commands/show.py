"""``fatora-clients show``: shows one run and the rows that were not updated."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from etl.commands import console, options
from etl.commands.layout import Entry, say_counts, say_entries, say_wrapped
from etl.commands.options import settings_of
from etl.commands.words import minute, named_open_rows, stop_reason
from etl.images import changes_in_words
from etl.jobs.history import INTERRUPTED, RUNNING
from etl.jobs.show import show
from etl.report.sentences import (
    IN_SANDBOX,
    approval_in_words,
    columns_in_words,
    confirmation_in_words,
    plan_in_words,
    rows_in_words,
    sentence_of,
)
from etl.text import counted, quote, visible, without_isolates

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.show import NotUpdated, ShownRun
    from etl.manifest import Session

_FIRST = 50
_INDENT = 10


@click.command(name="show", epilog=options.examples("show latest", "show 20261128T0215"))
@click.argument("run")
@click.option(
    "--all", "every", is_flag=True, help=f"Show all rows that were not updated, not only {_FIRST}."
)
@click.option(
    "--verbose", is_flag=True, help="Also show how answers began that could not be understood."
)
@options.config
@options.runs_dir
@options.as_json
def command(
    run: str,
    every: bool,
    verbose: bool,
    config: Path | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Show one run: its summary, and the rows that were not updated and why.

    RUN is a run's id, its first characters, or 'latest'. The errors quote personal data: handle the
    output like the source file.
    """
    settings = settings_of(config, runs__dir=runs_dir)
    shown = show(settings, run, most=None if every or as_json else _FIRST)
    if as_json:
        console.say_json(_facts(shown))
        return
    _say_run(shown)
    console.say()
    say_counts(shown.totals)
    _say_what_is_open(shown)
    for code, count in shown.reasons.items():
        console.say()
        console.say(f"{code.name}, {counted(count, 'row')}")
        say_wrapped(f"{code.meaning}. {code.fix}", indent=2)
    if shown.not_updated:
        console.say()
        _say_rows(shown, verbose=verbose)


def _facts(shown: ShownRun) -> dict[str, Any]:
    """Return what --json prints."""
    return {
        **asdict(shown.manifest),
        "folder": str(shown.folder.path),
        "outcome": shown.outcome,
        "counts": {str(status): count for status, count in shown.totals.counts.items()},
        "stored_differently": shown.totals.stored_differently,
        "still_open": asdict(shown.still_open),
        "corrects": [asdict(rows) for rows in shown.corrects],
        "not_updated": [
            {
                **asdict(row),
                "error": without_isolates(row.error),
                "changes": [change._asdict() for change in row.changes],
            }
            for row in shown.not_updated
        ],
    }


def _say_run(shown: ShownRun) -> None:
    """Print what was run, by whom, and where its files are."""
    manifest = shown.manifest
    _say("run", f"{manifest.run}: {shown.outcome}")
    if manifest.sandbox:
        _say("", IN_SANDBOX)
    if manifest.undoes:
        _say("undoes", manifest.undoes)
    _say("file", f"{manifest.input.name}: {rows_in_words(shown.totals)}")
    _say("", columns_in_words(shown.totals))
    _say("", f"SHA-256 {manifest.input.sha256}")
    _say("api", f"{manifest.api}, account {manifest.account}")
    if manifest.plan:
        _say("plan", plan_in_words(manifest.plan, manifest.rows, is_unsent=False))
        _say("", f"digest {manifest.plan.digest}")
    for number, approval in enumerate(manifest.approvals):
        _say("" if number else "approved", approval_in_words(approval))
    for number, confirmation in enumerate(manifest.confirmations):
        _say("" if number else "confirmed", confirmation_in_words(confirmation))
    for number, session in enumerate(manifest.sessions):
        _say("" if number else "sessions", _session_in_words(session))
    files = sorted(file.name for file in shown.folder.path.iterdir())
    path = visible(str(shown.folder.path))
    console.say(f"{'folder':<{_INDENT}}{path}")  # in one piece, for copying
    _say("files", ", ".join(files))


def _say(label: str, text: str) -> None:
    say_wrapped(text, label, _INDENT)


def _session_in_words(session: Session) -> str:
    took = "no end recorded" if session.seconds is None else f"{session.seconds:,.1f} s"
    who = f"{session.user} on {session.host}"
    start = minute(datetime.fromisoformat(session.begun))
    return f"{start} UTC, {took}, by {who}. {session.stopped or ''}".strip()


def _say_what_is_open(shown: ShownRun) -> None:
    """Print what is still to be done about the rows of the run, and of those it corrects."""
    to_fix = shown.totals.to_fix
    if shown.outcome == RUNNING:
        say_wrapped("The run has not finished yet.")
    elif corrected := to_fix - shown.still_open.to_fix:
        console.say(f"Later runs corrected {corrected:,} of {counted(to_fix, 'row')}.")
        say_wrapped(f"Still open: {named_open_rows(shown.still_open)}")
    else:
        rework = shown.folder.rework_to_fix
        say_wrapped(
            sentence_of(
                shown.totals,
                _stopped(shown),
                rework.name if rework else "the rework file",
                shown.manifest.unsent_plan,
            )
        )
    for rows in shown.corrects:
        say_wrapped(f"Still open after this rework: {named_open_rows(rows)}")


def _stopped(shown: ShownRun) -> str | None:
    """Return why the run stopped early, in a sentence, if it did."""
    if shown.outcome == INTERRUPTED:
        return "The run was interrupted (no end recorded)."
    return stop_reason(shown.manifest)


def _say_rows(shown: ShownRun, *, verbose: bool) -> None:
    """Print the rows that were not updated, and what Fatora answered.

    If ``verbose``, an answer that could not be understood is printed as it came.
    """
    say_entries(
        ["ROW", "CLIENT", "STATUS", "CODE"],
        (_entry(row, verbose=verbose) for row in shown.not_updated),
        cut="CLIENT",
    )
    if more := shown.totals.not_updated - len(shown.not_updated):
        results = shown.folder.results_to_open  # None if it was pruned
        place = f" in {results.name}" if results else ""
        console.say(f"… and {more:,} more{place}; --all shows all")


def _entry(row: NotUpdated, *, verbose: bool) -> Entry:
    cell = "" if row.id is None else without_isolates(quote(row.id))
    client = cell if row.client is None else str(row.client)
    verbatim = f"Answer as received:\n{row.answer}" if verbose and row.answer else ""
    error = without_isolates(row.error) or row.why
    details = "\n".join(filter(None, (changes_in_words(row.changes), error)))
    return Entry([str(row.row), client, row.status, row.code], details, verbatim)
