"""The loop that sends pending rows to the API and records each intent before it is sent.

Everything it needs is passed in: the rows, a ledger, a sender, a clock and a stop request. All
decisions are made here, in one thread; the workers send requests and judge the answers.

Unless a rate is set, one more row for each worker is recorded than is being sent, so that no worker
waits for the disk. After an answer that may stop the run, such rows come back unsent: their intents
are withdrawn, and they are first in the queue again.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Protocol

from etl.codes import Code
from etl.load.pacing import Clock, only_throttled_in_words, pause_before, wait_in_words
from etl.rows import Fault, RowResult, Status
from etl.text import counted, utc_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etl.load.breaker import Breaker
    from etl.load.judge import Verdict
    from etl.load.pacing import Pace
    from etl.load.workers import Returned, Sender
    from etl.rows import PendingRow
    from etl.stopping import StopRequest

log = logging.getLogger(__name__)

_THROTTLED_ALONE = 3  # 429s to one row, with others let through in between: they are about the row


@dataclass(frozen=True, slots=True)
class Policy:
    """How rows are sent; times in seconds.

    ``renewable`` is whether an expired token can be replaced. ``patience`` is how long the API may
    answer 429 to everything. A row that was tried in ``give_up`` sessions needs a person.
    """

    workers: int
    attempts: int
    pause: float
    pause_max: float
    retry_after_max: float
    patience: float
    give_up: int
    renewable: bool


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
class _Task:
    """A row that is being sent or waits to be sent again; ``tries`` counts this session only.

    ``sent`` is when it was submitted last, in ticks. ``refused`` counts the answers 401, and
    ``throttled`` how often it was answered 429 although others had got through since the last time,
    which was after the API had reopened ``reopened`` times. ``throttled_since`` is the first time.
    """

    row: PendingRow
    tries: int = 0
    sent: float = 0
    refused: int = 0
    renewed: bool = False
    throttled: int = 0
    throttled_since: float = 0
    reopened: int = -1


@dataclass(slots=True)
class Loader:
    """Sends rows until there are none left, or until it must stop.

    ``probe`` asks the API whether credentials and service are fine. ``stopped`` says in full
    sentences why it stopped early. ``on_stopping`` is called once if the run is asked to stop, with
    the number of requests under way; it must not raise.
    """

    rows: Iterator[PendingRow]
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
    _active: dict[int, _Task] = field(init=False, default_factory=dict)
    # A heap of (retry_at, order, task), with retry_at in ticks; tasks themselves cannot be ordered.
    _retries: list[tuple[float, int, _Task]] = field(init=False, default_factory=list)
    _order: Iterator[int] = field(init=False, default_factory=count)
    _next: deque[_Task] = field(init=False, default_factory=deque)

    def run(self) -> Iterator[list[RowResult]]:
        """Send the rows, and yield their results as soon as they are finished."""
        self.stop.on_ask(self.sender.wake)
        self.pace.start()
        ended: list[RowResult] = []
        done: list[RowResult] = []
        unsent: list[PendingRow] = []
        while True:
            tasks = self._next_to_send()
            if tasks or ended or unsent:
                now = utc_time(self.clock.now())
                self.ledger.record(ended, [task.row for task in tasks], now, unsent)
            for task in tasks:
                self.sender.submit(task.row)
            if done:
                yield done
            if self._is_stopping:
                self.sender.recall()
                self._announce()
            if not self._submitted and (self._is_stopping or self._is_done):
                return
            returned = self.sender.collect(self._timeout())
            unsent = self._requeue_unsent(returned)
            ended, done = self._take_verdicts(returned)

    @property
    def _is_stopping(self) -> bool:
        if self.stopped is None and self.stop.reason is not None:
            self.stopped = self.stop.reason
        return self.stopped is not None

    def _announce(self) -> None:
        """Report how many requests are under way, which is at most one for each worker."""
        if self.stop.reason is not None and self.on_stopping is not None:
            self.on_stopping(min(self._submitted, self.policy.workers))
            self.on_stopping = None

    @property
    def _submitted(self) -> int:
        return len(self._active) - len(self._retries)

    @property
    def _is_done(self) -> bool:
        return not self._active and not self._has_next()

    @property
    def _is_alone(self) -> bool:
        """Whether one request is under way whose answer decides whether others may follow."""
        return bool(self._submitted) and (self.pace.is_trial or self.breaker.is_half_open)

    @property
    def _has_room(self) -> bool:
        # With a set rate, a row is handed over only when it is due.
        ahead = 0 if self.pace.is_set and not self.pace.is_trial else self.policy.workers
        most = self.policy.workers + ahead
        return len(self._active) < most and self._has_next()

    def _has_next(self) -> bool:
        """Whether there is another row, which is then first in the queue."""
        if not self._next:
            self._next.extend(_Task(row) for row in islice(self.rows, 1))
        return bool(self._next)

    def _next_to_send(self) -> list[_Task]:
        """Return what to send now: rows that are due for another attempt, then new rows."""
        tasks: list[_Task] = []
        while not self._is_stopping and self.pace.seconds_left <= 0:
            task = self._next_task()
            if task is None:
                break
            tasks.append(task)
            task.sent = self.pace.take()
        return tasks

    def _next_task(self) -> _Task | None:
        if self._is_alone:
            return None
        # A new row is the better trial: this one may be answered 429 for reasons of its own.
        new_first = self.pace.is_trial and self._has_room
        if self._retries and self._retries[0][0] <= self.clock.ticks() and not new_first:
            return heapq.heappop(self._retries)[-1]
        if self._has_room:
            task = self._next.popleft()
            self._active[task.row.row] = task
            return task
        return None

    def _timeout(self) -> float | None:
        """Return how long to wait for an answer before another row may be due, None if none is."""
        if self._is_stopping or self._is_alone:
            return None
        if not self._has_room and not self._retries:
            return None
        left = 0 if self._has_room else self._retries[0][0] - self.clock.ticks()
        return max(left, self.pace.seconds_left, 0)

    def _requeue_unsent(self, returned: list[Returned]) -> list[PendingRow]:
        """Put the rows that were not sent first in the queue again, and return them."""
        unsent = [each.row for each in returned if each.verdict is None]
        self._next.extendleft(self._active.pop(row.row) for row in reversed(unsent))
        return unsent

    def _take_verdicts(self, returned: list[Returned]) -> tuple[list[RowResult], list[RowResult]]:
        """Return the results of all attempts that ended, and those of rows that are finished."""
        ended, done = [], []
        for each in returned:
            verdict = each.verdict
            if verdict is None:
                continue
            task = self._active[each.row.row]
            result = self._result(each, verdict)
            ended.append(result)
            task.row = replace(each.row, status=result.status, attempts=result.attempts)
            again = self._try_again(task, verdict)
            if not again:
                del self._active[each.row.row]
                done.append(result)
            if not again or self.breaker.is_half_open:
                self._watch(verdict, each.row)
            if verdict.status is not Status.SUCCESS:
                _log_attempt(result, verdict)
        return ended, done

    def _watch(self, verdict: Verdict, row: PendingRow) -> None:
        """Stop if the verdict says so, or if it trips the breaker and a probe fails as well."""
        reason = verdict.halt or self.breaker.watch(verdict, row)
        if reason is None or self._is_stopping:
            return
        if verdict.halt or not self.breaker.is_cleared_by(self.probe()):
            self._halt(reason, verdict)

    def _result(self, sent: Returned, verdict: Verdict) -> RowResult:
        """Return the result of the row so far.

        A row stays UNKNOWN if an earlier attempt may have updated its client and this one failed.
        """
        row = sent.row
        unclear = row.status is Status.UNKNOWN and verdict.status is Status.FAILED
        earlier = " An earlier attempt may have updated the client." if unclear else ""
        faults = [Fault(verdict.code, verdict.error + earlier)] if verdict.code else []
        nights = row.sessions + 1
        if not verdict.status.final and nights >= self.policy.give_up:
            text = f"Tried on {counted(nights, 'night')} without success."
            faults.append(Fault(Code.FAILED_REPEATEDLY, text))
        return RowResult(
            row=row.row,
            client_id=row.client_id,
            status=Status.UNKNOWN if unclear else verdict.status,
            attempts=row.attempts + 1,
            time=utc_time(sent.time),
            ms=round(sent.seconds * 1000),
            faults=tuple(faults),
            warning=verdict.warning,
            http_status=verdict.http_status,
            stored_differently=verdict.stored_differently,
            excerpt=verdict.excerpt,
        )

    def _try_again(self, task: _Task, verdict: Verdict) -> bool:
        """Schedule another attempt if it may help, and return whether it was."""
        if verdict.renew:
            return self._try_renewed(task, verdict)
        if verdict.code is Code.API_THROTTLED:
            return self._slow_down(task, verdict)
        self.pace.answered(task.sent)
        task.tries += 1
        if verdict.retry_after is not None and verdict.again:
            self._hold(verdict.retry_after, verdict)
        if not verdict.again or verdict.halt or task.tries == self.policy.attempts:
            return False
        self._retry_in(task, self._pause_before(task.tries + 1))
        return True

    def _try_renewed(self, task: _Task, verdict: Verdict) -> bool:
        """Try a row again with another token, unless that did not help before.

        An expired token is no reason to stop: tokens that are valid for a few requests only expire
        again and again. A row that alone is answered 401 is then tried ever more slowly.
        """
        if not self.policy.renewable or (task.renewed and not verdict.expired):
            self._halt(self._unauthorized(verdict), verdict)
            return False
        task.renewed |= not verdict.expired
        self._retry_in(task, self._pause_before(task.refused + 1) if task.refused else 0)
        task.refused += 1
        return True

    def _slow_down(self, task: _Task, verdict: Verdict) -> bool:
        """Send everything more slowly, and the row once more; that does not count as a try."""
        asked = verdict.retry_after or 0
        if asked > self.policy.retry_after_max:
            self._halt(wait_in_words(asked, self.clock.now()), verdict)
            return False
        if task.reopened != self.pace.reopened or task.throttled >= _THROTTLED_ALONE:
            task.throttled_since = task.throttled_since or self.clock.ticks()
            task.reopened, task.throttled = self.pace.reopened, task.throttled + 1
        if task.throttled < _THROTTLED_ALONE:
            self._hold_all(task, asked)
            if self.pace.closed_for >= self.policy.patience:
                if not self.breaker.is_cleared_by(self.probe()):
                    reason = only_throttled_in_words(self.pace.closed_for, verdict.answer)
                    self._halt(reason, verdict)
                return False
        elif self.clock.ticks() - task.throttled_since >= self.policy.patience:
            return False
        self._retry_in(task, max(self.pace.seconds_left, self._pause_before(task.throttled + 1)))
        return True

    def _hold_all(self, task: _Task, asked: float) -> None:
        seconds = self.pace.throttle(task.sent, asked)
        if seconds:
            log.info("held", extra={"fields": {"seconds": round(seconds, 3)}})

    def _pause_before(self, attempt: int) -> float:
        return pause_before(attempt, self.policy.pause, self.policy.pause_max)

    def _retry_in(self, task: _Task, seconds: float) -> None:
        retry_at = self.clock.ticks() + seconds
        heapq.heappush(self._retries, (retry_at, next(self._order), task))

    def _unauthorized(self, verdict: Verdict) -> str:
        if self.policy.renewable:
            return f"Fatora did not accept a renewed bearer token ({verdict.answer})."
        return f"Fatora did not accept the bearer token ({verdict.answer}). Renew the token."

    def _hold(self, seconds: float, verdict: Verdict) -> None:
        """Send nothing for this long, or stop if that is too long."""
        if seconds > self.policy.retry_after_max:
            self._halt(wait_in_words(seconds, self.clock.now()), verdict)
            return
        if seconds > 0:
            self.pace.hold(seconds)
            log.info("held", extra={"fields": {"seconds": round(seconds, 3)}})

    def _halt(self, reason: str | None, verdict: Verdict) -> None:
        """Stop for a reason. Only the verdict's cause is logged: the reason may quote the API."""
        if reason is not None and self.stopped is None:
            self.stopped = reason
            log.error("stopping", extra={"fields": {"cause": verdict.cause}})


def _log_attempt(result: RowResult, verdict: Verdict) -> None:
    fields = {
        "row": result.row,
        "client": result.client_id,
        "status": verdict.status,
        "code": verdict.code.name if verdict.code else None,
        "http_status": verdict.http_status,
        "cause": verdict.cause,
        "attempt": result.attempts,
        "ms": result.ms,
    }
    log.warning("attempt", extra={"fields": fields})
