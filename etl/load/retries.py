"""Whether a row is sent again after its answer, when, and whether the run must stop instead."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.load.pacing import only_throttled_in_words, pause_before, wait_in_words

if TYPE_CHECKING:
    from etl.load.clock import Clock
    from etl.load.judge import Verdict
    from etl.load.pacing import Pace
    from etl.load.tasks import Task

log = logging.getLogger(__name__)

_THROTTLED_ALONE = 3  # 429s to one row, with others let through in between: they are about the row


@dataclass(frozen=True, slots=True)
class Policy:
    """How rows are sent; times in seconds.

    ``renewable`` is whether an expired token can be replaced. ``patience`` is how long the API may
    answer 429 to everything. A row that was tried in ``give_up`` sessions needs a person. What the
    API holds of a client is known for ``fresh``.
    """

    workers: int
    attempts: int
    pause: float
    pause_max: float
    retry_after_max: float
    patience: float
    give_up: int
    renewable: bool
    fresh: float = inf


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from an answer: ``retry_in`` is in seconds, None if the row is not tried again.

    ``halt`` says in full sentences why the run must stop, if it must; ``doubt``, why it must unless
    a probe shows that the API works.
    """

    retry_in: float | None = None
    halt: str | None = None
    doubt: str | None = None


_FINISHED = Decision()


class Retries:
    """Decides after each answer, and tells the pace about it."""

    def __init__(self, policy: Policy, pace: Pace, clock: Clock) -> None:
        self._policy, self._pace, self._clock = policy, pace, clock

    def decide(self, task: Task, verdict: Verdict) -> Decision:
        """Return what follows for the task, whose counts are updated."""
        if verdict.renew:
            return self._with_new_token(task, verdict)
        if verdict.code is Code.API_THROTTLED:
            return self._more_slowly(task, verdict)
        self._pace.answered(task.sent)
        task.tries += 1
        if not verdict.again:
            return _FINISHED
        halt = None if verdict.retry_after is None else self._hold(verdict.retry_after)
        if verdict.halt or task.tries == self._policy.attempts:
            return Decision(halt=halt)
        return Decision(self._pause_before(task.tries + 1), halt)

    def _with_new_token(self, task: Task, verdict: Verdict) -> Decision:
        """Try a row again with another token, unless that did not help before.

        An expired token is no reason to stop: tokens that are valid for a few requests only expire
        again and again. A row that alone is answered 401 is then tried ever more slowly.
        """
        if not self._policy.renewable:
            answer = verdict.answer
            return Decision(
                halt=f"Fatora did not accept the bearer token ({answer}). Renew the token."
            )
        if task.renewed and not verdict.expired:
            return Decision(
                halt=f"Fatora did not accept a renewed bearer token ({verdict.answer})."
            )
        task.renewed |= not verdict.expired
        seconds = self._pause_before(task.refused + 1) if task.refused else 0
        task.refused += 1
        return Decision(seconds)

    def _more_slowly(self, task: Task, verdict: Verdict) -> Decision:
        """Send everything more slowly, and the row once more; that does not count as a try."""
        asked, patience = verdict.retry_after or 0, self._policy.patience
        if asked > self._policy.retry_after_max:
            return Decision(halt=wait_in_words(asked, self._clock.now()))
        if task.reopened != self._pace.reopened or task.throttled >= _THROTTLED_ALONE:
            task.throttled_since = task.throttled_since or self._clock.ticks()
            task.reopened, task.throttled = self._pace.reopened, task.throttled + 1
        if task.throttled < _THROTTLED_ALONE:
            _log_hold(self._pace.throttle(task.sent, asked))
            if self._pace.closed_for >= patience:
                return Decision(
                    doubt=only_throttled_in_words(self._pace.closed_for, verdict.answer)
                )
        elif self._clock.ticks() - task.throttled_since >= patience:
            return _FINISHED
        return Decision(max(self._pace.seconds_left, self._pause_before(task.throttled + 1)))

    def _hold(self, seconds: float) -> str | None:
        """Send nothing for this long, or return why the run must stop if that is too long."""
        if seconds > self._policy.retry_after_max:
            return wait_in_words(seconds, self._clock.now())
        if seconds > 0:
            self._pace.hold(seconds)
            _log_hold(seconds)
        return None

    def _pause_before(self, attempt: int) -> float:
        return pause_before(attempt, self._policy.pause, self._policy.pause_max)


def _log_hold(seconds: float) -> None:
    if seconds:
        log.info("held", extra={"fields": {"seconds": round(seconds, 3)}})
