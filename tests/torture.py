"""Kills the program at random moments, and compares its records with the truth.

``python tests/torture.py --kills N --seed N`` kills as often as asked, over all scenarios; the
tests kill a few hundred times.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from etl.rows import Status
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from spreadsheets import read_csv, write_csv
from warm import WarmProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etl.sandbox.store import Client

ROWS = 150
WORKERS = 8
LATENCY = 0.005
MOST_KILLS = 8  # of one step of a file
_REACH = 0.8  # of the time a step takes: one that is resumed takes less
_OF_STATUS = "SELECT client_id FROM rows WHERE status = ?"
_FILES = {
    *("input.csv", "results.csv", "report.html"),
    *("journal.sqlite3", "run.log", "manifest.json"),
}


@dataclass(frozen=True)
class Step:
    """A command that is killed, and run again until it ends with ``exit_code``.

    It ``sends`` the values of the file ("new"), those from before ("old"), or nothing (""). With
    ``of_run`` it is given the run that sent the file instead of the file, and a run that sends is
    one of its own then.
    """

    command: str
    options: Sequence[str] = ()
    exit_code: int = 0
    sends: str = "new"
    of_run: bool = False


UPDATE = Step("update")
COMPARE = Step("update", ["--compare"])
PLAN = Step("plan", exit_code=4, sends="")
UNDO = Step("undo", sends="old", of_run=True)
CONFIRM = Step("confirm", sends="", of_run=True)
# What is done with each file, one step after the other. In all but the first, clients are read.
SCENARIOS: dict[str, Sequence[Step]] = {
    "update": [UPDATE],
    "compare": [COMPARE],
    "plan": [PLAN, UPDATE],
    "undo": [COMPARE, UNDO],
    "confirm": [COMPARE, CONFIRM],
}


@dataclass
class Tally:
    """The results: ``under_way`` counts recorded attempts without an end, over all kills."""

    kills: int = 0
    before_a_run: int = 0
    under_way: int = 0
    sent_again: int = 0
    read_again: int = 0
    files: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills over {self.files} files of {ROWS} rows: {self.before_a_run} before"
            f" there was a run, {self.under_way} attempts under way, {self.sent_again} sent again,"
            f" {self.read_again} read again"
        )


@dataclass
class World:
    """A file whose clients no other file has, what they held before, and what they are to hold.

    If clients are read, every third row says what its client holds already.
    """

    program: WarmProgram
    sandbox: Sandbox
    number: int
    compares: bool
    tally: Tally
    earlier: set[Path] = field(init=False)

    def __post_init__(self) -> None:
        first = 1 + self.number * ROWS
        self.ids = range(first, first + ROWS)
        self.old = self.held()
        self.new = [
            each if self.compares and each.id % 3 == 0 else replace(each, email=_new(each.id))
            for each in self.old
        ]
        self.earlier = self._all_runs()
        self.source = write_csv(
            self.program.folder / f"{self.number}.csv",
            [("id", "email"), *((str(each.id), each.email) for each in self.new)],
        )

    @property
    def changed(self) -> int:
        """The number of clients that the file changes."""
        return sum(old != new for old, new in zip(self.old, self.new, strict=True))

    @property
    def runs(self) -> list[Path]:
        """The folders of the runs that this file has had, the oldest first."""
        return sorted(self._all_runs() - self.earlier)

    def _all_runs(self) -> set[Path]:
        return {path for path in (self.program.folder / "runs").glob("2*") if path.is_dir()}

    def held(self) -> list[Client]:
        """Return what the API holds of the clients."""
        return [self.sandbox.store.get(client) for client in self.ids]

    def start(self, step: Step) -> int:
        """Start a step, and return the id of its process."""
        given = self.runs[0].name if step.of_run else self.source
        return self.program.start(step.command, given, *step.options, "--workers", WORKERS)

    def run_of(self, step: Step) -> Path | None:
        """Return the folder of the run that a step works on, if there is one yet."""
        runs = self.runs
        own = bool(step.of_run and step.sends)
        assert len(runs) <= 1 + own, "a file has a run too many"
        return runs[own] if len(runs) > own else None


def _new(client: int) -> str:
    return f"new-{client}@example.com"


def torture(kills: int, seed: int, folder: Path, scenario: str = "update") -> Tally:
    """Kill at least this many runs, several times per file, and check the state after each kill.

    A run that was killed often enough may finish.
    """
    chance = random.Random(seed)  # noqa: S311 - it is to be the same again
    tally = Tally()
    steps = SCENARIOS[scenario]
    with Sandbox(behaviour=Behaviour(latency=LATENCY)) as sandbox:
        environment = {"FATORA_API_URL": sandbox.url, "FATORA_BEARER_TOKEN": _token(sandbox)}
        with WarmProgram(folder, environment) as program:
            program.run("history")
            world = World(program, sandbox, 0, scenario != "update", tally)
            usual = [_seconds_of(step, world) for step in steps]
            while tally.kills < kills:
                tally.files += 1
                world = World(program, sandbox, tally.files, scenario != "update", tally)
                for step, seconds in zip(steps, usual, strict=True):
                    _torture(step, world, partial(chance.uniform, 0, _REACH * seconds))
            assert program.run("verify", "--all") == 0, program.output()
    return tally


def _token(sandbox: Sandbox) -> str:
    headers = {"api_key": sandbox.api_key}
    answer = requests.get(f"{sandbox.url}/Authorization/Authorize", headers=headers, timeout=5)
    return str(answer.json()["bearer_token"])


def _seconds_of(step: Step, world: World) -> float:
    start = time.monotonic()
    world.start(step)
    assert world.program.wait() == step.exit_code, world.program.output()
    return time.monotonic() - start


def _torture(step: Step, world: World, moment: Callable[[], float]) -> None:
    """Kill a step at several moments, let it end, and check what it did in all."""
    tally, sandbox = world.tally, world.sandbox
    is_planned = world.run_of(step) is not None  # by an earlier step
    before, kills, under_way = world.held(), 0, 0
    puts, gets = sandbox.requests_of("PUT"), sandbox.requests_of("GET")
    for left in reversed(range(MOST_KILLS + 1)):
        process = world.start(step)
        if left:
            _kill_after(process, moment())
        code = world.program.wait()
        if code != -signal.SIGKILL:
            break
        kills += 1
        under_way += _check_journal(step, world, before)
    assert code == step.exit_code, world.program.output()
    _check_results(step, world)
    sent_again = sandbox.requests_of("PUT") - puts - (world.changed if step.sends else 0)
    assert 0 <= sent_again <= under_way, f"{sent_again} sent again, {under_way} were under way"
    if world.compares and not step.of_run:
        read_again = sandbox.requests_of("GET") - gets - (0 if is_planned else ROWS)
        assert 0 <= read_again <= kills * 2 * WORKERS, f"{read_again} read again"
        tally.read_again += read_again
    tally.kills += kills
    tally.under_way += under_way
    tally.sent_again += sent_again


def _kill_after(process: int, seconds: float) -> None:
    time.sleep(seconds)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _check_journal(step: Step, world: World, before: Sequence[Client]) -> int:
    """Compare a killed run's journal with what the API did, and return what was under way."""
    held = world.held()
    applied = {now.id for was, now in zip(before, held, strict=True) if was != now}
    assert step.sends or not applied, "a step that sends nothing changed a client"
    _check_clients(held, world)
    run = world.run_of(step)
    if run is None:
        assert not applied, "rows were sent without a run"
        world.tally.before_a_run += 1
        return 0
    with _copy_of(run) as db:
        recorded = _ids(db, "SELECT client_id FROM rows JOIN attempts USING (row)")
        updated = _ids(db, _OF_STATUS, Status.SUCCESS)
        ((under_way,),) = db.execute("SELECT COUNT(*) FROM attempts WHERE ended IS NULL")
        if world.compares:
            _check_images(db, world.new if step.sends == "old" else world.old, recorded)
    if step.sends:
        assert applied <= recorded, "an update was made of which there is no record"
        assert updated <= applied, "a row is SUCCESS but was not updated"
    assert under_way <= 2 * WORKERS  # each has one more on record than it sends
    return int(under_way)


