"""The columns of the results file and of the rework file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from etl.fields import Field, ResultColumn
from etl.images import changes_in_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TypeAlias

    from etl.rows import Fault, ReportRow

    Cells: TypeAlias = Mapping[ResultColumn, Callable[[ReportRow, str], object]]
    # A column that the job adds, the operator's column for a field, or None for any other column
    # of the operator.
    Column: TypeAlias = ResultColumn | Field | None

_RESULTS: Cells = {
    ResultColumn.UPDATE_STATUS: lambda row, _: row.status,
    ResultColumn.UPDATE_ERROR: lambda row, _: row.error,
    ResultColumn.UPDATE_CODE: lambda row, _: row.codes,
    ResultColumn.UPDATE_FIX: lambda row, _: row.fix,
    ResultColumn.UPDATE_WARNING: lambda row, _: row.warning,
    ResultColumn.UPDATE_CHANGES: lambda row, _: changes_in_words(row.changes),
    ResultColumn.UPDATE_HTTP_STATUS: lambda row, _: row.http_status,
    ResultColumn.UPDATE_ATTEMPTS: lambda row, _: row.attempts,
    ResultColumn.UPDATE_TIME: lambda row, _: row.time,
    ResultColumn.UPDATE_MS: lambda row, _: row.ms,
    ResultColumn.UPDATE_ROW: lambda row, _: row.row,
    ResultColumn.UPDATE_RUN: lambda _, run: run,
}
_OF_COMPARING = frozenset({ResultColumn.UPDATE_CHANGES})
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

# What people look for first, and what they rarely need. The row number is neither, since sentences
# refer to other rows by it.
_FIRST = frozenset(
    {
        ResultColumn.UPDATE_STATUS,
        ResultColumn.UPDATE_ERROR,
        ResultColumn.UPDATE_FIX,
        ResultColumn.UPDATE_CHANGES,
    }
)
DETAILS = frozenset(
    {
        ResultColumn.UPDATE_HTTP_STATUS,
        ResultColumn.UPDATE_ATTEMPTS,
        ResultColumn.UPDATE_TIME,
        ResultColumn.UPDATE_MS,
        ResultColumn.UPDATE_RUN,
    }
)


class Line(NamedTuple):
    """A row of a table: its cells, and what is wrong with them."""

    cells: Sequence[str]
    faults: Sequence[Fault] = ()


@dataclass(frozen=True, slots=True)
class ReportTable:
    """A table of text: its header, the kind of each column, and its lines.

    The lines can be read once.
    """

    header: Sequence[str]
    columns: Sequence[Column]
    lines: Iterator[Line]

    @property
    def rows(self) -> Iterator[Sequence[str]]:
        """The cells of each line."""
        return (line.cells for line in self.lines)

    @property
    def leading(self) -> int:
        """The number of columns up to the client number, which show whose row it is."""
        return self.columns.index(Field.ID) + 1 if Field.ID in self.columns else 0

    def arranged(self) -> ReportTable:
        """Return the table in a workbook's order: the result after the id, details at the end."""
        leading = self.leading

        def rank(index: int) -> int:
            column = self.columns[index]
            if index < leading:
                return 0
            if isinstance(column, ResultColumn):
                return 1 if column in _FIRST else 4 if column in DETAILS else 3
            return 2

        order = sorted(range(len(self.columns)), key=rank)
        return replace(
            self,
            header=[self.header[index] for index in order],
            columns=[self.columns[index] for index in order],
            lines=(Line([cells[index] for index in order], faults) for cells, faults in self.lines),
        )


def results_table(
    names: Sequence[str],
    rows: Iterator[ReportRow],
    run: str,
    fields: Mapping[Field, int] | None = None,
    *,
    compares: bool = False,
) -> ReportTable:
    """Return a table of every row: the input's columns unchanged, then its result.

    ``fields`` is the index of each field among the ``names``. If the run ``compares``, there is a
    column for what each row changes.
    """
    added = {each: cell for each, cell in _RESULTS.items() if compares or each not in _OF_COMPARING}
    return _table(names, rows, run, fields, added)


def rework_table(
    names: Sequence[str],
    rows: Iterator[ReportRow],
    run: str,
    fields: Mapping[Field, int] | None = None,
) -> ReportTable:
    """Return a table of rows to fix: the input's columns, then what is wrong and what to do.

    ``fields`` is the index of each field among the ``names``.
    """
    return _table(names, rows, run, fields, _REWORK)


def _table(
    names: Sequence[str],
    rows: Iterator[ReportRow],
    run: str,
    fields: Mapping[Field, int] | None,
    added: Cells,
) -> ReportTable:
    field_at = {index: field for field, index in (fields or {}).items()}
    return ReportTable(
        header=[*names, *(column.header for column in added)],
        columns=[*map(field_at.get, range(len(names))), *added],
        lines=(
            Line([*row.cells, *(_text(cell(row, run)) for cell in added.values())], row.faults)
            for row in rows
        ),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)
