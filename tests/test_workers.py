"""Threads that send rows in parallel, each over its own connection."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

import pytest

from etl.load.judge import judge
from etl.load.transport import Answer
from etl.load.workers import Returned, Workers
from etl.rows import PendingRow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.load.api import Api
    from etl.load.judge import Verdict

HOST = "api.fatora.io"
LONG = 10  # seconds, of which no test ever waits more than a few


class FakeApi:
    """An API with given answers, which remembers the threads that called it."""

    host = HOST

    def __init__(self, answer: Callable[[int], Answer]) -> None:
        self.threads: set[int] = set()
        self._answer = answer

    def update(self, client_id: int, _body: Mapping[str, str]) -> Answer:
        """Answer, in the thread of the worker."""
        self.threads.add(threading.get_ident())
        return self._answer(client_id)


class Hanging:
    """Answers only after ``release`` is set; ``busy`` is set at the first request."""

    def __init__(self) -> None:
        self.busy, self.release = threading.Event(), threading.Event()
        self.asked: list[int] = []

    def __call__(self, client_id: int) -> Answer:
        """Answer in the end."""
        self.asked.append(client_id)
        self.busy.set()
        self.release.wait(LONG)
        return answering(client_id)


def workers(count: int, answer: Callable[[int], Answer]) -> tuple[Workers, list[FakeApi]]:
    """This many workers, and their APIs."""
    apis: list[FakeApi] = []

    def connect() -> Api:
        apis.append(FakeApi(answer))
        return apis[-1]  # type: ignore[return-value]

    return Workers(count, connect), apis


def answering(client_id: int) -> Answer:
    """A refusal that names the client."""
    return Answer(404, json.dumps({"error": f"there is no client {client_id}"}).encode())


def verdict(number: int) -> Verdict:
    """The verdict on that answer."""
    return judge(answering(number), row(number), HOST)


def row(number: int) -> PendingRow:
    """A row about a client of the same number."""
    return PendingRow(number, number, {"email": "sara@example.com"})


def collect(sender: Workers, count: int) -> list[Returned]:
    """Collect this many returned rows, by row."""
    collected: list[Returned] = []
    deadline = time.monotonic() + LONG
    while len(collected) < count and time.monotonic() < deadline:
        collected += sender.collect(1)
    return sorted(collected, key=lambda each: each.row.row)


def test_every_row_comes_back_once_with_its_own_answer() -> None:
    """Every row comes back once with its own answer, for any number of rows and workers."""
    with workers(4, answering)[0] as sender:
        for number in range(200, 300):
            sender.submit(row(number))
        collected = collect(sender, 100)
        assert sender.collect(0.01) == []
    assert [(each.row, each.verdict) for each in collected] == [
        (row(number), verdict(number)) for number in range(200, 300)
    ]


def test_rows_are_sent_at_the_same_time() -> None:
    """Rows are sent in parallel."""
    together = threading.Barrier(4, timeout=LONG)

    def meet(client_id: int) -> Answer:
        together.wait()
        return answering(client_id)

    sender, apis = workers(4, meet)
    with sender:
        for number in range(4):
            sender.submit(row(number))
        assert [each.verdict for each in collect(sender, 4)] == [verdict(n) for n in range(4)]
    assert [len(api.threads) for api in apis] == [1] * 4
    assert len(set.union(*(api.threads for api in apis))) == 4


def test_no_more_rows_are_under_way_than_there_are_workers() -> None:
    """Never more rows are under way than there are workers."""
    hanging = Hanging()
    sender, _ = workers(2, hanging)
    with sender:
        for number in range(5):
            sender.submit(row(number))
        assert hanging.busy.wait(LONG)
        assert sender.collect(0.1) == []
        assert sorted(hanging.asked) == [0, 1]
        hanging.release.set()
        assert [each.verdict for each in collect(sender, 5)] == [verdict(n) for n in range(5)]


@pytest.mark.parametrize("error", [OSError(), RuntimeError(), MemoryError(), RecursionError()])
def test_an_exception_is_judged_like_an_answer(error: Exception) -> None:
    """An exception is judged like an answer, and the worker continues."""

    def fail(client_id: int) -> Answer:
        if client_id == 1:
            raise error
        return answering(client_id)

    sender, _ = workers(1, fail)
    with sender:
        sender.submit(row(1))
        assert [each.verdict for each in collect(sender, 1)] == [judge(error, row(1), HOST)]
        sender.submit(row(2))
        assert [each.verdict for each in collect(sender, 1)] == [verdict(2)]


def test_a_fault_of_the_program_in_a_worker_is_not_waited_for() -> None:
    """An unexpected error in a worker ends the run, instead of waiting for its row forever."""
    sender, _ = workers(2, lambda _: Answer(200, "not bytes"))  # type: ignore[arg-type]
    with sender:
        sender.submit(row(1))
        with pytest.raises(TypeError):
            sender.collect(LONG)


def test_rows_that_are_not_started_come_back_when_they_are_recalled() -> None:
    """Recalled rows come back, and the worker stays usable."""
    hanging = Hanging()
    sender, _ = workers(1, hanging)
    with sender:
        for number in range(3):
            sender.submit(row(number))
        assert hanging.busy.wait(LONG)
        sender.recall()
        hanging.release.set()
        assert [each.verdict for each in collect(sender, 3)] == [verdict(0), None, None]
        sender.submit(row(1))
        assert [each.verdict for each in collect(sender, 1)] == [verdict(1)]


@pytest.mark.parametrize(
    "answer", [Answer(503, b""), Answer(302, b""), Answer(200, b"<html>"), Answer(429, b"")]
)
def test_nothing_is_started_after_an_answer_that_may_stop_the_run(answer: Answer) -> None:
    """After an answer that may stop the run, no row is started, and the others come back."""
    sender, (api,) = workers(1, lambda _: answer)
    with sender:
        for number in range(4):
            sender.submit(row(number))
        came: list[Returned] = []
        while len(came) < 4:
            came += sender.collect(LONG)
    assert [(each.row, each.verdict) for each in came] == [
        (row(0), judge(answer, row(0), HOST)),
        *((row(number), None) for number in range(1, 4)),
    ]
    assert len(api.threads) == 1


def test_nothing_is_started_before_such_an_answer_is_collected() -> None:
    """No row is started before such an answer is collected."""
    busy, release = threading.Event(), threading.Event()

    def fail(client_id: int) -> Answer:
        busy.set()
        release.wait(LONG)
        return Answer(503, b"") if client_id == 0 else answering(client_id)

    sender, (api,) = workers(1, fail)
    with sender:
        sender.submit(row(0))
        assert busy.wait(LONG)
        release.set()
        while sender._returned.empty():  # noqa: SLF001 - whoever collects it has seen it
            time.sleep(0.001)
        sender.submit(row(1))
        assert [each.verdict for each in sender.collect(LONG)] == [
            judge(Answer(503, b""), row(0), HOST),
            None,
        ]
        sender.submit(row(1))
        assert [each.verdict for each in collect(sender, 1)] == [verdict(1)]
    assert len(api.threads) == 1


def test_when_an_answer_came_comes_back_with_it() -> None:
    """A row comes back with the time of its answer, not of its collection."""
    sender, _ = workers(1, answering)
    before = time.time()
    with sender:
        sender.submit(row(1))
        while sender._returned.empty():  # noqa: SLF001 - nothing else tells without collecting it
            time.sleep(0.001)
        came = time.time()
        time.sleep(0.05)
        (returned,) = sender.collect(LONG)
    assert before <= returned.time <= came


def test_how_long_a_row_took_comes_back_with_it() -> None:
    """The duration is measured from when a worker took the row."""

    def dawdle(client_id: int) -> Answer:
        time.sleep(0.05)
        return answering(client_id)

    sender, _ = workers(1, dawdle)
    with sender:
        for number in range(3):
            sender.submit(row(number))
        took = [each.seconds for each in collect(sender, 3)]
    assert min(took) >= 0.05
    assert took[2] < took[0] + took[1]


def test_collecting_takes_all_that_is_there() -> None:
    """Collecting returns everything that has come back."""
    busy, release = threading.Event(), threading.Event()

    def hang_at_the_last(client_id: int) -> Answer:
        if client_id == 50:
            busy.set()
            release.wait(LONG)
        return answering(client_id)

    sender, _ = workers(1, hang_at_the_last)
    with sender:
        for number in range(51):
            sender.submit(row(number))
        assert busy.wait(LONG)
        assert [each.row for each in sender.collect(0)] == [row(number) for number in range(50)]
        release.set()


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers wait for others far longer than a test may take."""
    monkeypatch.setattr("etl.load.workers._LINGER", 1.5 * LONG)


