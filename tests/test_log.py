"""``run.log``: JSON lines that no value can fake."""

from __future__ import annotations

import json
import logging
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from etl.rows import Status
from etl.runs.log import JsonLines, logging_to

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000.000Z-abc123"
log = logging.getLogger("etl.somewhere")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path for a log."""
    return tmp_path / "run.log"


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The logged lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_an_event_is_a_line_with_time_level_run_and_fields(path: Path) -> None:
    """An event of any module is a line with time, level, run and fields."""
    with logging_to(path, RUN):
        log.warning("attempt", extra={"fields": {"row": 2, "status": Status.FAILED, "ms": None}})
    ((time, *facts),) = (line.items() for line in lines_of(path))
    assert dict(facts) == {
        "level": "WARNING",
        "event": "attempt",
        "run": RUN,
        "row": 2,
        "status": "FAILED",
        "ms": None,
    }
    assert time[0] == "time"
    assert datetime.fromisoformat(time[1]).utcoffset() is not None


def test_what_is_logged_is_one_line_whatever_is_in_it(path: Path) -> None:
    """No value can start another line, hide one or change its direction."""
    value = '\n{"event": "forged"}\r\u2028\u0085\u202e\x1b[2K\x00"'
    with logging_to(path, RUN):
        log.error("stopping", extra={"fields": {"why": value}})
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_text(encoding="utf-8").isascii()
    assert [line["why"] for line in lines_of(path)] == [value]


def test_a_resumed_run_appends_to_its_log(path: Path) -> None:
    """A resumed run appends to its log."""
    for event in ("first", "second"):
        with logging_to(path, RUN):
            log.info(event)
    assert [line["event"] for line in lines_of(path)] == ["first", "second"]


def test_a_log_is_private(path: Path) -> None:
    """The log is private from the start."""
    with logging_to(path, RUN):
        assert path.stat().st_mode & 0o777 == 0o600


def test_after_the_run_nothing_is_logged_to_it(path: Path) -> None:
    """After the run, also after an error, nothing is logged to it."""

    def fail() -> None:
        with logging_to(path, RUN):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    log.error("late")
    assert path.read_bytes() == b""


def test_two_runs_have_a_log_each(tmp_path: Path) -> None:
    """Two runs in one program have separate logs."""
    for run in ("a", "b"):
        with logging_to(tmp_path / run, run):
            log.info("begun")
    assert [[line["run"] for line in lines_of(tmp_path / run)] for run in "ab"] == [["a"], ["b"]]


def test_what_libraries_log_is_none_of_it(path: Path) -> None:
    """Messages of libraries, which may hold addresses and headers, are not logged."""
    with logging_to(path, RUN):
        logging.getLogger("urllib3").error("https://api.example.com/v1/clients/1024")
    assert path.read_bytes() == b""


def test_details_for_programmers_are_left_out(path: Path) -> None:
    """Tracebacks, which could hold values of cells, are not logged."""
    with logging_to(path, RUN):
        log.debug("detail")
        log.error("failed", exc_info=ValueError("sara@example.com"))
    assert [line["event"] for line in lines_of(path)] == ["failed"]
    assert "sara" not in path.read_text(encoding="utf-8")


def test_without_a_run_the_line_says_so() -> None:
    """Without a run, the line has null as its run."""
    record = logging.LogRecord("etl", logging.INFO, "x.py", 1, "begun", None, None)
    assert json.loads(JsonLines().format(record))["run"] is None
