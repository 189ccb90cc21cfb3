"""How long to wait: between the attempts of a row, and when the API asks for patience."""

from __future__ import annotations

import random
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

_JITTER = 0.25


def pause_before(attempt: int, first: float, longest: float) -> float:
    """Return the seconds to wait before this attempt of a row, counted from 1.

    ``first`` seconds before the second attempt, twice as long before each further one; a quarter
    more or less, so that workers do not come back all at once, but never more than ``longest``.
    """
    exponent = min(attempt - 2, 32)
    pause = min(first * 2.0**exponent, longest / (1 + _JITTER))
    return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311


def seconds_asked_for(retry_after: str, date: str | None) -> float:
    """Return the seconds that a Retry-After header asks for; 0 where it says nothing usable.

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
