"""Promises that hold for any table: every row accounted for, and no invalid row sent."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from etl.config import Settings, load_settings
from etl.console import Silence
from etl.load.connection import Connection
from etl.load.tokens import ExchangedToken
from etl.pipeline import Job, update
from etl.runs.folder import RunsFolder
from etl.sandbox.server import Sandbox
from etl.stopping import StopRequest
from etl.text import is_blank
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from etl.outcome import Summary

IDS = st.sampled_from(["1", "2", "3", " 4 ", "٥", "6.0", "7.5", "-8", "", "x", "9000000"])
EMAILS = st.sampled_from(
    ["a@example.com", "b@example.com", "c+404@example.com", "c+422@example.com", "", "none"]
)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
TABLES = st.lists(st.tuples(IDS, EMAILS, NAMES), max_size=12)


def job_of(sandbox: Sandbox, folder: Path) -> Job:
    """Return a job that sends to the sandbox."""
    chosen: Settings = load_settings(
        None, {"api.url": sandbox.url, "runs.dir": folder / "runs", "api.pause": 0.001}
    )

    @contextmanager
    def connect(_ids: Iterable[int]) -> Iterator[Connection]:
        tokens = ExchangedToken(SecretStr(sandbox.api_key), sandbox.url)
        yield Connection(sandbox.url, tokens, timeout=10)

    RunsFolder(chosen.runs.dir).prepare()
    return Job(chosen, connect, StopRequest(), Silence())


def sent(sandbox: Sandbox, folder: Path, table: list[tuple[str, str, str]]) -> Summary:
    """Send a table as a CSV, and return what became of it."""
    source = write_csv(folder / "clients.csv", [("id", "email", "name"), *table])
    return update(source, job_of(sandbox, folder))


@settings(max_examples=40, deadline=None)
@given(table=TABLES)
def test_every_row_is_in_the_results_once_and_in_order(
    table: list[tuple[str, str, str]],
) -> None:
    """Whatever the rows are, each has one status, the counts add up, and none is out of place."""
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        summary = sent(sandbox, Path(name), table)
        assert summary.folder is not None
        results = read_csv(summary.folder / "results.csv")
        seen = [
            row
            for row, cells in enumerate(table, start=2)
            if not all(is_blank(cell) for cell in cells)
        ]
        assert [int(row["update_row"]) for row in results] == seen
        assert len(results) == summary.rows == sum(summary.counts.values())
        assert summary.rows + summary.blank_rows == len(table)
        for status, count in summary.counts.items():
            assert statuses(results).count(status) == count


@settings(max_examples=40, deadline=None)
@given(table=TABLES)
def test_invalid_row_is_never_sent(table: list[tuple[str, str, str]]) -> None:
    """As many requests reach the API as there are rows with an answer, and none for the others."""
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        summary = sent(sandbox, Path(name), table)
        assert summary.folder is not None
        results = read_csv(summary.folder / "results.csv")
        answered = [row for row in results if row["update_http_status"]]
        assert not {row["update_status"] for row in answered} & {"INVALID", "NOT_SENT"}
        tokens = 1 if answered else 0
        assert sandbox.requests_seen == tokens + sum(int(r["update_attempts"]) for r in results)
        assert sum(int(r["update_attempts"]) for r in results) == len(answered)
