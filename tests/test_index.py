"""The index makes a night with nothing new short, and never changes what comes of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
from dataclasses import replace
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from etl.cli import run
from etl.errors import FatoraClientsError
from etl.jobs.pipeline import update_file
from etl.manifest import InputFacts, Manifest
from etl.runs import index
from etl.runs.folder import RunFolder, RunsFolder
from etl.runs.index import Index
from etl.runs.known import KnownRuns
from etl.runs.listing import Run
from jobs import job
from many import ManyRuns
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable

    from etl.sandbox.server import Sandbox

REST = 0.012  # seconds, more than a tick of this file system's clock
ANY = st.integers(0, 99)


def or_error(work: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Return what comes of it, or the error."""
    try:
        return work()
    except FatoraClientsError as error:
        return type(error), str(error)


def answers(runs: RunsFolder, inputs: Path) -> list[object]:
    """Return all that `update` asks of the runs for every input."""
    known = KnownRuns(runs)
    found: list[object] = [known.newest]
    for file in sorted(inputs.iterdir()):
        facts = known.facts_of(file)
        same = or_error(partial(known.of_same, facts, "http://127.0.0.1/v1", "sandbox"))
        found += [facts, same]
        for each in same:
            if isinstance(each, Run):
                found.append(or_error(partial(known.has_rows_left, each)))
                found.append(or_error(partial(known.reworks.open_rows, each.folder.run)))
    known.save()
    return found


class Nights(RuleBasedStateMachine):
    """Nights with the index, between which anything may change."""

    template: ManyRuns

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.template.folder, self.folder, dirs_exist_ok=True)
        self.runs = RunsFolder(self.folder / "runs")
        self.inputs = self.folder / "inputs"
        self.kept = self.folder / "kept"
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("etl.runs.index._AT_REST", int(REST * 1e9))
        self.patch.setattr(os, "fsync", lambda _descriptor: None)
        time.sleep(REST * 2)

    def _run(self, which: int) -> RunFolder:
        runs = self.runs.all()
        return runs[which % len(runs)]

    def _input(self, which: int) -> Path:
        files = sorted(self.inputs.iterdir())
        return files[which % len(files)]

    @rule(which=ANY, other=ANY, keeps_time=st.booleans())
    def overwrite_an_input(self, which: int, other: int, keeps_time: bool) -> None:  # noqa: FBT001
        """Write the content of an input into another, which may keep its time."""
        file = self._input(which)
        times = file.stat()
        file.write_bytes(self._input(other).read_bytes())
        if keeps_time:
            os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))

    @rule(which=ANY, other=ANY)
    def exchange_inputs(self, which: int, other: int) -> None:
        """Exchange two files, as a rename does, which keeps their times."""
        first, second = self._input(which), self._input(other)
        first.rename(self.kept)
        if first != second:
            second.rename(first)
        self.kept.rename(second)

    @rule(which=ANY, digit=st.sampled_from(b"0123456789"), keeps_time=st.booleans())
    def edit_a_manifest(self, which: int, digit: int, keeps_time: bool) -> None:  # noqa: FBT001
        """Change a digit of a count in place, which may keep the file's time."""
        path = self._run(which).manifest
        times = path.stat()
        content = bytearray(path.read_bytes())
        content[content.find(b'"exit_code": ') + len('"exit_code": ')] = digit
        with path.open("r+b") as file:
            file.write(content)
        if keeps_time:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    @rule(which=ANY)
    def open_a_run(self, which: int) -> None:
        """Leave a run as a session does that is killed at its start."""
        folder = self._run(which)
        with contextlib.suppress(FatoraClientsError):
            opened = Manifest.read(folder.manifest).reopened(folder.continued)
            replace(opened, exit_code=None).write(folder.manifest)

    @rule(which=ANY, status=st.sampled_from(["SUCCESS", "FAILED", "INVALID"]))
    def edit_a_journal(self, which: int, status: str) -> None:
        """Give a row of a journal another status."""
        with contextlib.closing(sqlite3.connect(self._run(which).journal)) as db, db:
            db.execute("UPDATE rows SET status = ? WHERE row = 2", (status,))

    @precondition(lambda self: len(self.runs.all()) > 2)
    @rule(which=ANY)
    def remove_a_run(self, which: int) -> None:
        """Remove a run."""
        shutil.rmtree(self._run(which).path)

    @precondition(lambda self: self.runs.index.exists())
    @rule(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), is_cut=st.booleans())
    def damage_the_index(self, place: float, bit: int, is_cut: bool) -> None:  # noqa: FBT001
        """Flip a bit of the index, or cut it."""
        content = bytearray(self.runs.index.read_bytes())
        at = int(place * len(content))
        if is_cut:
            del content[at:]
        else:
            content[at] ^= 1 << bit
        self.runs.index.write_bytes(content)

    @invariant()
    def the_index_changes_nothing(self) -> None:
        """The answers with the index are those without it."""
        time.sleep(REST * 2)
        with_it = answers(self.runs, self.inputs)
        if self.runs.index.exists():
            self.runs.index.rename(self.kept)
        without_it = answers(self.runs, self.inputs)
        if self.kept.exists():
            self.kept.rename(self.runs.index)
        assert with_it == without_it

    def teardown(self) -> None:
        """Remove everything."""
        self.patch.undo()
        shutil.rmtree(self.folder)


