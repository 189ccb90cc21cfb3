"""Kills the program at random moments, and compares its records with the truth.

``python tests/torture.py --kills N --seed N`` kills as often as asked; the tests kill a few hundred
times.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from etl.rows import Status
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from spreadsheets import read_csv, write_csv
from warm import WarmProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

ROWS = 150
WORKERS = 8
LATENCY = 0.005
MOST_KILLS = 8  # of one file's run
_REACH = 0.8  # of the time a run takes: one that is resumed takes less


@dataclass
class Tally:
    """The results: ``under_way`` counts recorded attempts without an end, over all kills."""

    kills: int = 0
    before_a_run: int = 0
    under_way: int = 0
    sent_again: int = 0
    files: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills over {self.files} files of {ROWS} rows: {self.before_a_run} before"
            f" there was a run, {self.under_way} attempts under way, {self.sent_again} sent again"
        )


def torture(kills: int, seed: int, folder: Path) -> Tally:
    """Kill at least this many runs, several times per file, and check the state after each kill.

    A run that was killed often enough may finish.
    """
    chance = random.Random(seed)  # noqa: S311 - it is to be the same again
    tally = Tally()
    with Sandbox(behaviour=Behaviour(latency=LATENCY)) as sandbox:
        environment = {"FATORA_API_URL": sandbox.url, "FATORA_BEARER_TOKEN": _token(sandbox)}
        with WarmProgram(folder, environment) as program:
            usual = _seconds_of_a_run(program)
            while tally.kills < kills:
                _torture_one_file(program, sandbox, chance, usual, tally)
    return tally


def _token(sandbox: Sandbox) -> str:
    headers = {"api_key": sandbox.api_key}
    answer = requests.get(f"{sandbox.url}/Authorization/Authorize", headers=headers, timeout=5)
    return str(answer.json()["bearer_token"])


def _seconds_of_a_run(program: WarmProgram) -> float:
    program.run("history")
    source = _file(program, 0)
    start = time.monotonic()
    assert program.run("update", source, "--workers", WORKERS) == 0, program.output()
    return time.monotonic() - start


def _file(program: WarmProgram, number: int) -> Path:
    """Write a file whose rows no other file has: rows 2 and on, clients of their own."""
    first = 1 + number * ROWS
    rows = [(str(client), _email(client)) for client in range(first, first + ROWS)]
    return write_csv(program.folder / f"{number}.csv", [("id", "email"), *rows])


def _email(client: int) -> str:
    return f"new-{client}@example.com"


def _torture_one_file(
    program: WarmProgram, sandbox: Sandbox, chance: random.Random, usual: float, tally: Tally
) -> None:
    tally.files += 1
    clients = range(1 + tally.files * ROWS, 1 + (tally.files + 1) * ROWS)
    source = _file(program, tally.files)
    seen, under_way = sandbox.requests_seen, 0
    for left in reversed(range(MOST_KILLS + 1)):
        process = program.start("update", source, "--workers", WORKERS)
        if left:
            _kill_after(process, chance.uniform(0, _REACH * usual))
        code = program.wait()
        if code != -signal.SIGKILL:
            break
        tally.kills += 1
        under_way += _check_journal(program, sandbox, source, tally)
    assert code == 0, program.output()
    _check_results(program, sandbox, source, clients)
    sent_again = sandbox.requests_seen - seen - ROWS
    assert 0 <= sent_again <= under_way, f"{sent_again} sent again, {under_way} were under way"
    tally.under_way += under_way
    tally.sent_again += sent_again


def _kill_after(process: int, seconds: float) -> None:
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _run_of(program: WarmProgram, source: Path) -> Path | None:
    """Return the folder of the one run of a file, if there is one."""
    runs = (path for path in (program.folder / "runs").glob("2*") if path.is_dir())
    found = [run for run in runs if (run / "input.csv").read_bytes() == source.read_bytes()]
    assert len(found) <= 1, "a file has two runs"
    return found[0] if found else None


def _check_journal(program: WarmProgram, sandbox: Sandbox, source: Path, tally: Tally) -> int:
    """Compare a killed run's journal with what the API did, and return what was under way."""
    applied = {
        int(row["id"])
        for row in read_csv(source)
        if sandbox.store.get(int(row["id"])).email == row["email"]
    }
    run = _run_of(program, source)
    if run is None:
        assert not applied, "rows were sent without a run"
        tally.before_a_run += 1
        return 0
    with _copy_of(run) as db:
        recorded = {
            client
            for (client,) in db.execute("SELECT client_id FROM rows JOIN attempts USING (row)")
        }
        updated = {
            client
            for (client,) in db.execute(
                "SELECT client_id FROM rows WHERE status = ?", (Status.SUCCESS,)
            )
        }
        ((under_way,),) = db.execute("SELECT COUNT(*) FROM attempts WHERE ended IS NULL")
    assert applied <= recorded, "an update was made of which there is no record"
    assert updated <= applied, "a row is SUCCESS but was not updated"
    assert under_way <= 2 * WORKERS  # each has one more on record than it sends
    return int(under_way)


@contextlib.contextmanager
def _copy_of(run: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a journal, since opening it could repair it."""
    with tempfile.TemporaryDirectory() as folder:
        for file in run.glob("journal.sqlite3*"):
            shutil.copy(file, folder)
        db = sqlite3.connect(Path(folder) / "journal.sqlite3")
        with contextlib.closing(db):
            yield db


def _check_results(program: WarmProgram, sandbox: Sandbox, source: Path, clients: range) -> None:
    """Everything is as if nothing had happened."""
    run = _run_of(program, source)
    assert run is not None
    results = read_csv(run / "results.csv")
    assert [int(row["id"]) for row in results] == list(clients), "not each row once and in order"
    assert {row["update_status"] for row in results} == {Status.SUCCESS}
    stored = [sandbox.store.get(client).email for client in clients]
    assert stored == [_email(client) for client in clients], "a row was not updated"
    left = {file.name for file in run.iterdir()}
    assert left == {
        *("input.csv", "results.csv", "report.html"),
        *("journal.sqlite3", "run.log", "manifest.json"),
    }


def main() -> int:
    """Kill as often as the command line asks for, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = torture(asked.kills, asked.seed, Path(folder))
    print(f"seed {asked.seed}: {tally}")  # noqa: T201 - a script speaks to its user
    return 0


if __name__ == "__main__":
    sys.exit(main())
