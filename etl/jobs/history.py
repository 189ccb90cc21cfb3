"""What was run so far, and what happened to one client across all runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Generic, TypeVar

from etl.errors import ConfigError, ExitCode, InconsistentError
from etl.manifest import Manifest
from etl.report.sentences import NEEDS_APPROVAL, PLANNED
from etl.rows import OpenRows
from etl.runs.folder import RunsFolder
from etl.runs.listing import Run, Stranger, entries
from etl.runs.lock import holder_of
from etl.runs.reader import JournalReader
from etl.runs.refused import Refused, refused_inputs
from etl.runs.rework import Reworks
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.config import Settings
    from etl.rows import ReportRow, Totals
    from etl.runs.lock import Holder

RUNNING, INTERRUPTED = "running", "interrupted"
ONLY_PLANNED, APPROVED = PLANNED.lower(), "approved"
_OUTCOMES = {
    ExitCode.DONE: "all updated",
    ExitCode.NOT_ALL_UPDATED: "action needed",
    ExitCode.USAGE: "key refused",
    ExitCode.STOPPED: "stopped early",
}
_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True)
class PastRun:
    """A recorded run.

    ``outcome`` is how it ended in a word or two, and ``still_open`` what is still open after all
    rework of its rows; ``reworked`` means that there was any.
    """

    manifest: Manifest
    totals: Totals
    outcome: str
    still_open: OpenRows
    reworked: bool


@dataclass(frozen=True, slots=True)
class ClientRow:
    """A row about one client, in the run of this manifest."""

    manifest: Manifest
    row: ReportRow

    @property
    def when(self) -> str:
        """When Fatora answered, or else when the run started, UTC in ISO 8601."""
        return self.row.time or utc_time(self.manifest.started.timestamp())


@dataclass(frozen=True, slots=True)
class History(Generic[_Entry]):
    """What is recorded, the newest first.

    ``more`` is how many older entries there are. ``damaged`` has a sentence about each entry of
    the runs folder that could not be read or is not a run; the others are complete.
    """

    entries: Sequence[_Entry]
    more: int = 0
    damaged: Sequence[str] = ()


def history(settings: Settings, *, newest: int | None = None) -> History[PastRun | Refused]:
    """Return the runs, and the inputs that could not be used, for which there is no run.

    ``newest`` limits how many are returned. A run that was resumed is listed at the time of its
    newest session.

    Raises:
        ConfigError: the runs folder does not exist or cannot be read. The default one may be
            missing: nothing has been run so far.
    """
    return _Reader(settings).history(newest)


def client_history(
    settings: Settings, client: int, *, newest: int | None = None
) -> History[ClientRow]:
    """Return the rows about one client in all runs; ``newest`` limits how many.

    Raises:
        ConfigError: as `history`.
    """
    return _Reader(settings).client_history(client, newest)


class _Reader:
    """Reads runs. A damaged one is noted in ``damaged``, and does not hide the others."""

    def __init__(self, settings: Settings) -> None:
        by_default = settings.with_sources()["runs.dir"]["from"] == "default"
        self._runs = RunsFolder(settings.runs.dir)
        self._runs.require_existing(may_be_missing=by_default)
        self._damaged: list[str] = []
        found = entries(self._runs)
        self._damaged += [each.sentence for each in found if isinstance(each, Stranger)]
        self._manifests = [each.manifest for each in found if isinstance(each, Run)]
        self._holder = holder_of(self._runs.path)
        self._corrected = {run for manifest in self._manifests for run in manifest.reworks}
        self._reworks = Reworks(self._runs, {each.run: each for each in self._manifests})

    def history(self, newest: int | None) -> History[PastRun | Refused]:
        """Return the newest runs and refused inputs."""
        records: list[Manifest | Refused] = [*self._manifests, *self._refused()]
        records.sort(key=_when, reverse=True)
        entries = [entry for record in records[:newest] for entry in self._entries(record)]
        return History(entries, len(records[newest:]) if newest else 0, self._damaged)

    def client_history(self, client: int, newest: int | None) -> History[ClientRow]:
        """Return a client's newest rows."""
        rows = [row for manifest in self._manifests for row in self._rows(manifest, client)]
        rows.sort(key=lambda row: row.when, reverse=True)
        return History(rows[:newest], len(rows[newest:]) if newest else 0, self._damaged)

    def _refused(self) -> list[Refused]:
        try:
            return list(refused_inputs(self._runs))
        except ConfigError as error:
            self._damaged.append(str(error))
            return []

    def _entries(self, record: Manifest | Refused) -> Iterator[PastRun | Refused]:
        if isinstance(record, Refused):
            yield record
            return
        try:
            yield self._past_run(record)
        except InconsistentError as error:
            self._damaged.append(str(error))

    def _past_run(self, manifest: Manifest) -> PastRun:
        totals = self._totals(manifest)
        still_open = OpenRows(manifest.run, manifest.input.name, totals.to_fix, totals.left)
        reworked = manifest.run in self._corrected
        if reworked:
            still_open = self._reworks.open_rows(manifest.run)
        outcome = outcome_of(manifest, still_open, self._holder)
        return PastRun(manifest, totals, outcome, still_open, reworked)

    def _totals(self, manifest: Manifest) -> Totals:
        if manifest.counts:
            return manifest.totals
        with JournalReader(self._runs.folder(manifest.run).journal) as journal:
            return journal.totals(sandbox=manifest.sandbox)

    def _rows(self, manifest: Manifest, client: int) -> Iterator[ClientRow]:
        try:
            with JournalReader(self._runs.folder(manifest.run).journal) as journal:
                for row in journal.rows(client_id=client):
                    yield ClientRow(manifest, row)
        except InconsistentError as error:
            self._damaged.append(str(error))


def _when(record: Manifest | Refused) -> datetime:
    if isinstance(record, Manifest):
        return record.started
    return datetime.fromisoformat(record.when)


def outcome_of(manifest: Manifest, still_open: OpenRows, holder: Holder | None) -> str:
    """Return how a run ended, or that it is still running.

    ``still_open`` is what is still open after all rework. ``holder`` is the process that uses the
    runs folder; no other can be working on a run.
    """
    if manifest.exit_code is None:
        is_running = holder and (holder.since is None or holder.since <= manifest.started)
        return RUNNING if is_running else INTERRUPTED
    if manifest.exit_code == ExitCode.NOT_ALL_UPDATED and not still_open.total:
        return "all corrected"
    if manifest.needs_approval or manifest.waits_approved:
        return NEEDS_APPROVAL.lower() if manifest.needs_approval else APPROVED
    if manifest.is_planned:
        return ONLY_PLANNED
    if manifest.exit_code == ExitCode.DONE and manifest.totals.unchanged:
        return "all up to date"
    return _OUTCOMES[ExitCode(manifest.exit_code)]
