"""What stands in the results file and in the rework file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.fields import ResultColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from etl.rows import ReportRow

    Cells: TypeAlias = "Mapping[ResultColumn, Callable[[ReportRow, str], object]]"

_RESULTS: Cells = {
    ResultColumn.UPDATE_STATUS: lambda row, _: row.status,
    ResultColumn.UPDATE_ERROR: lambda row, _: row.error,
    ResultColumn.UPDATE_CODE: lambda row, _: row.codes,
    ResultColumn.UPDATE_FIX: lambda row, _: row.fix,
    ResultColumn.UPDATE_WARNING: lambda row, _: row.warning,
    ResultColumn.UPDATE_HTTP_STATUS: lambda row, _: row.http_status,
    ResultColumn.UPDATE_ATTEMPTS: lambda row, _: row.attempts,
    ResultColumn.UPDATE_TIME: lambda row, _: row.time,
    ResultColumn.UPDATE_MS: lambda row, _: row.ms,
    ResultColumn.UPDATE_ROW: lambda row, _: row.row,
    ResultColumn.UPDATE_RUN: lambda _, run: run,
}
_REWORK: Cells = {
    column: _RESULTS[column]
    for column in (
        ResultColumn.UPDATE_STATUS,
        ResultColumn.UPDATE_ERROR,
        ResultColumn.UPDATE_FIX,
        ResultColumn.UPDATE_ROW,
        ResultColumn.UPDATE_RUN,
    )
}


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of text: its header, and its rows, which can be read once.

    ``own`` are the columns that the job adds: the last ones, behind the operator's.
    """

    header: Sequence[str]
    rows: Iterator[list[str]]
    own: Sequence[ResultColumn] = ()

    @property
    def columns(self) -> list[ResultColumn | None]:
        """What each column is; None stands for one of the operator's."""
        return [*[None] * (len(self.header) - len(self.own)), *self.own]

    @property
    def status(self) -> int | None:
        """The index of the column that holds the status, if there is one."""
        columns = self.columns
        wanted = ResultColumn.UPDATE_STATUS
        return columns.index(wanted) if wanted in columns else None


def results_table(names: Sequence[str], rows: Iterator[ReportRow], run: str) -> ReportTable:
    """Return every row with all of its columns as they were, and all that became of it."""
    return _table(names, rows, run, _RESULTS)


def rework_table(names: Sequence[str], rows: Iterator[ReportRow], run: str) -> ReportTable:
    """Return rows in the input's own columns, plus what is wrong and what to do."""
    return _table(names, rows, run, _REWORK)


def _table(
    names: Sequence[str], rows: Iterator[ReportRow], run: str, columns: Cells
) -> ReportTable:
    return ReportTable(
        header=[*names, *(column.header for column in columns)],
        rows=([*row.cells, *(_text(cell(row, run)) for cell in columns.values())] for row in rows),
        own=list(columns),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