@pytest.mark.usefixtures("_patient")
def test_answers_are_collected_in_batches_while_workers_have_rows() -> None:
    """Answers are collected together until only half a row per worker is left to start."""

    def dawdle(client_id: int) -> Answer:
        time.sleep(0.005)
        return answering(client_id)

    sender, _ = workers(4, dawdle)
    started = time.monotonic()
    with sender:
        for number in range(50):
            sender.submit(row(number))
        assert len(sender.collect(None)) >= 50 - 2 - 4  # two not started, four under way
    assert time.monotonic() - started < LONG


def test_an_answer_does_not_wait_long_for_others() -> None:
    """An answer is collected although the next one does not come."""
    hanging = Hanging()
    sender, _ = workers(1, lambda number: hanging(number) if number else answering(number))
    started = time.monotonic()
    with sender:
        for number in range(5):
            sender.submit(row(number))
        assert [each.row for each in sender.collect(LONG)] == [row(0)]
        assert time.monotonic() - started < LONG / 2
        hanging.release.set()


@pytest.mark.usefixtures("_patient")
def test_an_answer_that_may_stop_the_run_is_collected_at_once() -> None:
    """An answer that may stop the run ends the wait for a batch."""

    def fail_second(client_id: int) -> Answer:
        time.sleep(0.05)
        return Answer(503, b"") if client_id == 1 else answering(client_id)

    sender, _ = workers(1, fail_second)
    started = time.monotonic()
    with sender:
        for number in range(20):
            sender.submit(row(number))
        assert len(sender.collect(None)) == 20
    assert time.monotonic() - started < LONG


