"""Printing. A console that cannot be written to does not affect a run."""

from __future__ import annotations

import json
import logging
import os
import select
import sys
from contextlib import suppress
from io import UnsupportedOperation
from pathlib import Path
from typing import TextIO

from etl.text import json_text, visible, without_isolates

_PATIENCE = 10.0  # seconds that a reader of the output may take for 4 KiB (PIPE_BUF on Linux)


def say(text: str = "") -> None:
    """Print lines on standard output."""
    _print(_readable(text), sys.stdout)


def say_json(value: object) -> None:
    """Print a value as JSON for programs, with letters as they are if the stream has them."""
    text = json_text(value, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print lines on standard error, which is seen even if the output is redirected."""
    _print(_readable(text), sys.stderr)


def _readable(text: str) -> str:
    """Return the lines for a terminal, which does not interpret bidi marks."""
    return "\n".join(map(visible, without_isolates(text).split("\n")))


def _print(text: str, stream: TextIO) -> None:
    line = f"{text}\n".encode(stream.encoding or "utf-8", "replace")
    try:
        stream.flush()
        _write(stream.fileno(), line)
    except UnsupportedOperation:  # a stream in memory, which has no file descriptor
        stream.write(line.decode(stream.encoding or "utf-8"))
    except (OSError, ValueError):  # the reader is gone or has stopped reading, or the disk is full
        _silence(stream)


def _write(descriptor: int, line: bytes) -> None:
    """Write at the reader's pace, but give up on a reader that has stopped reading.

    A terminal has no time limit, since a person may have paused its output.
    """
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    patience = None if os.isatty(descriptor) else 1000 * _PATIENCE
    while line:
        if not ready.poll(patience):
            raise TimeoutError
        # A pipe that is ready accepts this much without waiting: POSIX, write(2).
        line = line[os.write(descriptor, line[: select.PIPE_BUF]) :]


def _silence(stream: TextIO) -> None:
    """Discard everything that is still written to a stream."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def open_missing() -> None:
    """Open the standard streams that were closed when the program started.

    Otherwise the next files to be opened, such as the journal, would get their descriptors.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def flush() -> None:
    """Flush the standard streams, and discard what cannot be written.

    Otherwise Python would try again at the exit, and end with 120 and a message.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            _silence(stream)


class ToConsole(logging.Handler):
    """Prints what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a line."""
        complain(self.format(record))
