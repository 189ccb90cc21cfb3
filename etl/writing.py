"""Writing the files of a run that people read, from its journal and its manifest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from etl.errors import ConfigError, ExitCode, InconsistentError
from etl.fields import ResultColumn
from etl.files import replacing
from etl.outcome import sentence_of, verdict_of, what_to_do
from etl.report.charts import MOST_STRETCHES, Stretch, columns_of
from etl.report.html import MOST_SHOWN, RunReport, Session, write_report
from etl.report.sheets import MOST_ROWS, RESULTS, Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import results_table, rework_table
from etl.rows import NOT_UPDATED, TO_FIX, Status
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from etl.outcome import OpenRows, Totals
    from etl.rows import ReportRow
    from etl.runs.folder import RunFolder
    from etl.runs.manifest import Manifest
    from etl.runs.reader import JournalReader, Sending, Staged

_LOOK_AT_WARNINGS = (
    f"Check the {ResultColumn.UPDATE_WARNING.header} column: it says where Fatora stored something"
    " different from what was sent."
)
_CSV, _WORKBOOK = ".csv", ".xlsx"
NO_WORKBOOK = (
    f"The file has more than the {MOST_ROWS:,} rows that a workbook can hold,"
    " so its results are a CSV file only."
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where results come from: the file, and the run.

    ``run``, ``api`` and ``started`` (UTC) are empty if the file was only checked. ``stopped`` says
    in full sentences why the run stopped early. ``rework`` is the name of the file with the rows to
    fix. ``reworked`` is what is still open of the files that this one corrects.
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
    """Return where the results of a run come from; its rework must have been written."""
    rework = folder.rework_to_fix
    return Origin(
        file=manifest.input.name,
        run=folder.run,
        api=manifest.api,
        started=manifest.sessions[0].begun,
        sandbox=manifest.sandbox,
        stopped=manifest.sessions[-1].stopped,
        rework=rework.name if rework else "",
        reworked=reworked,
    )


def require_fitting(path: Path, rows: int) -> None:
    """Check that a file of this type can hold so many rows.

    Raises:
        ConfigError: there are more rows than a worksheet can hold.
    """
    if path.suffix.lower() == _WORKBOOK and not _fits(rows):
        raise ConfigError(
            f"{rows:,} rows do not fit in a worksheet, which holds {MOST_ROWS:,}:"
            f" give {path.name} a name that ends in .csv"
        )


def _fits(rows: int) -> bool:
    """Whether a worksheet can hold so many rows."""
    return rows <= MOST_ROWS


def write_results(path: Path, journal: JournalReader, origin: Origin) -> None:
    """Write every row and its result to a file; its ending picks CSV or a workbook.

    Raises:
        ConfigError: there are more rows than a worksheet can hold.
        InconsistentError: not every row was written; an earlier file is unchanged.
    """
    staged = journal.staged()
    require_fitting(path, staged.rows)
    table = results_table(staged.names, journal.rows(), origin.run, staged.columns)
    ending = path.suffix.lower()
    summary = _summary_facts(journal, origin) if ending == _WORKBOOK else None
    with replacing(path) as new:
        written = write_table(
            new, table, ending, _sheet_of(staged, sandbox=origin.sandbox), summary
        )
        if written != staged.rows:
            raise InconsistentError(
                f"{written:,} of {staged.rows:,} rows were written to {path.name}"
            )


def _sheet_of(staged: Staged, *, sandbox: bool) -> Sheet:
    """Return a sheet named like the input's, so that ``--sheet`` finds it again."""
    return Sheet(staged.sheet or RESULTS.name, right_to_left=staged.right_to_left, sandbox=sandbox)


def _summary_facts(journal: JournalReader, origin: Origin) -> SummaryFacts:
    totals = journal.totals(sandbox=origin.sandbox)
    advice = _advice(totals, origin)
    return SummaryFacts(
        file=origin.file,
        run=origin.run,
        api=origin.api,
        started=origin.started,
        totals=totals,
        verdict=verdict_of(totals) if origin.run else _verdict_of_check(totals),
        good=not advice,
        codes=journal.code_counts(),
        advice=advice or ["Nothing."],
        reworked=origin.reworked,
    )


def _verdict_of_check(totals: Totals) -> str:
    wrong = f"{counted(totals.to_fix, 'row')} to fix" if totals.to_fix else "No errors found"
    return f"{wrong}. This was only a check: nothing was sent."


def _advice(totals: Totals, origin: Origin) -> list[str]:
    """Return what operations should do, as a list of advice."""
    if origin.run:
        advice = what_to_do(totals, origin.stopped, origin.rework)
        return [*advice, _LOOK_AT_WARNINGS] if totals.stored_differently else advice
    nothing_left = {**totals.counts, Status.NOT_SENT: 0}
    return what_to_do(replace(totals, counts=nothing_left), None, "your file")


def write_files(
    folder: RunFolder,
    journal: JournalReader,
    manifest: Manifest,
    reworked: Sequence[OpenRows],
    *,
    workbooks: bool = False,
) -> Path | None:
    """Write the results, the report and, if there are any, the rows to fix.

    ``manifest`` is complete except for the hashes of these files. ``workbooks`` asks for workbooks
    even if the input is a CSV. Returns the path of the rework.
    """
    wanted = folder.is_workbook or (workbooks and _fits(manifest.rows))
    ending = _WORKBOOK if wanted else _CSV
    rework = _write_rework(folder, journal, ending, sandbox=manifest.sandbox)
    origin = origin_of(folder, manifest, reworked)
    write_results(folder.results(_CSV), journal, origin)
    if wanted:
        write_results(folder.results(_WORKBOOK), journal, origin)
    else:  # one that an earlier session wrote is out of date
        folder.results(_WORKBOOK).unlink(missing_ok=True)
    with replacing(folder.report) as new:
        write_report(new, _report_of(folder, journal, manifest, reworked))
    return rework


def _write_rework(
    folder: RunFolder, journal: JournalReader, ending: str, *, sandbox: bool
) -> Path | None:
    """Write the rows to fix, if there are any; there is never more than one such file."""
    to_fix = journal.totals().still_to_fix
    for each in (_WORKBOOK, _CSV):
        if not to_fix or each != ending:
            folder.rework(each).unlink(missing_ok=True)
    if not to_fix:
        return None
    staged, rework = journal.staged(), folder.rework(ending)
    rows = journal.rows(statuses=TO_FIX, corrected=False)
    table = rework_table(staged.names, rows, folder.run, staged.columns)
    with replacing(rework) as new:
        write_table(new, table, ending, _sheet_of(staged, sandbox=sandbox))
    return rework


def _report_of(
    folder: RunFolder, journal: JournalReader, manifest: Manifest, reworked: Sequence[OpenRows]
) -> RunReport:
    totals, staged = journal.totals(sandbox=manifest.sandbox), journal.staged()
    source, stopped = manifest.input, manifest.sessions[-1].stopped
    results, rework = folder.results_to_open, folder.rework_to_fix
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
        sentence=sentence_of(totals, stopped, rework.name if rework else ""),
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
        results=results.name if results else "",
        rework=rework.name if rework else None,
    )


def _rows_to_fix_first(journal: JournalReader) -> Iterator[ReportRow]:
    """Return the rows that were not updated: those to fix first, then those to send."""
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
