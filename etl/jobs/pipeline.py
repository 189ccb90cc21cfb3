"""The order of the stages for one file: read and validate it, send its rows, write the results."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import ConfigError, ExitCode
from etl.extract.inputs import require_readable
from etl.files import is_workbook
from etl.jobs.comparing import Comparison
from etl.jobs.delivery import delivered
from etl.jobs.sending import send
from etl.jobs.summary import exit_code_of, summary_of
from etl.jobs.writing import NO_WORKBOOK, copy_results, origin_of, require_fitting, write_files
from etl.manifest import Columns, Invocation, Manifest
from etl.report.sentences import sentence_of
from etl.runs.folder import RunFolder, RunsFolder, is_run_id
from etl.runs.journal import Journal
from etl.runs.known import KnownRuns
from etl.runs.listing import Run, run_of
from etl.runs.log import logging_to
from etl.runs.reader import JournalReader
from etl.runs.staging import StagingJournal
from etl.text import utc_time

if TYPE_CHECKING:
    from pathlib import Path

    from etl.config import Settings
    from etl.jobs.context import Context
    from etl.jobs.summary import Summary
    from etl.manifest import InputFacts

log = logging.getLogger(__name__)

_LIMITED = "The run stopped before this row because of --limit."
_PLANNED = "This was only a plan: nothing was sent."


def update_file(source: Path, context: Context) -> Summary:
    """Send a spreadsheet: read, validate, send row by row, write the results.

    The caller must have prepared and locked the runs folder. A file that was already processed is
    not sent twice. If an earlier run of the file left rows to send, that run is resumed.

    Raises:
        InputError: the file cannot be used; nothing was sent and there is no run.
        ConfigError: the API refused the key, the token has expired, or this user may not read an
            earlier run; nothing was sent.
        StoppedError: the run stopped before anything was sent.
        DamagedError: an earlier run of the file is damaged; nothing was sent.
        InconsistentError: the program contradicts itself; the journal has what was done.
    """
    require_readable(source)
    runs, settings = RunsFolder(context.settings.runs.dir), context.settings
    known = context.known or KnownRuns(runs)
    facts = _read_with(settings, known.facts_of(source))
    if summary := _without_new_run(facts, source, context, known):
        return summary
    with runs.staging(datetime.now(UTC), sandbox=context.target.sandbox) as staging:
        facts = _read_with(settings, staging.take_input(source))
        # The file may have been replaced since it was hashed. From here on, only the copy counts.
        if summary := _without_new_run(facts, source, context, known):
            return summary
        manifest = _staged(staging, facts, context)
        manifest.write(staging.manifest)
        run = Run(runs.publish(staging), manifest)
    known.note(run.folder, manifest)
    return work_on(run, source, context, known)


def _read_with(settings: Settings, facts: InputFacts) -> InputFacts:
    """Return the facts about a file with the settings with which it is read."""
    return replace(
        facts,
        sheet=settings.input.sheet if is_workbook(facts.name) else None,
        encoding=settings.input.encoding,
        aliases=settings.columns.aliases,
    )


def _without_new_run(
    facts: InputFacts, source: Path, context: Context, known: KnownRuns
) -> Summary | None:
    """Resume the run of a file that left rows, or say that the file was already processed.

    Returns None if the file is to be sent in a new run.
    """
    earlier = known.of_same(facts, context.target.url, context.target.account)
    for run in earlier:
        if known.has_rows_left(run):
            return work_on(run_of(run.folder), source, context, known)
    if earlier and not context.again:
        return _already_done(earlier[0], source, context, known)
    return None


def _staged(staging: RunFolder, facts: InputFacts, context: Context) -> Manifest:
    """Read and validate the input of a new run, and return the run's manifest."""
    from etl.jobs.staging import stage  # noqa: PLC0415 - a night with nothing new needs no pandas

    with StagingJournal(staging.journal) as journal:
        staged = stage(staging.input, journal, context.settings, context.stop, context.progress)
    with JournalReader(staging.journal) as journal:
        reworks = tuple(filter(is_run_id, journal.reworked_runs()))
    return Manifest(
        run=staging.run,
        api=context.target.url,
        input=facts,
        rows=staged.rows,
        blank_rows=staged.blank_rows,
        hidden_rows=staged.hidden_rows,
        account=context.target.account,
        sandbox=context.target.sandbox,
        columns=Columns(staged.sent, staged.not_sent, staged.lookalikes),
        reworks=reworks,
    )


