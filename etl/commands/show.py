"""``fatora-clients show``: shows one run and the rows that were not updated."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import click

from etl.commands import console, options
from etl.commands.layout import Entry, say_counts, say_entries, say_wrapped
from etl.commands.options import existing_runs
from etl.commands.words import minute, named_open_rows, stop_reason
from etl.fields import Field
from etl.jobs.history import INTERRUPTED, RUNNING, outcome_of
from etl.report.sentences import IN_SANDBOX, columns_in_words, rows_in_words, sentence_of
from etl.rows import NOT_UPDATED
from etl.runs.listing import Run, entries, run_of
from etl.runs.lock import holder_of
from etl.runs.reader import JournalReader
from etl.runs.rework import Reworks
from etl.text import counted, quote, visible, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.codes import Code
    from etl.manifest import Manifest, Session
    from etl.rows import OpenRows, Totals
    from etl.runs.folder import RunFolder, RunsFolder

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
    runs = existing_runs(config, runs_dir)
    found = run_of(runs.find(run))
    with JournalReader(found.folder.journal) as journal:
        shown = _Run.read(runs, found, journal)
        if as_json:
            facts = {**shown.facts(), "not_updated": list(_row_facts(journal, None))}
            console.say_json(facts)
        else:
            shown.say()
            shown.say_rows(journal, None if every else _FIRST, verbose=verbose)


@dataclass(frozen=True, slots=True)
class _Run:
    """A recorded run.

    ``outcome`` is how it ended, ``still_open`` what is still open after all rework of its rows, and
    ``corrects`` what is still open of the files that it corrects.
    """

    folder: RunFolder
    manifest: Manifest
    totals: Totals
    reasons: Mapping[Code, int]
    outcome: str
    still_open: OpenRows
    corrects: Sequence[OpenRows]

    @classmethod
    def read(cls, runs: RunsFolder, run: Run, journal: JournalReader) -> Self:
        """Read all that is shown of a run, except its rows."""
        folder, manifest = run.folder, run.manifest
        found = (each.manifest for each in entries(runs) if isinstance(each, Run))
        reworks = Reworks(runs, {each.run: each for each in found})
        still_open = reworks.open_rows(folder.run)
        return cls(
            folder,
            manifest,
            journal.totals(sandbox=manifest.sandbox),
            journal.code_counts(),
            outcome_of(manifest, still_open, holder_of(runs.path)),
            still_open,
            reworks.open_originals(folder.run),
        )

    def facts(self) -> dict[str, Any]:
        """Return what --json prints, except the rows."""
        return {
            **asdict(self.manifest),
            "folder": str(self.folder.path),
            "outcome": self.outcome,
            "counts": {str(status): count for status, count in self.totals.counts.items()},
            "stored_differently": self.totals.stored_differently,
            "still_open": asdict(self.still_open),
            "corrects": [asdict(rows) for rows in self.corrects],
        }

    def say(self) -> None:
        """Print what was run, the results, and what is still open."""
        manifest = self.manifest
        _say("run", f"{self.folder.run}: {self.outcome}")
        if manifest.sandbox:
            _say("", IN_SANDBOX)
        if manifest.undoes:
            _say("undoes", manifest.undoes)
        _say("file", f"{manifest.input.name}: {rows_in_words(self.totals)}")
        _say("", columns_in_words(self.totals))
        _say("", f"SHA-256 {manifest.input.sha256}")
        _say("api", f"{manifest.api}, account {manifest.account}")
        for number, session in enumerate(manifest.sessions):
            _say("" if number else "sessions", _session_in_words(session))
        files = sorted(file.name for file in self.folder.path.iterdir())
        path = visible(str(self.folder.path))
        console.say(f"{'folder':<{_INDENT}}{path}")  # in one piece, for copying
        _say("files", ", ".join(files))
        console.say()
        say_counts(self.totals)
        self._say_what_is_open()
        for code, count in self.reasons.items():
            console.say()
            console.say(f"{code.name}, {counted(count, 'row')}")
            say_wrapped(f"{code.meaning}. {code.fix}", indent=2)

    def _say_what_is_open(self) -> None:
        """Print what is still to be done about the rows of the run, and of those it corrects."""
        if self.outcome == RUNNING:
            say_wrapped("The run has not finished yet.")
        elif corrected := self.totals.to_fix - self.still_open.to_fix:
            to_fix = counted(self.totals.to_fix, "row")
            console.say(f"Later runs corrected {corrected:,} of {to_fix}.")
            say_wrapped(f"Still open: {named_open_rows(self.still_open)}")
        else:
            say_wrapped(sentence_of(self.totals, self._stopped, self._rework))
        for rows in self.corrects:
            say_wrapped(f"Still open after this rework: {named_open_rows(rows)}")

    def say_rows(self, journal: JournalReader, most: int | None, *, verbose: bool) -> None:
        """Print the rows that were not updated, and what Fatora answered.

        If ``verbose``, an answer that could not be understood is printed as it came.
        """
        rows = list(_row_facts(journal, most))
        if not rows:
            return
        console.say()
        say_entries(
            ["ROW", "CLIENT", "STATUS", "CODE"],
            (_entry(row, verbose=verbose) for row in rows),
            cut="CLIENT",
        )
        if more := self.totals.rows - self.totals.updated - len(rows):
            console.say(f"… and {more:,} more{self._place}; --all shows all")

    @property
    def _stopped(self) -> str | None:
        """Why the run stopped early, in a sentence, if it did."""
        if self.outcome == INTERRUPTED:
            return "The run was interrupted (no end recorded)."
        return stop_reason(self.manifest)

    @property
    def _rework(self) -> str:
        """The name of the file of rows to fix."""
        rework = self.folder.rework_to_fix
        return rework.name if rework else "the rework file"

    @property
    def _place(self) -> str:
        """The file that has all rows, after “in”; empty if it was pruned."""
        results = self.folder.results_to_open
        return f" in {results.name}" if results else ""


def _say(label: str, text: str) -> None:
    say_wrapped(text, label, _INDENT)


def _session_in_words(session: Session) -> str:
    took = "no end recorded" if session.seconds is None else f"{session.seconds:,.1f} s"
    who = f"{session.user} on {session.host}"
    start = minute(datetime.fromisoformat(session.begun))
    return f"{start} UTC, {took}, by {who}. {session.stopped or ''}".strip()


def _row_facts(journal: JournalReader, most: int | None) -> Iterator[dict[str, Any]]:
    """Yield what is shown of each row that was not updated; ``id`` is the unchanged cell."""
    column = journal.staged().columns[Field.ID]
    for row in journal.rows(statuses=NOT_UPDATED, limit=most):
        yield {
            "row": row.row,
            "client": row.client_id,
            "id": row.cells[column] if row.cells else None,  # None if it was pruned
            "status": str(row.status),
            "code": row.codes,
            "why": row.reasons or row.status.meaning,
            "error": without_isolates(row.error),
            "fix": row.fix,
            "http_status": row.http_status,
            "attempts": row.attempts,
            "time": row.time,
            "answer": journal.excerpt(row.row),
        }


def _entry(facts: dict[str, Any], *, verbose: bool) -> Entry:
    cell = "" if facts["id"] is None else without_isolates(quote(facts["id"]))
    client = cell if facts["client"] is None else str(facts["client"])
    cells = [str(facts["row"]), client, facts["status"], facts["code"]]
    verbatim = f"Answer as received:\n{facts['answer']}" if verbose and facts["answer"] else ""
    return Entry(cells, facts["error"] or facts["why"], verbatim)
