"""A circuit breaker: when to give up because the API is in trouble, rather than some rows.

A few rows may fail for ever, such as those that a firewall refuses. So failures in a row only raise
the question, and a probe answers it: one request that has nothing to do with any row. The pattern
is that of Nygard, Release It! (2007): once it has tripped, the next file starts with a single row.
"""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.rows import Status
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etl.load.judge import Verdict
    from etl.rows import PendingRow

_FORBIDDEN_IN_A_ROW = 3  # one or two may concern their clients only


class Breaker:
    """Watches the results of rows, over all files of an update, and says when the run must stop.

    ``is_half_open`` means that it has tripped and nothing has shown yet that the API works again.
    """

    def __init__(self, stop_after: int, give_up: int) -> None:
        """Suspect trouble after ``stop_after`` rows in a row that the API could not serve.

        A row that it could not serve in ``give_up`` earlier sessions does not count.
        """
        self.is_half_open = False
        self._stop_after = stop_after
        self._give_up = give_up
        self._forbidden = 0
        self._unserved: list[Verdict] = []
        self._fresh = False  # whether any of these rows was never tried before this session

    def watch(self, verdict: Verdict, row: PendingRow) -> str | None:
        """Count the verdict on a row; return why the run must stop, unless a probe clears it."""
        if verdict.is_served:
            self.close()
            return None
        if row.sessions >= self._give_up:
            return None
        self._fresh |= not row.sessions
        is_forbidden = verdict.http_status == HTTPStatus.FORBIDDEN
        self._forbidden = self._forbidden + 1 if is_forbidden else 0
        if self._forbidden == _FORBIDDEN_IN_A_ROW:
            return (
                "Fatora refused access (403) three times in a row: the account or key may be"
                f" inactive. The last answer was {verdict.answer}."
            )
        if self.is_half_open:
            return _unserved_in_words([verdict])
        if not is_forbidden:
            self._unserved.append(verdict)
        if len(self._unserved) == self._stop_after:
            return _unserved_in_words(self._unserved)
        return None

    def is_cleared_by(self, probe: Verdict) -> bool:
        """Whether the run may go on, by the verdict on a probe; if not, the breaker trips.

        A probe that is itself refused, such as by a key without the right to read, proves nothing:
        then rows that failed in earlier sessions are not evidence enough.
        """
        if probe.status is Status.SUCCESS or (probe.status is Status.REJECTED and not self._fresh):
            self.close()
            return True
        self.close()
        self.is_half_open = True
        return False

    def close(self) -> None:
        """Forget the failures so far."""
        self.is_half_open = False
        self._forbidden = 0
        self._unserved.clear()
        self._fresh = False


def _unserved_in_words(unserved: Sequence[Verdict]) -> str:
    rows = counted(len(unserved), "row") + (" in a row" if len(unserved) > 1 else "")
    causes = Counter(verdict.cause for verdict in unserved)
    if len(causes) == 1:
        link = ":" if unserved[0].http_status is None else " got"
        return f"{rows}{link} {unserved[0].cause}."
    each = ", ".join(f"{number:,} with {cause}" for cause, number in causes.most_common())
    return f"{rows} failed: {each}."
