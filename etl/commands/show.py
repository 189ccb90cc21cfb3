"""``fatora-clients show``: one run, and the rows that were not updated."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from etl import console
from etl.commands import options
from etl.commands.options import existing_runs
from etl.rows import NOT_UPDATED
from etl.runs.manifest import Manifest
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from pathlib import Path

    from etl.runs.folder import RunFolder


@click.command(name="show", epilog=options.examples("show latest", "show 20261128T0215"))
@click.argument("run")
@options.config
@options.runs_dir
@options.as_json
def command(run: str, config: Path | None, runs_dir: Path | None, as_json: bool) -> None:
    """Show one run: its summary, and the rows that were not updated with the reason for each.

    RUN is a run's id, the first characters of it, or 'latest'. Clients' names, phone numbers and
    addresses are not shown; they are in the run's results file.
    """
    folder = existing_runs(config, runs_dir).find(run)
    manifest = Manifest.read(folder.manifest)
    with JournalReader(folder.journal) as journal:
        counts = {str(status): count for status, count in journal.counts().items()}
        rows = list(_not_updated(journal))
    if as_json:
        facts = {**asdict(manifest), "counts": counts, "not_updated": rows}
        console.say_json(facts)
        return
    _print_run(folder, manifest, counts)
    if rows:
        console.say()
        console.say_columns(
            [name.upper() for name in rows[0]],
            [["" if value is None else str(value) for value in row.values()] for row in rows],
        )


def _print_run(folder: RunFolder, manifest: Manifest, counts: dict[str, int]) -> None:
    console.say(f"run     {folder.run}")
    console.say(f"file    {manifest.input.name}, SHA-256 {manifest.input.sha256}")
    console.say(f"api     {manifest.api}")
    for session in manifest.sessions:
        ended = f"to {session.ended}" if session.ended else "without an end"
        why = f", {session.stopped}" if session.stopped else ""
        console.say(f"        {session.begun} {ended}, by {session.user} on {session.host}{why}")
    told = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    console.say(f"rows    {manifest.rows}: {told or 'none'}")
    console.say(f"folder  {folder.path}")


def _not_updated(journal: JournalReader) -> list[dict[str, Any]]:
    return [
        {
            "row": row.row,
            "client": row.client_id,
            "status": str(row.status),
            "code": row.codes,
            "why": row.reasons or row.status.meaning,
        }
        for row in journal.rows(statuses=NOT_UPDATED)
    ]
