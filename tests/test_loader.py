"""The loop that sends rows to the API, in a simulated world without threads, waits or sockets."""

from __future__ import annotations

import json
import logging
import math
import time
from bisect import bisect_left
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.codes import Code
from etl.images import KEYS
from etl.load.breaker import Breaker
from etl.load.clock import Clock
from etl.load.judge import judge, judge_probe
from etl.load.retries import Policy
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.transport import Answer
from etl.rows import Fault, Method, PendingRow, RowResult, Status
from world import (
    BROKEN,
    FORBIDDEN,
    HOST,
    ONE_BY_ONE,
    POLICY,
    REFUSED,
    STOPPED,
    TIMED_OUT,
    UNAUTHORIZED,
    UNREACHABLE,
    UNTRUSTED,
    UPDATED,
    World,
    always,
    answer,
    load,
    loader_of,
    pending,
    result_of,
    scripted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from etl.load.judge import Reply

    Answering: TypeAlias = Callable[[PendingRow], Reply]

# All rows


def test_each_row_is_sent_in_order_and_finished_once() -> None:
    """Each row is sent in order, and is finished once the API confirms it."""
    world = World(always(UPDATED))
    done, stopped = load(world, 20)
    assert [row.row for _, row in world.sent] == list(range(2, 22))
    assert [(result.row, result.status) for result in done] == [
        (row, Status.SUCCESS) for row in range(2, 22)
    ]
    assert stopped is None


def test_without_rows_there_is_nothing_to_do() -> None:
    """Without rows, nothing is sent or waited for."""
    assert load(World(always(UPDATED)), 0) == ([], None)


def test_a_row_is_finished_only_after_its_outcome_is_recorded() -> None:
    """A row is reported only after its outcome is recorded."""
    world = World(scripted(row3=[REFUSED], row4=[TIMED_OUT]))
    loader = loader_of(world, pending(5))
    for results in loader.run():
        assert [world.written[result.row] for result in results] == results


@pytest.mark.parametrize("workers", [1, 3, 8])
@pytest.mark.parametrize("disk", [0, 0.01, 0.09])
def test_no_worker_is_ever_idle_while_rows_are_left(workers: int, disk: float) -> None:
    """No worker waits for the disk, except before the first row and after the last."""
    world = World(always(UPDATED), disk=disk)
    load(world, 24, replace(POLICY, workers=workers))
    assert world.time == pytest.approx(24 / workers * world.took + 2 * disk)


@pytest.mark.parametrize("reply", [UPDATED, REFUSED], ids=["updated", "refused"])
def test_an_intent_is_not_withdrawn_because_another_row_is_finished(reply: Reply) -> None:
    """Refused rows do not make the loader withdraw intents."""
    world = World(always(reply))
    load(world, 20)
    assert not world.withdrawn


def test_an_intent_is_withdrawn_where_its_row_may_not_be_sent() -> None:
    """Rows that were recorded ahead count as never started if they may not be sent."""
    world = World(scripted(row2=[answer(302)]))
    load(world, 20)
    assert world.withdrawn == [6, 7, 8, 9]
    assert set(world.written) == {2, 3, 4, 5}


@pytest.mark.parametrize("first", [answer(302), answer(429, retry_after=30)])
def test_nothing_is_sent_once_an_answer_came_that_stops_or_holds(first: Answer) -> None:
    """After an answer that stops or holds the run, nothing more is sent."""
    world = World(scripted(row2=[first]), took=0.1, disk=0.05, slow={2: 0.12})
    load(world, 20)
    came = world.sent[0][0] + 0.12
    assert [when for when, _ in world.sent if came < when < came + 30] == []


def test_a_row_that_was_taken_back_is_sent_in_its_turn() -> None:
    """A row that was taken back is sent before later rows."""
    world = World(scripted(row2=[answer(503, retry_after=30), UPDATED]), slow={3: 9})
    done, _ = load(world, 20)
    assert [row.row for _, row in world.sent] == [2, 3, 4, 5, 2, *range(6, 22)]
    assert len(done) == 20


@pytest.mark.parametrize("reply", [UPDATED, BROKEN, UNREACHABLE])
def test_no_more_rows_are_taken_than_are_sent_soon(reply: Reply) -> None:
    """Rows that wait for another attempt count too, so that memory does not grow with failures."""
    world = World(always(reply))
    taken: set[int] = set()
    done: list[RowResult] = []

    def rows() -> Iterator[PendingRow]:
        for row in pending(30):
            taken.add(row.row)
            assert len(taken) - len(done) < 14  # eight in hand, four just back, and the next
            yield row

    loader = loader_of(world, rows(), stop_after=99)
    for results in loader.run():
        done += results
    assert len(done) == 30


def test_what_is_written_of_a_row_that_was_updated() -> None:
    """The result of an updated row has everything for the results file."""
    facts = {"status": "SUCCESS", "client": {"email": "other@example.com"}}
    assert result_of(answer(200, facts)) == RowResult(
        row=2,
        client_id=1_002,
        status=Status.SUCCESS,
        attempts=1,
        time="2026-01-01T00:00:00.100+00:00",
        ms=100,
        warning="email: Fatora stored “other@example.com” where “sara@example.com” was sent",
        http_status=200,
        stored_differently=True,
        client={"email": "other@example.com"},
    )


def test_what_is_written_of_a_row_that_was_not() -> None:
    """The result of a row that was not updated has a code and a sentence that quotes the API."""
    result = result_of(BROKEN, REFUSED)
    assert (result.attempts, result.http_status, result.warning) == (2, 404, "")
    text = "Fatora has no client with this number (HTTP 404: no such client)."
    assert result.faults == (Fault(Code.API_NOT_FOUND, text),)


def test_log_lines_say_nothing_personal(caplog: pytest.LogCaptureFixture) -> None:
    """The log has only row numbers, client ids and codes, and no words of the API."""
    caplog.set_level(logging.INFO)
    error = {"error": "sara@example.com is taken"}
    taken = answer(400, error, retry_after=5)
    load(World(scripted(row2=[answer(429, retry_after=5), taken], row3=[UNTRUSTED])), 4)
    for status in (401, 403):
        load(World(always(answer(status, error))), 4)
    assert {"attempt", "held", "stopping"} <= {record.msg for record in caplog.records}
    for record in caplog.records:
        assert "example.com" not in json.dumps(vars(record)["fields"])


def test_the_log_names_the_cause_of_a_stop(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the cause of a stop with HTTP status and host."""
    load(World(always(FORBIDDEN)), 9)
    (stopping,) = [record for record in caplog.records if record.msg == "stopping"]
    assert vars(stopping)["fields"] == {"cause": "HTTP 403 from api.fatora.io"}


# Another attempt


PASSING = [
    UNREACHABLE,
    TIMED_OUT,
    ConnectionResetError(),
    TokenUnavailableError("HTTP 503, empty answer"),
]
PASSING_STATUSES = [408, 425, 500, 502, 503, 504]


@pytest.mark.parametrize(
    "reply",
    [*PASSING, *map(answer, PASSING_STATUSES)],
    ids=[*(type(each).__name__ for each in PASSING), *map(str, PASSING_STATUSES)],
)
@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_what_may_pass_is_tried_so_many_times(reply: Reply, attempts: int) -> None:
    """A passing failure is retried up to the limit; then the last result stays."""
    world = World(always(reply))
    (result,), stopped = load(world, 1, replace(POLICY, attempts=attempts))
    assert len(world.sent) == result.attempts == attempts
    assert result.status is judge(reply, pending(1)[0], HOST).status
    assert stopped is None


@pytest.mark.parametrize("status", [200, 201, 400, 403, 404, 409, 422, 501, 505])
def test_what_will_not_pass_is_tried_once(status: int) -> None:
    """A lasting failure is not retried."""
    assert result_of(answer(status)).attempts == 1


def test_a_row_is_not_tried_again_once_it_is_updated() -> None:
    """A row is not sent again once it is updated or refused."""
    assert result_of(BROKEN, UPDATED).attempts == 2
    assert result_of(BROKEN, REFUSED).attempts == 2


def test_pauses_grow_from_attempt_to_attempt() -> None:
    """Pauses double from attempt to attempt, up to the maximum."""
    world = World(always(BROKEN), took=0)
    load(world, 1, replace(POLICY, attempts=6, pause_max=5))
    times = [when for when, _ in world.sent]
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:3] == [pytest.approx(each, rel=0.26) for each in (1, 2, 4)]
    assert max(pauses) <= 5


def test_others_are_sent_while_a_row_waits() -> None:
    """Other rows are sent while one waits."""
    world = World(scripted(row2=[BROKEN]), took=0.01)
    done, _ = load(world, 20)
    assert [result.row for result in done] == [*range(3, 22), 2]


def test_attempts_count_on_over_resumes_but_each_run_has_its_own() -> None:
    """Attempts are numbered on over resumes, but each session has its own limit."""
    row = replace(pending(1)[0], status=Status.FAILED, attempts=7)
    world = World(always(BROKEN))
    (result,), _ = load(world, [row])
    assert (result.attempts, len(world.sent)) == (10, 3)


# What once may have been applied


@pytest.mark.parametrize("ambiguous", [BROKEN, TIMED_OUT, ConnectionResetError()])
@pytest.mark.parametrize("failed", [UNREACHABLE, answer(429), FORBIDDEN, UNAUTHORIZED])
def test_a_row_stays_unknown_after_a_later_failure(ambiguous: Reply, failed: Reply) -> None:
    """A row stays UNKNOWN after a later failure that had no effect."""
    result = result_of(ambiguous, failed)
    assert result.status is Status.UNKNOWN
    assert result.faults[0].text.endswith("). An earlier attempt may have updated the client.")


@pytest.mark.parametrize(
    ("clearing", "status"), [(UPDATED, Status.SUCCESS), (REFUSED, Status.REJECTED)]
)
def test_an_answer_clears_what_was_unknown(clearing: Reply, status: Status) -> None:
    """A later confirmation or refusal clears UNKNOWN."""
    result = result_of(TIMED_OUT, clearing)
    assert result.status is status
    assert "earlier" not in repr(result)


def test_a_failure_alone_is_not_unknown() -> None:
    """Failures without effect are FAILED, and the error does not suggest an update."""
    result = result_of(answer(429), UNREACHABLE)
    assert result.status is Status.FAILED
    assert "earlier" not in repr(result.faults)


def test_a_row_that_an_earlier_run_left_unknown_stays_so() -> None:
    """A row that is UNKNOWN from an earlier session stays UNKNOWN after failures."""
    row = replace(pending(1)[0], status=Status.UNKNOWN, attempts=1)
    (result,), _ = load(World(always(UNREACHABLE)), [row])
    assert result.status is Status.UNKNOWN


# Retry-After


def quiet_after(first: Answer, policy: Policy = POLICY) -> float:
    """How long nothing is sent after this answer to row 2; rows 3 to 5 are under way."""
    world = World(scripted(row2=[first]), took=1)
    load(world, 20, policy, stop_after=99)
    return min(when for when, _ in world.sent if when >= 1) - 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_retry_after_holds_every_worker(status: int) -> None:
    """A Retry-After holds every worker."""
    assert quiet_after(answer(status, retry_after=30)) == pytest.approx(30)


def test_retry_after_of_a_last_attempt_holds_too() -> None:
    """A Retry-After holds also after the last attempt of a row."""
    held = quiet_after(answer(429, retry_after=30), replace(POLICY, attempts=1))
    assert held == pytest.approx(30)


def test_retry_after_of_the_authorize_endpoint_holds_too() -> None:
    """A Retry-After of the Authorize endpoint holds every worker."""
    world = World(
        scripted(row2=[TokenUnavailableError("HTTP 429, empty answer", retry_after=30), UPDATED]),
        took=1,
    )
    load(world, 8)
    assert min(when for when, _ in world.sent if when >= 1) == pytest.approx(31)


def test_a_retry_after_that_asks_for_nothing_holds_nobody() -> None:
    """A Retry-After of 0 holds only the row itself."""
    assert quiet_after(answer(503, retry_after=0)) == pytest.approx(0)


def test_the_longer_of_two_holds_counts() -> None:
    """The longer of two holds counts."""
    replies = scripted(
        row2=[answer(429, retry_after=60), UPDATED], row3=[answer(429, retry_after=5), UPDATED]
    )
    world = World(replies)
    load(world, 8)
    assert min(when for when, _ in world.sent if when > 0) == pytest.approx(60.1)


@pytest.mark.parametrize("attempts", [1, 3])
def test_a_retry_after_that_is_too_long_stops_the_run(attempts: int) -> None:
    """A Retry-After that is too long stops the run, and the reason says until when."""
    world = World(scripted(row2=[answer(429, retry_after=121)]))
    _, stopped = load(world, 20, replace(POLICY, attempts=attempts))
    assert len(world.sent) == len(world.written) == 4
    assert world.written[2].status is Status.FAILED
    assert stopped == "Fatora asked us to wait 3 minutes. Run again after 00:03 UTC."


def test_the_longest_retry_after_is_waited_for() -> None:
    """The longest allowed Retry-After is waited for."""
    assert quiet_after(answer(429, retry_after=120)) == pytest.approx(120)


# Credentials


def test_a_row_whose_token_ran_out_is_sent_again_at_once() -> None:
    """A row whose token expired is sent again at once, without using up an attempt."""
    world = World(scripted(row2=[UNAUTHORIZED, UPDATED]))
    (result,), stopped = load(world, 1, replace(POLICY, attempts=1))
    assert (result.status, result.attempts, stopped) == (Status.SUCCESS, 2, None)
    assert world.time == pytest.approx(2 * world.took)


def test_a_401_that_a_renewed_token_does_not_cure_stops_the_run() -> None:
    """A 401 with a renewed token stops the run, and no row is sent a third time."""
    world = World(always(UNAUTHORIZED))
    _, stopped = load(world, 20)
    assert Counter(row.row for _, row in world.sent) == Counter({2: 2, 3: 2, 4: 2, 5: 2})
    assert {result.status for result in world.written.values()} == {Status.FAILED}
    assert stopped == (
        "Fatora did not accept a renewed bearer token (HTTP 401 from api.fatora.io: expired)."
    )


def test_a_401_stops_the_run_if_the_token_cannot_be_renewed() -> None:
    """A 401 stops the run if the token cannot be renewed."""
    world = World(always(UNAUTHORIZED))
    _, stopped = load(world, 20, replace(POLICY, renewable=False))
    assert len(world.sent) == 4
    assert stopped == (
        "Fatora did not accept the bearer token (HTTP 401 from api.fatora.io: expired)."
        " Renew the token."
    )


def test_a_token_may_run_out_more_than_once_in_a_run() -> None:
    """A token may expire several times in a run, and is renewed each time."""
    replies = scripted(row2=[UNAUTHORIZED, UPDATED], row9=[UNAUTHORIZED, UPDATED])
    done, stopped = load(World(replies), 10, ONE_BY_ONE)
    assert {result.status for result in done} == {Status.SUCCESS}
    assert stopped is None


def test_a_renewal_between_failures_gives_a_row_no_further_attempts() -> None:
    """A renewal gives a row one more request, and no more."""
    assert result_of(BROKEN, UNAUTHORIZED, BROKEN).attempts == 4


# Stopping


HALTING = [
    answer(302),
    answer(200, {"status": "SUCCESS", "client": {"id": 9}}),
    Answer(200, b"<!DOCTYPE html>"),
    UNTRUSTED,
    TokenRefusedError("the API key was refused: HTTP 401, empty answer"),
]


@pytest.mark.parametrize("reply", HALTING, ids=["redirect", "mismatch", "page", "TLS", "key"])
def test_what_cannot_be_trusted_stops_the_run_at_once(reply: Reply) -> None:
    """An untrusted answer stops the run at once, and rows under way are recorded."""
    world = World(scripted(row3=[reply]), slow={2: 0.2})
    done, stopped = load(world, 20)
    assert [row.row for _, row in world.sent] == [2, 3, 4, 5]
    assert len(done) == 4
    assert stopped == judge(reply, pending(2)[1], HOST).halt


def test_the_run_stops_after_rows_that_the_api_could_not_serve() -> None:
    """The run stops after rows that the API could not serve, each after all its attempts."""
    world = World(always(BROKEN))
    done, stopped = load(world, 20, ONE_BY_ONE, stop_after=3)
    assert [result.attempts for result in done] == [3, 3, 3]
    assert stopped == "3 rows in a row got HTTP 503 from api.fatora.io."
    assert {row.row for _, row in world.sent} <= {2, 3, 4, 5}


def test_three_403s_in_a_row_stop_the_run() -> None:
    """Only three 403s in a row stop the run."""
    _, stopped = load(World(always(FORBIDDEN)), 2)
    assert stopped is None
    world = World(scripted(row2=[FORBIDDEN], row3=[FORBIDDEN], row5=[FORBIDDEN]))
    assert load(world, 9, ONE_BY_ONE)[1] is None
    world = World(always(FORBIDDEN))
    assert str(load(world, 9, ONE_BY_ONE)[1]).startswith("Fatora refused access (403) three times")
    assert len(world.sent) == 3


def test_a_stop_request_is_met_within_one_attempt() -> None:
    """After a stop request, rows under way are recorded and nothing more is sent."""
    world = World(always(UPDATED), took=1, asked=2.5)
    done, stopped = load(world, 100)
    assert [result.row for result in done] == list(range(2, 14))
    assert world.time == pytest.approx(3)
    assert stopped == STOPPED


@pytest.mark.parametrize("reply", [BROKEN, answer(429, retry_after=100)], ids=["a pause", "a hold"])
def test_a_stop_request_ends_a_wait(reply: Reply) -> None:
    """A stop request ends a wait, and the waiting row keeps its result so far."""
    world = World(always(reply), asked=0.2)
    done, stopped = load(world, 1)
    assert (done, stopped) == ([], STOPPED)
    assert world.written[2].attempts == 1
    assert world.time == pytest.approx(0.2)


def test_a_stop_request_waits_for_the_slowest_that_is_under_way() -> None:
    """A stop request waits for the slowest request under way."""
    world = World(always(UPDATED), took=1, slow={3: 4}, asked=0.5)
    done, _ = load(world, 100)
    assert sorted(result.row for result in done) == [2, 3, 4, 5]
    assert world.time == pytest.approx(4)


def test_a_stop_request_before_the_first_row_means_that_nothing_is_sent() -> None:
    """After a stop request before the first row, nothing is sent."""
    world = World(always(UPDATED))
    world.stop.ask("The run was interrupted (Ctrl-C).")
    assert load(world, 5) == ([], "The run was interrupted (Ctrl-C).")
    assert world.sent == []


def test_the_first_reason_to_stop_is_the_one_that_is_given() -> None:
    """The first reason to stop is the one that is reported."""
    world = World(scripted(row2=[answer(302)], row3=[UNTRUSTED]))
    _, stopped = load(world, 4)
    assert stopped is not None
    assert "points to another address: redirects are never followed" in stopped


def test_a_signal_does_not_hide_why_the_run_was_stopping() -> None:
    """A signal during a stop does not replace the reason."""
    world = World(scripted(row2=[answer(302)]), slow={3: 4}, asked=2)
    _, stopped = load(world, 4)
    assert world.stop.reason == STOPPED
    assert stopped is not None
    assert "points to another address: redirects are never followed" in stopped


# The rate


def most_in_a_second(world: World) -> int:
    """The maximum number of requests within a second."""
    times = [when for when, _ in world.sent]
    return max(sum(begin <= when < begin + 0.999 for when in times) for begin in times)


@pytest.mark.parametrize("rate", [0.5, 1, 7, 50])
@pytest.mark.parametrize("workers", [1, 8])
def test_no_more_requests_are_sent_in_a_second_than_the_rate(rate: float, workers: int) -> None:
    """All workers together keep to the rate from the first second on, and are no slower."""
    world = World(always(UPDATED), took=0.01)
    load(world, 60, replace(POLICY, workers=workers), rate)
    assert most_in_a_second(world) <= max(rate, 1)
    assert world.time == pytest.approx(59 / rate, rel=0.05)


def test_further_attempts_keep_to_the_rate_too() -> None:
    """Further attempts keep to the rate too."""
    world = World(always(BROKEN), took=0.01)
    load(world, 20, replace(POLICY, pause=0.01), rate=5, stop_after=99)
    assert len(world.sent) == 60
    assert most_in_a_second(world) <= 5


def test_waking_late_does_not_slow_the_rate() -> None:
    """A late request does not slow down the next one."""
    world = World(always(UPDATED), took=0.01, late=0.015)
    load(world, 100, rate=20)
    assert world.time == pytest.approx(99 / 20, rel=0.05)


@pytest.mark.parametrize("rate", [7, 50, 200])
@pytest.mark.parametrize("workers", [8, 32])
def test_the_rate_is_kept_over_any_ten_seconds(rate: float, workers: int) -> None:
    """The rate is kept within 3 % over any ten seconds, on a slow disk and without busy waiting."""
    world = World(always(UPDATED), took=0.02, late=0.001, disk=0.004, stall=0.2)
    load(world, round(40 * rate), replace(POLICY, workers=workers), rate)
    times = [when for when, _ in world.sent]
    for begin in times:
        if begin + 10 <= times[-1]:
            sent = bisect_left(times, begin + 10) - bisect_left(times, begin)
            assert sent == pytest.approx(10 * rate, rel=0.03)
    assert world.waits <= 3 * len(times)


def test_time_lost_to_a_slow_answer_is_not_made_up_for() -> None:
    """Time that was lost to a slow answer is not made up for."""
    world = World(always(UPDATED), took=0.01, slow={5: 0.4})
    load(world, 20, ONE_BY_ONE, rate=10)
    times = [when for when, _ in world.sent]
    assert min(later - earlier for earlier, later in pairwise(times)) == pytest.approx(0.1)


def test_time_lost_to_a_hold_is_not_made_up_for() -> None:
    """Time that was lost to a hold is not made up for."""
    world = World(scripted(row2=[answer(429, retry_after=60), UPDATED]), took=0.01)
    load(world, 60, replace(POLICY, workers=8), rate=10)
    assert most_in_a_second(world) <= 10


def test_the_real_clock_is_the_machines() -> None:
    """The real clock has the time of day, and a time to measure with."""
    before = time.time(), time.monotonic()
    now, ticks = Clock().now(), Clock().ticks()
    assert before[0] <= now <= time.time()
    assert before[1] <= ticks <= time.monotonic()


# Any run


THROTTLED = answer(429, retry_after=3)
REPLIES: list[Reply] = [
    UPDATED,
    UPDATED,
    REFUSED,
    BROKEN,
    TIMED_OUT,
    UNREACHABLE,
    FORBIDDEN,
    UNAUTHORIZED,
    answer(201),
    THROTTLED,
    answer(503, retry_after=500),
    answer(302),
    TokenUnavailableError("HTTP 503, empty answer"),
]
POLICIES = st.builds(
    Policy,
    workers=st.integers(1, 5),
    attempts=st.integers(1, 4),
    pause=st.sampled_from([0.1, 5]),
    pause_max=st.sampled_from([0.1, 60]),
    retry_after_max=st.just(120),
    patience=st.sampled_from([5, 900]),
    give_up=st.integers(1, 6),
    renewable=st.booleans(),
)


def expected(replies: Iterable[Reply], before: Status) -> Status:
    """The status of a row after these replies, by the contract."""
    known = before
    for reply in replies:
        status = judge(reply, pending(1)[0], HOST).status
        unclear = known is Status.UNKNOWN and status is Status.FAILED
        known = Status.UNKNOWN if unclear else status
    return known


@given(
    scripts=st.lists(st.lists(st.sampled_from(REPLIES), min_size=1, max_size=6), max_size=12),
    course=st.tuples(POLICIES, st.sampled_from([0, 0.5, 10])),
    asked=st.sampled_from([math.inf, math.inf, 0.0, 0.3, 4.0]),
    before=st.sampled_from([Status.NOT_SENT, Status.FAILED, Status.UNKNOWN]),
    disk=st.sampled_from([0.0, 0.15]),
)
def test_any_run_accounts_for_every_row(
    scripts: list[list[Reply]],
    course: tuple[Policy, float],
    asked: float,
    before: Status,
    disk: float,
) -> None:
    """Each row ends once, with the status of its replies, and is not sent more often than allowed.

    Besides, what `World` asserts of every step holds.
    """
    rows = [replace(row, status=before) for row in pending(len(scripts))]
    replies = {f"row{row.row}": script for row, script in zip(rows, scripts, strict=True)}
    world = World(scripted(**replies), asked=asked, disk=disk)
    policy, rate = course
    done, stopped = load(world, rows, policy, rate)
    sent = Counter(row.row for _, row in world.sent)
    ended = Counter(result.row for result in done)
    assert set(ended.values()) <= {1}
    assert stopped is not None or set(ended) == {row.row for row in rows}
    assert set(sent) == set(world.written)
    for number, result in world.written.items():
        script = (scripts[number - 2] + [scripts[number - 2][-1]] * sent[number])[: sent[number]]
        assert result.attempts == sent[number]
        assert sum(reply is not THROTTLED for reply in script) <= policy.attempts + 1
        assert result.status is expected(script, before)
        assert (not result.faults) == (result.status is Status.SUCCESS)


# Trouble of the API, and of some rows


def poisonous(reply: Reply, *rows: int) -> Answering:
    """Answers some rows with this, always, and updates the others."""
    return lambda row: reply if row.row in rows else UPDATED


@pytest.mark.parametrize("reply", [FORBIDDEN, BROKEN, answer(500), TIMED_OUT])
def test_rows_that_fail_for_ever_stop_no_run_if_a_probe_succeeds(reply: Reply) -> None:
    """Ten adjacent rows that the API never serves do not stop a run whose probes succeed."""
    world = World(poisonous(reply, *range(5, 15)), probed=UPDATED)
    done, stopped = load(world, 40, replace(POLICY, attempts=1))
    assert stopped is None
    assert {result.row for result in done if result.status is not Status.SUCCESS} == {*range(5, 15)}
    assert world.probes >= 1


@pytest.mark.parametrize(
    "probed", [BROKEN, FORBIDDEN, UNREACHABLE, TIMED_OUT, answer(200, {"status": "ERROR"})]
)
def test_a_probe_that_fails_lets_the_run_stop(probed: Reply) -> None:
    """A run stops if the probe does not show that the API is fine."""
    _, stopped = load(World(always(BROKEN), probed=probed), 40, ONE_BY_ONE)
    assert stopped == "10 rows in a row got HTTP 503 from api.fatora.io."


def tried_before(rows: int, sessions: int = 1) -> list[PendingRow]:
    """Rows that the API could not serve in earlier sessions."""
    return [
        replace(row, status=Status.UNKNOWN, attempts=3, sessions=sessions) for row in pending(rows)
    ]


def test_rows_that_failed_before_are_no_evidence_where_a_probe_proves_nothing() -> None:
    """Rows that failed in an earlier session do not stop a run if its key may not list clients."""
    world = World(always(BROKEN), probed=answer(404))
    done, stopped = load(world, tried_before(30))
    assert (len(done), stopped) == (30, None)
    _, stopped = load(World(always(BROKEN), probed=answer(404)), 30)
    assert stopped is not None


def test_rows_that_failed_before_are_not_all_tried_while_the_api_is_down() -> None:
    """If the probe fails as well, rows that failed in an earlier session stop the run."""
    done, stopped = load(World(always(UNREACHABLE), probed=UNREACHABLE), tried_before(60))
    assert stopped is not None
    assert len(done) < 20


def test_a_row_that_was_given_up_does_not_count() -> None:
    """Rows that failed in as many sessions as are allowed do not count, and need no probe."""
    world = World(always(BROKEN), probed=BROKEN)
    done, stopped = load(world, tried_before(30, sessions=5))
    assert (len(done), stopped, world.probes) == (30, None, 0)


@pytest.mark.parametrize(("sessions", "codes"), [(3, 1), (4, 2), (8, 2)])
def test_a_row_that_failed_on_several_nights_says_so(sessions: int, codes: int) -> None:
    """From the fifth night on, the result of a row says on how many nights it was tried."""
    world = World(always(BROKEN))
    (result,), _ = load(world, tried_before(1, sessions))
    repeated = Fault(Code.FAILED_REPEATEDLY, f"Tried on {sessions + 1} nights without success.")
    assert result.faults == (result.faults[0], repeated)[:codes]


def tripped() -> Breaker:
    """A breaker that has tripped with an earlier file."""
    breaker = Breaker(10, 5)
    assert not breaker.is_cleared_by(judge_probe(BROKEN, HOST))
    return breaker


def test_after_trouble_the_next_file_starts_with_one_row() -> None:
    """After trouble with one file, the next sends one row, and the others once it is updated."""
    world = World(always(UPDATED), breaker=tripped(), took=1)
    done, stopped = load(world, 20)
    assert [when for when, _ in world.sent][:3] == [0, 1, 1]
    assert (len(done), stopped) == (20, None)


def test_trouble_that_lasts_costs_the_next_file_one_attempt() -> None:
    """If the API is still in trouble, the next file ends after one attempt and one probe."""
    world = World(always(TIMED_OUT), breaker=tripped(), probed=TIMED_OUT, took=30)
    _, stopped = load(world, 20)
    assert stopped == "1 row: no answer from api.fatora.io in time."
    assert (len(world.sent), world.probes) == (1, 1)


@pytest.mark.parametrize("reply", [BROKEN, FORBIDDEN])
def test_after_trouble_a_bad_first_row_does_not_stop_the_next_file(reply: Reply) -> None:
    """If the first row fails after trouble but a probe succeeds, the file is sent."""
    world = World(poisonous(reply, 2), breaker=tripped(), probed=UPDATED)
    done, stopped = load(world, 20)
    assert (len(done), stopped) == (20, None)


def test_tokens_that_are_valid_for_a_few_requests_stop_no_run() -> None:
    """A row whose token expires again and again is sent until it is updated."""
    expired = replace(UNAUTHORIZED, expired=True)
    world = World(scripted(row2=[*[expired] * 6, UPDATED], row3=[UNAUTHORIZED, expired, UPDATED]))
    done, stopped = load(world, 4)
    assert stopped is None
    assert {result.status for result in done} == {Status.SUCCESS}


def test_a_row_that_alone_is_answered_401_is_tried_ever_more_slowly() -> None:
    """A row that is answered 401 although others are not does not renew tokens without a pause."""
    expired = replace(UNAUTHORIZED, expired=True)
    world = World(scripted(row2=[expired]), took=0.01, asked=100)
    load(world, 4)
    assert len(world.sent) < 15


def test_a_client_that_was_read_again_is_updated_however_short_fresh_is() -> None:
    """With `fresh = 0` each client is read once more just before its update, and only once."""
    image = dict.fromkeys(KEYS, "old")
    rows = [replace(row, expected=image, read_at=1.0) for row in pending(3)]
    found = answer(200, {"status": "SUCCESS", "client": image})

    def reply(row: PendingRow) -> Answer:
        assert len(world.sent) <= 6, "a client is read over and over"
        return found if row.method is Method.GET else UPDATED

    world = World(reply)
    done, stopped = load(world, rows, replace(ONE_BY_ONE, fresh=0), rate=1)
    assert stopped is None
    assert [result.status for result in done] == [Status.SUCCESS] * 3
    methods = [row.method for _, row in world.sent]
    assert sorted(methods) == [Method.GET] * 3 + [Method.PUT] * 3
