"""Comparing, planning and sending against a model: clients change at any time, anything fails.

The model knows what the API held at every moment, and what the program was shown of it. It does not
depend on how the program works, but for the statuses that the contract gives to a row.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from etl.jobs.comparing import Comparison
from etl.load.breaker import Breaker
from etl.load.judge import judge, judge_probe
from etl.load.loader import Loader, Policy
from etl.load.pacing import Clock, Pace
from etl.load.reading import judge_reading
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError
from etl.load.workers import Returned
from etl.rows import CheckedRow, Method, PendingRow, Record, RowResult, Status
from etl.runs.journal import Journal
from etl.runs.reader import Staged
from etl.runs.staging import StagingJournal
from etl.stopping import StopRequest
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from etl.images import Image
    from etl.load.judge import Reply

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z
HOST = "api.fatora.io"
BLANK = dict.fromkeys(("email", "name", "phone", "address", "notes"), "")
AT_ONCE = 1.0  # seconds: a client that was read so lately need not be read again
# The last row repeats the first.
ROWS = {
    2: (12, {"email": "a@example.com", "phone": "1"}),
    3: (13, {"email": "b@example.com", "name": "x"}),
    4: (14, {"email": "c@example.com", "phone": "", "name": "y"}),
    5: (12, {"email": "a@example.com", "phone": "1"}),
}
NOT_FINAL = {Status.FAILED, Status.NOT_SENT, Status.CONFLICT, Status.UNKNOWN}


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


def _answer(status: int, body: object = None, retry_after: float | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), retry_after)


SERVED = Happening("served", None, Status.SUCCESS, is_served=True)
HAPPENINGS = st.sampled_from(
    [
        SERVED,
        SERVED,
        SERVED,
        Happening("refused", _answer(422, {"error": "no"}), Status.REJECTED),
        Happening("turned away", _answer(429), Status.FAILED),
        Happening("asked to wait", _answer(429, retry_after=90), Status.FAILED),
        Happening("unreachable", NotConnectedError("no", insecure=False), Status.FAILED),
        Happening("forbidden", _answer(403), Status.FAILED),
        Happening("failed afterwards", _answer(503), Status.UNKNOWN, is_served=True),
        Happening("failed before", _answer(503), Status.UNKNOWN),
        Happening("cut afterwards", ConnectionResetError(), Status.UNKNOWN, is_served=True),
        Happening("timed out afterwards", TimeoutError(), Status.UNKNOWN, is_served=True),
        Happening("timed out", TimeoutError(), Status.UNKNOWN),
    ]
)


@dataclass(frozen=True)
class Edit:
    """What somebody else does to a client; without a value, it is removed or comes back."""

    client: int
    field: str
    value: str | None


KILLED, ASKED = "killed", "asked to stop"
EDITS = st.builds(
    Edit,
    st.sampled_from([12, 13, 14]),
    st.sampled_from(["phone", "name", "email", "notes"]),
    st.sampled_from(["", "1", "x", "y", "z"]) | st.none(),
)
WAITS = st.sampled_from([0.5, 20.0, 700.0])
REQUESTS = st.tuples(st.integers(0, 9), HAPPENINGS)
# Most events are what comes back: few of the others are enough.
EVENTS = st.lists(
    REQUESTS | REQUESTS | REQUESTS | REQUESTS | EDITS | WAITS | st.sampled_from([KILLED, ASKED]),
    max_size=20,
)


class Killed(BaseException):
    """The program was killed."""


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
    before: dict[int, Image] = field(default_factory=dict)  # before what may have reached the API
    open: dict[int, PendingRow] = field(default_factory=dict)
    ended: dict[int, Status] = field(default_factory=dict)  # not on record yet
    sending: dict[int, Image] = field(default_factory=dict)

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
        age = self.time - self.shown_at[row.row]
        assert age <= max(fresh, AT_ONCE), f"a row is sent whose client was read {age} s ago"
        assert row.expected is not None
        unlike = {
            key: value
            for key, value in self.shown[row.row].items()
            if value not in (row.expected[key], row.body.get(key))
        }
        assert not unlike, "a change is lost that the program was shown"
        self.sending[row.row] = row.expected

    def withdraw(self, row: PendingRow) -> None:
        """An update was not sent."""
        del self.open[row.row]
        self.attempts[row.row] -= 1

    def serve(self, row: PendingRow, happening: Happening) -> Reply:
        """The API does what it does with a request, and something comes back."""
        meaning, reply = happening.meaning, happening.reply
        exists = row.client_id in self.clients
        if happening.is_served and not exists and reply is None:
            meaning, reply = Status.REJECTED, _answer(404)
        elif happening.is_served and exists and row.method is Method.PUT:
            self.clients[row.client_id] = {**self.clients[row.client_id], **row.values}
            self.applied.add(row.row)
        if row.method is Method.PUT:
            self.ended[row.row] = meaning
        if reply is None:
            image = dict(self.clients[row.client_id])
            image["note"] = image.pop("notes")
            reply = _answer(200, {"status": "SUCCESS", "client": {"id": row.client_id, **image}})
        if row.method is Method.GET:
            self.ended[row.row] = self._look(row, happening, exists=exists)
        return reply

    def _look(self, row: PendingRow, happening: Happening, *, exists: bool) -> Status:
        if happening is not SERVED:
            return Status.FAILED
        if not exists:
            return Status.REJECTED
        image = self.clients[row.client_id]
        self.shown[row.row], self.shown_at[row.row] = image, self.time
        if row.expected and any(
            value not in (row.expected[key], row.body.get(key)) for key, value in image.items()
        ):
            return Status.CONFLICT
        return Status.NOT_SENT

    def record(self, result: RowResult) -> None:
        """What came back is on record."""
        row, meaning = result.row, self.ended.pop(result.row)
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


@dataclass
class Network(Clock):
    """The clock, and the sender: performs the given events one by one, then serves everything."""

    events: Iterator[Any]
    model: Model
    workers: int
    stop: StopRequest = field(default_factory=StopRequest)
    ahead: list[PendingRow] = field(default_factory=list)
    under_way: list[PendingRow] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)

    def now(self) -> float:
        """The time of day."""
        return MIDNIGHT + self.model.time

    def ticks(self) -> float:
        """The time since the beginning."""
        return self.model.time

    def submit(self, row: PendingRow) -> None:
        """Take a row, and send it once a worker is free."""
        self.ahead.append(row)
        self._work()

    def recall(self) -> None:
        """Return the rows that were not sent."""
        self.returned += [Returned(row) for row in self.ahead]
        self.ahead.clear()

    def collect(self, timeout: float | None) -> list[Returned]:
        """Return the finished rows, finish one more, or let time pass."""
        if not self.returned and not self.under_way:
            assert timeout is not None, "the loader waits for ever"
            self.model.time += timeout
        elif not self.returned:
            self._go_on(next(self.events, (0, SERVED)))
        returned, self.returned = self.returned, []
        return returned

    def _go_on(self, event: Any) -> None:  # noqa: ANN401
        if event == KILLED:
            raise Killed
        if event == ASKED:
            self.stop.ask("The run was stopped (SIGTERM).")
        elif isinstance(event, Edit):
            self.model.edit(event)
        elif isinstance(event, float):
            self.model.time += event
        else:
            which, happening = event
            row = self.under_way.pop(which % len(self.under_way))
            reply = self.model.serve(row, happening)
            judging = judge_reading if row.method is Method.GET else judge
            verdict = judging(reply, row, HOST)
            self.returned.append(Returned(row, verdict, 0.1, self.now()))
            if verdict.status is not Status.NOT_SENT and not verdict.status.final:
                self.recall()
            self._work()

    def _work(self) -> None:
        while self.ahead and len(self.under_way) < self.workers:
            self.under_way.append(self.ahead.pop(0))

    def wake(self) -> None:
        """Do nothing, since this network never sleeps."""


@dataclass
class Ledger:
    """The journal, which may be killed before or after anything is on record."""

    journal: Journal
    model: Model
    fresh: float
    kill_at: int
    steps: int = 0

    def record(
        self,
        ended: Sequence[RowResult],
        started: Sequence[PendingRow],
        now: str,
        withdrawn: Sequence[PendingRow] = (),
    ) -> None:
        """Record it, and let the model know."""
        self.step()
        self.journal.record(ended, started, now, withdrawn)
        for result in ended:
            self.model.record(result)
        for row in withdrawn:
            if row.method is Method.PUT:
                self.model.withdraw(row)
        for row in started:
            if row.method is Method.PUT:
                self.model.begin(row, self.fresh)
        self.step()

    def step(self) -> None:
        """Be killed if it is time."""
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed

    def updates_of(self, _: list[int]) -> Iterator[tuple[int, Image, Image]]:
        """No earlier run is known; the plan may be killed in between."""
        self.step()
        yield from ()


class Comparing(RuleBasedStateMachine):
    """Consecutive sessions over one journal, with any events."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.sqlite3"
        self.model = Model()
        with StagingJournal(self.path) as journal:
            list(journal.add(_checked(row, *facts) for row, facts in ROWS.items()))
            journal.seal(Staged(("id", "email"), {}, ",", len(ROWS), 0, 0))

    @rule(
        events=EVENTS,
        more=EVENTS,
        workers=st.integers(1, 3),
        fresh=st.sampled_from([0.0, 10.0, 600.0]),
        unsent=st.sampled_from(["omit", "resend"]),
        limit=st.none() | st.integers(1, len(ROWS)),
        kill_at=st.integers(0, 25),
        only_plan=st.booleans(),
        applied=st.booleans(),
    )
    def session(self, **given: Any) -> None:  # noqa: ANN401
        """Run the program once, until it ends, is asked to, or is killed."""
        network = Network(iter(given["events"]), self.model, given["workers"])
        with Journal(self.path) as journal:
            journal.recover(utc_time(network.now()))
            ledger = Ledger(journal, self.model, given["fresh"], given["kill_at"])
            try:
                self._work(network, ledger, given)
            except Killed:
                self.model.lose(network.under_way, given["applied"])
                return
            assert not self.model.open, "it ended, and a request was under way"

    def _work(self, network: Network, ledger: Ledger, given: dict[str, Any]) -> None:
        limit, journal = given["limit"], ledger.journal
        stopped = _load(journal.unread(limit), network, ledger, given)
        journal.plan_rows(ledger.updates_of)
        self.model.plan()
        ledger.step()
        if stopped or given["only_plan"]:
            return
        network.events = iter(given["more"])
        chosen = SimpleNamespace(load=SimpleNamespace(unsent=given["unsent"]))
        comparison = Comparison(cast("Any", None), cast("Any", chosen), cast("Any", None))
        _load(comparison.rows(journal, limit), network, ledger, given)

    @rule(edits=st.lists(EDITS, min_size=1, max_size=3), seconds=WAITS)
    def meanwhile(self, edits: list[Edit], seconds: float) -> None:
        """Between two sessions, others are at work."""
        for edit in edits:
            self.model.edit(edit)
        self.model.time += seconds

    @invariant()
    def journal_tells_the_truth(self) -> None:
        """Statuses, attempts and before-images are as the model has them."""
        copy = self.folder / "copy"
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("copy"))
        with Journal(copy / "journal.sqlite3") as journal:
            journal.recover(utc_time(MIDNIGHT + self.model.time))
            rows = {row.row: row for row in journal.rows()}
            counts = journal.counts()
            before = dict(
                journal._db.execute(  # noqa: SLF001 - no command shows them all
                    "SELECT plans.row, client FROM plans JOIN readings ON readings.id = before"
                )
            )
        shutil.rmtree(copy)
        assert sum(counts.values()) == len(ROWS)
        assert {number: row.status for number, row in rows.items()} == self.model.status
        assert {number: row.attempts for number, row in rows.items()} == self.model.attempts
        for number, image in self.model.before.items():
            assert json.loads(before[number]) == image, "the first before-image is gone"
        for number, row in rows.items():
            if number in self.model.applied:
                reached = {Status.SUCCESS, Status.UNKNOWN, Status.REJECTED}
                assert row.status in reached, "an update was made of which there is no record"
            if row.status is Status.SUCCESS:
                assert number in self.model.applied

    def teardown(self) -> None:
        """With a working network, and nobody else at work, a few sessions finish every row."""
        for _ in range(3):
            self.model.time += 1_000
            quiet = {"events": [], "more": [], "workers": 2, "limit": None, "kill_at": 0}
            self.session(**quiet, fresh=600.0, unsent="omit", only_plan=False, applied=False)
            self.journal_tells_the_truth()
        assert not NOT_FINAL & set(self.model.status.values())
        shutil.rmtree(self.folder)


def _load(
    rows: Iterator[PendingRow], network: Network, ledger: Ledger, given: dict[str, Any]
) -> str | None:
    policy = Policy(given["workers"], 3, 0.1, 1, 120, 900, 5, renewable=True, fresh=given["fresh"])
    loader = Loader(
        rows,
        ledger,
        network,
        policy,
        network.stop,
        Pace(0, 0.1, 1, network),
        Breaker(4, policy.give_up),
        lambda: judge_probe(Answer(503, b""), HOST),
        network,
    )
    for _ in loader.run():
        pass
    return loader.stopped


def _checked(row: int, client: int, body: dict[str, str]) -> CheckedRow:
    return CheckedRow(Record(row, (str(client), body["email"])), client, body)


Comparing.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestComparing = pytest.mark.slow(Comparing.TestCase)
