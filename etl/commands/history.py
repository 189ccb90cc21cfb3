"""``fatora-clients history``: the runs, or what became of one client over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl import console
from etl.commands import options
from etl.commands.options import existing_runs
from etl.errors import InconsistentError
from etl.runs.manifest import Manifest
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.runs.folder import RunFolder

_OUTCOMES = {
    None: "unfinished",
    0: "all updated",
    1: "some rows not updated",
    2: "credentials refused",
    4: "stopped early",
}


@click.command(name="history", epilog=options.examples("history", "history --client 1024"))
@click.option(
    "--client",
    type=int,
    metavar="ID",
    help="Show this client's history across all runs instead.",
)
@options.config
@options.runs_dir
@options.as_json
def command(client: int | None, config: Path | None, runs_dir: Path | None, as_json: bool) -> None:
    """List all runs, newest first: time, file, number of rows, and results."""
    runs = existing_runs(config, runs_dir, may_be_new=True).all()
    found = [facts for run in runs for facts in _readable_facts(run, client)]
    if as_json:
        console.say_json(found)
    elif found:
        console.say_columns(
            [name.upper() for name in found[0]],
            [[_cell(value) for value in facts.values()] for facts in found],
        )
    else:
        console.say("no runs" if client is None else f"no run has a row for client {client}")


def _readable_facts(run: RunFolder, client: int | None) -> Iterator[dict[str, Any]]:
    """Yield what there is to tell of a run; that one is damaged must not hide the others."""
    try:
        yield from [_run_facts(run)] if client is None else _client_facts(run, client)
    except InconsistentError as error:
        console.complain(f"fatora-clients: {error}")


def _run_facts(run: RunFolder) -> dict[str, Any]:
    manifest = Manifest.read(run.manifest)
    counts = manifest.counts or _counts_so_far(run)
    return {
        "run": run.run,
        "when": manifest.sessions[-1].begun if manifest.sessions else None,
        "file": manifest.input.name,
        "rows": manifest.rows,
        **counts,
        "outcome": _OUTCOMES[manifest.exit_code],
    }


def _counts_so_far(run: RunFolder) -> dict[str, int]:
    with JournalReader(run.journal) as journal:
        return {str(status): count for status, count in journal.counts().items()}


def _client_facts(run: RunFolder, client: int) -> Iterator[dict[str, Any]]:
    manifest = Manifest.read(run.manifest)
    with JournalReader(run.journal) as journal:
        for row in journal.rows(client_id=client):
            yield {
                "run": run.run,
                "file": manifest.input.name,
                "row": row.row,
                "status": str(row.status),
                "code": row.codes,
                "time": row.time,
                "attempts": row.attempts,
            }


def _cell(value: object) -> str:
    return "" if value is None else str(value)
