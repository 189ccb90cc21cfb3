"""The chain of runs against a model: whatever people do with the program, and whatever others do.

The model keeps the line of seals as they were made. While only the program writes, verifying finds
nothing but runs that were killed. What another hand changes is found, unless nothing that was
sealed later tells: then the seal at the chain's end is another one than it was.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from etl.console import Silence
from etl.errors import ConfigError
from etl.load.access import Access
from etl.load.api import Api
from etl.load.pacing import Pace
from etl.load.tokens import GivenToken
from etl.load.transport import Answer, Transport
from etl.pipeline import update
from etl.retention import prune, runs_older_than
from etl.runs.folder import RunsFolder
from etl.runs.manifest import Seal
from etl.verification import verify_all
from jobs import job
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.rows import RowResult
    from etl.stopping import StopRequest
    from etl.verification import Problem

TABLES = [
    [("1", "a@example.com"), ("2", "b@example.com"), ("3", "c@example.com")],
    [("4", "d@example.com"), ("x", "not an address"), ("5", "e@example.com")],
    [("6", "f@example.com"), ("7", "g@example.com")],
]
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "load__rate": st.sampled_from([500.0, 1000.0]),
        "load__workers": st.integers(1, 3),
        "api__attempts": st.integers(1, 3),
        "timeout": st.sampled_from([5.0, 9.0]),
    },
)
EVER = timedelta(days=-100_000)
Manifests = dict[str, dict[str, Any]]


class EveryClient(Api):
    """An API that updates whatever it is sent."""

    def sign_in(self) -> None:
        """Need no token."""

    def update(self, client_id: int, body: Mapping[str, str]) -> Answer:
        """Confirm the update."""
        client = {"id": client_id, **body}
        return Answer(200, json.dumps({"status": "SUCCESS", "client": client}).encode())


class NoNetwork(Access):
    """Reaches that API without a network."""

    def api(self) -> Api:
        """Return the API."""
        return EveryClient(self.url, self.tokens, Transport(1, None, None))


@dataclass
class Interrupting(Silence):
    """Somebody who asks the run to stop once the first row was sent."""

    stop: StopRequest

    def sent(self, results: Sequence[RowResult]) -> None:
        """Ask it."""
        self.stop.ask("The run was interrupted.")


class Chain(RuleBasedStateMachine):
    """Nights of runs, one after the other, and what is done to their folders between them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runs = RunsFolder(self.folder / "runs")
        self.line: list[Seal] = []
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.is_broken = False
        for number, rows in enumerate(TABLES):
            write_csv(self.folder / f"{number}.csv", [("id", "email"), *rows])

    # What people do

    @rule(
        file=st.integers(0, len(TABLES) - 1),
        options=OPTIONS,
        port=st.integers(8000, 8001),
        limit=st.sampled_from([None, None, 1, 2]),
        is_interrupted=st.booleans(),
        again=st.booleans(),
        is_absolute=st.booleans(),
        wants_copy=st.booleans(),
        killed_at=st.none() | st.none() | st.integers(1, 25),
    )
    def update(  # noqa: PLR0913, PLR0917 - Hypothesis gives them by their names
        self,
        file: int,
        options: dict[str, Any],
        port: int,
        limit: int | None,
        is_interrupted: bool,  # noqa: FBT001
        again: bool,  # noqa: FBT001
        is_absolute: bool,  # noqa: FBT001
        wants_copy: bool,  # noqa: FBT001
        killed_at: int | None,
    ) -> None:
        """Send a file: for the first time, again, or what is left of it."""
        with chdir(self.folder), self._clock(), self._killed(killed_at):
            path = self.runs.path if is_absolute else Path("runs")
            made = job(f"http://127.0.0.1:{port}/v1", path, **options)
            access = NoNetwork(made.settings.api.url, _token(), Pace(made.settings.load.rate), 1)
            made = replace(
                made,
                connect=lambda _ids: nullcontext(access),
                progress=Interrupting(made.stop) if is_interrupted else Silence(),
                limit=limit,
                again=again,
                results=self.folder / "copy.csv" if wants_copy else None,
            )
            with contextlib.suppress(ConfigError):  # the results were pruned
                update(Path(f"{file}.csv"), made)
        self._check()

    @rule(number=st.integers(0, 3), killed_at=st.none() | st.integers(1, 6))
    def prune(self, number: int, killed_at: int | None) -> None:
        """Remove the personal data of a run."""
        chosen = [old for old in runs_older_than(EVER, self.runs) if not old.unfinished]
        for old in chosen[number : number + 1]:
            with self._clock(), self._killed(killed_at):
                prune(old, self.runs)
        self._check()

    @rule(seconds=st.sampled_from([0.001, 1, 86_400, -0.001, -86_400]))
    def set_clock(self, seconds: float) -> None:
        """Have the next runs begin later, or earlier; else the clock stands still."""
        self.now += timedelta(seconds=seconds)

    # What others do

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def flip_a_bit(self, which: int, place: float, bit: int) -> None:
        """Change any file of a sealed run, the manifest too."""
        with self._tampering(must_be_found=True):
            files = [file for run in self._sealed() for file in (self.runs.path / run).iterdir()]
            file = files[which % len(files)]
            content = bytearray(file.read_bytes())
            content[int(place * len(content))] ^= 1 << bit
            file.write_bytes(content)

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9), kind=st.sampled_from(["add", "remove", "rename", "copy"]))
    def move_files(self, which: int, kind: str) -> None:
        """Add or remove a file of a sealed run, rename or copy its folder."""
        with self._tampering(must_be_found=True):
            folder = self.runs.path / _pick(self._sealed(), which)
            if kind == "add":
                (folder / "results (corrected).csv").touch()
            elif kind == "remove":
                _pick(sorted(folder.iterdir()), which).unlink()
            elif kind == "rename":
                folder.rename(self.runs.path / "20200101T000000.000Z-abcdef")
            else:
                shutil.copytree(folder, self.runs.path / "20200101T000000.000Z-abcdef")

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9), is_lasting=st.booleans())
    def rewrite_a_manifest(self, which: int, is_lasting: bool) -> None:  # noqa: FBT001
        """Change what a sealed manifest says, with a hash that fits."""
        run = _pick(self._sealed(), which)
        latest = [seal for seal in self.line if seal.run == run][-1]
        with self._tampering(lost={latest}, is_lasting=is_lasting):
            _rewrite(self.runs.folder(run).manifest, program="another")

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9), is_lasting=st.booleans())
    def remove_a_run(self, which: int, is_lasting: bool) -> None:  # noqa: FBT001
        """Remove the whole folder of a run."""
        run = _pick(sorted(self._manifests()), which)
        lost = {seal for seal in self.line if seal.run == run}
        is_lasting = is_lasting and len(self._manifests()) > 1
        with self._tampering(lost=lost, is_lasting=is_lasting):
            shutil.rmtree(self.runs.path / run)

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9), is_lasting=st.booleans())
    def put_back(self, which: int, is_lasting: bool) -> None:  # noqa: FBT001
        """Put back the folder of a run as it was at an earlier seal."""
        place = which % len(self.line)
        old = self.line[place]
        lost = {seal for seal in self.line[place + 1 :] if seal.run == old.run}
        with self._tampering(lost=lost, is_lasting=is_lasting):
            shutil.rmtree(self.runs.path / old.run)
            shutil.copytree(self._copy(old), self.runs.path / old.run)

    @precondition(lambda self: self.line and not self.is_broken)
    @rule(which=st.integers(0, 9))
    def write_to_a_log(self, which: int) -> None:
        """Change a file that a resume or a pruning would go on with, and seal."""
        with self._tampering(must_be_found=True, is_lasting=True):
            log = self.runs.folder(_pick(self._sealed(), which)).log
            log.write_text(log.read_text(encoding="utf-8") + "{}\n", encoding="utf-8")

    # What must hold

    def _check(self) -> None:
        if self.is_broken:
            assert self._problems() - self._unfinished(), "what was found is found no more"
            return
        assert self._problems() == self._unfinished()
        found = [seal for manifest in self._manifests().values() for seal in _seals(manifest)]
        assert len(found) == len(set(found))
        assert set(self.line) <= set(found), "a seal was not kept"
        for seal in set(found) - set(self.line):
            self.line.append(seal)
            shutil.copytree(self.runs.path / seal.run, self._copy(seal))
        assert len(self.line) == len(found)
        assert self._newest() == (self.line[-1] if self.line else None)

    @contextmanager
    def _tampering(
        self,
        *,
        lost: set[Seal] | None = None,
        must_be_found: bool = False,
        is_lasting: bool = False,
    ) -> Iterator[None]:
        """Have a change found, as far as that can be; undo it, unless it is to last.

        That seals were lost is seen where another that was sealed after them is still there.
        """
        backup, known = self.folder / "backup", self._problems()
        shutil.copytree(self.runs.path, backup)
        yield
        lost = lost or set()
        following = itertools.pairwise(self.line)
        must_be_found = must_be_found or any(a in lost and b not in lost for a, b in following)
        if self._manifests():
            assert bool(self._problems() - known) == must_be_found
            assert must_be_found or not lost or self._newest() != self.line[-1]
        if is_lasting and must_be_found:
            self.is_broken = True
            shutil.rmtree(backup)
        else:
            shutil.rmtree(self.runs.path)
            backup.rename(self.runs.path)

    def _problems(self) -> set[Problem]:
        return set(verify_all(self.runs).problems) if self._manifests() else set()

    def _newest(self) -> Seal | None:
        return verify_all(self.runs).newest_seal if self._manifests() else None

    def _unfinished(self) -> set[Problem]:
        """The problems of runs that have no seal now, of which each must have one."""
        problems = {each for each in self._problems() if "interrupted" in each.problem}
        manifests = self._manifests()
        assert {each.run for each in problems} == manifests.keys() - set(self._sealed())
        return problems

    def _manifests(self) -> Manifests:
        return {
            path.parent.name: json.loads(path.read_bytes())
            for path in self.runs.path.glob("2*/manifest.json")
        }

    def _sealed(self) -> list[str]:
        return sorted(run for run, manifest in self._manifests().items() if manifest["sealed"])

    def _copy(self, seal: Seal) -> Path:
        return self.folder / "copies" / seal.sha256

    # The world

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Have the program see our time."""
        time = self.now

        class Still(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                assert tz is UTC
                return time

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("etl.pipeline.datetime", Still)
            patch.setattr("etl.runs.manifest.datetime", Still)
            yield

    @contextmanager
    def _killed(self, killed_at: int | None) -> Iterator[None]:
        """Have what is on the disk at one of its flushes be all that is left."""
        flushes, left = itertools.count(1), self.folder / "left"

        def flush(_descriptor: int) -> None:
            if next(flushes) == killed_at:
                shutil.copytree(self.runs.path, left)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", flush)
            yield
        if left.exists():
            shutil.rmtree(self.runs.path)
            left.rename(self.runs.path)

    def teardown(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self.folder)


def _token() -> GivenToken:
    from pydantic import SecretStr

    return GivenToken(SecretStr("invented-bearer-token"))


def _pick(names: list[Any], which: int) -> Any:
    return names[which % len(names)]


def _seals(manifest: dict[str, Any]) -> list[Seal]:
    hashes = [version["sha256"] for version in manifest["earlier"]]
    hashes += [manifest["sha256"]] if manifest["sealed"] else []
    return [Seal(manifest["run"], each) for each in hashes]


def _rewrite(path: Path, **changes: object) -> None:
    facts = {**json.loads(path.read_bytes()), **changes}
    del facts["sha256"]
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    facts["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


Chain.TestCase.settings = settings(max_examples=30, stateful_step_count=10, deadline=None)
TestChain = Chain.TestCase
