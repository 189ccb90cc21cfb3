"""The order of the stages: `update` sends a spreadsheet, `checked` only validates it."""

from __future__ import annotations

import grp
import logging
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from etl.errors import (
    ConfigError,
    ExitCode,
    InconsistentError,
    InputError,
    StoppedError,
    in_one_sentence,
)
from etl.extract.inputs import require_readable
from etl.extract.table import open_table
from etl.fields import Field
from etl.handover import Delivery, put_away, require_movable
from etl.load.loader import Loader, Policy
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.workers import Workers
from etl.outcome import Summary, exit_code_of, sentence_of
from etl.rows import rows_left
from etl.runs.chain import newest
from etl.runs.folder import RunFolder, RunsFolder, is_run_id
from etl.runs.journal import Journal
from etl.runs.log import logging_to
from etl.runs.manifest import Columns, Invocation, Manifest
from etl.runs.reader import JournalReader, Staged
from etl.runs.refused import note_refused
from etl.runs.rework import Reworks
from etl.runs.staging import StagingJournal
from etl.stopping import stop_on_full_disk
from etl.text import utc_time, without_isolates
from etl.validate.checking import ColumnRules, check_records
from etl.validate.duplicates import duplicate_fault
from etl.writing import NO_WORKBOOK, origin_of, require_fitting, write_files, write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from etl.config import Settings
    from etl.load.access import Access
    from etl.rows import RowResult, Status
    from etl.stopping import StopRequest
    from etl.writing import Origin

    # Takes the ids of the clients that will be updated; the sandbox makes just these.
    Connect: TypeAlias = Callable[[Iterable[int]], AbstractContextManager[Access]]

log = logging.getLogger(__name__)

_LIMITED = "The run stopped before this row because of --limit."


