"""A simulated world for the loop that sends rows, without threads, waits or sockets."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias

import pytest

from etl.load.breaker import Breaker
from etl.load.clock import Clock
from etl.load.judge import judge, judge_probe
from etl.load.loader import Loader
from etl.load.pacing import Pace
from etl.load.reading import judge_reading
from etl.load.retries import Policy
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError
from etl.load.workers import Returned
from etl.rows import Method, PendingRow, RowResult
from etl.stopping import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from etl.load.judge import Reply, Verdict

    Answering: TypeAlias = Callable[[PendingRow], Reply]

HOST = "api.fatora.io"
STOPPED = "The run was stopped (SIGTERM)."
MIDNIGHT = 1_767_225_600.0  # 2026-01-01T00:00:00Z

POLICY = Policy(
    workers=4,
    attempts=3,
    pause=1,
    pause_max=60,
    retry_after_max=120,
    patience=900,
    give_up=5,
    renewable=True,
)
ONE_BY_ONE = replace(POLICY, workers=1)


def answer(status: int, facts: object = None, retry_after: float | None = None) -> Answer:
    """An answer of the API."""
    return Answer(status, json.dumps(facts).encode(), retry_after)


UPDATED = answer(200, {"status": "SUCCESS"})
REFUSED = answer(404, {"error": "no such client"})
BROKEN = answer(503)
FORBIDDEN = answer(403)
UNAUTHORIZED = answer(401, {"error": "expired"})
UNREACHABLE = NotConnectedError("connection refused", insecure=False)
UNTRUSTED = NotConnectedError("certificate has expired", insecure=True)
TIMED_OUT = TimeoutError()


@dataclass
class World(Clock):
    """A clock, a ledger and a sender, which check the rules that the loader must follow.

    ``answering`` gives the reply to a row. Sending takes ``took`` seconds, or the time in ``slow``
    for a row. A probe gets the reply ``probed``. Writing to the ledger takes ``disk`` seconds, and
    every hundredth time ``stall`` more. A wait ends ``late`` seconds too late. ``asked`` is when
    the run is asked to stop.
    """

    answering: Answering
    workers: int = 4
    took: float = 0.1
    disk: float = 0.0
    stall: float = 0.0
    slow: Mapping[int, float] = field(default_factory=dict)
    late: float = 0.0
    asked: float = math.inf
    time: float = 0.0
    stop: StopRequest = field(default_factory=StopRequest)
    sent: list[tuple[float, PendingRow]] = field(default_factory=list)
    written: dict[int, RowResult] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    withdrawn: list[int] = field(default_factory=list)
    probed: Reply = field(default_factory=lambda: BROKEN)
    probes: int = 0
    breaker: Breaker | None = None
    _submitted: list[PendingRow] = field(default_factory=list)
    _returned: list[Returned] = field(default_factory=list)
    _under_way: list[tuple[float, PendingRow]] = field(default_factory=list)
    _records: int = 0
    waits: int = 0
    _woken: bool = False
    _idle: int = 0

    def now(self) -> float:
        """The time of day."""
        return MIDNIGHT + self.time

    def ticks(self) -> float:
        """The time since the beginning."""
        return self.time

    def record(
        self,
        ended: Sequence[RowResult],
        started: Sequence[PendingRow],
        now: str,
        withdrawn: Sequence[PendingRow] = (),
    ) -> None:
        """Record it, if that is possible."""
        assert datetime.fromisoformat(now).timestamp() == pytest.approx(self.now(), abs=0.001)
        for row in withdrawn:
            self.open.remove(row.row)
            self.withdrawn.append(row.row)
        for result in ended:
            assert result.row in self.open, "an attempt ends that never began"
            self.open.remove(result.row)
            self.written[result.row] = result
        for row in started:
            so_far = self.written.get(row.row)
            assert row.row not in self.open, "two attempts of a row at the same time"
            assert so_far is None or so_far.status == row.status
            assert so_far is None or so_far.attempts == row.attempts
            assert not row.status.final, "a row is sent that is done with"
            self.open.add(row.row)
        self._idle, self._records = 0, self._records + 1
        self._work_until(self.time + self.disk + (0 if self._records % 100 else self.stall))

    def submit(self, row: PendingRow) -> None:
        """Begin to send a row, as soon as a worker is free."""
        assert row.row in self.open, "a row is sent without its intent on record"
        if any(each.may_stop_run for each in self._returned):
            self._returned.append(Returned(row))
            return
        self._submitted.append(row)
        self._begin()

    def recall(self) -> None:
        """Give back what no worker has started."""
        self._returned += [Returned(row) for row in self._submitted]
        self._submitted.clear()

    def collect(self, timeout: float | None) -> list[Returned]:
        """Let time pass until something came back, or nothing is left to wait for."""
        if not self._woken and not self._returned:
            self._let_time_pass(timeout)
        self._woken = False
        returned, self._returned = self._returned, []
        return returned

    def probe(self) -> Verdict:
        """Count a probe, and give its reply."""
        self.probes += 1
        return judge_probe(self.probed, HOST)

    def wake(self) -> None:
        """End a wait."""
        self._woken = True

    def _let_time_pass(self, timeout: float | None) -> None:
        self.waits += 1
        self._idle = self._idle + 1 if timeout == 0 else 0
        assert self._idle < 10, "the loader waits for nothing, over and over"
        until = min((when for when, _ in self._under_way), default=math.inf)
        if timeout is not None:
            until = min(until, max(self.time + timeout, math.nextafter(self.time, math.inf)))
        if self.asked <= until:
            self.time, self.asked = max(self.time, self.asked), math.inf
            self.stop.ask(STOPPED)
        if not self._woken:
            assert until < math.inf, "the loader waits for ever"
            self._work_until(max(self.time, until) + self.late)

    def _work_until(self, time: float) -> None:
        while any(due <= time for due, _ in self._under_way):
            first = min(self._under_way, key=itemgetter(0))
            self._under_way.remove(first)
            self.time, row = first
            judging = judge_reading if row.method is Method.GET else judge
            verdict = judging(self.answering(row), row, HOST)
            took = self.slow.get(row.row, self.took)
            self._returned.append(Returned(row, verdict, took, self.now()))
            if not verdict.status.final:
                self.recall()
            self._begin()
        self.time = time

    def _begin(self) -> None:
        while self._submitted and len(self._under_way) < self.workers:
            row = self._submitted.pop(0)
            self.sent.append((self.time, row))
            self._under_way.append((self.time + self.slow.get(row.row, self.took), row))


def scripted(**scripts: Sequence[Reply]) -> Answering:
    """Answers the attempts of ``row2`` by a script, whose last answer repeats; others succeed."""

    def reply(row: PendingRow) -> Reply:
        script = scripts.get(f"row{row.row}", [UPDATED])
        return script[min(row.attempts, len(script) - 1)]

    return reply


def always(reply: Reply) -> Answering:
    """Answers everything alike."""
    return lambda _: reply


def pending(count: int) -> list[PendingRow]:
    """This many rows, from row 2 on."""
    return [PendingRow(n, n + 1_000, {"email": "sara@example.com"}) for n in range(2, count + 2)]


def loader_of(
    world: World,
    rows: Iterable[PendingRow],
    policy: Policy = POLICY,
    rate: float = 0,
    stop_after: int = 10,
) -> Loader:
    """The loader in a world, with a breaker that nothing but this loader has used."""
    world.workers = policy.workers
    pace = Pace(rate, policy.pause, policy.pause_max, world)
    breaker = world.breaker or Breaker(stop_after, policy.give_up)
    return Loader(iter(rows), world, world, policy, world.stop, pace, breaker, world.probe, world)


def load(
    world: World,
    rows: int | Iterable[PendingRow],
    policy: Policy = POLICY,
    rate: float = 0,
    stop_after: int = 10,
) -> tuple[list[RowResult], str | None]:
    """The finished rows, in their order, and why the loader stopped early."""
    given = pending(rows) if isinstance(rows, int) else rows
    loader = loader_of(world, given, policy, rate, stop_after)
    done = [result for results in loader.run() for result in results]
    assert not world.open, "an attempt is never accounted for"
    return done, loader.stopped


def result_of(*script: Reply, policy: Policy = POLICY) -> RowResult:
    """The recorded result of a row whose attempts are answered like this."""
    world = World(scripted(row2=script))
    load(world, 1, policy)
    return world.written[2]
