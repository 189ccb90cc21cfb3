"""How long to wait: between the attempts of a row, and when the API asks for patience."""

from __future__ import annotations

import random
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


def seconds_asked_for(retry_after: str | None, now: float) -> float:
    """Return the seconds that a Retry-After header asks for; 0 where it says nothing usable.

    Both forms of RFC 9110, 10.2.3: seconds, or a date, compared with ``now`` (seconds since 1970).
    """
    if retry_after is None:
        return 0
    value = retry_after.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
        if date.tzinfo is None:  # a form that names no zone: it is always GMT
            date = date.replace(tzinfo=UTC)
        return max(date.timestamp() - now, 0)
    except (ValueError, OverflowError):
        return 0
