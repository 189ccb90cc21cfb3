"""Writing the files of a run that people read, from its journal and its manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import ConfigError, InconsistentError
from etl.fields import Field, ResultColumn
from etl.files import is_inside, replacing, require_replaceable
from etl.report.charts import MOST_STRETCHES, Stretch, columns_of
from etl.report.html import MOST_SHOWN, RunReport, write_report
from etl.report.sentences import sentence_of, verdict_of, what_to_do
from etl.report.sheets import MOST_ROWS, RESULTS, Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import results_table, rework_table
from etl.rows import NOT_UPDATED, TO_FIX, Status
from etl.runs.reader import JournalReader
from etl.stopping import is_disk_full
from etl.text import counted, isolated, quoted_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.extract.inputs import Inputs
    from etl.manifest import Manifest, Plan
    from etl.rows import OpenRows, ReportRow, Totals
    from etl.runs.folder import RunFolder
    from etl.runs.reader import Sending, Staged

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
    """Where results come from: the file, and the manifest of its run, None for a check.

    ``rework`` is the name of the file with the rows to fix. ``reworked`` is what is still open of
    the files that this one corrects.
    """

    file: str
    manifest: Manifest | None = None
    rework: str = ""
    reworked: Sequence[OpenRows] = ()

    @property
    def plan(self) -> Plan | None:
        """What the run would change, if it was only planned."""
        return self.manifest.unsent_plan if self.manifest else None

    @property
    def compares(self) -> bool:
        """Whether the results say how each row changes its client."""
        return self.manifest is not None and self.manifest.compares

    @property
    def sandbox(self) -> bool:
        """Whether nothing was sent to Fatora although the results look so."""
        return self.manifest is not None and self.manifest.sandbox


def origin_of(folder: RunFolder, manifest: Manifest, reworked: Sequence[OpenRows] = ()) -> Origin:
    """Return where the results of a run come from; its rework must have been written."""
    rework = folder.rework_to_fix
    return Origin(manifest.input.name, manifest, rework.name if rework else "", reworked)


def require_place(results: Path | None, inputs: Inputs, runs_dir: Path) -> None:
    """Check that an extra copy of the results can be written: for one input, to another file.

    Nothing but a run writes into the runs folder.

    Raises:
        ConfigError: it cannot.
    """
    if results is None:
        return
    if inputs.several:
        raise ConfigError("--results works with a single input file only")
    named = f"--results {quoted_path(results)}"
    if os.path.realpath(results) == os.path.realpath(inputs.files[0]):
        raise ConfigError(f"{named} is the input itself: name another file")
    require_outside(runs_dir, results, "--results")
    try:
        require_replaceable(results)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ConfigError(
            f"{named} cannot be written ({error.strerror}); nothing was sent"
        ) from None


def require_outside(runs_dir: Path, path: Path, named: str) -> None:
    """Check that a path is not in the runs folder, where it could replace the files of a run.

    Raises:
        ConfigError: it is; ``named`` is the option or setting that named it.
    """
    if is_inside(path, runs_dir):
        raise ConfigError(
            f"{named} {quoted_path(path)} is inside the runs folder {quoted_path(runs_dir)}, whose"
            " files must not be changed: choose another place"
        )


def require_fitting(path: Path, rows: int) -> None:
    """Check that a file of this type can hold so many rows.

    Raises:
        ConfigError: there are more rows than a worksheet can hold.
    """
    if path.suffix.lower() == _WORKBOOK and not _fits(rows):
        raise ConfigError(
            f"{rows:,} rows do not fit in a worksheet, which holds {MOST_ROWS:,}:"
            f" give {isolated(path.name)} a name that ends in .csv"
        )


def _fits(rows: int) -> bool:
    """Whether a worksheet can hold so many rows."""
    return rows <= MOST_ROWS


def copy_results(origin: Origin, folder: RunFolder, copy: Path) -> None:
    """Write an extra copy of a run's results.

    Raises:
        ConfigError, InconsistentError: as `write_results`.
    """
    with JournalReader(folder.journal) as journal:
        write_results(copy, journal, origin)


def write_results(path: Path, journal: JournalReader, origin: Origin) -> None:
    """Write every row and its result to a file; its ending picks CSV or a workbook.

    Raises:
        ConfigError: there are more rows than a worksheet can hold.
        InconsistentError: not every row was written; an earlier file is unchanged.
    """
    staged, run = journal.staged(), origin.manifest.run if origin.manifest else ""
    require_fitting(path, staged.rows)
    table = results_table(
        staged.names, journal.rows(), run, staged.columns, compares=origin.compares
    )
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
    return SummaryFacts(
        file=origin.file,
        manifest=origin.manifest,
        totals=totals,
        verdict=verdict_of(totals, origin.plan) if origin.manifest else _verdict_of_check(totals),
        codes=journal.code_counts(),
        advice=_advice(totals, origin),
        reworked=origin.reworked,
    )


def _verdict_of_check(totals: Totals) -> str:
    wrong = f"{counted(totals.to_fix, 'row')} to fix" if totals.to_fix else "No errors found"
    return f"{wrong}. This was only a check: nothing was sent."


def _advice(totals: Totals, origin: Origin) -> list[str]:
    """Return what operations should do, as a list of advice."""
    if origin.manifest:
        stopped = origin.manifest.sessions[-1].stopped
        advice = what_to_do(totals, stopped, origin.rework, origin.plan)
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
    has_workbook = folder.is_workbook or (workbooks and _fits(manifest.rows))
    ending = _WORKBOOK if has_workbook else _CSV
    rework = _write_rework(folder, journal, ending, sandbox=manifest.sandbox)
    origin = origin_of(folder, manifest, reworked)
    write_results(folder.results(_CSV), journal, origin)
    if has_workbook:
        write_results(folder.results(_WORKBOOK), journal, origin)
    else:  # one that an earlier session wrote is out of date
        folder.results(_WORKBOOK).unlink(missing_ok=True)
    write_page(folder, journal, manifest, reworked)
    return rework


def write_page(
    folder: RunFolder, journal: JournalReader, manifest: Manifest, reworked: Sequence[OpenRows]
) -> None:
    """Write the report; the results and the rework must have been written."""
    with replacing(folder.report) as new:
        write_report(new, _report_of(folder, journal, manifest, reworked))


def _write_rework(
    folder: RunFolder, journal: JournalReader, ending: str, *, sandbox: bool
) -> Path | None:
    """Write the rows to fix, if there are any; there is never more than one such file."""
    to_fix = journal.totals().still_to_fix
    for other in (_WORKBOOK, _CSV):
        if not to_fix or other != ending:
            folder.rework(other).unlink(missing_ok=True)
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
    results, rework = folder.results_to_open, folder.rework_to_fix
    plan = manifest.unsent_plan
    sendings = journal.sendings([session.begun for session in manifest.sessions])
    return RunReport(
        manifest=manifest,
        sheet=staged.sheet,
        totals=totals,
        sentence=sentence_of(totals, manifest.stopped, rework.name if rework else "", plan),
        reworked=reworked,
        codes=_reasons(journal, plan),
        seconds=sum(sending.ms for sending in sendings) / 1000,
        stretches=_stretches(journal, sendings[-MOST_STRETCHES:]),
        earlier=max(len(sendings) - MOST_STRETCHES, 0),
        durations=journal.durations(),
        attempts=journal.attempt_counts(),
        names=staged.names,
        columns=staged.columns,
        not_updated=_rows_to_fix_first(journal, plan),
        results=results.name if results else "",
        rework=rework.name if rework else None,
        changes=journal.rows(changed=True, limit=MOST_SHOWN),
        changed_rows=journal.changed_rows(),
        changed_fields=_changed_fields(journal, plan),
    )


def _changed_fields(journal: JournalReader, plan: Plan | None) -> Mapping[Field, tuple[int, int]]:
    """Return in how many rows each field changed and was emptied, or would be by a plan."""
    changed = journal.changes_by_field() if plan is None else _of_plan(plan)
    return {field: changed[field] for field in Field if field in changed}


def _of_plan(plan: Plan) -> Mapping[Field, tuple[int, int]]:
    return {field: (number, plan.emptied.get(field, 0)) for field, number in plan.fields.items()}


def _reasons(journal: JournalReader, plan: Plan | None) -> Mapping[Code, int]:
    """Return the number of rows for each code, but for the rows of a plan."""
    codes = dict(journal.code_counts())
    for code in (Code.PLANNED, Code.RUN_STOPPED) if plan else ():
        if plan and code in codes:
            codes[code] -= plan.rows
    return {code: number for code, number in codes.items() if number > 0}


def _rows_to_fix_first(journal: JournalReader, plan: Plan | None) -> Iterator[ReportRow]:
    """Return the rows that were not updated: those to fix first, then those to send.

    The rows of a plan are not among them, as they are shown with what they change.
    """
    others = [status for status in NOT_UPDATED if status not in TO_FIX]
    if plan:
        others.remove(Status.NOT_SENT)
    listed = (journal.rows(statuses=statuses, limit=MOST_SHOWN) for statuses in (TO_FIX, others))
    unplanned = (Status.NOT_SENT,) if plan else ()
    return chain(*listed, journal.rows(statuses=unplanned, changed=False, limit=MOST_SHOWN))


def _stretches(journal: JournalReader, sendings: Sequence[Sending]) -> list[Stretch]:
    seconds = [sending.ms / 1000 for sending in sendings]
    columns = columns_of(seconds, sum(sending.attempts for sending in sendings))
    return [
        Stretch(sending.started, sending.ended, lasted, journal.pace(sending, wanted))
        for sending, lasted, wanted in zip(sendings, seconds, columns, strict=True)
    ]
