"""The classes of a row, one for each stage between the file and the report.

::

    extract ─ Record ─► validate ─ CheckedRow ─► journal ─ PendingRow ─► load
    load ─ RowResult ─► journal ─ ReportRow ─► report

``row`` is always the row number that Excel shows: it counts from 1 and includes the header.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from etl.codes import Code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.fields import Field
    from etl.images import FieldChange, Image

SEPARATOR = "; "
_NONE: Mapping[int, Any] = MappingProxyType({})


class Status(StrEnum):
    """The result of a row; every row has exactly one."""

    SUCCESS = "SUCCESS"
    INVALID = "INVALID"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    NOT_SENT = "NOT_SENT"
    UNCHANGED = "UNCHANGED"
    CONFLICT = "CONFLICT"

    @property
    def final(self) -> bool:
        """Whether running the same file again does not send the row."""
        return self in _FINAL

    @property
    def meaning(self) -> str:
        """The status in a few words, for summaries."""
        return _MEANINGS[self]


DONE = (Status.SUCCESS, Status.UNCHANGED)  # the API holds what the row says
NOT_UPDATED = tuple(status for status in Status if status not in DONE)
_FINAL = frozenset({*DONE, Status.INVALID, Status.REJECTED})
NOT_FINAL = tuple(status for status in Status if not status.final)
OF_COMPARING = (Status.UNCHANGED, Status.CONFLICT)  # only runs that compare have such rows
TO_FIX = (Status.INVALID, Status.REJECTED)  # final: running the same file again does not help

_MEANINGS = {
    Status.SUCCESS: "Updated",
    Status.INVALID: "Not sent: the row has errors",
    Status.REJECTED: "Fatora refused the update",
    Status.FAILED: "Not updated: Fatora was unavailable",
    Status.UNKNOWN: "Sent, but no confirmation received",
    Status.NOT_SENT: "Not sent yet",
    Status.UNCHANGED: "Not sent: Fatora already has these values",
    Status.CONFLICT: "Not sent: the client was changed in Fatora meanwhile",
}


def rows_left(counts: Mapping[Status, int]) -> int:
    """Return how many rows are not final, so that running the same file again sends them."""
    return sum(count for status, count in counts.items() if not status.final)


class Method(StrEnum):
    """What a request asks of the API: to read a client, or to update it (RFC 9110, 9.3)."""

    GET = "GET"
    PUT = "PUT"


class Origin(NamedTuple):
    """The row of an earlier run that a rework or results file names."""

    run: str
    row: int


class Change(NamedTuple):
    """How the value that is sent differs from its cell, as a warning describes it.

    ``words`` has ``{}`` for each of ``quoted``, which are quoted together with the column's name.
    """

    words: str
    quoted: tuple[str, ...] = ()


class Record(NamedTuple):
    """A row of the input, as text. A file has a million, so it is a tuple, which is fast to make.

    ``cells`` has one text for each column of the header. ``marks`` has the faults of cells that
    their texts do not show, such as an uncalculated formula or a merged cell, by column index;
    ``changes`` has the texts that differ from what their cells show. ``origin`` is the row of an
    earlier run that this row corrects, if the file names one.
    """

    row: int
    cells: tuple[str, ...]
    marks: Mapping[int, Code] = _NONE
    changes: Mapping[int, Change] = _NONE
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """A reason why a row was not updated: its code, and a full sentence for operations.

    ``field`` is the field whose cell is wrong, None where no single cell is.
    """

    code: Code
    text: str
    field: Field | None = None


class CheckedRow(NamedTuple):
    """A row after validation; it may be sent if it has no faults.

    ``client_id`` is None if the id is not usable. ``body`` is the JSON object to send, with the
    API's keys. ``warnings`` describe how values in the body differ from their cells.
    """

    record: Record
    client_id: int | None
    body: Mapping[str, str]
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A staged row to send; ``status`` and ``attempts`` are those of earlier sessions.

    ``sessions`` is the number of earlier sessions in which it was tried without success. ``method``
    is the next request for it. ``expected`` is what the API must hold of the client before it may
    be updated (a precondition, RFC 9110, 13), None if that does not matter; it need not have all
    fields. ``read_at`` is when that was last found to be so, in seconds since 1970. ``resent`` are
    stored values that are sent along with ``body``.
    """

    row: int
    client_id: int
    body: Mapping[str, str]
    status: Status = Status.NOT_SENT
    attempts: int = 0
    sessions: int = 0
    method: Method = Method.PUT
    expected: Image | None = None
    read_at: float = 0
    resent: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_planned(self) -> bool:
        """Whether its client was read, and is to be as it was when the row is sent."""
        return self.read_at > 0

    @property
    def values(self) -> Mapping[str, str]:
        """The values to send, with the API's keys."""
        return {**self.resent, **self.body} if self.resent else self.body