class Progress(Protocol):
    """Watches a run, such as for a progress bar. Its methods must not raise."""

    def staging(self, rows: int) -> None:
        """Take note of how many rows have been read and validated."""

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Take note that sending starts: the rows of each status, and how many will be sent."""

    def sent(self, results: Sequence[RowResult]) -> None:
        """Take note of rows that are finished."""

    def stopping(self, under_way: int) -> None:
        """Take note that the run was asked to stop and waits for this many requests."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run needs besides its file; ``invocation`` is the command that asked for it.

    ``account`` is whose clients are updated. ``sandbox`` means that nothing is sent to Fatora.
    ``limit`` is the maximum number of rows to send, None for all. ``again`` sends a file that was
    already processed. ``results`` is the path of an extra copy of the results. ``folders`` are the
    folders that were named as inputs.
    """

    settings: Settings
    connect: Connect
    stop: StopRequest
    progress: Progress
    invocation: Invocation
    account: str
    sandbox: bool = False
    limit: int | None = None
    again: bool = False
    results: Path | None = None
    folders: frozenset[Path] = frozenset()

    @property
    def delivery(self) -> Delivery | None:
        """Where the results are delivered, if they are; those of the sandbox would mislead."""
        wanted = self.settings.deliver
        if wanted.dir is None or self.sandbox:
            return None
        group = None if wanted.group is None else grp.getgrnam(wanted.group).gr_gid
        return Delivery(wanted.dir, int(wanted.mode, 8), group)

    def require_places(self) -> None:
        """Check that results can be delivered and inputs moved, if the settings ask for it.

        Raises:
            ConfigError: they cannot.
        """
        if self.delivery:
            self.delivery.require_writable()
        if self.settings.input.done == "move":
            for folder in self.folders:
                require_movable(folder)


def update_each(sources: Iterable[Path], job: Job) -> Iterator[Summary]:
    """Send several spreadsheets in order, and yield a summary of each.

    After a run that stopped early, the remaining files are not started: the cause would stop them
    too. A file that cannot be used, or that triggers a bug, does not prevent the others from being
    sent.

    Raises:
        ConfigError: as `update`, for the first file only; for others it is in the summary.
    """
    job.require_places()
    stopped: str | None = None
    for number, source in enumerate(sources):
        if stopped is None:
            summary = _put_away(_update_one(source, job, is_first=number == 0), job)
        else:
            summary = Summary(source, ExitCode.STOPPED, f"Not started. {stopped}", stopped)
        stopped = summary.stopped
        yield summary


def _update_one(source: Path, job: Job, *, is_first: bool) -> Summary:
    try:
        with stop_on_full_disk():
            return _update_or_refuse(source, job)
    except StoppedError as error:
        return Summary(source, error.exit_code, str(error), stopped=str(error))
    except InconsistentError as error:
        return Summary(source, error.exit_code, str(error))
    except ConfigError as error:
        if is_first:
            raise
        return Summary(source, ExitCode.STOPPED, error.sentence, stopped=error.sentence)
    except Exception as error:  # noqa: BLE001 - a fault of the program with this file alone
        return Summary(source, ExitCode.INTERNAL, in_one_sentence(error))


def _update_or_refuse(source: Path, job: Job) -> Summary:
    try:
        return update(source, job)
    except InputError as error:
        runs = RunsFolder(job.settings.runs.dir)
        refused = note_refused(runs, source, str(error), datetime.now(UTC))
        return Summary(source, error.exit_code, str(error), sha256=refused.sha256)


def _put_away(summary: Summary, job: Job) -> Summary:
    """Move a finished or unusable file out of its folder, if the settings ask for it.

    After a run against the sandbox it stays where it is: it is still to be sent to Fatora.
    """
    source = summary.input
    is_refused = summary.exit_code is ExitCode.INPUT_UNUSABLE
    # What could not be delivered ends with STOPPED too, and needs its file once more.
    is_finished = (
        summary.run is not None
        and not summary.totals.left
        and summary.exit_code is not ExitCode.STOPPED
    )
    if job.settings.input.done == "keep" or job.sandbox or source.parent not in job.folders:
        return summary
    if not summary.sha256 or not (is_refused or is_finished):
        return summary
    try:
        if is_refused:
            put_away(source, "refused", summary.sha256, without_isolates(summary.sentence))
        else:
            put_away(source, "done", summary.sha256)
    except OSError as error:
        return replace(summary, not_moved=error.strerror)
    return summary


def update(source: Path, job: Job) -> Summary:
    """Send a spreadsheet: read, validate, send row by row, write the results.

    The caller must have prepared and locked the runs folder. A file that was already processed is
    not sent twice. If an earlier run of the file left rows to send, that run is resumed.

    Raises:
        InputError: the file cannot be used; nothing was sent and there is no run.
        ConfigError: the API refused the key, or the token has expired; nothing was sent.
        StoppedError: the run stopped before anything was sent.
        InconsistentError: the program contradicts itself; the journal has what was done.
    """
    require_readable(source)
    runs = RunsFolder(job.settings.runs.dir)
    with runs.staging(datetime.now(UTC), sandbox=job.sandbox) as staging:
        facts = replace(
            staging.take_input(source),
            sheet=job.settings.input.sheet if staging.is_workbook else None,
            encoding=job.settings.input.encoding,
            aliases=job.settings.columns.aliases,
        )
        earlier = list(runs.of_same(facts, job.settings.api.url, job.account))
        for folder, manifest in earlier:
            if manifest.exit_code is None or _rows_left(folder):
                return _send(source, folder, manifest, job)
        if earlier and not job.again:
            return _already_done(source, *earlier[0], job)
        with StagingJournal(staging.journal) as journal:
            staged = _stage(staging.input, journal, job.settings, job.stop, job.progress)
        with JournalReader(staging.journal) as journal:
            reworks = tuple(filter(is_run_id, journal.reworked_runs()))
        manifest = Manifest(
            run=staging.run,
            api=job.settings.api.url,
            input=facts,
            rows=staged.rows,
            blank_rows=staged.blank_rows,
            hidden_rows=staged.hidden_rows,
            account=job.account,
            sandbox=job.sandbox,
            columns=Columns(staged.sent, staged.not_sent),
            reworks=reworks,
        )
        manifest.write(staging.manifest)
        return _send(source, runs.publish(staging), manifest, job)


@contextmanager
def checked(
    source: Path, settings: Settings, stop: StopRequest, progress: Progress
) -> Iterator[JournalReader]:
    """Read and validate a spreadsheet, and give its journal, which is deleted afterwards.

    Raises:
        InputError: the file cannot be used.
        StoppedError: the check was interrupted.
        InconsistentError: the program contradicts itself.
    """
    require_readable(source)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.sqlite3"
        with StagingJournal(path) as staging:
            _stage(source, staging, settings, stop, progress)
        with JournalReader(path) as journal:
            yield journal


def _stage(
    source: Path,
    journal: StagingJournal,
    settings: Settings,
    stop: StopRequest,
    progress: Progress,
) -> Staged:
    """Read and validate every row of the file into the journal."""
    columns, wanted = settings.columns, settings.input
    with open_table(
        source, sheet=wanted.sheet, encoding=wanted.encoding, aliases=columns.aliases
    ) as table:
        rules = ColumnRules(
            names=table.names,
            columns=table.columns,
            max_lengths={field: columns.of(field).max_length for field in Field},
            cleared=frozenset(field for field in Field if columns.of(field).blank == "clear"),
        )
        rows = 0
        for rows in journal.add(check_records(table.records, rules)):
            stop.check()
            progress.staging(rows)
        id_name = table.names[table.columns[Field.ID]]
        journal.add_faults(
            (each.row, duplicate_fault(id_name, *each)) for each in journal.conflicts()
        )
        tally = table.tally
        staged = Staged(
            names=table.names,
            columns=table.columns,
            sheet=table.sheet,
            rows=rows,
            blank_rows=tally.blank_rows,
            hidden_rows=tally.hidden_rows,
            right_to_left=table.right_to_left,
        )
    journal.seal(staged)
    return staged


def _rows_left(folder: RunFolder) -> bool:
    with JournalReader(folder.journal) as journal:
        return rows_left(journal.counts()) > 0


def _send(source: Path, folder: RunFolder, manifest: Manifest, job: Job) -> Summary:
    """Send the pending rows of a run, and write the run's files."""
    if job.results:
        require_fitting(job.results, manifest.rows)
    api, settings = job.settings.api.url, job.settings.with_sources()
    manifest = manifest.reopened(folder.continued).begin_session(job.invocation, api, settings)
    runs = RunsFolder(job.settings.runs.dir)
    folder.clear_unfinished()
    manifest.write(folder.manifest)
    refused: ConfigError | None = None
    with logging_to(folder.log, folder.run), Journal(folder.journal) as journal:
        killed = journal.recover(utc_time(time.time()))
        log.info(
            "begun", extra={"fields": {"rows": manifest.rows, "under_way_when_killed": killed}}
        )
        try:
            stopped = _load(journal, job)
        except ConfigError as error:
            refused, stopped = error, error.sentence
        journal.explain_unsent(stopped or _LIMITED)
        if len(manifest.sessions) > 1:
            journal.mark_corrected(Reworks(runs).closed_rows(folder.run))
        totals = journal.totals(sandbox=manifest.sandbox)
        exit_code = refused.exit_code if refused else exit_code_of(totals.counts, stopped)
        manifest = manifest.end_session(stopped, totals, exit_code)
        reworked = Reworks(runs).open_originals(folder.run) if manifest.reworks else []
        workbooks = job.settings.runs.workbooks == "always"
        rework = write_files(folder, journal, manifest, reworked, workbooks=workbooks)
        log.info("ended", extra={"fields": {"counts": totals.counts, "exit_code": exit_code}})
        journal.finish()
    manifest = manifest.seal(newest(runs.manifests()), folder.hashes())
    manifest.write(folder.manifest)
    _copy_results(origin_of(folder, manifest, reworked), folder, job.results)
    if refused:
        raise refused
    sentence = sentence_of(totals, stopped, str(rework))
    if workbooks and not folder.results(".xlsx").exists():
        sentence += f" {NO_WORKBOOK}"
    summary = _summary(source, folder, manifest, sentence)
    summary = replace(summary, totals=totals, stopped=stopped, reworked=reworked)
    return _delivered(summary, manifest, job)


