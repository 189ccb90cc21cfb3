"""Pruning lets other programs in, leaves what it cannot prune, and says so."""

from __future__ import annotations

import re
import shutil
import threading
import time
from datetime import timedelta
from typing import TYPE_CHECKING, NoReturn

import pytest

from etl.cli import run
from etl.errors import BusyError
from etl.jobs.prune import older_than, prune
from etl.jobs.verify import verify_all
from etl.manifest import Manifest
from etl.runs.listing import entries
from etl.runs.lock import locked
from many import ROWS, ManyRuns
from spreadsheets import write_csv
from unprivileged import take_away, unprivileged

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from etl.jobs.prune import OldRun
    from etl.runs.lock import Turn

PRUNE = ["prune", "--older-than", "400d", "--yes"]
INTERRUPTED = "the pruning was interrupted; run fatora-clients prune again"


@pytest.fixture
def many(tmp_path: Path) -> ManyRuns:
    """Five runs that are old enough."""
    made = ManyRuns(tmp_path)
    made.add(5)
    return made


def old_runs(many: ManyRuns) -> list[OldRun]:
    """Return the runs to prune."""
    return older_than(timedelta(days=400), entries(many.runs))


def problems(many: ManyRuns) -> list[str]:
    """Return what `verify --all` finds wrong with pruned runs."""
    return [str(each) for each in verify_all(many.runs).problems]


@pytest.mark.slow
def test_others_take_the_lock_while_runs_are_pruned(many: ManyRuns) -> None:
    """Whoever asks for the lock while many runs are pruned gets it."""
    many.add(120)
    pruned: list[str | None] = []
    pruning = threading.Thread(target=lambda: pruned.extend(prune(old_runs(many), many.runs)))
    pruning.start()
    waited = []
    while pruning.is_alive():
        since = time.monotonic()
        with locked(many.runs.path):
            waited.append(time.monotonic() - since)
        time.sleep(0.2)
    pruning.join()
    assert pruned == [None] * 125
    assert waited
    assert max(waited) < 10
    assert problems(many) == []


@pytest.mark.slow
def test_a_run_that_is_sealed_in_between_stays_in_the_chain(
    many: ManyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An update that runs between two prunings is a link of the chain like any other."""
    monkeypatch.setattr("etl.jobs.prune._TOGETHER", 1)
    new = write_csv(many.folder / "new.csv", [ROWS[0], ("7", "g@example.com")])
    update = ["update", str(new), "--sandbox", "--again", "--quiet"]
    update += ["--runs-dir", str(many.runs.path)]

    def locked_after_an_update(path: Path, *, briefly: bool) -> AbstractContextManager[Turn]:
        assert run(update) == 0
        return locked(path, briefly=briefly)

    monkeypatch.setattr("etl.jobs.prune.locked", locked_after_an_update)
    assert list(prune(old_runs(many), many.runs)) == [None] * 5
    assert problems(many) == []


def held_by_another(path: Path, *, briefly: bool) -> NoReturn:
    """Lock the folder as if another program held it."""
    assert briefly
    raise BusyError(f"another run is using {path}; nothing was sent")


def test_a_lock_that_is_not_given_back_stops_the_pruning(
    many: ManyRuns, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """If an update takes the lock for longer, the runs pruned so far are counted: exit 75."""
    monkeypatch.setattr("etl.jobs.prune._TOGETHER", 2)
    turns = iter([locked, held_by_another])
    with monkeypatch.context() as patch:
        patch.setattr(
            "etl.jobs.prune.locked", lambda path, briefly: next(turns)(path, briefly=briefly)
        )
        assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 75
    output = capfd.readouterr()
    assert output.out.endswith("2 runs pruned.\n")
    assert "another run is using" in output.err
    assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 0
    assert capfd.readouterr().out.endswith("3 runs pruned.\n")
    assert problems(many) == []


def test_nobody_is_kept_waiting_by_the_question(
    many: ManyRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is free while prune waits for a person to confirm."""

    def confirm(_question: str) -> bool:
        with locked(many.runs.path):
            return False

    monkeypatch.setattr("click.confirm", confirm)
    assert run([*PRUNE[:-1], "--runs-dir", str(many.runs.path)]) == 4


@pytest.mark.parametrize("name", ["{} (1)", "{}.bak", "20190101T000000.000Z-abcdef"])
def test_a_copy_keeps_no_other_run_from_being_pruned(
    many: ManyRuns, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A copied folder is named, is left as it is and makes the exit code 1; the rest is pruned."""
    original = many.made[2].path
    other = many.runs.path / name.format(original.name)
    shutil.copytree(original, other)
    assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 1
    output = capfd.readouterr()
    assert output.out.endswith("5 runs pruned.\n")
    assert f"{other} was copied or renamed" in output.err
    assert (other / "results.csv").exists()
    assert problems(many) == [
        f"{other.name}: manifest.json: belongs to run {original.name}, not to this folder"
    ]


def test_what_cannot_be_removed_is_not_said_to_be_pruned(
    many: ManyRuns, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run with a folder of root inside is half pruned, is named, and is finished by the next."""
    folder = many.made[1]
    run([*PRUNE, "--runs-dir", str(many.folder / "template")])  # import what nobody may read
    capfd.readouterr()
    with unprivileged(many.folder):
        thumbnails = folder.path / "@eaDir"
        (thumbnails / "inner").mkdir(parents=True)
        take_away(thumbnails)
        assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 1
        output = capfd.readouterr()
        assert output.out.endswith("4 runs pruned.\n")
        assert re.search(rf"run {folder.run} was not pruned completely \({thumbnails}", output.err)
        assert not folder.results(".csv").exists()
        assert problems(many) == [f"{folder.run}: manifest.json: {INTERRUPTED}"]
    thumbnails.chmod(0o777)
    assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 0
    assert capfd.readouterr().out.endswith("1 run pruned.\n")
    assert problems(many) == []


def test_a_run_with_a_damaged_journal_is_left_whole(
    many: ManyRuns, capfd: pytest.CaptureFixture[str]
) -> None:
    """A journal that cannot be emptied is noticed before anything of the run is removed."""
    folder = many.made[3]
    folder.journal.write_bytes(b"x" * 9_000)
    before = folder.manifest.read_bytes()
    assert run([*PRUNE, "--runs-dir", str(many.runs.path)]) == 1
    output = capfd.readouterr()
    assert output.out.endswith("4 runs pruned.\n")
    assert f"the journal of run {folder.run} is damaged" in output.err
    assert "; it was not pruned" in output.err
    assert folder.manifest.read_bytes() == before
    assert folder.results(".csv").exists()
    assert not list(many.runs.path.glob(".staging*"))


def test_a_run_that_another_prune_has_finished_is_left(many: ManyRuns) -> None:
    """A run that was pruned since it was listed is not sealed again."""
    old = old_runs(many)
    assert list(prune(old, many.runs)) == [None] * 5
    sealed = [Manifest.read(folder.manifest).sealed for folder in many.made]
    assert list(prune(old, many.runs)) == [None] * 5
    assert [Manifest.read(folder.manifest).sealed for folder in many.made] == sealed


def test_busy_is_said_before_anything_is_pruned(many: ManyRuns) -> None:
    """Where another program holds the lock, nothing is pruned."""
    with locked(many.runs.path), pytest.raises(BusyError):
        list(prune(old_runs(many), many.runs))
    assert len(old_runs(many)) == 5
