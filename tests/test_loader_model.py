"""The loader and the real journal against a model: any answers, signals, kills and resumes.

The model does not depend on how the loader works. It records what the API did, and the status that
the contract gives to a row with these answers.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from etl.load.breaker import Breaker
from etl.load.clock import Clock
from etl.load.judge import judge, judge_probe
from etl.load.loader import Loader
from etl.load.pacing import Pace
from etl.load.retries import Policy
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError
from etl.load.workers import Returned
from etl.rows import CheckedRow, PendingRow, Record, Status
from etl.runs.journal import Journal
from etl.runs.reader import Staged
from etl.runs.staging import StagingJournal
from etl.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.load.judge import Reply

ROWS = 5
NOW = "2026-01-01T00:00:00.000+00:00"


@dataclass(frozen=True)
class Happening:
    """What the network does with a request.

    ``applied`` is whether the API makes the update, and ``reply`` is what the sender gets.
    ``meaning`` is the status of the row by that reply; UNKNOWN means that the update may have been
    made.
    """

    name: str
    reply: Reply
    meaning: Status
    applied: bool = False

    def __repr__(self) -> str:
        return self.name


def _answer(status: int, body: object = None, retry_after: float | None = None) -> Answer:
    return Answer(status, json.dumps(body).encode(), retry_after)


UPDATED = Happening("updated", _answer(200, {"status": "SUCCESS"}), Status.SUCCESS, applied=True)
HAPPENINGS = st.sampled_from(
    [
        UPDATED,
        UPDATED,
        Happening("refused", _answer(422, {"error": "no"}), Status.REJECTED),
        Happening("refused with a 200", _answer(200, {"status": "ERROR"}), Status.REJECTED),
        Happening("turned away", _answer(429), Status.FAILED),
        Happening("asked to wait", _answer(429, retry_after=3), Status.FAILED),
        Happening("unreachable", NotConnectedError("refused", insecure=False), Status.FAILED),
        Happening("forbidden", _answer(403), Status.FAILED),
        Happening("token over", _answer(401), Status.FAILED),
        Happening("redirected", _answer(302), Status.FAILED),
        Happening("failed after it was made", _answer(503), Status.UNKNOWN, applied=True),
        Happening("failed before it was made", _answer(500), Status.UNKNOWN),
        Happening("cut after it was made", ConnectionResetError(), Status.UNKNOWN, applied=True),
        Happening("timed out", TimeoutError(), Status.UNKNOWN),
        Happening("web page", Answer(200, b"<html>"), Status.UNKNOWN),
    ]
)
KILLED, ASKED = "killed", "asked to stop"
EVENTS = st.lists(
    st.tuples(st.integers(0, 9), HAPPENINGS) | st.sampled_from([KILLED, ASKED]), max_size=12
)


class Killed(BaseException):
    """The program was killed."""


@dataclass
class Network(Clock):
    """Performs the given events one by one; time passes only if nothing else can happen."""

    events: Iterator[tuple[int, Happening] | str]
    model: Model
    workers: int
    stop: StopRequest = field(default_factory=StopRequest)
    time: float = 0.0
    ahead: list[PendingRow] = field(default_factory=list)
    under_way: list[PendingRow] = field(default_factory=list)
    returned: list[Returned] = field(default_factory=list)

    def ticks(self) -> float:
        """The time since the beginning."""
        return self.time

    def submit(self, row: PendingRow) -> None:
        """Take a row, and send it once a worker is free."""
        self.model.begin(row)
        self.ahead.append(row)
        self._work()

    def recall(self) -> None:
        """Return the rows that were not sent."""
        for row in self.ahead:
            self.model.withdraw(row)
        self.returned += [Returned(row) for row in self.ahead]
        self.ahead.clear()

    def collect(self, timeout: float | None) -> list[Returned]:
        """Return the finished rows, finish one more, or let time pass."""
        if not self.returned and not self.under_way:
            assert timeout is not None, "the loader waits for ever"
            self.time += timeout
        elif not self.returned:
            self._go_on()
        returned, self.returned = self.returned, []
        return returned

    def _go_on(self) -> None:
        event = next(self.events, (0, UPDATED))
        if event == KILLED:
            raise Killed
        if event == ASKED:
            self.stop.ask("The run was stopped (SIGTERM).")
            return
        assert isinstance(event, tuple)
        which, happening = event
        row = self.under_way.pop(which % len(self.under_way))
        self.model.end(row, happening)
        verdict = judge(happening.reply, row, "api.fatora.io")
        self.returned.append(Returned(row, verdict, 0.1, self.now()))
        if not verdict.status.final:
            self.recall()
        self._work()

    def _work(self) -> None:
        while self.ahead and len(self.under_way) < self.workers:
            self.under_way.append(self.ahead.pop(0))

    def wake(self) -> None:
        """Do nothing, since this network never sleeps."""


@dataclass
class Model:
    """What the API really applied, and the status that each row must have."""

    status: dict[int, Status] = field(
        default_factory=lambda: dict.fromkeys(range(2, 2 + ROWS), Status.NOT_SENT)
    )
    attempts: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(2, 2 + ROWS), 0))
    applied: set[int] = field(default_factory=set)
    under_way: set[int] = field(default_factory=set)

    def begin(self, row: PendingRow) -> None:
        """A request is sent, or about to be."""
        assert not self.status[row.row].final, "a row is sent that is done with"
        assert row.row not in self.under_way, "a row is under way twice"
        self.under_way.add(row.row)
        self.attempts[row.row] += 1

    def withdraw(self, row: PendingRow) -> None:
        """A request was not sent."""
        self.under_way.remove(row.row)
        self.attempts[row.row] -= 1

    def end(self, row: PendingRow, happening: Happening) -> None:
        """A reply came."""
        self.under_way.remove(row.row)
        if happening.applied:
            self.applied.add(row.row)
        unclear = self.status[row.row] is Status.UNKNOWN and happening.meaning is Status.FAILED
        self.status[row.row] = Status.UNKNOWN if unclear else happening.meaning

    def lose(self, rows: Sequence[PendingRow]) -> None:
        """The program was killed, and requests under way may have been applied."""
        for row in rows:
            self.applied.add(row.row)
        for number in self.under_way:
            self.status[number] = Status.UNKNOWN
        self.under_way.clear()


class Loading(RuleBasedStateMachine):
    """Consecutive sessions over one journal, with any events."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "journal.sqlite3"
        self.model = Model()
        self.recorded: dict[int, tuple[str, int]] = {}
        with StagingJournal(self.path) as journal:
            list(journal.add(_checked(number) for number in range(2, 2 + ROWS)))
            journal.seal(Staged(("id", "email"), {}, ",", ROWS, 0, 0))

    @rule(
        events=EVENTS,
        workers=st.integers(1, 3),
        attempts=st.integers(1, 3),
        limit=st.none() | st.integers(1, ROWS),
        renewable=st.booleans(),
    )
    def session(
        self,
        events: list[tuple[int, Happening] | str],
        workers: int,
        attempts: int,
        limit: int | None,
        renewable: bool,  # noqa: FBT001 - Hypothesis gives it by its name
    ) -> None:
        """Run the program once, until it ends, is asked to, or is killed."""
        network = Network(iter(events), self.model, workers)
        policy = Policy(workers, attempts, 0.1, 1, 10, 900, 5, renewable)
        with Journal(self.path) as journal:
            journal.recover(NOW)
            rows = journal.pending(limit)
            loader = Loader(
                rows,
                journal,
                network,
                policy,
                network.stop,
                Pace(0, 0.1, 1, network),
                Breaker(4, policy.give_up),
                lambda: judge_probe(Answer(503, b""), "api.fatora.io"),
                network,
            )
            try:
                for results in loader.run():
                    assert all(result.row not in self.model.under_way for result in results)
            except Killed:
                self.model.lose(network.under_way)
                return
            assert not self.model.under_way, "it ended, and a request was under way"
            done = all(status.final for status in self.model.status.values())
            assert done or loader.stopped or limit is not None or _given_up(self.model)

    @invariant()
    def journal_tells_the_truth(self) -> None:
        """Each row has its true status, and each of its attempts is recorded."""
        copy = self.folder / "copy"
        shutil.copytree(self.folder, copy, ignore=shutil.ignore_patterns("copy"))
        with Journal(copy / "journal.sqlite3") as journal:
            journal.recover(NOW)
            rows = {row.row: row for row in journal.rows()}
        shutil.rmtree(copy)
        assert {number: row.status for number, row in rows.items()} == self.model.status
        assert {number: row.attempts for number, row in rows.items()} == self.model.attempts
        updated = {number for number, row in rows.items() if row.status is Status.SUCCESS}
        assert updated <= self.model.applied
        assert all(
            (row.error == "") == (row.status in {Status.SUCCESS, Status.NOT_SENT})
            for row in rows.values()
        )

    def teardown(self) -> None:
        """With a working network, a last session finishes every row."""
        self.session([], workers=2, attempts=1, limit=None, renewable=True)
        assert all(status.final for status in self.model.status.values())
        self.journal_tells_the_truth()
        shutil.rmtree(self.folder)


def _checked(number: int) -> CheckedRow:
    email = f"c{number}@example.com"
    return CheckedRow(Record(number, (str(number), email)), number, {"email": email})


def _given_up(model: Model) -> bool:
    """Whether what is left has been tried: by `attempts`, or because another try cannot help."""
    return all(model.attempts[row] for row, status in model.status.items() if not status.final)


Loading.TestCase.settings = settings(max_examples=60, stateful_step_count=8, deadline=None)
TestLoading = pytest.mark.slow(Loading.TestCase)