Nights.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=12,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)


TestNights = pytest.mark.slow(Nights.TestCase)


@pytest.fixture(autouse=True, scope="module")
def four_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the runs that each example of the machine copies."""
    Nights.template = ManyRuns(tmp_path_factory.mktemp("four"))
    Nights.template.add(4)


@pytest.fixture
def two(tmp_path: Path) -> ManyRuns:
    """Two runs, at rest for long enough to be remembered."""
    many = ManyRuns(tmp_path)
    many.add(2)
    return many


def test_the_index_is_private_and_holds_what_is_at_rest_only(
    two: ManyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that changed less than 2 s ago is not remembered: it could change without a trace."""
    answers(two.runs, two.inputs)
    assert not two.runs.index.exists()
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr("etl.runs.index.time.time_ns", lambda: later)
    answers(two.runs, two.inputs)
    assert two.runs.index.stat().st_mode & 0o777 == 0o600
    monkeypatch.setattr("etl.runs.index.sha256_of", lambda _file: pytest.fail("hashed again"))
    answers(two.runs, two.inputs)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\n{}", b"x" * 100, b"[" * 100_000])
def test_an_index_that_is_damaged_is_made_anew(
    two: ManyRuns, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged index is replaced without a word."""
    later = time.time_ns() + 3_000_000_000
    monkeypatch.setattr("etl.runs.index.time.time_ns", lambda: later)
    expected = answers(two.runs, two.inputs)
    good = two.runs.index.read_bytes()
    two.runs.index.write_bytes(content)
    assert answers(two.runs, two.inputs) == expected
    assert two.runs.index.read_bytes() == good


def test_an_index_of_other_manifests_is_not_read() -> None:
    """An index names every entry of a manifest, so that a version with others makes it anew."""
    shipped = json.loads(files("etl").joinpath("manifest.schema.json").read_text("utf-8"))
    parts = [shipped, *shipped["$defs"].values()]
    entries = {entry for part in parts for entry in part.get("properties", ())} - {"sha256"}
    assert entries <= set(re.findall(r"\w+", index._VERSION))  # noqa: SLF001


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_an_index_that_is_not_a_file_keeps_nobody_waiting(two: ManyRuns, kind: str) -> None:
    """A pipe or a folder in the place of the index is as good as none."""
    if kind == "pipe":
        os.mkfifo(two.runs.index)
    else:
        two.runs.index.mkdir()
    assert len(answers(two.runs, two.inputs)) == 9


def test_only_update_reads_the_index(two: ManyRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    """What proves or shows something to people is read from the runs themselves."""

    def refuse(*_: object) -> None:
        pytest.fail("the index was read")

    monkeypatch.setattr(Index, "__init__", refuse)
    where = ["--runs-dir", str(two.runs.path)]
    run(["verify", "--all", *where])
    assert run(["history", *where]) == 0
    assert run(["history", "--client", "1", *where]) == 0
    assert run(["show", "latest", *where]) == 0
    assert run(["prune", "--older-than", "400d", "--yes", *where]) == 0


def test_a_file_that_is_exchanged_after_it_was_hashed_is_sent_as_it_was_copied(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy in the run decides: it is sent and recorded, or found to be processed already."""
    context = job(sandbox.url, tmp_path / "runs", sandbox.api_key)
    first, second, third = (
        write_csv(tmp_path / f"{n}.csv", [("id", "email"), (str(n), f"c{n}@example.com")])
        for n in (1, 2, 3)
    )
    update_file(first, context)
    facts_of = KnownRuns.facts_of

    def exchanged(other: Path) -> Callable[[KnownRuns, Path], InputFacts]:
        def hash_then_exchange(known: KnownRuns, source: Path) -> InputFacts:
            facts = facts_of(known, source)
            shutil.copy(other, source)
            return facts

        return hash_then_exchange

    monkeypatch.setattr(KnownRuns, "facts_of", exchanged(first))
    assert update_file(second, context).already_done
    monkeypatch.setattr(KnownRuns, "facts_of", exchanged(third))
    second.write_text("id,email\n2,c2@example.com\n", encoding="utf-8")
    summary = update_file(second, context)
    assert summary.totals.updated == 1
    assert sandbox.store.get(3).email == "c3@example.com"
    assert sandbox.store.get(2).email != "c2@example.com"
    assert RunFolder(summary.folder or tmp_path).input.read_bytes() == third.read_bytes()
