"""``fatora-clients confirm``: whether the clients of a run are still as it left them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import etl
from etl.commands import console, options
from etl.commands.layout import Entry, say_entries, say_wrapped
from etl.commands.sending import session, takes_run
from etl.images import changes_in_words
from etl.text import visible, without_isolates

if TYPE_CHECKING:
    from etl.errors import ExitCode
    from etl.jobs.confirm import Confirmed
    from etl.runs.confirming import ConfirmedRow

_FIRST = 20
_IN_WORDS = {
    "CHANGED": "Changed since",
    "DELETED": "Deleted since",
    "NOT_AS_SENT": "Not as sent",
    "NOW_FAILED": "Not updated",
}


@click.command(
    name="confirm", epilog=options.examples("confirm latest", "confirm 20261128T0215 --sample 200")
)
@takes_run
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Ask only about N of the updated rows, picked by chance.",
)
def command(
    run: str,
    sample: int | None,
    **given: Any,  # noqa: ANN401 - the options of `takes_run`
) -> ExitCode:
    """Ask Fatora whether the clients of a run are still as it left them.

    RUN is a run's id, its first characters, or 'latest'. Nothing is sent. Rows for which no
    confirmation was received are settled: they become SUCCESS if Fatora has the values, else
    FAILED, and the next update of the file sends them. The run is sealed again with the result.

    \b
    Exit codes:
      0   every client is still as the run left it
      1   some clients were changed since, or are not as sent
      2   wrong usage, configuration or credentials, or not a run to confirm
      4   stopped early; run again to go on
      70  internal error
      75  another run is using the runs folder
    """  # noqa: D301 - click keeps the lines behind this mark
    with session(given) as asked:
        confirmed = etl.confirm(
            run,
            asked.settings,
            asked.credentials,
            sample=sample,
            stop=asked.stop,
            progress=asked.progress,
            command=asked.command,
        )
    if given["as_json"]:
        console.say_json(_facts(confirmed))
    elif not given["quiet"]:
        _say(confirmed)
    elif confirmed.stopped:
        console.complain(f"fatora-clients: {visible(without_isolates(confirmed.stopped))}")
    return confirmed.exit_code


def _facts(confirmed: Confirmed) -> dict[str, Any]:
    outcomes = confirmed.outcomes
    return {
        "run": confirmed.run,
        "folder": str(confirmed.folder),
        "exit_code": confirmed.exit_code,
        "sentence": without_isolates(confirmed.sentence),
        "stopped": confirmed.stopped and without_isolates(confirmed.stopped),
        "asked": confirmed.asked,
        "clients": confirmed.clients,
        "unread": confirmed.unread,
        "outcomes": {str(outcome): number for outcome, number in outcomes.items()},
        "differing": [_row_facts(row) for row in confirmed.differing],
    }


def _row_facts(row: ConfirmedRow) -> dict[str, Any]:
    return {
        "row": row.row,
        "client": row.client_id,
        "outcome": row.outcome,
        "fields": [
            {"field": change.field, "then": change.old, "now": change.new} for change in row.changes
        ],
    }


def _say(confirmed: Confirmed) -> None:
    say_wrapped(f"Run {confirmed.run}: {confirmed.sentence}")
    if not confirmed.differing:
        return
    console.say()
    shown = confirmed.differing[:_FIRST]
    say_entries(["ROW", "CLIENT", "OUTCOME"], map(_entry, shown), cut="CLIENT")
    if more := len(confirmed.differing) - len(shown):
        console.say(f"… and {more:,} more; --json lists all")


def _entry(row: ConfirmedRow) -> Entry:
    cells = [str(row.row), str(row.client_id), _IN_WORDS[row.outcome]]
    return Entry(cells, changes_in_words(row.changes))
