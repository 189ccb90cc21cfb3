"""``run.log``: JSON lines without a token or personal data.

Modules log events by name, with fields: ``log.info("held", extra={"fields": {"seconds": 2}})``. Of
a row, only its number, client id, codes and statuses may be logged.
"""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.files import PRIVATE_FILE
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class JsonLines(logging.Formatter):
    """One JSON object per line: time (UTC), level, event, run, and the event's own fields."""

    def __init__(self, run: str | None = None) -> None:
        super().__init__()
        self._run = run

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; JSON escapes line breaks, so that a value cannot fake another line."""
        time = utc_time(record.created)
        line = {"time": time, "level": record.levelname, "event": record.msg, "run": self._run}
        return json.dumps({**line, **getattr(record, "fields", {})})


class _Log(logging.FileHandler):
    """The log file of a run. A line that cannot be written does not stop the run."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Ignore it; logging would print a traceback to standard error."""


@contextmanager
def logging_to(path: Path, run: str) -> Iterator[None]:
    """Append what the program logs in the block to a run's log."""
    path.touch(PRIVATE_FILE)
    handler = _Log(path, encoding="utf-8")
    handler.setFormatter(JsonLines(run))
    program = logging.getLogger("etl")
    program.addHandler(handler)
    program.setLevel(logging.INFO)
    try:
        yield
    finally:
        program.removeHandler(handler)
        handler.close()