@pytest.mark.usefixtures("_patient")
def test_waking_ends_the_wait_for_a_batch() -> None:
    """A request to stop does not wait until a batch is complete."""
    hanging = Hanging()
    sender, _ = workers(1, lambda number: hanging(number) if number else answering(number))
    started = time.monotonic()
    with sender:
        for number in range(5):
            sender.submit(row(number))
        assert hanging.busy.wait(LONG)
        threading.Timer(0.05, sender.wake).start()
        assert [each.row for each in sender.collect(None)] == [row(0)]
        hanging.release.set()
    assert time.monotonic() - started < LONG


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_collecting_ends_with_its_timeout(timeout: float) -> None:
    """Collecting ends after its timeout."""
    sender, _ = workers(1, answering)
    with sender:
        assert sender.collect(timeout) == []


def test_waking_ends_a_wait_without_end() -> None:
    """Waking ends a wait without a timeout."""
    sender, _ = workers(1, answering)
    with sender:
        threading.Timer(0.05, sender.wake).start()
        assert sender.collect(None) == []


def test_waking_loses_nothing_that_came_back() -> None:
    """Waking loses no returned rows."""
    sender, _ = workers(1, answering)
    with sender:
        sender.wake()
        sender.submit(row(1))
        sender.wake()
        assert [each.row for each in collect(sender, 1)] == [row(1)]


def test_the_threads_end_with_the_context() -> None:
    """The threads end with the context."""
    before = set(threading.enumerate())
    sender, _ = workers(8, answering)
    with sender:
        started = set(threading.enumerate()) - before
    for thread in started:
        thread.join(LONG)
    assert len(started) == 8
    assert not any(thread.is_alive() for thread in started)


def test_the_threads_end_after_an_answer_that_stops_the_run() -> None:
    """The threads end after an answer that stops the run, even if nobody collects it."""
    busy, release = threading.Barrier(4, timeout=LONG), threading.Event()

    def fail(_: int) -> Answer:
        busy.wait()
        release.wait(LONG)
        return Answer(503, b"")

    before = set(threading.enumerate())
    sender, _ = workers(3, fail)
    with sender:
        started = set(threading.enumerate()) - before
        for number in range(3):
            sender.submit(row(number))
        busy.wait()
    release.set()
    for thread in started:
        thread.join(LONG)
    assert not any(thread.is_alive() for thread in started)


def test_rows_that_are_not_started_are_not_sent_after_the_context_ends() -> None:
    """Rows that were not started are not sent after the context ends."""
    hanging = Hanging()
    before = set(threading.enumerate())
    sender, _ = workers(1, hanging)
    with sender:
        (started,) = set(threading.enumerate()) - before
        for number in range(3):
            sender.submit(row(number))
        assert hanging.busy.wait(LONG)
    hanging.release.set()
    started.join(LONG)
    assert hanging.asked == [0]


def test_leaving_does_not_wait_for_an_answer() -> None:
    """Leaving the context does not wait for a hanging request."""
    hanging = Hanging()
    sender, _ = workers(1, hanging)
    started = time.monotonic()
    with sender:
        sender.submit(row(1))
    assert time.monotonic() - started < LONG / 2
    hanging.release.set()