def _load(journal: Journal, job: Job) -> str | None:
    """Send the pending rows, and return why the run stopped early, if it did."""
    counts = journal.counts()
    pending = rows_left(counts)
    if not pending:
        return None
    api, load = job.settings.api, job.settings.load
    with job.connect(journal.client_ids()) as access:
        _sign_in(access, api.retry_after_max)
        policy = Policy(
            workers=load.workers,
            attempts=api.attempts,
            pause=api.pause,
            pause_max=api.pause_max,
            retry_after_max=api.retry_after_max,
            stop_after=load.stop_after,
            renewable=access.tokens.renewable,
        )
        job.progress.sending(counts, pending if job.limit is None else min(job.limit, pending))
        with Workers(load.workers, access.api) as workers:
            rows = journal.pending(job.limit)
            loader = Loader(
                rows,
                journal,
                workers,
                policy,
                job.stop,
                access.pace,
                on_stopping=job.progress.stopping,
            )
            for results in loader.run():
                job.progress.sent(results)
        return loader.stopped


def _sign_in(access: Access, patience: float) -> None:
    """Get a token before the first row.

    If the API cannot be reached now, each row asks for a token again, and the loader decides when
    to stop. If the API asks to wait, nothing is sent for that long, but at most for ``patience``
    seconds.
    """
    try:
        access.api().sign_in()
    except TokenRefusedError as error:
        raise ConfigError(f"{error}; nothing was sent") from None
    except TokenUnavailableError as error:
        access.pace.hold(min(error.retry_after or 0, patience))
        log.warning("no_token_yet")