def _check_clients(held: Sequence[Client], world: World) -> None:
    """Each client is as it was, or as the file says."""
    assert all(now in both for now, *both in zip(held, world.old, world.new, strict=True)), (
        "a client holds what nobody sent"
    )


def _check_images(db: sqlite3.Connection, before: Sequence[Client], sent: set[int]) -> None:
    """Nothing is sent before all clients were read, and what they held then is kept."""
    images = {
        client: json.loads(image)
        for client, image in db.execute(
            "SELECT client_id, client FROM plans JOIN rows USING (row)"
            " JOIN readings ON readings.id = before"
        )
    }
    rows = _ids(db, "SELECT client_id FROM rows")
    assert not sent or images.keys() == rows, "a row was sent before all were planned"
    was = {client.id: client for client in before}
    for client, image in images.items():
        assert {"id": client, **image} == asdict(was[client]), "a before-image is not the first"
    unchanged = _ids(db, _OF_STATUS, Status.UNCHANGED)
    assert not unchanged & sent, "an unchanged row was sent"


def _ids(db: sqlite3.Connection, question: str, *given: str) -> set[int]:
    return {client for (client,) in db.execute(question, given)}


@contextlib.contextmanager
def _copy_of(run: Path) -> Iterator[sqlite3.Connection]:
    """Open a copy of a journal, since opening it could repair it."""
    with tempfile.TemporaryDirectory() as folder:
        for file in run.glob("journal.sqlite3*"):
            shutil.copy(file, folder)
        db = sqlite3.connect(Path(folder) / "journal.sqlite3")
        with contextlib.closing(db):
            yield db


def _check_results(step: Step, world: World) -> None:
    """Everything is as if nothing had happened."""
    run = world.run_of(step)
    assert run is not None
    results = read_csv(run / "results.csv")
    assert {file.name for file in run.iterdir()} == _FILES
    wanted = {"new": world.new, "old": world.old, "": None}[step.sends]
    if wanted is None:
        _check_clients(world.held(), world)
        return
    assert world.held() == wanted, "a client was not updated, or another one was"
    statuses = {int(row["id"]): row["update_status"] for row in results}
    assert len(statuses) == len(results), "a row is there twice"
    if not step.of_run:
        assert list(statuses) == list(world.ids), "not each row once and in order"
    changing = zip(world.ids, world.old, world.new, strict=True)
    for client, old, new in changing:
        if client in statuses:
            expected = Status.UNCHANGED if old == new and world.compares else Status.SUCCESS
            assert statuses[client] == expected


def main() -> int:
    """Kill as often as the command line asks for, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scenario", choices=SCENARIOS, action="append")
    asked = parser.parse_args()
    scenarios = asked.scenario or list(SCENARIOS)
    for scenario in scenarios:
        with tempfile.TemporaryDirectory() as folder:
            tally = torture(asked.kills // len(scenarios), asked.seed, Path(folder), scenario)
        print(f"seed {asked.seed}, {scenario}: {tally}")  # noqa: T201 - a script speaks to its user
    return 0


if __name__ == "__main__":
    sys.exit(main())
