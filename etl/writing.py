"""The files of a run that people read, filled from its journal and its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError, ExitCode, InconsistentError
from etl.files import replacing
from etl.outcome import rows_in_words, sentence_of, what_to_do
from etl.report.charts import MOST_STRETCHES, Stretch, columns_of
from etl.report.html import MOST_SHOWN, RunReport, Session, write_report
from etl.report.sheets import RESULTS, SHEET_ROWS, Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import results_table, rework_table
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.runs.folder import RunFolder
    from etl.runs.manifest import Manifest
    from etl.runs.reader import JournalReader, Sending, Staged


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose results are written: of which file, and by which run.

    ``run`` is empty where the file was only checked; ``stopped`` tells why the run stopped early,
    ``rework`` is the name of the file of rows to correct.
    """

    file: str
    run: str = ""
    stopped: str | None = None
    rework: str = ""


def origin_of(folder: RunFolder, manifest: Manifest) -> Origin:
    """Return whose results those of a run are."""
    return Origin(
        file=manifest.input.name,
        run=folder.run,
        stopped=manifest.sessions[-1].stopped,
        rework=_rework(folder).name,
    )


def require_fitting(path: Path, rows: int) -> None:
    """Check that so many rows can be written to a file of this ending.

    Raises:
        ConfigError: they are more than a sheet has.
    """
    if path.suffix.lower() == ".xlsx" and rows >= SHEET_ROWS:
        raise ConfigError(f"{rows} rows do not fit into a sheet: let {path.name} end in .csv")


def write_results(path: Path, journal: JournalReader, origin: Origin) -> None:
    """Write every row and what became of it to a file; its ending picks CSV or a workbook.

    Raises:
        ConfigError: there are more rows than a sheet has.
        InconsistentError: not every row was written; what stood there before stays.
    """
    staged = journal.staged()
    require_fitting(path, staged.rows)
    table = results_table(staged.names, journal.rows(), origin.run)
    ending = path.suffix.lower()
    summary = _summary_facts(journal, staged, origin) if ending == ".xlsx" else None
    with replacing(path) as new:
        written = write_table(new, table, ending, _sheet_of(staged), summary)
        if written != staged.rows:
            raise InconsistentError(f"{written} of {staged.rows} rows were written to {path.name}")


def _sheet_of(staged: Staged) -> Sheet:
    """Return the sheet that is like the input's, so that what asks for that one finds it."""
    return Sheet(staged.sheet or RESULTS.name, right_to_left=staged.right_to_left)


def _summary_facts(journal: JournalReader, staged: Staged, origin: Origin) -> SummaryFacts:
    counts = journal.counts()
    return SummaryFacts(
        file=origin.file,
        run=origin.run,
        rows=rows_in_words(staged.rows, staged.hidden_rows, staged.blank_rows),
        counts=counts,
        codes=journal.code_counts(),
        advice=_advice(counts, origin),
    )


def _advice(counts: Mapping[Status, int], origin: Origin) -> list[str]:
    """Return what operations should do, a sentence each."""
    if not origin.run:
        only = "This was only a check: nothing was sent."
        return [only, *what_to_do({**counts, Status.NOT_SENT: 0}, None, "your file")]
    return what_to_do(counts, origin.stopped, origin.rework) or ["Nothing: every row was updated."]


def write_files(folder: RunFolder, journal: JournalReader, manifest: Manifest) -> Path | None:
    """Write the results, the report and, if rows were not updated, what to correct.

    ``manifest`` is the run's but for the hashes of these files. Returns where the rework is.
    """
    rework = _write_tables(folder, journal, origin_of(folder, manifest))
    with replacing(folder.report) as new:
        write_report(new, _report_of(journal, manifest, rework))
    return rework


def _write_tables(folder: RunFolder, journal: JournalReader, origin: Origin) -> Path | None:
    write_results(folder.results(".csv"), journal, origin)
    rework = _rework(folder)
    if folder.is_workbook:
        write_results(folder.results(".xlsx"), journal, origin)
    staged = journal.staged()
    if journal.counts()[Status.SUCCESS] == staged.rows:
        rework.unlink(missing_ok=True)
        return None
    table = rework_table(staged.names, journal.rows(updated=False), folder.run)
    with replacing(rework) as new:
        write_table(new, table, rework.suffix, _sheet_of(staged))
    return rework


def _rework(folder: RunFolder) -> Path:
    return folder.rework(".xlsx" if folder.is_workbook else ".csv")


def _report_of(journal: JournalReader, manifest: Manifest, rework: Path | None) -> RunReport:
    counts, staged, source = journal.counts(), journal.staged(), manifest.input
    sendings = journal.sendings([session.begun for session in manifest.sessions])
    return RunReport(
        run=manifest.run,
        program=manifest.program,
        api=manifest.api,
        input_name=source.name,
        input_size=source.size,
        input_sha256=source.sha256,
        sheet=staged.sheet,
        rows=staged.rows,
        blank_rows=staged.blank_rows,
        hidden_rows=staged.hidden_rows,
        exit_code=manifest.exit_code or ExitCode.DONE,
        sentence=sentence_of(counts, manifest.sessions[-1].stopped, rework and Path(rework.name)),
        counts=counts,
        sessions=[
            Session(each.begun, each.ended, each.user, each.host, each.stopped)
            for each in manifest.sessions
        ],
        codes=journal.code_counts(),
        seconds=sum(sending.ms for sending in sendings) / 1000,
        stretches=_stretches(journal, sendings[-MOST_STRETCHES:]),
        earlier=max(len(sendings) - MOST_STRETCHES, 0),
        durations=journal.durations(),
        attempts=journal.attempt_counts(),
        names=staged.names,
        columns=staged.columns,
        not_updated=journal.rows(updated=False, limit=MOST_SHOWN),
        rework=rework.name if rework else None,
    )


def _stretches(journal: JournalReader, sendings: Sequence[Sending]) -> list[Stretch]:
    seconds = [sending.ms / 1000 for sending in sendings]
    columns = columns_of(seconds, sum(sending.attempts for sending in sendings))
    return [
        Stretch(sending.begun, sending.ended, lasted, journal.pace(sending, wanted))
        for sending, lasted, wanted in zip(sendings, seconds, columns, strict=True)
    ]
