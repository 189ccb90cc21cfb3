"""The rows of the page, as its template and its script show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from etl.fields import Field
from etl.report.differences import differences
from etl.report.words import counted_attempts, cut, parts, visible_lines
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.rows import ReportRow

MOST_CELLS = 40
_KNOWN_BY = (Field.NAME, Field.ID, Field.EMAIL)  # people know a client by these


class Entry(NamedTuple):
    """A row as the page shows it.

    ``error`` and ``warning`` are in parts: every second part is quoted text with its own direction.
    """

    cells: Sequence[str]
    row: int = 0
    status: Status = Status.NOT_SENT
    name: str = ""
    id: str = ""
    email: str = ""
    http: str = ""
    attempts: str = ""
    error: Sequence[str] = ()
    fix: str = ""
    warning: Sequence[str] = ()
    codes: str = ""

    def as_json(self) -> str:
        """Return the entry as JSON for the script; it cannot close the HTML element around it."""
        return _as_json(self._asdict())


class ChangedField(NamedTuple):
    """A field that a row changes, as the page shows it.

    The values are in parts: every second part is one that the other value does not have.
    """

    field: str = ""
    old: Sequence[str] = ("",)
    new: Sequence[str] = ("",)
    empties: bool = False


class ChangeEntry(NamedTuple):
    """A row that changes its client, as the page shows it.

    ``note`` is why a changed client was left alone, in parts like those of an `Entry`.
    """

    row: int = 0
    status: Status = Status.NOT_SENT
    name: str = ""
    id: str = ""
    email: str = ""
    changes: Sequence[ChangedField] = ()
    note: Sequence[str] = ()

    def as_json(self) -> str:
        """Return the entry as JSON for the script, as that of an `Entry`."""
        changes = [change._asdict() for change in self.changes]
        return _as_json({**self._asdict(), "changes": changes})


def change_entry_of(row: ReportRow, columns: Mapping[Field, int]) -> ChangeEntry:
    """Return a row as the page shows what it changes; ``columns`` is as in `entry_of`."""
    return ChangeEntry(
        row=row.row,
        status=row.status,
        changes=[
            ChangedField(change.field, *differences(change.old, change.new), change.empties)
            for change in row.changes
        ],
        note=parts(cut(row.error)) if row.status is Status.CONFLICT else (),
        **_known_by(row, columns),
    )


def blank_entry(columns: int) -> Entry:
    """Return a row without any text, for the script to fill in."""
    return Entry(cells=[""] * min(columns, MOST_CELLS))


def entry_of(row: ReportRow, columns: Mapping[Field, int]) -> Entry:
    """Return a row as the page shows it; ``columns`` has the index of each field."""
    return Entry(
        cells=[_shown(cell) for cell in row.cells[:MOST_CELLS]],
        row=row.row,
        status=row.status,
        http=f"HTTP {row.http_status}" if row.http_status else "",
        attempts=counted_attempts(row.attempts),
        error=parts(cut(row.error)),
        fix=row.fix,
        warning=parts(cut(row.warning)),
        codes=row.codes,
        **_known_by(row, columns),
    )


def _known_by(row: ReportRow, columns: Mapping[Field, int]) -> dict[str, str]:
    return {
        field.value: _shown(row.cells[columns[field]]).strip()
        for field in _KNOWN_BY
        if field in columns
    }


def _as_json(facts: Mapping[str, object]) -> str:
    text = json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", r"\u003c")


def _shown(cell: str) -> str:
    return visible_lines(cut(cell))
