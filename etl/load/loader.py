"""The loop that sends pending rows to the API and records each intent before it is sent.

Everything it needs is passed in: the rows, a ledger, a sender, a clock and a stop request. All
decisions are made in its thread: ``retries`` decides about a row, ``breaker`` and ``pacing`` about
all of them. The workers send requests and judge the answers.

Unless a rate is set, one more row for each worker is recorded than is being sent, so that no worker
waits for the disk. After an answer that may stop the run, such rows come back unsent: their intents
are withdrawn, and they are first in the queue again.
"""

from __future__ import annotations

import logging
from dataclasses import InitVar, dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from etl.load.clock import Clock
from etl.load.results import log_attempt, result_of
from etl.load.retries import Decision, Policy, Retries
from etl.load.tasks import Tasks
from etl.rows import Method, Status
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etl.load.breaker import Breaker
    from etl.load.judge import Verdict
    from etl.load.pacing import Pace
    from etl.load.tasks import Task
    from etl.load.workers import Returned, Sender
    from etl.rows import PendingRow, RowResult
    from etl.stopping import StopRequest

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """Where intents and outcomes are recorded durably."""

    def record(
        self,
        ended: Sequence[RowResult],
        started: Sequence[PendingRow],
        now: str,
        withdrawn: Sequence[PendingRow] = (),
    ) -> None:
        """Write the outcomes of attempts that ended and the intents of those that start.

        ``withdrawn`` are rows that were not sent after all; they may start again in the same call.
        """


