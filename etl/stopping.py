"""Stopping politely: a signal asks, the work ends at its next safe point."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.errors import ExitCode, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class StopRequest:
    """Whether the run has been asked to stop, and by what."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._wake: Callable[[], None] = lambda: None

    def ask(self, reason: str) -> None:
        """Ask the run to stop; whoever waits is woken."""
        self.reason = reason
        self._wake()

    def on_ask(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called when the run is asked to stop; it must be safe in a handler."""
        self._wake = wake

    def check(self) -> None:
        """Go on, unless asked to stop.

        Raises:
            StoppedError: the run was asked to stop before anything was sent.
        """
        if self.reason is not None:
            raise StoppedError(f"{self.reason} before anything was sent; run the command again")


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Give the request that SIGTERM, SIGINT and SIGHUP make; a second one ends it all at once."""
    request = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if request.reason is not None:
            os._exit(ExitCode.STOPPED)  # what was done is in the journal
        request.ask(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
