"""The time, which tests replace."""

from __future__ import annotations

import time


class Clock:
    """The time: ``now`` in seconds since 1970, ``ticks`` in seconds that never jump."""

    def now(self) -> float:
        """Return the time of day."""
        return time.time()

    def ticks(self) -> float:
        """Return a time to measure with."""
        return time.monotonic()
