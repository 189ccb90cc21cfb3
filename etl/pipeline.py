"""The order of the stages: `update` sends a spreadsheet, `check` only looks at it."""

from __future__ import annotations

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
from etl.runs.rework import Reworks
from etl.runs.staging import StagingJournal
from etl.stopping import stop_on_full_disk
from etl.text import utc_time
from etl.validate.checking import ColumnRules, check_records
from etl.validate.duplicates import duplicate_fault
from etl.writing import origin_of, require_fitting, write_files, write_results

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from etl.config import Settings
    from etl.load.access import Access
    from etl.rows import RowResult, Status
    from etl.stopping import StopRequest

    # Given the ids of the clients that are to be updated, a way to reach the API.
    Connect: TypeAlias = Callable[[Iterable[int]], AbstractContextManager[Access]]

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Somebody who watches a run; nothing that they do may raise."""

    def staging(self, rows: int) -> None:
        """So many rows have been read and validated."""

    def sending(self, counts: Mapping[Status, int], pending: int) -> None:
        """Sending begins: what is known of the rows, and how many are to be sent."""

    def sent(self, results: Sequence[RowResult]) -> None:
        """So these rows ended."""


@dataclass(frozen=True, slots=True)
class Job:
    """What a run needs beside its file; ``invocation`` is who asked for it.

    ``account`` is whose clients they are; ``sandbox`` tells that nothing reaches Fatora. ``limit``
    is the most rows to send, None for all; ``again`` sends a file that was processed; ``results``
    is where an extra copy of the results goes.
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


def update_each(sources: Iterable[Path], job: Job) -> Iterator[Summary]:
    """Send several spreadsheets in order; what stops one early would stop the next as well.

    That one cannot be used, or trips a fault of the program, keeps no other from being sent.

    Raises:
        ConfigError: as `update` does, for the first; what is found wrong later stops the others.
    """
    stopped: str | None = None
    for number, source in enumerate(sources):
        if stopped is None:
            summary = _update_one(source, job, is_first=number == 0)
        else:
            summary = Summary(source, ExitCode.STOPPED, f"Not started. {stopped}", stopped)
        stopped = summary.stopped
        yield summary


def _update_one(source: Path, job: Job, *, is_first: bool) -> Summary:
    try:
        with stop_on_full_disk():
            return update(source, job)
    except StoppedError as error:
        return Summary(source, error.exit_code, str(error), stopped=str(error))
    except InputError as error:
        RunsFolder(job.settings.runs.dir).note_refused(source, str(error), datetime.now(UTC))
        return Summary(source, error.exit_code, str(error))
    except InconsistentError as error:
        return Summary(source, error.exit_code, str(error))
    except ConfigError as error:
        if is_first:
            raise
        return Summary(source, ExitCode.STOPPED, str(error), stopped=str(error))
    except Exception as error:  # noqa: BLE001 - a fault of the program with this file alone
        return Summary(source, ExitCode.INTERNAL, in_one_sentence(error))


def update(source: Path, job: Job) -> Summary:
    """Send a spreadsheet: read, validate, send row by row, write the results.

    The runs folder must be prepared and held. A file that was processed is not sent twice, one
    whose run left rows is resumed in that run's folder.

    Raises:
        InputError: the file cannot be used; nothing was sent and no run was made.
        ConfigError: the API refused the key, or the token is over; nothing was sent.
        StoppedError: stopped before anything was sent.
        InconsistentError: the program contradicts itself; what was done is in the journal.
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
    """Read and validate a spreadsheet, and give the journal of what was found while it lasts.

    Raises:
        InputError: the file cannot be used.
        StoppedError: stopped before its end.
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
    """Bring every row of the file, validated, into the journal."""
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
    """Send what is pending in a run's journal, and write the run's files."""
    if job.results:
        require_fitting(job.results, manifest.rows)
    api, settings = job.settings.api.url, job.settings.told()
    manifest = manifest.begin_session(job.invocation, api, settings)
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
            refused, stopped = error, str(error)
        journal.explain_unsent(stopped or "The option --limit left this row for the next session.")
        totals = journal.totals(sandbox=manifest.sandbox)
        exit_code = refused.exit_code if refused else exit_code_of(totals.counts, stopped)
        manifest = manifest.end_session(stopped, totals, exit_code)
        reworked = Reworks(runs).open_originals(folder.run) if manifest.reworks else []
        rework = write_files(folder, journal, manifest, reworked)
        log.info("ended", extra={"fields": {"counts": totals.counts, "exit_code": exit_code}})
        journal.finish()
    manifest = manifest.seal(newest(runs.manifests()), folder.hashes())
    manifest.write(folder.manifest)
    _copy_results(folder, manifest, job.results)
    if refused:
        raise refused
    sentence = sentence_of(totals, stopped, str(rework))
    summary = _summary(source, folder, manifest, sentence)
    return replace(summary, stopped=stopped, reworked=reworked)


def _load(journal: Journal, job: Job) -> str | None:
    """Send the pending rows; return why that stopped early, if it did."""
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
            loader = Loader(rows, journal, workers, policy, job.stop, access.pace)
            for results in loader.run():
                job.progress.sent(results)
        return loader.stopped


def _sign_in(access: Access, patience: float) -> None:
    """Get a token; where there is none yet, each row asks again, and the loader knows when to stop.

    The API may ask to wait, but not for longer than ``patience`` seconds here.
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
    _copy_results(folder, manifest, job.results)
    still_open = Reworks(RunsFolder(job.settings.runs.dir)).open_rows(folder.run).to_fix
    ended = datetime.fromisoformat(manifest.sessions[-1].ended or manifest.sessions[-1].begun)
    need = "row still needs" if still_open == 1 else "rows still need"
    fixing = f"; {still_open:,} {need} fixing" if still_open else ""
    sentence = (
        f"Already processed on {ended:%d %b %Y, %H:%M} UTC by run {folder.run}{fixing}."
        " Use --again to resend."
    )
    done = replace(manifest, exit_code=int(ExitCode.DONE))
    summary = _summary(source, folder, done, sentence)
    return replace(summary, already_done=True, still_open=still_open)


def _summary(source: Path, folder: RunFolder, manifest: Manifest, sentence: str) -> Summary:
    """Return the summary of a run, as its manifest and its folder have it."""
    endings = (".xlsx", ".csv")
    return Summary(
        run=folder.run,
        folder=folder.path,
        input=source,
        totals=manifest.totals,
        results=next((p for p in map(folder.results, endings) if p.exists()), None),
        rework=next((p for p in map(folder.rework, endings) if p.exists()), None),
        exit_code=ExitCode(manifest.exit_code or ExitCode.DONE),
        sentence=sentence,
    )


def _copy_results(folder: RunFolder, manifest: Manifest, copy: Path | None) -> None:
    """Write the results once more, where somebody asked for a copy, after the run has its own."""
    if copy is not None:
        with JournalReader(folder.journal) as journal:
            write_results(copy, journal, origin_of(folder, manifest))