@dataclass(slots=True)
class Loader:
    """Sends rows until there are none left, or until it must stop.

    ``probe`` asks the API whether credentials and service are fine. ``stopped`` says in full
    sentences why it stopped early. ``on_stopping`` is called once if the run is asked to stop, with
    the number of requests under way; it must not raise.
    """

    rows: InitVar[Iterator[PendingRow]]
    ledger: Ledger
    sender: Sender
    policy: Policy
    stop: StopRequest
    pace: Pace
    breaker: Breaker
    probe: Callable[[], Verdict]
    clock: Clock = field(default_factory=Clock)
    on_stopping: Callable[[int], None] | None = None
    stopped: str | None = field(init=False, default=None)
    _tasks: Tasks = field(init=False)
    _retries: Retries = field(init=False)

    def __post_init__(self, rows: Iterator[PendingRow]) -> None:
        self._tasks = Tasks(rows, self.clock)
        self._retries = Retries(self.policy, self.pace, self.clock)

    def run(self) -> Iterator[list[RowResult]]:
        """Send the rows, and yield their results as soon as they are finished."""
        self.stop.on_ask(self.sender.wake)
        self.pace.start()
        ended: list[RowResult] = []
        done: list[RowResult] = []
        unsent: list[PendingRow] = []
        while True:
            starting = [task.row for task in self._next_to_send()]
            if starting or ended or unsent:
                self.ledger.record(ended, starting, utc_time(self.clock.now()), unsent)
            for row in starting:
                self.sender.submit(row)
            if done:
                yield done
            if self._is_stopping:
                self.sender.recall()
                self._announce()
            if not self._tasks.under_way and (self._is_stopping or self._is_done):
                return
            returned = self.sender.collect(self._timeout())
            unsent = [each.row for each in returned if each.verdict is None]
            self._tasks.requeue(unsent)
            ended, done = self._take_verdicts(returned)

    @property
    def _is_stopping(self) -> bool:
        if self.stopped is None and self.stop.reason is not None:
            self.stopped = self.stop.reason
        return self.stopped is not None

    def _announce(self) -> None:
        """Report how many requests are under way, which is at most one for each worker."""
        if self.stop.reason is not None and self.on_stopping is not None:
            self.on_stopping(min(self._tasks.under_way, self.policy.workers))
            self.on_stopping = None

    @property
    def _is_done(self) -> bool:
        return not self._tasks and not self._tasks.has_new

    @property
    def _is_alone(self) -> bool:
        """Whether one request is under way whose answer decides whether others may follow."""
        decides = self.pace.is_trial or self.breaker.is_half_open
        return decides and bool(self._tasks.under_way)

    @property
    def _has_room(self) -> bool:
        """Whether there is a new row to start, and a place for it."""
        # With a set rate, a row is handed over only when it is due.
        ahead = 0 if self.pace.is_set and not self.pace.is_trial else self.policy.workers
        return len(self._tasks) < self.policy.workers + ahead and self._tasks.has_new

    def _next_to_send(self) -> list[Task]:
        """Return what to send now: rows that are due for another attempt, then new rows."""
        tasks: list[Task] = []
        while not self._is_stopping and self.pace.seconds_left <= 0:
            task = self._next_task()
            if task is None:
                break
            task.row = self._as_due(task)
            tasks.append(task)
            task.sent = self.pace.take()
        return tasks

    def _as_due(self, task: Task) -> PendingRow:
        """Return the row as it is due: its client is read again if that was too long ago.

        Right after that it is sent, however short ``fresh`` is: it would never be sent otherwise.
        Only if everything was held in between, it is read once more.
        """
        row, was_reread, task.reread = task.row, task.reread == self.pace.holds, None
        if row.method is Method.PUT:
            age = self.clock.now() - row.read_at if row.is_planned else 0
            if age <= self.policy.fresh or was_reread:
                return row
            row = replace(row, method=Method.GET)
        task.reread = self.pace.holds
        return row

    def _next_task(self) -> Task | None:
        if self._is_alone:
            return None
        retry_in, has_room = self._tasks.retry_in, self._has_room
        # A new row is the better trial: this one may be answered 429 for reasons of its own.
        if retry_in is not None and retry_in <= 0 and not (self.pace.is_trial and has_room):
            return self._tasks.take_retry()
        return self._tasks.take_new() if has_room else None

    def _timeout(self) -> float | None:
        """Return how long to wait for an answer before another row may be due, None if none is."""
        if self._is_stopping or self._is_alone:
            return None
        retry_in = 0 if self._has_room else self._tasks.retry_in
        return None if retry_in is None else max(retry_in, self.pace.seconds_left, 0)

    def _take_verdicts(self, returned: list[Returned]) -> tuple[list[RowResult], list[RowResult]]:
        """Return the results of all attempts that ended, and those of rows that are finished."""
        ended, done = [], []
        for each in returned:
            verdict = each.verdict
            if verdict is None:
                continue
            result = result_of(each, verdict, self.policy.give_up)
            ended.append(result)
            if self._is_finished(each.row, result, verdict):
                done.append(result)
            if verdict.code is not None:
                log_attempt(result, verdict)
        return ended, done

    def _is_finished(self, row: PendingRow, result: RowResult, verdict: Verdict) -> bool:
        """Decide what follows from an attempt; return whether its row is not tried again."""
        task = self._tasks[row.row]
        decision = self._retries.decide(task, verdict)
        if is_as_planned := row.is_planned and verdict.status is Status.NOT_SENT:
            decision = Decision(retry_in=0)  # the update comes next
            task.tries -= 1  # of the tries, only those in vain count, or they would never end
        self._halt(decision.halt, verdict)
        if decision.doubt and not self.breaker.is_cleared_by(self.probe()):
            self._halt(decision.doubt, verdict)
        if decision.retry_in is None:
            self._tasks.finish(task)
        else:
            task.row = replace(row, status=result.status, attempts=result.attempts)
            if is_as_planned:
                task.row = replace(task.row, method=Method.PUT, read_at=self.clock.now())
            self._tasks.retry(task, decision.retry_in)
        if decision.retry_in is None or self.breaker.is_half_open:
            self._watch(verdict, row)
        return decision.retry_in is None

    def _watch(self, verdict: Verdict, row: PendingRow) -> None:
        """Stop if the verdict says so, or if it trips the breaker and a probe fails as well."""
        reason = verdict.halt or self.breaker.watch(verdict, row)
        if reason is None or self._is_stopping:
            return
        if verdict.halt or not self.breaker.is_cleared_by(self.probe()):
            self._halt(reason, verdict)

    def _halt(self, reason: str | None, verdict: Verdict) -> None:
        """Stop if there is a reason. It may quote the API, so the verdict's cause is logged."""
        if reason is not None and self.stopped is None:
            self.stopped = reason
            log.error("stopping", extra={"fields": {"cause": verdict.cause}})
