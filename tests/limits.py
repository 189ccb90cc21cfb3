"""Limits of an API, as tests and the bench pose them: how many requests are let through."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol


class Limit(Protocol):
    """A limit of an API; times are in seconds, from any beginning."""

    @property
    def rate(self) -> float:
        """Requests a second, on average."""

    def allows(self, time: float) -> bool:
        """Whether a request at this time is let through."""


@dataclass
class FixedWindow:
    """So many requests in each window of so many seconds; the commonest limit."""

    most: int
    seconds: float
    offset: float = 0
    _window: float = -1
    _count: int = 0

    @property
    def rate(self) -> float:
        """Requests a second, on average."""
        return self.most / self.seconds

    def allows(self, time: float) -> bool:
        """Whether there are fewer requests in this window so far."""
        window = (time + self.offset) // self.seconds
        self._count = self._count + 1 if window == self._window else 1
        self._window = window
        return self._count <= self.most


@dataclass
class TokenBucket:
    """A bucket that gets ``rate`` tokens a second, and holds so many; a request takes one."""

    rate: float
    most: float
    _tokens: float = math.inf
    _time: float = 0

    def allows(self, time: float) -> bool:
        """Whether there is a token."""
        self._tokens = min(self.most, self._tokens + (time - self._time) * self.rate)
        self._time = time
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
