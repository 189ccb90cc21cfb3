"""What a row is called at each station of its way from the file to the report.

::

    extract ─ Record ─► validate ─ CheckedRow ─► journal ─ PendingRow ─► load
    load ─ RowResult ─► journal ─ ReportRow ─► report

``row`` is always the number that Excel shows for the row, counted from 1, the header included.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.codes import Code
    from etl.fields import Field

SEPARATOR = "; "


class Status(StrEnum):
    """What became of a row: exactly one of these."""

    SUCCESS = "SUCCESS"
    INVALID = "INVALID"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    NOT_SENT = "NOT_SENT"

    @property
    def final(self) -> bool:
        """Whether running the same file again leaves the row alone."""
        return self in {Status.SUCCESS, Status.INVALID, Status.REJECTED}

    @property
    def meaning(self) -> str:
        """The status in a few words, for summaries."""
        return _MEANINGS[self]


NOT_UPDATED = tuple(status for status in Status if status is not Status.SUCCESS)
TO_FIX = (Status.INVALID, Status.REJECTED)  # final, so running the same file again leaves them

_MEANINGS = {
    Status.SUCCESS: "Updated",
    Status.INVALID: "Not sent: the row has errors",
    Status.REJECTED: "Fatora refused the update",
    Status.FAILED: "Not updated: Fatora was unavailable",
    Status.UNKNOWN: "Sent, but no confirmation received",
    Status.NOT_SENT: "Not sent yet",
}


def rows_left(counts: Mapping[Status, int]) -> int:
    """Return how many rows are not final: those that running the same file again sends."""
    return sum(count for status, count in counts.items() if not status.final)


class Origin(NamedTuple):
    """A row of an earlier run, as that run's rework and results name it."""

    run: str
    row: int


@dataclass(frozen=True, slots=True)
class Record:
    """A row as it stands in the file.

    ``cells`` has one text for each column of the header. ``marks`` names, by column index, what is
    wrong with a cell that its text alone cannot tell, such as an error value or a merged cell;
    ``changes`` says where a text is not exactly what the cell shows. ``origin`` is the row of an
    earlier run that this row corrects, if it says so.
    """

    row: int
    cells: tuple[str, ...]
    marks: Mapping[int, Code] = field(default_factory=dict)
    changes: Mapping[int, str] = field(default_factory=dict)
    origin: Origin | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a row: its code, and a sentence that names column and value.

    ``field`` is the field whose cell is wrong, None where it is not one cell.
    """

    code: Code
    text: str
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that has been validated; it may be sent if it has no faults.

    ``client_id`` is None where the id is not usable; ``body`` is the JSON object to send, keyed as
    the API wants it; ``warnings`` say what was changed on the way from the cell to the body.
    """

    record: Record
    client_id: int | None
    body: Mapping[str, str]
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A staged row that is to be sent; ``status`` and ``attempts`` are those of earlier tries."""

    row: int
    client_id: int
    body: Mapping[str, str]
    status: Status = Status.NOT_SENT
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class RowResult:
    """What is true of a row after an attempt, as it goes into the results file.

    ``time`` is UTC in ISO 8601, when the answer came; ``ms`` is how long the attempt took.
    ``stored_differently`` tells that the API confirmed the update, but with other values.
    """

    row: int
    client_id: int
    status: Status
    attempts: int
    time: str
    ms: int
    fault: Fault | None = None
    warning: str = ""
    http_status: int | None = None
    stored_differently: bool = False


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A row as the report shows it; ``client_id`` is None where the id is not usable."""

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

    @property
    def error(self) -> str:
        """All that is wrong with the row: a sentence for each fault, on one line."""
        return " ".join(fault.text for fault in self.faults)

    @property
    def codes(self) -> str:
        """The codes of what is wrong, each once."""
        return SEPARATOR.join(dict.fromkeys(fault.code.name for fault in self.faults))

    @property
    def reasons(self) -> str:
        """What the codes mean, without any value of the row."""
        return SEPARATOR.join(dict.fromkeys(fault.code.meaning for fault in self.faults))

    @property
    def fix(self) -> str:
        """What operations should do: the fix of each code, once."""
        return " ".join(dict.fromkeys(fault.code.fix for fault in self.faults))
