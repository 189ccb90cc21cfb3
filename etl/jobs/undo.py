"""Taking back what a run changed: an ordinary run, whose rows are the values from before."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.config import SANDBOX_URL
from etl.errors import ConfigError, ExitCode
from etl.extract.table import open_table
from etl.fields import Field
from etl.files import replacing, sha256_of
from etl.jobs.context import Context, Progress
from etl.jobs.pipeline import work_on
from etl.jobs.summary import Summary, summary_of
from etl.jobs.target import target_of
from etl.limits import require_room_for
from etl.load.breaker import Breaker
from etl.manifest import Columns, InputFacts, Manifest
from etl.report.sheets import write_table
from etl.report.tables import Line, ReportTable
from etl.rows import CheckedRow, Status
from etl.runs.folder import LATEST, RunsFolder
from etl.runs.known import is_same_api, known_runs
from etl.runs.listing import Run, run_of
from etl.runs.lock import locked
from etl.runs.log import logging_to
from etl.runs.reader import JournalReader, Staged
from etl.runs.staging import StagingJournal
from etl.stopping import StopRequest, stop_on_refusal
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from etl.config import Credentials, Settings
    from etl.jobs.target import Target
    from etl.runs.folder import RunFolder
    from etl.runs.known import KnownRuns
    from etl.runs.undoing import Reversal

log = logging.getLogger(__name__)

_NAMES = tuple(field.value for field in Field)
_COLUMNS = {field: index for index, field in enumerate(Field)}
_FIRST_ROW = 2  # below the header
_NAMED = 10  # clients in a sentence or a line of the log


@stop_on_refusal()
def undo(  # noqa: PLR0913 - each has a default, and a name in the call
    run: str,
    settings: Settings,
    credentials: Credentials | None,
    *,
    stop: StopRequest | None = None,
    progress: Progress | None = None,
    clients: Collection[int] | None = None,
    only_plan: bool = False,
    command: str = "etl.undo",
) -> Summary:
    """Give the clients that a run updated the values back that they had before.

    This is a run of its own, which compares. A client that somebody changed since is CONFLICT and
    keeps its values. If an earlier undo of the same run stopped early, that one is resumed. Clients
    that were already undone are left alone. Nothing is printed, and no signal is handled.

    Args:
        run: The run's id, its first characters, or ``latest``: the newest that is no undo.
        settings: See `etl.load_settings`.
        credentials: See `etl.read_credentials`.
        stop: Lets another thread or a signal handler stop the undo, which can be resumed.
        progress: Watches the run.
        clients: The ids of the only clients to undo; None for all.
        only_plan: Show what would be restored, and send nothing.
        command: What the manifest records as the command line.

    Raises:
        ConfigError: the run cannot be undone, or settings or credentials are wrong; nothing was
            sent.
        DamagedError: a run that is needed is damaged; nothing was sent.
        BusyError: another run is using the runs folder; nothing was sent.
        StoppedError: the run stopped before anything was sent.
    """
    target = target_of(settings, credentials, sandbox=False)
    require_room_for(settings.load.workers, sandbox=False)
    runs = RunsFolder(settings.runs.dir)
    runs.require_existing()
    runs.prepare()
    context = Context(
        settings,
        target,
        stop or StopRequest(),
        progress or Progress(),
        Breaker(settings.load.stop_after, settings.load.give_up),
        command,
        only_plan=only_plan,
    )
    context.require_places()
    with locked(runs.path), known_runs(runs) as known:
        undone = _run_to_undo(run, runs)
        _require_same_place(undone.manifest, target)
        chosen = None if clients is None else frozenset(clients)
        return _Undoing(undone, chosen, context, known).go_on()


def _run_to_undo(name: str, runs: RunsFolder) -> Run:
    """Return the run that is named.

    The ``latest`` is the newest that is no undo itself: otherwise the same command, run again,
    would take back what it did at first.

    Raises:
        ConfigError: there is no such run, or there are several.
        DamagedError: its manifest is missing or damaged.
    """
    if name == LATEST:
        for folder in runs.all():
            run = run_of(folder)
            if not run.manifest.undoes:
                return run
    return run_of(runs.find(name))


def _require_same_place(manifest: Manifest, target: Target) -> None:
    """Check that the API and the account are those of the run.

    Raises:
        ConfigError: they are not, or the run's sandbox is gone.
    """
    if manifest.sandbox and manifest.api == SANDBOX_URL:
        raise ConfigError(
            f"run {manifest.run} used a sandbox of its own, which is gone: there is nothing to undo"
        )
    if manifest.account != target.account or not is_same_api(manifest.api, target.url):
        raise ConfigError(
            f"run {manifest.run} updated clients of account {manifest.account} at {manifest.api},"
            f" but these settings are for account {target.account} at {target.url}; nothing was"
            " sent"
        )


@dataclass(frozen=True, slots=True)
class _Undoing:
    """The undo of a run, or of some of its ``clients`` only."""

    undone: Run
    clients: frozenset[int] | None
    context: Context
    known: KnownRuns

    def go_on(self) -> Summary:
        """Resume an earlier undo, start a new one, or say that nothing is left to undo."""
        earlier = self.known.undone_by(self.undone.manifest.run)
        for run in earlier:
            if self._has_left(run, Status.NOT_SENT, Status.FAILED, Status.UNKNOWN):
                self._require_chosen(run)
                return self._resume(run)
        todo = self._chosen_clients() - self._done(self.undone.manifest.run)
        unknown = self._unknown(todo)
        if todo and not (earlier and len(unknown) == len(todo)):
            return self._begin(todo)
        for run in earlier:
            if self._has_left(run, Status.CONFLICT) and self._is_chosen(run):
                return self._resume(run)
        summary = _already_undone(earlier[0])
        return _naming(summary, unknown) if unknown else summary

    def _has_left(self, run: Run, *statuses: Status) -> bool:
        """Whether an earlier undo of chosen clients has rows with one of these statuses."""
        if self.clients is not None and not self.clients & _clients_of(run):
            return False
        if run.manifest.exit_code is None and Status.NOT_SENT in statuses:
            return True
        with JournalReader(run.folder.journal) as journal:
            counts = journal.counts()
        return any(counts.get(status) for status in statuses)

    def _is_chosen(self, run: Run) -> bool:
        return self.clients is None or _clients_of(run) <= self.clients

    def _require_chosen(self, run: Run) -> None:
        """Check that resuming an earlier undo changes no client that was not chosen.

        Raises:
            ConfigError: it would.
        """
        if not self._is_chosen(run):
            raise ConfigError(
                f"run {run.manifest.run} has started to undo these clients and others, and is not"
                f" finished: run fatora-clients undo {self.undone.manifest.run} without --client;"
                " nothing was sent"
            )

    def _resume(self, run: Run) -> Summary:
        run = run_of(run.folder)
        return work_on(run, run.folder.input, self.context, self.known)

    def _chosen_clients(self) -> set[int]:
        """Return the clients that the run updated, as far as they are chosen.

        Raises:
            ConfigError: it did not update them.
        """
        run = self.undone.manifest.run
        with JournalReader(self.undone.folder.journal) as journal:
            updated = {each.client_id for each in journal.updated_clients()}
        if not updated:
            raise ConfigError(f"run {run} updated no client: there is nothing to undo")
        if self.clients is None:
            return updated
        if others := self.clients - updated:
            raise ConfigError(f"run {run} did not update client {_some(others)}; nothing was sent")
        return updated & self.clients

    def _done(self, run: str) -> set[int]:
        """Return the clients of a run that were undone, unless that was undone itself."""
        done: set[int] = set()
        for later in self.known.undone_by(run):
            done |= _clients_of(later) - self._done(later.manifest.run)
        return done

    def _unknown(self, clients: Collection[int]) -> list[int]:
        with JournalReader(self.undone.folder.journal) as journal:
            return _Reversals(journal, clients, whole=self._is_whole).unknown()

    def _begin(self, clients: set[int]) -> Summary:
        """Undo clients in a new run.

        Raises:
            ConfigError: it is not known what any of them held before.
        """
        runs = RunsFolder(self.context.settings.runs.dir)
        sandbox = self.context.target.sandbox
        with JournalReader(self.undone.folder.journal) as journal:
            reversals = _Reversals(journal, clients, whole=self._is_whole)
            unknown = reversals.unknown()
            if len(unknown) == len(clients):
                raise ConfigError(_why_unknown(self.undone.manifest))
            with runs.staging(datetime.now(UTC), sandbox=sandbox) as staging:
                manifest = _staged(staging, reversals, self.undone.manifest, self.context)
                if unknown:
                    _log_unknown(staging, unknown)
                manifest.write(staging.manifest)
                run = Run(runs.publish(staging), manifest)
        self.known.note(run.folder, manifest)
        summary = work_on(run, run.folder.input, self.context, self.known)
        return _naming(summary, unknown) if unknown else summary

    @property
    def _is_whole(self) -> bool:
        """Whether the run sent stored values along: then the API may clear what is not sent."""
        setting = self.undone.manifest.settings.get("load.unsent", {})
        return bool(setting.get("value") == "resend")


@dataclass(frozen=True, slots=True)
class _Reversals:
    """How the updates of some clients are taken back; each iteration reads the journal."""

    journal: JournalReader
    clients: Collection[int]
    whole: bool

    def __iter__(self) -> Iterator[Reversal]:
        for each in self.journal.updated_clients():
            reversal = each.reversal(whole=self.whole)
            if reversal and each.client_id in self.clients:
                yield reversal

    def unknown(self) -> list[int]:
        """Return the clients whose values from before are not known."""
        return [
            each.client_id
            for each in self.journal.updated_clients()
            if each.before is None and each.client_id in self.clients
        ]


def _staged(
    staging: RunFolder, reversals: _Reversals, undone: Manifest, context: Context
) -> Manifest:
    """Write the input and the journal of a new run, and return its manifest.

    The values are not validated: what the API held may be restored whatever today's rules say.
    """
    source = staging.path / "input.csv"
    with replacing(source) as new:
        lines = map(_line, reversals)
        rows = write_table(new, ReportTable(_NAMES, list(Field), lines), ".csv")
    # The cells are read from the file, so that they are what `verify` will read there.
    with StagingJournal(staging.journal) as journal, open_table(source) as table:
        pairs = zip(table.records, reversals, strict=True)
        checked = (
            CheckedRow(
                record, each.client_id, each.body, warnings=(each.warning,) if each.warning else ()
            )
            for record, each in pairs
        )
        for number in journal.add(checked):
            context.stop.check()
            context.progress.staging(number)
        journal.expect((row, each.expected) for row, each in enumerate(reversals, _FIRST_ROW))
        staged = Staged(
            _NAMES,
            _COLUMNS,
            sheet=None,
            rows=rows,
            blank_rows=0,
            hidden_rows=0,
            undoes=undone.run,
        )
        journal.seal(staged)
    facts = InputFacts(f"undo of {undone.input.name}", source.stat().st_size, sha256_of(source))
    return Manifest(
        run=staging.run,
        api=context.target.url,
        input=facts,
        rows=rows,
        blank_rows=0,
        hidden_rows=0,
        account=context.target.account,
        sandbox=context.target.sandbox,
        columns=Columns(staged.sent),
        undoes=undone.run,
        compares=True,
    )


def _line(reversal: Reversal) -> Line:
    """Return the row of a client, with all values that it will have, as far as a CSV can."""
    texts = [str(reversal.client_id), *(reversal.restored[name] for name in _NAMES[1:])]
    return Line([_for_file(text) for text in texts])


def _for_file(text: str) -> str:
    """Return text for people, with an escape for what a CSV cannot have; the journal has it all."""
    return text.encode(errors="backslashreplace").decode().replace("\0", "\\x00")


def _clients_of(run: Run) -> set[int]:
    with JournalReader(run.folder.journal) as journal:
        return journal.all_clients()


def _why_unknown(manifest: Manifest) -> str:
    run = manifest.run
    if manifest.pruned:
        return f"run {run} was pruned, so it is not known what its clients held before"
    if not manifest.compares:
        return (
            f"run {run} was made without --compare, so it is not known what its clients held before"
        )
    return f"it is not known what the clients of run {run} held before"


def _log_unknown(staging: RunFolder, unknown: list[int]) -> None:
    fields = {"clients": unknown[:_NAMED], "total": len(unknown)}
    with logging_to(staging.log, staging.run):
        log.warning("no_before_image", extra={"fields": fields})


def _naming(summary: Summary, unknown: list[int]) -> Summary:
    """Return a summary that names the clients of which nothing from before is known."""
    verb = "keeps its" if len(unknown) == 1 else "keep their"
    sentence = (
        f"{summary.sentence} {counted(len(unknown), 'client')} {verb} values, since the run had not"
        f" read them before: {_some(unknown)}."
    )
    worst = ExitCode.worst([summary.exit_code, ExitCode.NOT_ALL_UPDATED])
    return replace(summary, sentence=sentence, exit_code=worst, not_restored=len(unknown))


def _some(clients: Collection[int]) -> str:
    named = ", ".join(map(str, sorted(clients)[:_NAMED]))
    return f"{named} and {len(clients) - _NAMED:,} more" if len(clients) > _NAMED else named


def _already_undone(run: Run) -> Summary:
    manifest = run.manifest
    ended = datetime.fromisoformat(manifest.sessions[-1].ended or manifest.sessions[-1].begun)
    sentence = f"Already undone on {ended:%d %b %Y, %H:%M} UTC by run {manifest.run}."
    if manifest.totals.to_fix:
        sentence += f" {counted(manifest.totals.to_fix, 'client')} could not be restored."
    source = run.folder.path / "input.csv"
    summary = summary_of(source, run.folder, manifest, sentence)
    return replace(summary, exit_code=ExitCode.DONE, already_done=True)
