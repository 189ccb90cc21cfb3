"""The rows of a run that are new, under way, or waiting for another attempt."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.load.clock import Clock
    from etl.rows import PendingRow


@dataclass(slots=True)
class Task:
    """A row that is being sent or waits to be sent again; ``tries`` counts this session only.

    ``sent`` is when it was submitted last, in ticks. ``refused`` counts the answers 401, and
    ``throttled`` how often it was answered 429 although others had got through since the last time,
    which was after the API had reopened ``reopened`` times. ``throttled_since`` is the first time.
    While its client is read, and right after that, ``reread`` is how often the pace had been held
    before.
    """

    row: PendingRow
    tries: int = 0
    sent: float = 0
    refused: int = 0
    renewed: bool = False
    throttled: int = 0
    throttled_since: float = 0
    reopened: int = -1
    reread: int | None = None


class Tasks:
    """Hands out tasks, and knows which of them are not finished.

    A task is ``open`` from when it is handed out until it is finished or requeued, also while it
    waits for another attempt.
    """

    def __init__(self, rows: Iterator[PendingRow], clock: Clock) -> None:
        """Take the new rows from an iterator, each only when it is asked for."""
        self._rows = rows
        self._clock = clock
        self._open: dict[int, Task] = {}
        self._next: deque[Task] = deque()  # requeued tasks, then at most one new row
        # A heap of (retry_at, order, task), with retry_at in ticks; tasks themselves have no order.
        self._retries: list[tuple[float, int, Task]] = []
        self._order = count()

    def __getitem__(self, row: int) -> Task:
        """Return the open task of a row."""
        return self._open[row]

    def __len__(self) -> int:
        """Return how many tasks are open."""
        return len(self._open)

    @property
    def under_way(self) -> int:
        """How many tasks were handed out and have not come back."""
        return len(self._open) - len(self._retries)

    @property
    def has_new(self) -> bool:
        """Whether there is another new row."""
        if not self._next:
            self._next.extend(map(Task, islice(self._rows, 1)))
        return bool(self._next)

    @property
    def retry_in(self) -> float | None:
        """The seconds until a task is due for another attempt, 0 or less if one is; or None."""
        return self._retries[0][0] - self._clock.ticks() if self._retries else None

    def take_new(self) -> Task:
        """Hand out the next new row, which there must be."""
        task = self._next.popleft()
        self._open[task.row.row] = task
        return task

    def take_retry(self) -> Task:
        """Hand out the task that is due first."""
        return heapq.heappop(self._retries)[-1]

    def retry(self, task: Task, seconds: float) -> None:
        """Let a task that came back wait so long for another attempt."""
        retry_at = self._clock.ticks() + seconds
        heapq.heappush(self._retries, (retry_at, next(self._order), task))

    def requeue(self, rows: Iterable[PendingRow]) -> None:
        """Put tasks that were not sent before all new ones, in their order."""
        self._next.extendleft(reversed([self._open.pop(row.row) for row in rows]))

    def finish(self, task: Task) -> None:
        """Forget a task that came back and is not tried again."""
        del self._open[task.row.row]