def work_on(run: Run, source: Path, context: Context, known: KnownRuns) -> Summary:
    """Work on a run for one session: send its pending rows, and write its files."""
    folder, manifest = run.folder, run.manifest
    _ = folder.input  # without it, the results could not be written after the rows were sent
    if context.results:
        require_fitting(context.results, manifest.rows)
    started = time.monotonic()
    invocation = Invocation(context.command, context.target.credentials, context.only_plan)
    compares = manifest.compares or context.settings.load.compare
    manifest = replace(manifest.reopened(folder.continued), compares=compares).begin_session(
        invocation, context.target.url, context.settings.with_sources()
    )
    folder.clear_unfinished()
    manifest.write(folder.manifest)
    known.note(folder, manifest)
    refused: ConfigError | None = None
    with logging_to(folder.log, folder.run), Journal(folder.journal) as journal:
        killed = journal.recover(utc_time(time.time()))
        log.info(
            "begun", extra={"fields": {"rows": manifest.rows, "under_way_when_killed": killed}}
        )
        try:
            comparison = Comparison(manifest, context.settings, known) if compares else None
            stopped, held = send(journal, context, comparison)
        except ConfigError as error:
            refused, stopped, held = error, error.sentence, False
        if context.only_plan and not stopped:
            journal.explain_unsent(_PLANNED, Code.PLANNED)
        else:
            journal.explain_unsent(stopped or _LIMITED)
        if compares:
            manifest = manifest.planned(journal.plan(folder.run))
        if len(manifest.sessions) > 1:
            journal.mark_corrected(known.reworks.closed_rows(folder.run))
        totals = journal.totals(sandbox=manifest.sandbox)
        exit_code = refused.exit_code if refused else exit_code_of(totals.counts, stopped)
        manifest = manifest.end_session(
            stopped, totals, exit_code, time.monotonic() - started, held=held
        )
        reworked = known.reworks.open_originals(folder.run) if manifest.reworks else []
        workbooks = context.settings.runs.workbooks == "always"
        rework = write_files(folder, journal, manifest, reworked, workbooks=workbooks)
        log.info("ended", extra={"fields": {"counts": totals.counts, "exit_code": exit_code}})
        journal.finish()
    manifest = manifest.seal(known.newest, folder.hashes())
    manifest.write(folder.manifest)
    known.note(folder, manifest)
    if context.results:
        copy_results(origin_of(folder, manifest, reworked), folder, context.results)
    if refused:
        raise refused
    sentence = sentence_of(totals, stopped, str(rework), manifest.unsent_plan)
    sentence += _about_undo(known, folder.run)
    if workbooks and not folder.results(".xlsx").exists():
        sentence += f" {NO_WORKBOOK}"
    summary = summary_of(source, folder, manifest, sentence)
    summary = replace(summary, totals=totals, stopped=stopped, reworked=reworked)
    return delivered(summary, manifest, context.delivery)


def _about_undo(known: KnownRuns, run: str) -> str:
    """Return a sentence about updates of a run that were taken back, which it never sends again."""
    later = known.undo_of(run)
    return f" Run {later} undid updates of this run, which are not sent again." if later else ""


def _already_done(run: Run, source: Path, context: Context, known: KnownRuns) -> Summary:
    folder, manifest = run.folder, run.manifest
    if context.results:
        if manifest.pruned:
            raise ConfigError(f"the results of run {folder.run} were pruned; nothing was sent")
        copy_results(origin_of(folder, run_of(folder).manifest), folder, context.results)
    to_fix = manifest.totals.to_fix
    still_open = known.reworks.open_rows(folder.run).to_fix if to_fix else 0
    ended = datetime.fromisoformat(manifest.sessions[-1].ended or manifest.sessions[-1].begun)
    need = "row still needs" if still_open == 1 else "rows still need"
    fixing = f"; {still_open:,} {need} fixing" if still_open else ""
    sentence = (
        f"Already processed on {ended:%d %b %Y, %H:%M} UTC by run {folder.run}{fixing}."
        f"{_about_undo(known, folder.run)} Use --again to resend the whole file."
    )
    summary = replace(
        summary_of(source, folder, manifest, sentence),
        exit_code=ExitCode.DONE,
        already_done=True,
        still_open=still_open,
    )
    delivery = context.delivery
    if manifest.pruned or (delivery and delivery.has(folder, manifest.input.name)):
        return summary
    return delivered(summary, manifest, delivery)
