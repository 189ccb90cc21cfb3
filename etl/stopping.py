"""Stopping so that the run can be resumed: because of a signal, or of what the system refuses."""

from __future__ import annotations

import errno
import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.errors import ExitCode, StoppedError
from etl.text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_NO_THREAD = "can't start new thread"  # CPython's words, of an error without a number
_ALLOW = "Give the job's user access"
_MOUNT = "Mount its disk again"
# What the system refused, and what to do about it, by the number of the error: errno(3).
_REFUSALS = {
    errno.EACCES: ("Permission denied", _ALLOW),
    errno.EPERM: ("Permission denied", _ALLOW),
    errno.EROFS: ("The disk is read-only", "Mount it for writing"),
    errno.ENOSPC: ("The disk is full", "Make room on it"),
    errno.EDQUOT: ("The disk quota is used up", "Make room, or raise the quota"),
    errno.EFBIG: ("A file may not grow any more", "Raise the limit (ulimit -f)"),
    errno.EIO: ("The disk is failing", "Check it"),
    errno.ENOENT: ("A file or folder is missing", "Look for what removed it"),
    errno.ENAMETOOLONG: ("A path is too long", "Choose a folder with a shorter path"),
    errno.EMFILE: ("Too many files are open", "Raise the limit (ulimit -n), or lower --workers"),
    errno.ENFILE: ("This machine has too many open files", "Close other programs"),
    errno.EAGAIN: ("No more threads can be started", "Raise the limits (ulimit -u and -v)"),
    errno.ENOMEM: ("The memory is used up", "Make more available"),
    errno.ESTALE: ("The network disk was replaced", _MOUNT),
    errno.ENOTCONN: ("The network disk is not connected", _MOUNT),
    errno.ETIMEDOUT: ("The network disk does not answer", _MOUNT),
    errno.EHOSTDOWN: ("The network disk does not answer", _MOUNT),
}


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
    return isinstance(error, OSError) and error.errno in _DISK_ERRORS


@contextmanager
def stop_on_refusal() -> Iterator[None]:
    """Turn what the system refuses into an error that stops the run, to be resumed later.

    This is the one place for all such errors: a full disk, rights, limits of this process, a
    network disk that is gone.

    Raises:
        StoppedError: the system refused something; the journal has what was done before.
    """
    try:
        yield
    except MemoryError:
        raise StoppedError(_refusal(errno.ENOMEM)) from None
    except RuntimeError as error:
        if str(error) != _NO_THREAD:
            raise
        raise StoppedError(_refusal(errno.EAGAIN)) from None
    except OSError as error:
        if error.errno is None:
            raise
        path = error.filename2 or error.filename
        raise StoppedError(_refusal(error.errno, path, error.strerror)) from None


def _refusal(number: int, path: object = None, reason: str | None = None) -> str:
    """Return what the system refused, about which path, and what to do."""
    what, remedy = _REFUSALS.get(number, (reason or "The system refused it", "Correct this"))
    where = f": {visible(os.fsdecode(path))}" if isinstance(path, str | bytes) else ""
    return f"{what}{where}. {remedy}, then run the command again."
