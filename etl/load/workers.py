"""Threads that send rows at the same time, each over a connection of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.load.api import Api
    from etl.load.judge import Reply
    from etl.rows import PendingRow


@dataclass(frozen=True, slots=True)
class Sent:
    """A row that was sent, what came back, and the seconds that took."""

    row: PendingRow
    reply: Reply
    seconds: float


class Sender(Protocol):
    """A way to send rows; what comes back is collected later, in any order."""

    def submit(self, row: PendingRow) -> None:
        """Begin to send a row."""

    def collect(self, timeout: float | None) -> list[Sent]:
        """Return what has come back: wait for the first of it, until ``timeout`` or `wake`.

        ``timeout`` is in seconds; None waits as long as it takes.
        """

    def wake(self) -> None:
        """End a `collect` that waits; safe in a signal handler."""


class Workers:
    """A sender of ``count`` threads; use as a context manager, which ends them.

    The threads are daemons: a program that must end at once does not wait for an answer.
    """

    def __init__(self, count: int, connect: Callable[[], Api]) -> None:
        """Make the workers; each gets an `Api` of its own from ``connect``."""
        self._tasks: SimpleQueue[PendingRow | None] = SimpleQueue()
        self._sent: SimpleQueue[Sent | None] = SimpleQueue()
        self._threads = [
            Thread(target=self._work, args=(connect(),), daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._tasks.put(None)

    def submit(self, row: PendingRow) -> None:
        """Give a row to the next free worker."""
        self._tasks.put(row)

    def collect(self, timeout: float | None) -> list[Sent]:
        """Return what has come back, as `Sender` says."""
        collected = []
        try:
            sent = self._sent.get(timeout=timeout)
            while True:
                if sent is not None:
                    collected.append(sent)
                sent = self._sent.get_nowait()
        except Empty:
            return collected

    def wake(self) -> None:
        """End a `collect` that waits."""
        self._sent.put(None)

    def _work(self, api: Api) -> None:
        while (row := self._tasks.get()) is not None:
            started = time.monotonic()
            try:
                reply: Reply = api.update(row.client_id, row.body)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is judged, not lost
                reply = error
            self._sent.put(Sent(row, reply, time.monotonic() - started))
