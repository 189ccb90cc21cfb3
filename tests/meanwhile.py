"""What the API holds, what a program was shown of it, and what its rows must be: a model.

It does not depend on how the program works, but for the statuses that the contract gives to a row.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.load.transport import Answer
from etl.rows import Method, PendingRow, RowResult, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etl.images import Image
    from etl.load.judge import Reply

BLANK = dict.fromkeys(("email", "name", "phone", "address", "notes"), "")
AT_ONCE = 1.0  # seconds: a client that was read so lately need not be read again
# The last row repeats the first.
ROWS = {
    2: (12, {"email": "a@example.com", "phone": "1"}),
    3: (13, {"email": "b@example.com", "name": "x"}),
    4: (14, {"email": "c@example.com", "phone": "", "name": "y"}),
    5: (12, {"email": "a@example.com", "phone": "1"}),
}


@dataclass(frozen=True)
class Happening:
    """What the network does with a request; ``reply`` is None if the API's own answer arrives.

    ``is_served`` is whether the API carries it out. ``meaning`` is what an update's row becomes.
    """

    name: str
    reply: Reply | None
    meaning: Status
    is_served: bool = False

    def __repr__(self) -> str:
        return self.name


def answer(status: int, body: object = None, retry_after: float | None = None) -> Answer:
    """An answer of the API."""
    return Answer(status, json.dumps(body).encode(), retry_after)


SERVED = Happening("served", None, Status.SUCCESS, is_served=True)


@dataclass(frozen=True)
class Edit:
    """What somebody else does to a client; without a value, it is removed or comes back."""

    client: int
    field: str
    value: str | None


KILLED, ASKED = "killed", "asked to stop"


@dataclass
class Model:
    """What the API holds, what the program was shown, and what each row must be."""

    clients: dict[int, Image] = field(
        default_factory=lambda: {client: {**BLANK, "notes": "n"} for client in (12, 13, 14)}
    )
    gone: dict[int, Image] = field(default_factory=dict)
    time: float = 0.0
    status: dict[int, Status] = field(default_factory=lambda: dict.fromkeys(ROWS, Status.NOT_SENT))
    attempts: dict[int, int] = field(default_factory=lambda: dict.fromkeys(ROWS, 0))
    applied: set[int] = field(default_factory=set)
    shown: dict[int, Image] = field(default_factory=dict)
    shown_at: dict[int, float] = field(default_factory=dict)
    # Before the first update that may have reached the API; None if that came without comparing.
    before: dict[int, Image | None] = field(default_factory=dict)
    open: dict[int, PendingRow] = field(default_factory=dict)
    ended: dict[int, Status] = field(default_factory=dict)  # not on record yet
    looked: dict[int, tuple[Image, float]] = field(default_factory=dict)  # the same
    sending: dict[int, Image | None] = field(default_factory=dict)
    compares: bool = False  # a run that has compared goes on comparing

    def edit(self, edit: Edit) -> None:
        """Somebody else is at work."""
        if edit.value is not None:
            if edit.client in self.clients:
                self.clients[edit.client] = {**self.clients[edit.client], edit.field: edit.value}
        elif edit.client in self.clients:
            self.gone[edit.client] = self.clients.pop(edit.client)
        else:
            self.clients[edit.client] = self.gone.pop(edit.client)

    def begin(self, row: PendingRow, fresh: float) -> None:
        """An update is on record, and may be sent from now on."""
        assert row.row not in self.open, "a row is under way twice"
        assert not self.status[row.row].final, "a row is sent that is done with"
        self.open[row.row] = row
        self.attempts[row.row] += 1
        self.sending[row.row] = row.expected
        if not self.compares:
            return
        age = self.time - self.shown_at[row.row]
        assert age <= max(fresh, AT_ONCE), f"a row is sent whose client was read {age} s ago"
        assert row.expected is not None
        unlike = {
            key: value
            for key, value in self.shown[row.row].items()
            if value not in (row.expected[key], row.body.get(key))
        }
        assert not unlike, "a change is lost that the program was shown"

    def withdraw(self, row: PendingRow) -> None:
        """An update was not sent."""
        del self.open[row.row]
        self.attempts[row.row] -= 1

    def serve(self, row: PendingRow, happening: Happening) -> Reply:
        """The API does what it does with a request, and something comes back."""
        meaning, reply = happening.meaning, happening.reply
        exists = row.client_id in self.clients
        if happening.is_served and not exists and reply is None:
            meaning, reply = Status.REJECTED, answer(404)
        elif happening.is_served and exists and row.method is Method.PUT:
            self.clients[row.client_id] = {**self.clients[row.client_id], **row.values}
            self.applied.add(row.row)
        if row.method is Method.PUT:
            self.ended[row.row] = meaning
        if reply is None:
            image = dict(self.clients[row.client_id])
            image["note"] = image.pop("notes")
            reply = answer(200, {"status": "SUCCESS", "client": {"id": row.client_id, **image}})
        if row.method is Method.GET:
            self.ended[row.row] = self._look(row, happening, exists=exists)
        return reply

    def _look(self, row: PendingRow, happening: Happening, *, exists: bool) -> Status:
        if happening is not SERVED:
            return Status.FAILED
        if not exists:
            return Status.REJECTED
        image = self.clients[row.client_id]
        self.looked[row.row] = (image, self.time)
        if row.expected and any(
            value not in (row.expected[key], row.body.get(key)) for key, value in image.items()
        ):
            return Status.CONFLICT
        return Status.NOT_SENT

    def record(self, result: RowResult) -> None:
        """What came back is on record."""
        row, meaning = result.row, self.ended.pop(result.row)
        if row in self.looked:
            self.shown[row], self.shown_at[row] = self.looked.pop(row)
        if result.method is Method.PUT:
            del self.open[row]
            if meaning in {Status.SUCCESS, Status.UNKNOWN}:
                self.before.setdefault(row, self.sending[row])
        if self.status[row] is not Status.UNKNOWN or meaning.final:
            self.status[row] = meaning

    def plan(self) -> None:
        """All rows are planned: those that say what was shown are done."""
        for row, (_, body) in ROWS.items():
            is_planned = self.status[row] is Status.NOT_SENT and row in self.shown
            if is_planned and body.items() <= self.shown[row].items():
                self.status[row] = Status.UNCHANGED

    def lose(self, sent: Iterable[PendingRow], applied: bool) -> None:  # noqa: FBT001
        """The program was killed; what was under way may still reach the API."""
        for row in sent:
            if applied and row.method is Method.PUT and row.client_id in self.clients:
                self.clients[row.client_id] = {**self.clients[row.client_id], **row.values}
                self.applied.add(row.row)
        for row in self.open.values():
            self.status[row.row] = Status.UNKNOWN
            self.before.setdefault(row.row, self.sending[row.row])
        self.open.clear()
        self.ended.clear()
        self.looked.clear()
