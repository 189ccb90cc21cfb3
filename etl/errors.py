"""The exit codes, and the exceptions that end a run.

The result of a single row is never an exception but a value (``etl.rows``). An exception means that
the run, or one of its inputs, cannot continue. Its class decides the exit code::

    FatoraClientsError
    ├── ConfigError        2   wrong usage or settings: nothing was sent
    ├── InputError         3   this input cannot be used: nothing of it was sent
    ├── StoppedError       4   stopped early: running again sends the remaining rows
    ├── InconsistentError  70  the program contradicts itself: what was done is kept
    │   └── DamagedError   4   an earlier run was damaged: ``verify`` says which of its files
    └── BusyError          75  another run is using the runs folder: nothing was sent
"""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """How a run ended, for cron. For several inputs, the highest of their codes counts."""

    DONE = 0
    NOT_ALL_UPDATED = 1
    USAGE = 2
    INPUT_UNUSABLE = 3
    STOPPED = 4
    INTERNAL = 70
    BUSY = 75

    @classmethod
    def worst(cls, codes: Iterable[ExitCode]) -> ExitCode:
        """Return the exit code for several inputs; DONE if there are none."""
        return max(codes, default=cls.DONE)


class FatoraClientsError(Exception):
    """A run cannot continue. The message says in one sentence what happened and what to do."""

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL

    @property
    def sentence(self) -> str:
        """The message as a full sentence, for where no prefix comes before it."""
        message = str(self)
        return f"{message[:1].upper()}{message[1:]}."


class ConfigError(FatoraClientsError):
    """Wrong usage, setting or credential; nothing was sent."""

    exit_code = ExitCode.USAGE


class InputError(FatoraClientsError):
    """The input cannot be read with certainty; nothing of it was sent."""

    exit_code = ExitCode.INPUT_UNUSABLE


class StoppedError(FatoraClientsError):
    """The run stopped early and could not write its report; it can be resumed."""

    exit_code = ExitCode.STOPPED


class InconsistentError(FatoraClientsError):
    """The program contradicts itself: for example, its counts do not add up."""


class DamagedError(InconsistentError):
    """The files of an earlier run contradict themselves: they were damaged or modified."""

    exit_code = ExitCode.STOPPED


class BusyError(FatoraClientsError):
    """Another run is using the runs folder; nothing was sent."""

    exit_code = ExitCode.BUSY


def in_one_sentence(error: Exception) -> str:
    """Return the class and place of an unforeseen error; its message may hold personal data."""
    frames = extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"internal error ({type(error).__name__}{place}); what was done is kept"
