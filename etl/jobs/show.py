"""One run: how it ended, what is still open, and the rows that were not updated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.fields import Field
from etl.jobs.history import outcome_of
from etl.rows import NOT_UPDATED
from etl.runs.folder import RunsFolder
from etl.runs.listing import Run, entries, run_of
from etl.runs.lock import holder_of
from etl.runs.reader import JournalReader
from etl.runs.rework import Reworks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.codes import Code
    from etl.config import Settings
    from etl.images import FieldChange
    from etl.manifest import Manifest
    from etl.rows import OpenRows, Status, Totals
    from etl.runs.folder import RunFolder


@dataclass(frozen=True, slots=True)
class NotUpdated:
    """A row that was not updated, and why; of its cells it has only the ``id``.

    ``changes`` is how it would change its client, if it was compared.

    ``client`` is None if the id is not usable, and ``id`` is None if it was pruned. ``why`` quotes
    no value of the row, unlike ``error``. ``answer`` is how the last answer began that could not be
    understood.
    """

    row: int
    client: int | None
    id: str | None
    status: Status
    code: str
    why: str
    error: str
    fix: str
    http_status: int | None
    attempts: int
    time: str
    answer: str
    changes: Sequence[FieldChange] = ()


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A recorded run.

    ``reasons`` has the number of rows for each code. ``outcome`` is how the run ended,
    ``still_open`` what is still open after all rework of its rows, and ``corrects`` what is still
    open of the files that it corrects.
    """

    folder: RunFolder
    manifest: Manifest
    totals: Totals
    reasons: Mapping[Code, int]
    outcome: str
    still_open: OpenRows
    corrects: Sequence[OpenRows]
    not_updated: Sequence[NotUpdated]


def show(settings: Settings, run: str, *, most: int | None = None) -> ShownRun:
    """Return all that is recorded of a run.

    Args:
        settings: Where the runs are.
        run: The run's id, its beginning, or ``latest``.
        most: How many of the rows that were not updated to return; None means all.

    Raises:
        ConfigError: there is no such run, or no runs folder, or this user may not read it.
        InconsistentError: the run is damaged.
    """
    runs = RunsFolder(settings.runs.dir)
    runs.require_existing()
    found = run_of(runs.find(run))
    folder, manifest = found.folder, found.manifest
    others = (each.manifest for each in entries(runs) if isinstance(each, Run))
    reworks = Reworks(runs, {each.run: each for each in others})
    still_open = reworks.open_rows(folder.run)
    with JournalReader(folder.journal) as journal:
        return ShownRun(
            folder=folder,
            manifest=manifest,
            totals=journal.totals(sandbox=manifest.sandbox),
            reasons=journal.code_counts(),
            outcome=outcome_of(manifest, still_open, holder_of(runs.path)),
            still_open=still_open,
            corrects=reworks.open_originals(folder.run),
            not_updated=list(_not_updated(journal, most)),
        )


def _not_updated(journal: JournalReader, most: int | None) -> Iterator[NotUpdated]:
    column = journal.staged().columns[Field.ID]
    for row in journal.rows(statuses=NOT_UPDATED, limit=most):
        yield NotUpdated(
            row=row.row,
            client=row.client_id,
            id=row.cells[column] if row.cells else None,
            status=row.status,
            code=row.codes,
            why=row.reasons or row.status.meaning,
            error=row.error,
            fix=row.fix,
            http_status=row.http_status,
            attempts=row.attempts,
            time=row.time,
            answer=journal.excerpt(row.row),
            changes=row.changes,
        )
