"""``fatora-clients history``: lists all runs, or one client's history across them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from etl import console
from etl.commands import options
from etl.commands.layout import Entry, columns, say_entries
from etl.commands.options import existing_runs
from etl.commands.words import (
    api_of,
    minute,
    outcome_of,
    rows_in_short,
    short_id,
    started,
    stop_reason,
)
from etl.errors import InconsistentError
from etl.outcome import OpenRows
from etl.rows import TO_FIX, Status, rows_left
from etl.runs.lock import holder_of
from etl.runs.manifest import Manifest
from etl.runs.reader import JournalReader
from etl.runs.refused import Refused, refused_inputs
from etl.runs.rework import Reworks
from etl.text import utc_time, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from etl.outcome import Totals
    from etl.runs.folder import RunsFolder

_NEWEST = 50
_COLUMNS_FOR_API = 100  # a narrower table has no room for it; SANDBOX is then below the run

Facts = dict[str, Any]  # what --json prints of a run, a refused input, or a client's row


@click.command(name="history", epilog=options.examples("history", "history --client 1024"))
@click.option(
    "--client", type=int, metavar="ID", help="Show this client's history across all runs."
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
    history = _History(existing_runs(config, runs_dir, may_be_new=True))
    most = None if every or as_json else _NEWEST
    found, more = history.newest(most) if client is None else history.of_client(client, most)
    if as_json:
        console.say_json(found)
    elif not found:
        console.say("No runs yet." if client is None else f"No run has a row for client {client}.")
    elif client is None:
        _say_runs(found)
    else:
        _say_client(client, found)
    if more:
        console.say(f"… and {more:,} more; --all shows all")


class _History:
    """The runs in a runs folder. A damaged run is reported and does not hide the others."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._manifests = list(self._readable())
        self._holder = holder_of(runs.path)
        self._corrected = {run for each in self._manifests for run in each.reworks}
        self._reworks = Reworks(runs) if self._corrected else None

    def newest(self, most: int | None) -> tuple[list[Facts], int]:
        """Return the newest runs and refused inputs, and how many more there are."""
        found: list[Manifest | Refused] = [*self._manifests, *refused_inputs(self._runs)]
        found.sort(key=_when, reverse=True)
        shown = found[:most]
        return [facts for each in shown for facts in self._facts(each)], len(found) - len(shown)

    def of_client(self, client: int, most: int | None) -> tuple[list[Facts], int]:
        """Return a client's newest rows, and how many more there are."""
        found = [facts for each in self._manifests for facts in self._client_facts(each, client)]
        found.sort(key=lambda facts: str(facts["time"]), reverse=True)
        shown = found[:most]
        return shown, len(found) - len(shown)

    def _readable(self) -> Iterator[Manifest]:
        for folder in self._runs.all():
            try:
                yield Manifest.read(folder.manifest)
            except InconsistentError as error:
                console.complain(f"fatora-clients: {error}")

    def _facts(self, found: Manifest | Refused) -> Iterator[Facts]:
        if isinstance(found, Refused):
            yield _refused_facts(found)
            return
        try:
            yield self._run_facts(found)
        except InconsistentError as error:
            console.complain(f"fatora-clients: {error}")

    def _run_facts(self, manifest: Manifest) -> Facts:
        totals = self._totals(manifest)
        still_open = OpenRows(manifest.run, manifest.input.name, totals.to_fix, totals.left)
        if self._reworks and manifest.run in self._corrected:
            still_open = self._reworks.open_rows(manifest.run)
        return {
            "run": manifest.run,
            "when": utc_time(started(manifest).timestamp()),
            "file": manifest.input.name,
            "rows": manifest.rows,
            **{str(status): count for status, count in totals.counts.items()},
            "outcome": outcome_of(manifest, still_open, self._holder),
            "stopped": stop_reason(manifest),
            "api": api_of(manifest),
            "sandbox": manifest.sandbox,
            "stored_differently": totals.stored_differently,
            "reworks": list(manifest.reworks),
            "reworked": manifest.run in self._corrected,
            "still_open": {"to_fix": still_open.to_fix, "left": still_open.left},
        }

    def _totals(self, manifest: Manifest) -> Totals:
        if manifest.counts:
            return manifest.totals
        with JournalReader(self._runs.folder(manifest.run).journal) as journal:
            return journal.totals(sandbox=manifest.sandbox)

    def _client_facts(self, manifest: Manifest, client: int) -> Iterator[Facts]:
        try:
            with JournalReader(self._runs.folder(manifest.run).journal) as journal:
                for row in journal.rows(client_id=client):
                    yield {
                        "run": manifest.run,
                        "file": manifest.input.name,
                        "row": row.row,
                        "status": str(row.status),
                        "code": row.codes,
                        "error": without_isolates(row.error),
                        "warning": without_isolates(row.warning),
                        "fix": row.fix,
                        "time": row.time or utc_time(started(manifest).timestamp()),
                        "attempts": row.attempts,
                        "api": api_of(manifest),
                        "sandbox": manifest.sandbox,
                    }
        except InconsistentError as error:
            console.complain(f"fatora-clients: {error}")


def _when(found: Manifest | Refused) -> datetime:
    return started(found) if isinstance(found, Manifest) else datetime.fromisoformat(found.when)


def _refused_facts(refused: Refused) -> Facts:
    return {
        "run": None,
        "when": refused.when,
        "file": refused.name,
        "rows": None,
        **dict.fromkeys(map(str, Status), 0),
        "outcome": f"could not be used: {without_isolates(refused.sentence)}",
        "sha256": refused.sha256,
    }


def _say_runs(found: Sequence[Facts]) -> None:
    with_api = columns() >= _COLUMNS_FOR_API
    api = ["API"] if with_api else []
    entries = [
        _run_entry(facts, with_api=with_api) if facts["run"] else _refused_entry(facts, len(api))
        for facts in found
    ]
    say_entries(["WHEN (UTC)", "FILE", "ROWS", "RESULT", *api, "RUN"], entries, cut="FILE")


def _run_entry(facts: Facts, *, with_api: bool) -> Entry:
    api = [facts["api"]] if with_api else []
    cells = [_minute(facts), facts["file"], f"{facts['rows']:,}", facts["outcome"], *api]
    notes = [] if with_api or not facts["sandbox"] else ["SANDBOX"]
    notes.append(rows_in_short(sum(facts[status] for status in TO_FIX), rows_left(_counts(facts))))
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


def _counts(facts: Facts) -> dict[Status, int]:
    return {status: facts[status] for status in Status}


def _say_client(client: int, found: Sequence[Facts]) -> None:
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
                ": ".join(filter(None, (facts["code"], facts["error"] or facts["warning"]))),
            )
            for facts in found
        ],
        cut="FILE",
    )


def _minute(facts: Facts) -> str:
    return minute(datetime.fromisoformat(facts["when"]))
