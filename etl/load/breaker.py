"""When to give up: an API that refuses the account, or serves nobody, is left alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.rows import Status

if TYPE_CHECKING:
    from etl.load.judge import Verdict

_FORBIDDEN_IN_A_ROW = 3


class Breaker:
    """Watches how rows end, and says why to stop once it must."""

    def __init__(self, stop_after: int) -> None:
        """Give up after ``stop_after`` rows in a row that the API could not serve."""
        self._stop_after = stop_after
        self._forbidden = 0
        self._unserved = 0

    def watch(self, verdict: Verdict) -> str | None:
        """Take note of how a row ended, and return why the run must stop, if it must."""
        if verdict.halt:
            return verdict.halt
        forbidden = verdict.http_status == HTTPStatus.FORBIDDEN
        self._forbidden = self._forbidden + 1 if forbidden else 0
        if self._forbidden == _FORBIDDEN_IN_A_ROW:
            return "the API forbids the account this (403): the account or key may be inactive"
        if verdict.status in {Status.SUCCESS, Status.REJECTED}:
            self._unserved = 0
        elif not forbidden:
            self._unserved += 1
        if self._unserved == self._stop_after:
            why = verdict.code.meaning if verdict.code else verdict.status.meaning
            return f"the API could not serve {self._unserved} rows in a row: {why}"
        return None
