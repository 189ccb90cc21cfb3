"""Promises that hold for any table: every row accounted for, and no invalid row sent."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ExitCode
from etl.jobs.pipeline import update_file
from etl.jobs.update import update_each
from etl.manifest import Manifest
from etl.runs.folder import RunsFolder
from etl.sandbox.server import Sandbox
from etl.text import is_blank
from jobs import job
from scripted import ScriptedServer, reply
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from etl.jobs.summary import Summary

IDS = st.sampled_from(["1", "2", "3", " 4 ", "٥", "6.0", "7.5", "-8", "", "x", "9000000"])
EMAILS = st.sampled_from(
    ["a@example.com", "b@example.com", "c+404@example.com", "c+422@example.com", "", "none"]
)
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)
TABLES = st.lists(st.tuples(IDS, EMAILS, NAMES), max_size=12)


def sent(sandbox: Sandbox, folder: Path, table: list[tuple[str, str, str]]) -> Summary:
    """Send a table as a CSV, and return the results."""
    source = write_csv(folder / "clients.csv", [("id", "email", "name"), *table])
    return update_file(source, job(sandbox.url, folder / "runs", sandbox.api_key, api__pause=0.001))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(table=TABLES)
def test_every_row_is_in_the_results_once_and_in_order(
    table: list[tuple[str, str, str]],
) -> None:
    """Every row is in the results once and in order, and the counts add up."""
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
        assert len(results) == summary.totals.rows == sum(summary.totals.counts.values())
        assert summary.totals.rows + summary.totals.blank_rows == len(table)
        for status, count in summary.totals.counts.items():
            assert statuses(results).count(status) == count


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(table=TABLES)
def test_invalid_row_is_never_sent(table: list[tuple[str, str, str]]) -> None:
    """Only valid rows reach the API."""
    with tempfile.TemporaryDirectory() as name, Sandbox() as sandbox:
        summary = sent(sandbox, Path(name), table)
        assert summary.folder is not None
        results = read_csv(summary.folder / "results.csv")
        answered = [row for row in results if row["update_http_status"]]
        assert not {row["update_status"] for row in answered} & {"INVALID", "NOT_SENT"}
        tokens = 1 if answered else 0
        assert sandbox.requests_seen == tokens + sum(int(r["update_attempts"]) for r in results)
        assert sum(int(r["update_attempts"]) for r in results) == len(answered)


TOKEN = reply(b'{"success": true, "bearer_token": "an-invented-token"}')
DONE = reply(b'{"status": "SUCCESS"}')
WAIT = reply(b"", b"Retry-After: 1", status=b"503 Busy")


@pytest.mark.parametrize(
    ("answers", "codes"),
    [([WAIT, TOKEN, DONE, DONE], [0, 0]), ([TOKEN, WAIT, DONE], [1, 0])],
    ids=["signing in", "a file before"],
)
def test_a_wait_that_the_api_asks_for_holds_for_the_next_file(
    tmp_path: Path, answers: list[bytes], codes: list[int]
) -> None:
    """A wait that the API asks for applies to the next file too."""
    sources = [
        write_csv(tmp_path / f"{n}.csv", [("id", "email"), (str(n), "a@example.com")])
        for n in (1, 2)
    ]
    with ScriptedServer([[answer] for answer in answers]) as server:
        patient = job(server.url, tmp_path / "runs", "invented", api__attempts=1)
        start = time.monotonic()
        summaries = list(update_each(sources, patient))
        took = time.monotonic() - start
    assert [summary.exit_code for summary in summaries] == codes
    assert took > 1


@pytest.mark.parametrize("jump", [timedelta(days=-1), timedelta(days=1)])
def test_a_clock_that_is_set_during_a_run_changes_no_duration(
    sandbox: Sandbox, tmp_path: Path, jump: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The seconds of a session are those that passed; its times are those of the clock."""
    times = iter([timedelta()])

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + next(times, jump)

    monkeypatch.setattr("etl.manifest.datetime", Clock)
    before = time.monotonic()
    summary = sent(sandbox, tmp_path, [("1", "a@example.com", "")])
    assert summary.folder is not None
    seconds = Manifest.read(summary.folder / "manifest.json").sessions[-1].seconds
    assert seconds is not None
    assert 0 < seconds < time.monotonic() - before


def _damaged(journal: Path, how: str) -> None:
    match how:
        case "overwritten":
            journal.write_bytes(b"x" * 9_000)
        case "cut":
            journal.write_bytes(journal.read_bytes()[:5_000])
        case "missing":
            journal.unlink()


@pytest.mark.parametrize("how", ["overwritten", "cut", "missing"])
@pytest.mark.parametrize("killed", [True, False])
def test_a_damaged_journal_stops_its_own_file_only(
    tmp_path: Path,
    how: str,
    killed: bool,  # noqa: FBT001
) -> None:
    """The night ends with 4 and names verify, and the files after the damaged run are sent."""
    first = write_csv(tmp_path / "1.csv", [("id", "email"), ("1", "a@example.com")])
    second = write_csv(tmp_path / "2.csv", [("id", "email"), ("2", "b@example.com")])
    with Sandbox() as sandbox:
        context = job(sandbox.url, tmp_path / "runs", sandbox.api_key)
        folder = RunsFolder(tmp_path / "runs").folder(update_file(first, context).run or "")
        if killed:
            opened = Manifest.read(folder.manifest).reopened(folder.continued)
            replace(opened, exit_code=None).write(folder.manifest)
        _damaged(folder.journal, how)
        damaged, sent_after = update_each([first, second], context)
    assert (damaged.exit_code, damaged.stopped) == (ExitCode.STOPPED, None)
    assert damaged.sentence == (
        f"the journal of run {folder.run} is damaged: see fatora-clients verify"
    )
    assert sent_after.totals.updated == 1
