"""The files of a run that people read, filled from its journal and its manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from etl.errors import ConfigError, ExitCode, InconsistentError
from etl.files import replacing
from etl.outcome import sentence_of, what_to_do
from etl.report.charts import MOST_STRETCHES, Stretch, columns_of
from etl.report.html import MOST_SHOWN, RunReport, Session, write_report
from etl.report.sheets import RESULTS, SHEET_ROWS, Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import results_table, rework_table
from etl.rows import NOT_UPDATED, TO_FIX, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from etl.outcome import OpenRows, Totals
    from etl.rows import ReportRow
    from etl.runs.folder import RunFolder
    from etl.runs.manifest import Manifest
    from etl.runs.reader import JournalReader, Sending, Staged


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose results are written: of which file, and by which run.

    ``run``, ``api`` and ``started`` (UTC) are empty where the file was only checked. ``stopped`` is
    the sentence that says why the run stopped early, ``rework`` the name of the file of rows to
    fix; ``reworked`` is what is open of the files that this one corrects.
    """

    file: str
    run: str = ""
    api: str = ""
    started: str = ""
    sandbox: bool = False
    stopped: str | None = None
    rework: str = ""
    reworked: Sequence[OpenRows] = ()


def origin_of(folder: RunFolder, manifest: Manifest, reworked: Sequence[OpenRows] = ()) -> Origin:
    """Return whose results those of a run are."""
    return Origin(
        file=manifest.input.name,
        run=folder.run,
        api=manifest.api,
        started=manifest.sessions[0].begun,
        sandbox=manifest.sandbox,
        stopped=manifest.sessions[-1].stopped,
        rework=_rework(folder).name,
        reworked=reworked,
    )


def require_fitting(path: Path, rows: int) -> None:
    """Check that so many rows can be written to a file of this ending.

    Raises:
        ConfigError: they are more than a sheet has.
    """
    if path.suffix.lower() == ".xlsx" and rows >= SHEET_ROWS:
        raise ConfigError(f"{rows} rows do not fit into a sheet: let {path.name} end in .csv")


def write_results(path: Path, journal: JournalReader, origin: Origin) -> None:
    """Write every row and its result to a file; its ending picks CSV or a workbook.

    Raises:
        ConfigError: there are more rows than a sheet has.
        InconsistentError: not every row was written; what stood there before stays.
    """
    staged = journal.staged()
    require_fitting(path, staged.rows)
    table = results_table(staged.names, journal.rows(), origin.run)
    ending = path.suffix.lower()
    summary = _summary_facts(journal, origin) if ending == ".xlsx" else None
    with replacing(path) as new:
        written = write_table(new, table, ending, _sheet_of(staged), summary)
        if written != staged.rows:
            raise InconsistentError(f"{written} of {staged.rows} rows were written to {path.name}")


def _sheet_of(staged: Staged) -> Sheet:
    """Return the sheet that is like the input's, so that what asks for that one finds it."""
    return Sheet(staged.sheet or RESULTS.name, right_to_left=staged.right_to_left)


def _summary_facts(journal: JournalReader, origin: Origin) -> SummaryFacts:
    totals = journal.totals(sandbox=origin.sandbox)
    return SummaryFacts(
        file=origin.file,
        run=origin.run,
        api=origin.api,
        started=origin.started,
        totals=totals,
        codes=journal.code_counts(),
        advice=_advice(totals, origin),
        reworked=origin.reworked,
    )


def _advice(totals: Totals, origin: Origin) -> list[str]:
    """Return what operations should do, a sentence or two each."""
    if not origin.run:
        fixes = what_to_do(
            replace(totals, counts={**totals.counts, Status.NOT_SENT: 0}), None, "your file"
        )
        return ["This was only a check. Nothing was sent.", *fixes]
    return what_to_do(totals, origin.stopped, origin.rework) or ["Nothing. All rows were updated."]


def write_files(
    folder: RunFolder, journal: JournalReader, manifest: Manifest, reworked: Sequence[OpenRows]
) -> Path | None:
    """Write the results, the report and, if there are any, the rows to fix.

    ``manifest`` is the run's but for the hashes of these files. Returns where the rework is.
    """
    rework = _write_tables(folder, journal, origin_of(folder, manifest, reworked))
    with replacing(folder.report) as new:
        write_report(new, _report_of(folder, journal, manifest, reworked))
    return rework


def _write_tables(folder: RunFolder, journal: JournalReader, origin: Origin) -> Path | None:
    write_results(folder.results(".csv"), journal, origin)
    rework = _rework(folder)
    if folder.is_workbook:
        write_results(folder.results(".xlsx"), journal, origin)
    if not journal.totals().to_fix:
        rework.unlink(missing_ok=True)
        return None
    staged = journal.staged()
    table = rework_table(staged.names, journal.rows(statuses=TO_FIX), folder.run)
    with replacing(rework) as new:
        write_table(new, table, rework.suffix, _sheet_of(staged))
    return rework


def _rework(folder: RunFolder) -> Path:
    return folder.rework(".xlsx" if folder.is_workbook else ".csv")


def _report_of(
    folder: RunFolder, journal: JournalReader, manifest: Manifest, reworked: Sequence[OpenRows]
) -> RunReport:
    totals, staged = journal.totals(sandbox=manifest.sandbox), journal.staged()
    source, stopped = manifest.input, manifest.sessions[-1].stopped
    rework = _rework(folder).name
    sendings = journal.sendings([session.begun for session in manifest.sessions])
    return RunReport(
        run=manifest.run,
        program=manifest.program,
        api=manifest.api,
        input_name=source.name,
        input_size=source.size,
        input_sha256=source.sha256,
        sheet=staged.sheet,
        totals=totals,
        exit_code=manifest.exit_code or ExitCode.DONE,
        sentence=sentence_of(totals, stopped, rework),
        reworked=reworked,
        sessions=[
            Session(each.begun, each.ended, each.user, each.host, each.stopped)
            for each in manifest.sessions
        ],
        settings=manifest.settings,
        codes=journal.code_counts(),
        seconds=sum(sending.ms for sending in sendings) / 1000,
        stretches=_stretches(journal, sendings[-MOST_STRETCHES:]),
        earlier=max(len(sendings) - MOST_STRETCHES, 0),
        durations=journal.durations(),
        attempts=journal.attempt_counts(),
        names=staged.names,
        columns=staged.columns,
        not_updated=_rows_to_fix_first(journal),
        results=folder.results(".xlsx" if folder.is_workbook else ".csv").name,
        rework=rework if totals.to_fix else None,
    )


def _rows_to_fix_first(journal: JournalReader) -> Iterator[ReportRow]:
    """Return the rows that were not updated, so that none to fix is behind many that were left."""
    others = [status for status in NOT_UPDATED if status not in TO_FIX]
    return chain.from_iterable(
        journal.rows(statuses=statuses, limit=MOST_SHOWN) for statuses in (TO_FIX, others)
    )


def _stretches(journal: JournalReader, sendings: Sequence[Sending]) -> list[Stretch]:
    seconds = [sending.ms / 1000 for sending in sendings]
    columns = columns_of(seconds, sum(sending.attempts for sending in sendings))
    return [
        Stretch(sending.begun, sending.ended, lasted, journal.pace(sending, wanted))
        for sending, lasted, wanted in zip(sendings, seconds, columns, strict=True)
    ]