@dataclass(frozen=True, slots=True)
class RowResult:
    """The result of a row after an attempt, as the journal keeps it.

    ``time`` is when the answer came, UTC in ISO 8601; ``ms`` is how long the attempt took.
    ``stored_differently`` means that the API confirmed the update, but with other values.
    ``excerpt`` is how the answer begins if it could not be understood. ``client`` is what the API
    holds of the client after a request that ``method`` names, if that is known and matters.
    """

    row: int
    client_id: int
    status: Status
    attempts: int
    time: str
    ms: int
    faults: tuple[Fault, ...] = ()
    warning: str = ""
    http_status: int | None = None
    stored_differently: bool = False
    excerpt: str = ""
    method: Method = Method.PUT
    client: Image | None = None


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row as the report and the results show it.

    ``client_id`` is None if it is not usable. ``changes`` is how the row changes its client, as far
    as that is known.
    """

    row: int
    cells: Sequence[str]
    client_id: int | None
    status: Status
    faults: tuple[Fault, ...]
    warning: str
    http_status: int | None
    attempts: int
    time: str
    ms: int | None
    changes: Sequence[FieldChange] = ()

    @property
    def error(self) -> str:
        """All faults of the row on one line, a sentence for each."""
        return " ".join(fault.text for fault in self.faults)

    @property
    def codes(self) -> str:
        """The codes of the row's faults, each once."""
        return SEPARATOR.join(dict.fromkeys(fault.code.name for fault in self.faults))

    @property
    def reasons(self) -> str:
        """The meanings of the row's codes, without any value of the row."""
        return SEPARATOR.join(dict.fromkeys(fault.code.meaning for fault in self.faults))

    @property
    def fix(self) -> str:
        """What operations should do: the fix of each code, each once.

        For a row that failed on many nights, what its latest failure suggests has not helped.
        """
        codes = [fault.code for fault in self.faults]
        if Code.FAILED_REPEATEDLY in codes:
            codes = [Code.FAILED_REPEATEDLY]
        return " ".join(dict.fromkeys(code.fix for code in codes))


@dataclass(frozen=True, slots=True)
class Totals:
    """The numbers of a run or a check, and the columns that it read.

    ``counts`` has the number of rows by status. ``sent`` maps each field to the header of its
    column; ``not_sent`` are the headers of the other columns, and ``lookalikes`` those of them that
    may be meant for a field that has no column, with that field. ``stored_differently`` counts the
    updated rows for which the API confirmed values other than those sent, ``corrected`` the rows to
    fix whose rework later runs had already updated, ``given_up`` the rows left that the API could
    not serve on many nights. ``sandbox``: the run used the sandbox, so nothing was sent to Fatora.
    ``undoes`` is the run whose changes this one takes back, if any.
    """

    rows: int = 0
    blank_rows: int = 0
    hidden_rows: int = 0
    counts: Mapping[Status, int] = field(default_factory=dict)
    sent: Mapping[Field, str] = field(default_factory=dict)
    not_sent: Sequence[str] = ()
    lookalikes: Mapping[str, Field] = field(default_factory=dict)
    stored_differently: int = 0
    corrected: int = 0
    given_up: int = 0
    sandbox: bool = False
    undoes: str | None = None

    @property
    def updated(self) -> int:
        """The number of rows that the API confirmed."""
        return self.counts.get(Status.SUCCESS, 0)

    @property
    def unchanged(self) -> int:
        """The number of rows that were not sent, since the API had their values already."""
        return self.counts.get(Status.UNCHANGED, 0)

    @property
    def not_updated(self) -> int:
        """The number of rows whose values the API does not hold, as far as is known."""
        return self.rows - self.updated - self.unchanged

    @property
    def conflicts(self) -> int:
        """The number of rows whose clients somebody else changed meanwhile."""
        return self.counts.get(Status.CONFLICT, 0)

    @property
    def to_fix(self) -> int:
        """The number of rows that somebody must correct, or has corrected."""
        return sum(self.counts.get(status, 0) for status in TO_FIX)

    @property
    def still_to_fix(self) -> int:
        """The number of rows in the rework file."""
        return self.to_fix - self.corrected

    @property
    def left(self) -> int:
        """The number of rows that running the same file again sends."""
        return rows_left(self.counts)


@dataclass(frozen=True, slots=True)
class OpenRows:
    """The number of rows of an earlier run that are still open after all its rework.

    ``to_fix`` rows must be corrected, and ``left`` rows are sent when ``file`` is run again.
    """

    run: str
    file: str
    to_fix: int
    left: int

    @property
    def total(self) -> int:
        """The number of rows that are not final, or that nobody has corrected yet."""
        return self.to_fix + self.left
