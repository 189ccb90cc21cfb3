"""The rows of the page, as its template and its script show them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from etl.fields import Field
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
        text = json.dumps(self._asdict(), ensure_ascii=False, separators=(",", ":"))
        return text.replace("<", r"\u003c")


def blank_entry(columns: int) -> Entry:
    """Return a row without any text, for the script to fill in."""
    return Entry(cells=[""] * min(columns, MOST_CELLS))


def entry_of(row: ReportRow, columns: Mapping[Field, int]) -> Entry:
    """Return a row as the page shows it; ``columns`` has the index of each field."""
    known_by = {
        field.value: _shown(row.cells[columns[field]]).strip()
        for field in _KNOWN_BY
        if field in columns
    }
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
        **known_by,
    )


def _shown(cell: str) -> str:
    return visible_lines(cut(cell))
