"""The chain of runs against a model, under normal use and under tampering.

The model records the seals in their order. While only the program writes, verifying finds nothing
except killed runs. Every change by somebody else is found, except at the end of the chain, where no
later seal shows it: there the newest seal differs from the recorded one.
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
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from pydantic import SecretStr

from etl.errors import ConfigError
from etl.files import unfinished_in
from etl.jobs.context import Progress
from etl.jobs.pipeline import update_file
from etl.jobs.prune import older_than, prune
from etl.jobs.verify import verify_all
from etl.load.access import Access
from etl.load.api import Api
from etl.load.pacing import Pace
from etl.load.tokens import GivenToken
from etl.load.transport import Answer, Transport
from etl.manifest import Seal
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from etl.validate.checking import check_records
from jobs import job
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from etl.jobs.verify import Problem
    from etl.rows import CheckedRow, Record, RowResult
    from etl.stopping import StopRequest
    from etl.validate.checking import ColumnRules

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
TOKEN = GivenToken(SecretStr("invented-bearer-token"))
CHECKED: dict[tuple[tuple[str, ...], ...], Sequence[CheckedRow]] = {}
Some = TypeVar("Some")
Manifests = dict[str, dict[str, Any]]


class EveryClient(Api):
    """An API that accepts every update."""

    def sign_in(self) -> None:
        """Accept without a token."""

    def update(self, client_id: int, body: Mapping[str, str]) -> Answer:
        """Confirm the update."""
        client = {"id": client_id, **body}
        return Answer(200, json.dumps({"status": "SUCCESS", "client": client}).encode())


class NoNetwork(Access):
    """Gives access to `EveryClient` without a network or a token."""

    def api(self) -> Api:
        """Return the API."""
        return EveryClient(self.url, self.tokens, Transport(1, None, None))


@dataclass
class Interrupting(Progress):
    """Asks the run to stop after the first row."""

    stop: StopRequest

    def sent(self, _results: Sequence[RowResult]) -> None:
        """Ask the run to stop."""
        self.stop.ask("The run was interrupted.")


def _can_be_harmed(chain: Chain) -> bool:
    return bool(chain.line and chain.sealed()) and not chain.is_broken


class Chain(RuleBasedStateMachine):
    """Consecutive nights of runs, and changes to their folders between them."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.runs = RunsFolder(self.folder / "runs")
        self.line: list[Seal] = []
        self.killed: set[str] = set()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.is_broken = False
        for number, rows in enumerate(TABLES):
            write_csv(self.folder / f"{number}.csv", [("id", "email"), *rows])

    # What people do

    @initialize()
    def leave_rows(self) -> None:
        """Start with a run that stopped early, since most problems begin with one."""
        self.update(
            file=0,
            options={},
            port=8000,
            limit=1,
            is_interrupted=False,
            again=False,
            is_absolute=False,
            wants_copy=False,
            killed_at=None,
            seconds=0,
        )

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
        seconds=st.sampled_from([0, 0, 0.001, 1, 86_400, -0.001, -86_400]),
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
        seconds: float,
    ) -> None:
        """Send a file, or its remaining rows, while the clock may stop or go back."""
        self.now += timedelta(seconds=seconds)
        with chdir(self.folder), self._clock(), self._killed(killed_at):
            path = self.runs.path if is_absolute else Path("runs")
            made = job(f"http://127.0.0.1:{port}/v1", path, **options)
            access = NoNetwork(made.settings.api.url, TOKEN, Pace(made.settings.load.rate), 1)
            made = replace(
                made,
                target=replace(made.target, connect=lambda _ids: nullcontext(access)),
                progress=Interrupting(made.stop) if is_interrupted else Progress(),
                limit=limit,
                again=again,
                results=self.folder / "copy.csv" if wants_copy else None,
            )
            with contextlib.suppress(ConfigError):  # the results were pruned
                update_file(Path(f"{file}.csv"), made)
        self._check()

    @rule(number=st.integers(0, 3), killed_at=st.none() | st.integers(1, 6))
    def prune(self, number: int, killed_at: int | None) -> None:
        """Remove the personal data of a run."""
        chosen = [old for old in older_than(EVER, entries(self.runs)) if not old.unfinished]
        with self._clock(), self._killed(killed_at):
            assert not any(prune(chosen[number : number + 1], self.runs))
        self._check()

    # What others do

    @precondition(_can_be_harmed)
    @rule(
        which=st.integers(0, 29),
        kind=st.sampled_from(["flip", "flip", "add", "remove", "rename", "copy"]),
        place=st.floats(0, 1, exclude_max=True),
    )
    def harm_files(self, which: int, kind: str, place: float) -> None:
        """Flip a bit of a file of a sealed run, add or remove one, rename or copy its folder."""
        other = self.runs.path / "20200101T000000.000Z-abcdef"
        with self._tampering(must_be_found=True):
            folder = self.runs.path / _pick(self.sealed(), which)
            # An unfinished manifest, of a session that was killed, is not part of the run.
            files = set(folder.iterdir()) - set(unfinished_in(folder))
            file = _pick(sorted(files), which)
            if kind == "flip":
                content = bytearray(file.read_bytes())
                content[int(place * len(content))] ^= 1 << which % 8
                file.write_bytes(content)
            elif kind == "add":
                (folder / "results (corrected).csv").touch()
            elif kind == "remove":
                file.unlink()
            elif kind == "rename":
                folder.rename(other)
            else:
                shutil.copytree(folder, other)

    @precondition(_can_be_harmed)
    @rule(
        which=st.integers(0, 29),
        kind=st.sampled_from(["rewrite", "remove", "put back"]),
        is_lasting=st.booleans(),
    )
    def lose_seals(self, which: int, kind: str, is_lasting: bool) -> None:  # noqa: FBT001
        """Rewrite a manifest with a matching hash, remove a run, or restore an older version."""
        place = which % len(self.line)
        chosen = self.line[place]
        folder = self.runs.folder(chosen.run)
        seals = [seal for seal in self.line if seal.run == chosen.run]
        later = [seal for seal in self.line[place + 1 :] if seal.run == chosen.run]
        if kind == "rewrite" and chosen.run in self.sealed():
            with self._tampering(lost={seals[-1]}, is_lasting=is_lasting):
                _rewrite(folder.manifest, program="another")
        elif kind == "remove":
            with self._tampering(lost=set(seals), is_lasting=is_lasting):
                shutil.rmtree(folder.path)
        else:
            with self._tampering(lost=set(later), is_lasting=is_lasting):
                shutil.rmtree(folder.path)
                shutil.copytree(self._copy(chosen), folder.path)

    @precondition(_can_be_harmed)
    @rule(which=st.integers(0, 9))
    def write_to_a_log(self, which: int) -> None:
        """Change a file that a resume or a pruning would seal again."""
        with self._tampering(must_be_found=True, is_lasting=True):
            log = self.runs.folder(_pick(self.sealed(), which)).log
            log.write_text(log.read_text(encoding="utf-8") + "{}\n", encoding="utf-8")

    # What must hold

    def _check(self) -> None:
        self.killed = self._manifests().keys() - set(self.sealed())
        problems, newest = self._verify()
        if self.is_broken:
            assert problems, "a problem that was found before is not found any more"
            return
        assert not problems
        seals = [seal for manifest in self._manifests().values() for seal in _seals(manifest)]
        assert set(self.line) <= set(seals), "a seal was not kept"
        for seal in set(seals) - set(self.line):
            self.line.append(seal)
            shutil.copytree(self.runs.path / seal.run, self._copy(seal))
        assert len(self.line) == len(seals)
        assert newest == (self.line[-1] if self.line else None)

    @contextmanager
    def _tampering(
        self,
        *,
        lost: set[Seal] | None = None,
        must_be_found: bool = False,
        is_lasting: bool = False,
    ) -> Iterator[None]:
        """Check that the block's change is found, and undo it unless it ``is_lasting``.

        The loss of seals is found only if a later seal still exists.
        """
        backup = self.folder / "backup"
        shutil.copytree(self.runs.path, backup)
        yield
        lost = lost or set()
        following = itertools.pairwise(self.line)
        must_be_found = must_be_found or any(a in lost and b not in lost for a, b in following)
        problems, newest = self._verify()
        assert bool(problems) == must_be_found
        assert must_be_found or not lost or newest != self.line[-1]
        if is_lasting and must_be_found:
            self.is_broken = True
            shutil.rmtree(backup)
        else:
            shutil.rmtree(self.runs.path)
            backup.rename(self.runs.path)

    def _verify(self) -> tuple[set[Problem], Seal | None]:
        """Return the problems, except those of killed runs, and the newest seal."""
        try:
            verified = verify_all(self.runs)
        except ConfigError:  # there are no runs
            return set(), None
        problems = set(verified.problems)
        interrupted = {problem for problem in problems if "interrupted" in problem.problem}
        assert {problem.run for problem in interrupted} <= self.killed
        return problems - interrupted, verified.newest_seal

    def _manifests(self) -> Manifests:
        return {
            path.parent.name: json.loads(path.read_bytes())
            for path in self.runs.path.glob("2*/manifest.json")
        }

    def sealed(self) -> list[str]:
        """The runs that have a seal now."""
        return sorted(run for run, manifest in self._manifests().items() if manifest["sealed"])

    def _copy(self, seal: Seal) -> Path:
        return self.folder / "copies" / seal.sha256

    # The world

    @contextmanager
    def _clock(self) -> Iterator[None]:
        """Set the program's clock, and validate each file only once, since that is slow."""
        time = self.now

        class Still(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                assert tz is UTC
                return time

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("etl.jobs.pipeline.datetime", Still)
            patch.setattr("etl.manifest.datetime", Still)
            patch.setattr("etl.jobs.staging.check_records", _checked)
            yield

    @contextmanager
    def _killed(self, killed_at: int | None) -> Iterator[None]:
        """Restore, after the block, the files as they were at one of its flushes to the disk."""
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
        """Remove everything."""
        shutil.rmtree(self.folder)


def _checked(records: Iterable[Record], rules: ColumnRules) -> Sequence[CheckedRow]:
    read = list(records)
    cells = tuple(record.cells for record in read)
    if cells not in CHECKED:
        CHECKED[cells] = list(check_records(read, rules))
    return CHECKED[cells]


def _pick(several: Sequence[Some], which: int) -> Some:
    return several[which % len(several)]


def _seals(manifest: dict[str, Any]) -> list[Seal]:
    hashes = [version["sha256"] for version in manifest["earlier"]]
    hashes += [manifest["sha256"]] if manifest["sealed"] else []
    return [Seal(manifest["run"], sha256) for sha256 in hashes]


def _rewrite(path: Path, **changes: object) -> None:
    facts = {**json.loads(path.read_bytes()), **changes}
    del facts["sha256"]
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    facts["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    path.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


# Without shrinking, which takes minutes: a failure has few enough steps to be read unshrunk.
Chain.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
TestChain = pytest.mark.slow(Chain.TestCase)
