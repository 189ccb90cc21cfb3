"""How long to wait: for the rate, between a row's attempts, and when the API asks for it."""

from __future__ import annotations

import math
import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from etl.load.clock import Clock
from etl.load.throttle import Throttle
from etl.text import counted

_JITTER = 0.25
# Seconds by which a request may be late, such as on a slow disk, without making the next one late.
# The requests that then follow at once are at most 2.5 % more than the rate allows in ten seconds,
# and 3 % are promised.
_LONGEST_DELAY = 0.25
_MINUTE, _DAY, _LONGEST_WAIT = 60, 86_400, 30 * 86_400  # seconds


class Pace:
    """When the next request of any worker and file may be sent, by the rate and by holds.

    ``holds`` counts how often nothing was to be sent for a while.
    """

    def __init__(
        self, rate: float, pause: float = 0.5, pause_max: float = 60, clock: Clock | None = None
    ) -> None:
        """Make a pace of ``rate`` requests per second; 0 means no limit.

        After answers 429 that do not say how long to wait, the pauses grow from ``pause`` to
        ``pause_max`` seconds.
        """
        self._rate = rate or math.inf
        self._pause, self._pause_max = pause, pause_max
        self._clock = clock or Clock()
        self._throttle = Throttle(self._clock)
        self._not_before = 0.0
        self.holds = 0

    @property
    def is_set(self) -> bool:
        """Whether there is a rate limit."""
        return self._limit < math.inf

    @property
    def seconds_left(self) -> float:
        """The seconds until a request may be sent; 0 or less if one may be sent now."""
        return self._not_before - self._clock.ticks()

    @property
    def is_trial(self) -> bool:
        """Whether the next request must be answered before another one is sent."""
        return self._throttle.is_closed

    @property
    def reopened(self) -> int:
        """How often requests got through again after answers 429."""
        return self._throttle.reopened

    @property
    def closed_for(self) -> float:
        """The seconds for which every answer has been a 429; 0 if others came."""
        return self._throttle.closed_for

    def start(self) -> None:
        """Take note that sending starts, with the rows of another file."""
        self._throttle.start()

    def take(self) -> float:
        """Count a request that is sent now, and return the time."""
        now = self._clock.ticks()
        self._throttle.sending()
        if self.is_set:
            # From when it was due, not from now, because small delays would add up.
            due = self._not_before if now - self._not_before < _LONGEST_DELAY else now
            self._not_before = due + 1 / self._limit
        return now

    def answered(self, sent: float) -> None:
        """Take note of an answer other than 429 to a request that was ``sent`` then."""
        self._throttle.let_through(sent)

    def throttle(self, sent: float, asked: float) -> float:
        """Slow down after a 429 to a request that was ``sent`` then, and ``asked`` to wait.

        Returns the seconds for which nothing is sent. That is 0 if the request was under way when
        another one was answered 429, because the pause has started already. If the API does not say
        how long to wait, each pause is longer than the last.
        """
        if not self._throttle.refuse(sent):
            self.hold(asked)
            return 0
        seconds = asked or _jittered(self._throttle.pause(self._pause), self._pause_max)
        self.hold(seconds)
        return seconds

    def hold(self, seconds: float) -> None:
        """Let nothing be sent for this long."""
        self.holds += seconds > 0
        self._not_before = max(self._not_before, self._clock.ticks() + seconds)

    @property
    def _limit(self) -> float:
        return min(self._rate, self._throttle.rate)


def pause_before(attempt: int, first: float, longest: float) -> float:
    """Return the seconds to wait before this attempt of a row, counted from 1.

    It is ``first`` seconds before the second attempt and doubles before each further one, up to
    ``longest``. It varies by a quarter, so that workers do not all come back at once.
    """
    return _jittered(first * 2.0 ** min(attempt - 2, 32), longest)


def _jittered(pause: float, longest: float) -> float:
    pause = min(pause, longest / (1 + _JITTER))
    return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311


def wait_in_words(seconds: float, now: float) -> str:
    """Return how long the API asks to wait, and until when; both are rounded up.

    ``now`` is in seconds since 1970.
    """
    if seconds > _LONGEST_WAIT:
        return "Fatora asked us to wait more than 30 days."
    end = datetime.fromtimestamp(math.ceil((now + seconds) / _MINUTE) * _MINUTE, UTC)
    day = f"{end:%d %b}, " if seconds >= _DAY else ""
    return f"Fatora asked us to wait {_duration(seconds)}. Run again after {day}{end:%H:%M} UTC."


def only_throttled_in_words(seconds: float, answer: str) -> str:
    """Return that the API has answered 429 to everything for so long, and what to do."""
    return (
        f"Fatora has answered every request for {_duration(seconds)} that there are too many"
        f" ({answer}). Run again later, or with a lower [load] rate."
    )


def _duration(seconds: float) -> str:
    if (whole := math.ceil(seconds)) < _MINUTE:
        return counted(whole, "second")
    hours, minutes = divmod(math.ceil(seconds / _MINUTE), 60)
    parts = [counted(number, unit) for number, unit in ((hours, "hour"), (minutes, "minute"))]
    return " ".join(part for part, number in zip(parts, (hours, minutes), strict=True) if number)


def seconds_asked_for(retry_after: str, date: str | None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 if it cannot be used.

    Both forms of RFC 9110, 10.2.3: seconds, or a point in time, which is compared with the answer's
    own ``date`` (6.6.1), or with this machine's clock where there is none.
    """
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    until = _seconds_since_1970(value)
    if until is None:
        return 0
    now = _seconds_since_1970(date or "")
    return max(until - (time.time() if now is None else now), 0)


def _seconds_since_1970(http_date: str) -> float | None:
    try:
        date = parsedate_to_datetime(http_date)
        if date.tzinfo is None:  # a form that names no zone: it is always GMT
            date = date.replace(tzinfo=UTC)
        return date.timestamp()
    except (ValueError, OverflowError):
        return None
