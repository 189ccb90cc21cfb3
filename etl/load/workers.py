"""Threads that send rows in parallel, each over its own connection.

Rows may be submitted before a worker is free, so that it does not wait until the next row is
recorded. After an answer that is not final, no row is started until that answer is collected: the
submitted rows are returned, because only the loader knows whether sending may continue.

Answers are collected in batches where that keeps no worker waiting, because each batch costs a
write to the journal, which takes as much CPU time as sending a row.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import TYPE_CHECKING, Protocol, Self

from etl.load.judge import judge
from etl.load.reading import judge_reading
from etl.rows import Method

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.load.api import Api
    from etl.load.judge import Reply, Verdict
    from etl.rows import PendingRow

_LINGER = 0.01  # seconds for which an answer may wait for others to be collected with it


@dataclass(frozen=True, slots=True)
class Returned:
    """A row that came back; ``verdict`` is None if it was not sent.

    ``seconds`` is how long the attempt took, ``time`` when it ended, in seconds since 1970.
    """

    row: PendingRow
    verdict: Verdict | None = None
    seconds: float = 0
    time: float = 0

    @property
    def may_stop_run(self) -> bool:
        """Whether the answer is one after which the run may have to stop, or to wait."""
        verdict = self.verdict
        return verdict is not None and (not verdict.is_served or verdict.halt is not None)


class Sender(Protocol):
    """A way to send rows, which come back in any order."""

    def submit(self, row: PendingRow) -> None:
        """Send a row as soon as a worker is free."""

    def recall(self) -> None:
        """Return the rows that no worker has started."""

    def collect(self, timeout: float | None) -> list[Returned]:
        """Return what has come back: wait for the first of it, until ``timeout`` or `wake`.

        ``timeout`` is in seconds; None waits as long as it takes.
        """

    def wake(self) -> None:
        """End a `collect` that waits; safe in a signal handler."""


class Workers:
    """A sender with ``count`` threads. Use it as a context manager, which ends them.

    The threads are daemons, so that a program that must end at once does not wait for an answer.
    """

    def __init__(self, count: int, connect: Callable[[], Api]) -> None:
        """Make the workers; each gets its own `Api` from ``connect``."""
        self._rows: SimpleQueue[PendingRow | None] = SimpleQueue()
        self._returned: SimpleQueue[Returned | None] = SimpleQueue()
        self._low = count // 4  # submitted rows at which the next batch is due
        # Not an Event, whose lock a signal handler could wait for while its thread holds it.
        self._due: SimpleQueue[None] = SimpleQueue()
        self._fault: Exception | None = None
        self._holds = 0  # answers that may stop the run and have not been collected yet
        self._holding = Lock()
        self._threads = [
            Thread(target=self._work, args=(connect(),), daemon=True) for _ in range(count)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.recall()
        self._rows.put(None)

    def submit(self, row: PendingRow) -> None:
        """Give a row to the next free worker, or return it while an answer holds the others."""
        with self._holding:
            if self._holds:
                self._returned.put(Returned(row))
            else:
                self._rows.put(row)

    def recall(self) -> None:
        """Return the rows that no worker has started."""
        self._give_back(self._not_started())

    def collect(self, timeout: float | None) -> list[Returned]:
        """Return what has come back, as `Sender` says.

        Raises:
            Exception: a bug ended a worker, whose row would never come back.
        """
        collected = []
        try:
            returned = self._returned.get(timeout=timeout)
            self._linger(_LINGER if timeout is None else min(timeout, _LINGER))
            while True:
                if returned is not None:
                    collected.append(returned)
                    self._end_hold(returned)
                returned = self._returned.get_nowait()
        except Empty:
            if self._fault is not None:
                raise self._fault from None
            return collected

    def wake(self) -> None:
        """End a `collect` that waits."""
        self._returned.put(None)
        self._due.put(None)

    def _linger(self, seconds: float) -> None:
        """Wait for a batch while the workers have enough to do; a hold leaves them nothing."""
        with suppress(Empty):
            while True:
                self._due.get_nowait()  # from an earlier batch
        if self._rows.qsize() > self._low:
            with suppress(Empty):
                self._due.get(timeout=seconds)

    def _work(self, api: Api) -> None:
        try:
            while (row := self._rows.get()) is not None:
                if self._rows.qsize() <= self._low and self._due.empty():
                    self._due.put(None)
                self._send(api, row)
        except Exception as error:  # noqa: BLE001 - `collect` raises it
            self._fault = error
            self.wake()
        self._rows.put(None)  # for the next worker

    def _send(self, api: Api, row: PendingRow) -> None:
        started = time.monotonic()
        reply = _reply(api, row)
        seconds = time.monotonic() - started
        judging = judge_reading if row.method is Method.GET else judge
        returned = Returned(row, judging(reply, row, api.host), seconds, time.time())
        if not returned.may_stop_run:
            self._returned.put(returned)
            return
        with self._holding:
            self._holds += 1
            others = self._not_started()
            self._returned.put(returned)
            self._give_back(others)  # after it, or they might be sent before it is collected
            self._due.put(None)

    def _end_hold(self, returned: Returned) -> None:
        """End the hold of a collected answer: whether to go on is now the loader's decision."""
        if returned.may_stop_run:
            with self._holding:
                self._holds -= 1

    def _not_started(self) -> list[PendingRow]:
        """Take the rows that no worker has started out of the queue."""
        rows: list[PendingRow] = []
        with suppress(Empty):
            while (row := self._rows.get_nowait()) is not None:
                rows.append(row)
            self._rows.put(None)
        return rows

    def _give_back(self, rows: list[PendingRow]) -> None:
        for row in rows:
            self._returned.put(Returned(row))


def _reply(api: Api, row: PendingRow) -> Reply:
    try:
        if row.method is Method.GET:
            return api.read(row.client_id)
        return api.update(row.client_id, row.values)
    except Exception as error:  # noqa: BLE001 - every error is judged
        return error
