"""The rate that the API allows, found out from its answers 429.

Fatora publishes no limit, so there is none until a 429 comes. The rest is congestion control, as in
TCP: additive increase and multiplicative decrease (AIMD: Chiu and Jain, 1989), with two changes.

- The rate is decreased to a little less than what the API let through since it last reopened
  (Westwood: Mascolo et al., 2001). Halving it until no 429 comes would take eight windows of a
  limit such as 60 a minute.
- It increases slowly at first, so that few requests are answered 429, and then faster, so that a
  short bottleneck has no long effect (CUBIC: RFC 9438, 4.3).

The constants are those that did best in simulations of windows of 20 requests per 10 seconds and of
60 a minute, and of token buckets of 50 a second: at least 0.9 of what the limit allows over ten
minutes, with at most 5 % of the requests answered 429 after the first.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etl.load.clock import Clock

_DECREASE = 0.97
_DOUBLING = 150  # seconds in which an undisturbed rate doubles; it grows with their square
_LIFTED = 600  # seconds without a 429 after which there is no limit any more
# The first requests may meet a limit that others have used up: a few of them prove no rate.
_FEWEST = 10
_PAUSE_GROWTH = 1.5  # a pause that doubled would waste up to half of a window of a minute
_PAUSES_PER_CYCLE = 40


class Throttle:
    """Watches which requests are answered 429. Times are ticks of the clock, in seconds.

    After a 429 nothing is sent for a while, and then one request as a trial: until it gets through,
    the API counts as closed.
    """

    def __init__(self, clock: Clock) -> None:
        self.reopened = 0  # how often a trial got through
        self._clock = clock
        self._rate, self._decreased = math.inf, 0.0
        self._refusals = 0  # in a row, counting requests that were under way together as one
        self._closed, self._refused = 0.0, -math.inf  # when the first and the latest of them came
        self._opened: float | None = None
        self._passed, self._fewest = 0, _FEWEST  # since then
        self._cycle = 0.0  # seconds between the last two reopenings

    @property
    def rate(self) -> float:
        """The requests a second that may be sent now, infinite without a limit."""
        if self._rate == math.inf:
            return math.inf
        age = self._clock.ticks() - self._decreased
        return math.inf if age > _LIFTED else self._rate * (1 + (age / _DOUBLING) ** 2)

    @property
    def is_closed(self) -> bool:
        """Whether the last trial was answered 429."""
        return self._refusals > 0

    @property
    def closed_for(self) -> float:
        """The seconds since the API closed; 0 if it is not closed."""
        return self._clock.ticks() - self._closed if self._refusals else 0

    def pause(self, first: float) -> float:
        """Return the seconds until the next trial: at least ``first``, more from trial to trial."""
        shortest = max(first, self._cycle / _PAUSES_PER_CYCLE)
        return shortest * _PAUSE_GROWTH ** min(self._refusals - 1, 32)

    def start(self) -> None:
        """Measure anew what gets through: since the last request, the program had other work."""
        self._opened, self._passed, self._fewest = None, 0, _FEWEST

    def sending(self) -> None:
        """Take note that a request is sent now."""
        if self._opened is None:
            self._opened = self._clock.ticks()

    def refuse(self, sent: float) -> bool:
        """Take note of a 429 to a request that was ``sent`` then; return whether it is news.

        It is not if the request was under way when another one was answered 429.
        """
        if sent < self._refused:
            return False
        self._refused = self._clock.ticks()
        if not self._refusals:
            self._closed = self._refused
        self._refusals += 1
        return True

    def let_through(self, sent: float) -> None:
        """Take note of any other answer to a request that was ``sent`` then."""
        self._passed += 1
        if self._refusals and sent >= self._refused:
            self._reopen()

    def _reopen(self) -> None:
        now = self._clock.ticks()
        if self._opened is not None and self._passed >= self._fewest:
            # It reopened between the last refusal and now.
            seconds = math.sqrt((self._refused - self._opened) * (now - self._opened))
            self._rate = _DECREASE * self._passed / max(seconds, 0.01)
            self._cycle = seconds
            self._decreased = now
        self.reopened += 1
        self._refusals = 0
        self._opened, self._passed, self._fewest = now, 0, 1
