"""Comparing, planning and sending against a model: clients change at any time, anything fails."""

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
from etl.load.clock import Clock
from etl.load.judge import judge, judge_probe
from etl.load.loader import Loader
from etl.load.pacing import Pace
from etl.load.reading import judge_reading
from etl.load.retries import Policy
from etl.load.wire import NotConnectedError
from etl.load.workers import Returned
from etl.rows import CheckedRow, Method, PendingRow, Record, RowResult, Status
from etl.runs.journal import Journal
from etl.runs.reader import Staged
from etl.runs.staging import StagingJournal
from etl.stopping import StopRequest
from etl.text import utc_time
from meanwhile import ROWS, SERVED, Edit, Happening, Model, answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.images import Image

MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z
HOST = "api.fatora.io"
NOT_FINAL = {Status.FAILED, Status.NOT_SENT, Status.CONFLICT, Status.UNKNOWN}
HAPPENINGS = st.sampled_from(
    [
        SERVED,
        SERVED,
        SERVED,
        Happening("refused", answer(422, {"error": "no"}), Status.REJECTED),
        Happening("turned away", answer(429), Status.FAILED),
        Happening("asked to wait", answer(429, retry_after=90), Status.FAILED),
        Happening("unreachable", NotConnectedError("no", insecure=False), Status.FAILED),
        Happening("forbidden", answer(403), Status.FAILED),
        Happening("failed afterwards", answer(503), Status.UNKNOWN, is_served=True),
        Happening("failed before", answer(503), Status.UNKNOWN),
        Happening("cut afterwards", ConnectionResetError(), Status.UNKNOWN, is_served=True),
        Happening("timed out afterwards", TimeoutError(), Status.UNKNOWN, is_served=True),
        Happening("timed out", TimeoutError(), Status.UNKNOWN),
    ]
)

KILLED, ASKED = "killed", "asked to stop"
EDITS = st.builds(
    Edit,
    st.sampled_from([12, 13, 14]),
    st.sampled_from(["phone", "name", "email", "notes"]),
    st.sampled_from(["", "1", "x", "y", "z"]) | st.none(),
)
WAITS = st.sampled_from([0.5, 20.0, 700.0])
# Which of those under way comes back, and how; from ``_WITH_NEXT`` on, together with the next one.
REQUESTS = st.tuples(st.integers(0, 9), HAPPENINGS)
_WITH_NEXT = 6
# Most events are what comes back: few of the others are enough.
EVENTS = st.lists(
    REQUESTS | REQUESTS | REQUESTS | REQUESTS | EDITS | WAITS | st.sampled_from([KILLED, ASKED]),
    max_size=20,
)


class Killed(BaseException):
    """The program was killed."""


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
            if which >= _WITH_NEXT and self.under_way:
                self._go_on(next(self.events, (0, SERVED)))

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
        compares=st.sampled_from([True, True, False]),
        applied=st.booleans(),
    )
    def session(self, **given: Any) -> None:  # noqa: ANN401
        """Run the program once, until it ends, is asked to, or is killed."""
        self.model.compares |= given["compares"]
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
        if not self.model.compares:
            _load(journal.pending(limit), network, ledger, given)
            return
        stopped = _load(journal.unread(limit), network, ledger, given)
        journal.plan_rows(ledger.updates_of)
        self.model.plan()
        ledger.step()
        if stopped or given["only_plan"]:
            return
        network.events = iter(given["more"])
        chosen = SimpleNamespace(load=SimpleNamespace(unsent=given["unsent"]))
        alone = SimpleNamespace(newest_update=lambda _manifest: "")
        comparison = Comparison(cast("Any", None), cast("Any", chosen), cast("Any", alone))
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
            assert image is None or json.loads(before[number]) == image, (
                "the first before-image is gone"
            )
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
            quiet: dict[str, Any] = {
                "events": [],
                "more": [],
                "workers": 2,
                "limit": None,
                "kill_at": 0,
            }
            quiet |= {"fresh": 600.0, "unsent": "omit", "only_plan": False, "applied": False}
            self.session(**quiet, compares=True)
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
        lambda: judge_probe(answer(503), HOST),
        network,
    )
    for _ in loader.run():
        pass
    return loader.stopped


def _checked(row: int, client: int, body: dict[str, str]) -> CheckedRow:
    return CheckedRow(Record(row, (str(client), body["email"])), client, body)


Comparing.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestComparing = pytest.mark.slow(Comparing.TestCase)
