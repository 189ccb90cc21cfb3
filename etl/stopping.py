"""Stopping so that the run can be resumed: because of a signal, or because the disk is full."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.errors import ExitCode, StoppedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
# Primary result codes: the lowest byte of an extended one. Source: sqlite.org/rescode.html.
_DISK_ERRORS_IN_SQLITE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})


class StopRequest:
    """Whether the run has been asked to stop, and the ``reason``, a full sentence."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self._wake: Callable[[], None] = lambda: None

    def ask(self, reason: str) -> None:
        """Ask the run to stop, and wake it if it is waiting."""
        self.reason = reason
        self._wake()

    def on_ask(self, wake: Callable[[], None]) -> None:
        """Call ``wake`` when the run is asked to stop; it must be safe in a signal handler."""
        self._wake = wake

    def check(self) -> None:
        """Stop here if the run was asked to stop; only for use before anything is sent.

        Raises:
            StoppedError: the run was asked to stop.
        """
        if self.reason is not None:
            raise StoppedError(f"{self.reason} Nothing was sent. Run the command again.")


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Yield a request that SIGTERM, SIGINT or SIGHUP makes; a second signal ends the program.

    A signal that was already ignored when the program started, as with nohup, stays ignored.
    """
    request = StopRequest()

    def handle(number: int, _frame: FrameType | None) -> None:
        if request.reason is not None:
            os._exit(ExitCode.STOPPED)  # what was done is in the journal
        request.ask(_reason(signal.Signals(number)))

    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    previous = {number: signal.signal(number, handle) for number in handled}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _reason(number: signal.Signals) -> str:
    if number is signal.SIGINT:
        return "The run was interrupted (Ctrl-C)."
    return f"The run was stopped ({number.name})."


def is_disk_full(error: BaseException) -> bool:
    """Whether something could not be written because the disk is full or failing."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS_IN_SQLITE
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


@contextmanager
def stop_on_full_disk() -> Iterator[None]:
    """Turn the error of a full or failing disk into one that stops the run, to be resumed later.

    Raises:
        StoppedError: something could not be written; the journal has what was done before.
    """
    try:
        yield
    except Exception as error:
        if not is_disk_full(error):
            raise
        raise StoppedError(
            "The disk is full or failing. Make room, then run the same file again."
        ) from None
