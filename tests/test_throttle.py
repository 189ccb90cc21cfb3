"""The pace after answers 429, measured against APIs with the common kinds of limits."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import count, pairwise, takewhile
from typing import TYPE_CHECKING

import pytest

from etl.codes import Code
from etl.rows import PendingRow, Status
from limits import FixedWindow, TokenBucket
from world import BROKEN, POLICY, UPDATED, World, always, answer, load, scripted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.load.judge import Reply
    from limits import Limit

EIGHT = replace(POLICY, workers=8, pause=0.5, attempts=5)
THROTTLED = answer(429, {"error": "too many requests"})


@dataclass
class Course:
    """What became of the requests of a run: when each was let through, and when it was not."""

    passed: list[float]
    refused: list[float]
    stopped: str | None

    def share_refused_after(self, seconds: float) -> float:
        """The share of the requests after this time that were answered 429."""
        passed = sum(time >= seconds for time in self.passed)
        refused = sum(time >= seconds for time in self.refused)
        return refused / (passed + refused)


def course(limit: Limit, seconds: float, rows: Iterator[PendingRow] | None = None) -> Course:
    """Send rows for so long to an API with a limit, which says nothing of when to come back."""
    passed: list[float] = []
    refused: list[float] = []

    def reply(_: PendingRow) -> Reply:
        allowed = limit.allows(world.time)
        (passed if allowed else refused).append(world.time)
        return UPDATED if allowed else THROTTLED

    world = World(reply, took=0.02)
    endless = rows or (PendingRow(n, n, {"email": "sara@example.com"}) for n in count(2))
    until = takewhile(lambda _: world.time < seconds, endless)
    _, stopped = load(world, until, EIGHT)
    return Course(passed, refused, stopped)


# Each with the seconds for which it is tried.
LIMITS: dict[str, tuple[int, Callable[[], Limit]]] = {
    "20 per 10 s": (600, lambda: FixedWindow(20, 10)),
    "20 per 10 s, from the middle of a window": (600, lambda: FixedWindow(20, 10, offset=7)),
    "60 a minute": (600, lambda: FixedWindow(60, 60)),
    "60 a minute, from the middle of a window": (600, lambda: FixedWindow(60, 60, offset=25)),
    "a bucket of 50 a second": (200, lambda: TokenBucket(50, 50)),
    "a small bucket of 50 a second": (200, lambda: TokenBucket(50, 10)),
}


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
@pytest.mark.parametrize("name", LIMITS)
def test_most_of_a_limit_is_used_and_few_requests_are_refused(name: str, seed: int) -> None:
    """At least 0.9 of a limit is used, and after a minute at most 5 % are answered 429."""
    random.seed(seed)
    seconds, limit_of = LIMITS[name]
    limit = limit_of()
    run = course(limit, seconds)
    assert run.stopped is None
    assert len(run.passed) >= 0.9 * limit.rate * seconds
    assert run.share_refused_after(60) <= 0.05


def test_a_429_takes_no_attempt_from_a_row() -> None:
    """A row that is answered 429 more often than it may be tried is updated all the same."""
    world = World(scripted(row2=[*[THROTTLED] * 9, UPDATED]))
    (result,), stopped = load(world, 1)
    assert (result.status, result.attempts, stopped) == (Status.SUCCESS, 10, None)


def test_a_429_holds_every_worker_and_one_row_is_sent_as_a_trial() -> None:
    """After a 429 nothing is sent for a while, and then one row until it gets through."""
    answers = [THROTTLED] * 9
    world = World(lambda _: answers.pop() if answers else UPDATED, took=0.1)
    load(world, 20, EIGHT)
    later = sorted(when for when, row in world.sent if when > 0)
    assert later[0] >= 0.1 + 0.5 * 0.75
    assert later[1] >= later[0] + 0.1 + 0.75 * 0.75, "a trial is alone"
    assert later[2] >= later[1] + 0.1, "the others wait for its answer"


def test_429s_to_requests_that_were_under_way_together_are_one() -> None:
    """Eight workers that are answered 429 at once begin one pause, not eight."""
    answers = [THROTTLED] * 8
    world = World(lambda _: answers.pop() if answers else UPDATED, took=0.1)
    load(world, 20, EIGHT)
    assert min(when for when, _ in world.sent if when > 0) <= 0.1 + 0.5 * 1.25


def test_pauses_grow_up_to_the_longest() -> None:
    """Pauses between trials grow, and end at the longest that is set."""
    world = World(always(THROTTLED), took=0.1)
    _, stopped = load(world, 3, replace(EIGHT, workers=1, pause_max=20))
    times = [when for when, _ in world.sent]
    pauses = [later - earlier - 0.1 for earlier, later in pairwise(times)]
    assert pauses[0] <= 0.5 * 1.25
    assert 20 * 0.6 <= max(pauses) <= 20
    assert stopped is not None


def test_nothing_but_429s_stop_the_run_after_the_patience() -> None:
    """Where nothing gets through for as long as the patience, the run stops and says so."""
    world = World(always(THROTTLED), took=0.1)
    done, stopped = load(world, 20, replace(EIGHT, patience=300))
    assert stopped == (
        "Fatora has answered every request for 6 minutes that there are too many (HTTP 429 from"
        " api.fatora.io: too many requests). Run again later, or with a lower [load] rate."
    )
    assert 300 <= world.time <= 360 + 1
    assert all(result.status is Status.FAILED for result in done)
    assert {result.faults[0].code for result in world.written.values()} == {Code.API_THROTTLED}


def test_one_row_that_gets_through_is_patience_enough() -> None:
    """A slow API, which lets something through now and then, stops no run."""
    run = course(FixedWindow(1, 200), 2_000)
    assert run.stopped is None
    assert len(run.passed) >= 7


def test_other_failures_do_not_slow_the_pace() -> None:
    """Only a 429 is about pace: after a 503 the other rows go on at once."""
    world = World(scripted(row2=[BROKEN, UPDATED]), took=0.1)
    load(world, 40, EIGHT)
    assert world.time < 40 / 8 * 0.1 + 0.5 * 1.25 + 0.2


@pytest.mark.slow
def test_a_limit_that_is_gone_is_forgotten() -> None:
    """Ten minutes after the last 429, rows are sent as fast as they can be."""

    @dataclass
    class Gone(FixedWindow):
        def allows(self, time: float) -> bool:
            return time > 60 or super().allows(time)

    run = course(Gone(5, 5), 700)
    last_second = [time for time in run.passed if time >= 699]
    assert len(last_second) >= 0.9 * 8 / 0.02


def test_a_row_that_alone_is_answered_429_keeps_no_other_from_being_sent() -> None:
    """Rows that the API answers 429 for their own sake delay the others for minutes at most."""
    world = World(lambda row: THROTTLED if row.row in {5, 9} else UPDATED, took=0.05)
    load(world, 4_000, replace(EIGHT, patience=60))
    updated = max(when for when, row in world.sent if row.row not in {5, 9})
    assert updated < 4_000 / 8 * 0.05 + 180


def test_a_row_that_alone_is_answered_429_does_not_stop_the_run() -> None:
    """If a probe gets through after the patience, only the row fails."""
    world = World(scripted(row3=[THROTTLED]), probed=UPDATED)
    done, stopped = load(world, 5, replace(EIGHT, patience=60))
    assert stopped is None
    assert {result.row for result in done if result.status is Status.FAILED} == {3}
    assert len(done) == 5
