"""After a power cut at any flush, the run resumes from what is on the disk."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from typing import TYPE_CHECKING

from disk import ForgetfulDisk, State
from etl.jobs.pipeline import update_file
from jobs import job
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.summary import Summary
    from etl.sandbox.server import Sandbox

CLIENTS = range(1, 13)


def send(source: Path, sandbox: Sandbox, runs: Path) -> Summary:
    """Send a file to the sandbox, and return the summary."""
    return update_file(source, job(sandbox.url, runs, sandbox.api_key, load__workers=3))


def applied(sandbox: Sandbox) -> set[int]:
    """The clients that the API has updated."""
    return {each for each in CLIENTS if sandbox.store.get(each).email.startswith("new-")}


def recorded(runs: Path, scratch: Path) -> set[int]:
    """The clients with a recorded attempt in visible runs."""
    clients: set[int] = set()
    shutil.copytree(runs, scratch)  # opening a journal can repair it
    for path in scratch.glob("2*/journal.sqlite3"):
        with contextlib.closing(sqlite3.connect(path)) as db:
            rows = db.execute("SELECT client_id FROM rows JOIN attempts USING (row)")
            clients.update(client for (client,) in rows)
    shutil.rmtree(scratch)
    return clients


def test_nothing_that_was_done_is_forgotten_when_the_power_fails(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """After each flush, every update made so far is recorded, and the run can be resumed.

    In the end there is one run, whose results have each row once, updated.
    """
    source = write_csv(
        tmp_path / "clients.csv",
        [("id", "email"), *((str(each), f"new-{each}@example.com") for each in CLIENTS)],
    )
    states: list[tuple[set[int], State]] = []
    before = tmp_path / "before"
    before.mkdir()
    disk = ForgetfulDisk(lambda state: states.append((applied(sandbox), state)))
    with disk.watching():
        assert send(source, sandbox, before / "runs").exit_code == 0
    assert len(states) > 30
    for number, (done, state) in enumerate(states):
        after = tmp_path / f"after-{number}"
        state.restore(before.stat().st_ino, after)
        runs = after / "runs"
        assert done <= (recorded(runs, tmp_path / "scratch") if runs.exists() else set())
        send(source, sandbox, runs)
        (run,) = runs.glob("2*")
        results = read_csv(run / "results.csv")
        assert [int(row["id"]) for row in results] == list(CLIENTS)
        assert statuses(results) == ["SUCCESS"] * len(CLIENTS)
