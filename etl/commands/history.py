"""``fatora-clients history``: lists all runs, or one client's history across them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

import etl
from etl.commands import console, options
from etl.commands.layout import Entry, columns, say_entries
from etl.commands.options import number, settings_of
from etl.commands.words import api_of, minute, rows_in_short, short_id, stop_reason
from etl.images import FieldChange, changes_in_words
from etl.jobs.history import ONLY_PLANNED
from etl.rows import TO_FIX, Status, rows_left
from etl.runs.refused import Refused
from etl.text import utc_time, without_isolates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.jobs.history import ClientRow, History, PastRun

_NEWEST = 50
_COLUMNS_FOR_API = 100  # a narrower table leaves the API out, and has SANDBOX below the run

Facts = dict[str, Any]  # what --json prints of a run, a refused input, or a client's row


@click.command(name="history", epilog=options.examples("history", "history --client 1024"))
@click.option(
    "--client", type=number(), metavar="ID", help="Show this client's history across all runs."
)
@click.option("--all", "every", is_flag=True, help=f"Show all, not only the newest {_NEWEST}.")
@options.config
@options.runs_dir
@options.as_json
def command(
    client: int | None, every: bool, config: Path | None, runs_dir: Path | None, as_json: bool
) -> None:
    """List the runs, newest first: time, file, number of rows, and results.

    A run that was resumed is listed at the time of its newest session. Files that could not be used
    are listed too, although they have no run. --json always prints all.
    """
    settings = settings_of(config, runs__dir=runs_dir)
    most = None if every or as_json else _NEWEST
    history: History[Any]
    if client is None:
        history = etl.history(settings, newest=most)
        facts = [_facts(entry) for entry in history.entries]
    else:
        history = etl.client_history(settings, client, newest=most)
        facts = [_client_facts(entry) for entry in history.entries]
    for sentence in history.damaged:
        console.complain(f"fatora-clients: {sentence}")
    if as_json:
        console.say_json(facts)
    elif not facts:
        console.say("No runs yet." if client is None else f"No run has a row for client {client}.")
    elif client is None:
        _say_runs(facts)
    else:
        _say_client(client, facts)
    if history.more:
        console.say(f"… and {history.more:,} more; --all shows all")


def _facts(past: PastRun | Refused) -> Facts:
    """Return what --json prints of a run, or of an input that could not be used."""
    if isinstance(past, Refused):
        return {
            "run": None,
            "when": past.when,
            "file": past.name,
            "rows": None,
            **dict.fromkeys(map(str, Status), 0),
            "outcome": f"could not be used: {without_isolates(past.sentence)}",
            "sha256": past.sha256,
        }
    manifest = past.manifest
    return {
        "run": manifest.run,
        "when": utc_time(manifest.started.timestamp()),
        "file": manifest.input.name,
        "rows": manifest.rows,
        **{str(status): count for status, count in past.totals.counts.items()},
        "outcome": past.outcome,
        "stopped": stop_reason(manifest),
        "api": api_of(manifest),
        "sandbox": manifest.sandbox,
        "sent": dict(past.totals.sent),
        "not_sent": list(past.totals.not_sent),
        "lookalikes": dict(past.totals.lookalikes),
        "plan": manifest.plan and asdict(manifest.plan),
        "undoes": manifest.undoes or None,
        "stored_differently": past.totals.stored_differently,
        "reworks": list(manifest.reworks),
        "reworked": past.reworked,
        "still_open": {"to_fix": past.still_open.to_fix, "left": past.still_open.left},
    }


def _client_facts(entry: ClientRow) -> Facts:
    """Return what --json prints of a client's row in a run."""
    manifest, row = entry.manifest, entry.row
    return {
        "run": manifest.run,
        "file": manifest.input.name,
        "row": row.row,
        "status": str(row.status),
        "code": row.codes,
        "error": without_isolates(row.error),
        "warning": without_isolates(row.warning),
        "fix": row.fix,
        "changes": [change._asdict() for change in row.changes],
        "time": entry.when,
        "attempts": row.attempts,
        "api": api_of(manifest),
        "sandbox": manifest.sandbox,
    }


def _say_runs(runs: Sequence[Facts]) -> None:
    with_api = columns() >= _COLUMNS_FOR_API
    api = ["API"] if with_api else []
    entries = [
        _run_entry(facts, with_api=with_api) if facts["run"] else _refused_entry(facts, len(api))
        for facts in runs
    ]
    say_entries(["WHEN (UTC)", "FILE", "ROWS", "RESULT", *api, "RUN"], entries, cut="FILE")


def _run_entry(facts: Facts, *, with_api: bool) -> Entry:
    """Return the line of a run, with what is open in it and why it stopped below."""
    api = [facts["api"]] if with_api else []
    cells = [_minute(facts), facts["file"], f"{facts['rows']:,}", facts["outcome"], *api]
    notes = [] if with_api or not facts["sandbox"] else ["SANDBOX"]
    if facts["undoes"]:
        notes.append(f"undoes {short_id(facts['undoes'])}")
    counts = {status: facts.get(status, 0) for status in Status}
    left = rows_left(counts)
    if facts["outcome"] == ONLY_PLANNED:
        notes.append(f"{facts['plan']['rows']:,} would change")
        left -= facts["plan"]["rows"]
    notes.append(rows_in_short(sum(counts[status] for status in TO_FIX), left))
    if unchanged := counts[Status.UNCHANGED]:
        notes.append(f"{unchanged:,} unchanged")
    if facts["stored_differently"]:
        notes.append(f"{facts['stored_differently']:,} stored differently")
    if facts["reworked"]:
        notes.append(
            f"still open after rework: {rows_in_short(**facts['still_open']) or 'nothing'}"
        )
    details = "; ".join(filter(None, notes))
    reason = facts["stopped"] or ""
    return Entry([*cells, short_id(facts["run"])], f"{details}. {reason}" if reason else details)


def _refused_entry(facts: Facts, blank_cells: int) -> Entry:
    blank = [""] * (3 + blank_cells)
    return Entry([_minute(facts), facts["file"], *blank], facts["outcome"])


def _say_client(client: int, rows: Sequence[Facts]) -> None:
    console.say(f"Client {client}: this client's history across all runs")
    console.say()
    say_entries(
        ["WHEN (UTC)", "FILE", "ROW", "STATUS", "API", "RUN"],
        [
            Entry(
                [
                    minute(datetime.fromisoformat(facts["time"])),
                    facts["file"],
                    str(facts["row"]),
                    facts["status"],
                    facts["api"],
                    short_id(facts["run"]),
                ],
                _client_details(facts),
            )
            for facts in rows
        ],
        cut="FILE",
    )


def _client_details(facts: Facts) -> str:
    """Return what a row changes, before and after, and what Fatora answered."""
    said = ": ".join(filter(None, (facts["code"], facts["error"] or facts["warning"])))
    changes = changes_in_words(FieldChange(**change) for change in facts["changes"])
    if changes and facts["status"] != Status.SUCCESS:
        changes = f"Planned: {changes}"
    return "\n".join(filter(None, (changes, said)))


def _minute(facts: Facts) -> str:
    return minute(datetime.fromisoformat(facts["when"]))
