"""When to give up: after the API refused the account, or could not serve several rows in a row."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.rows import Status
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.load.judge import Verdict

_FORBIDDEN_IN_A_ROW = 3  # one or two may concern their clients only


class Breaker:
    """Watches the results of rows, and says when and why the run must stop."""

    def __init__(self, stop_after: int) -> None:
        """Give up after ``stop_after`` rows in a row that the API could not serve."""
        self._stop_after = stop_after
        self._forbidden = 0
        self._unserved: list[Verdict] = []

    def watch(self, verdict: Verdict) -> str | None:
        """Count the final verdict on a row, and return why the run must stop, if it must."""
        if verdict.halt:
            return verdict.halt
        forbidden = verdict.http_status == HTTPStatus.FORBIDDEN
        self._forbidden = self._forbidden + 1 if forbidden else 0
        if self._forbidden == _FORBIDDEN_IN_A_ROW:
            return (
                "Fatora refused access (403) three times in a row: the account or key may be"
                f" inactive. The last answer was {verdict.answer}."
            )
        if verdict.status in {Status.SUCCESS, Status.REJECTED}:
            self._unserved.clear()
        elif not forbidden:
            self._unserved.append(verdict)
        if len(self._unserved) == self._stop_after:
            return _unserved_in_words(self._unserved)
        return None


def _unserved_in_words(unserved: Sequence[Verdict]) -> str:
    rows = counted(len(unserved), "row") + (" in a row" if len(unserved) > 1 else "")
    causes = Counter(verdict.cause for verdict in unserved)
    if len(causes) == 1:
        link = ":" if unserved[0].http_status is None else " got"
        return f"{rows}{link} {unserved[0].cause}."
    each = ", ".join(f"{number:,} with {cause}" for cause, number in causes.most_common())
    return f"{rows} failed: {each}."