def _already_done(source: Path, folder: RunFolder, manifest: Manifest, job: Job) -> Summary:
    if job.results and manifest.pruned:
        raise ConfigError(f"the results of run {folder.run} were pruned; nothing was sent")
    _copy_results(origin_of(folder, manifest), folder, job.results)
    still_open = 0
    if manifest.totals.to_fix:
        still_open = Reworks(RunsFolder(job.settings.runs.dir)).open_rows(folder.run).to_fix
    ended = datetime.fromisoformat(manifest.sessions[-1].ended or manifest.sessions[-1].begun)
    need = "row still needs" if still_open == 1 else "rows still need"
    fixing = f"; {still_open:,} {need} fixing" if still_open else ""
    sentence = (
        f"Already processed on {ended:%d %b %Y, %H:%M} UTC by run {folder.run}{fixing}."
        " Use --again to resend the whole file."
    )
    done = replace(manifest, exit_code=int(ExitCode.DONE))
    summary = replace(
        _summary(source, folder, done, sentence), already_done=True, still_open=still_open
    )
    if manifest.pruned or (job.delivery and job.delivery.has(folder, manifest.input.name)):
        return summary
    return _delivered(summary, manifest, job)


def _delivered(summary: Summary, manifest: Manifest, job: Job) -> Summary:
    """Deliver the files of a run, if the settings ask for it.

    If that fails, the run itself is not affected, and running the same file again delivers them.
    """
    if job.delivery is None or summary.folder is None:
        return summary
    try:
        place = job.delivery.deliver(RunFolder(summary.folder), manifest.input.name)
    except OSError as error:
        sentence = (
            f"{summary.sentence} The results could not be delivered to {job.delivery.folder}"
            f" ({error.strerror}). Run the same file again to deliver them."
        )
        return replace(summary, sentence=sentence, exit_code=ExitCode.STOPPED)
    return replace(summary, delivered=place)


def _summary(source: Path, folder: RunFolder, manifest: Manifest, sentence: str) -> Summary:
    """Return the summary of a run, from its manifest and its folder."""
    return Summary(
        run=folder.run,
        folder=folder.path,
        input=source,
        totals=manifest.totals,
        results=folder.results_to_open,
        rework=folder.rework_to_fix,
        exit_code=ExitCode(manifest.exit_code or ExitCode.DONE),
        sentence=sentence,
        sha256=manifest.input.sha256,
    )


def _copy_results(origin: Origin, folder: RunFolder, copy: Path | None) -> None:
    """Write the extra copy of the results, if one was asked for."""
    if copy is not None:
        with JournalReader(folder.journal) as journal:
            write_results(copy, journal, origin)
