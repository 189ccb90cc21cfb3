"""Runs that were made before the program compared anything; see ``runs_of_0_1``.

Commit dcf641a made them in its sandbox, one that finished and one that ``--limit`` stopped. Their
journals lack the tables for readings, plans and stored values.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.sandbox.server import Sandbox
from inprocess import Commands, bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterator

MADE = Path(__file__).parent / "runs_of_0_1"
FINISHED, HALF = sorted(path.name for path in MADE.iterdir())


@pytest.fixture
def api() -> Iterator[Sandbox]:
    """A sandbox with the clients that existed then."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def commands(
    tmp_path: Path,
    api: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Commands:
    """The commands in a folder with a copy of the runs, and with their inputs."""
    monkeypatch.chdir(tmp_path)
    for run in (FINISHED, HALF):
        shutil.copytree(MADE / run, tmp_path / "runs" / run)
    shutil.copy(MADE / FINISHED / "input.csv", tmp_path / "finished.csv")
    shutil.copy(MADE / HALF / "input.csv", tmp_path / "half.csv")
    commands = Commands(tmp_path, monkeypatch, capsys)
    commands.use(api)
    return commands


def test_they_are_listed_and_shown(commands: Commands) -> None:
    """History and show know them, and no status of comparing appears in them."""
    before = bytes_of(commands.runs())
    code, printed = commands("history")
    assert code == 0
    assert "finished.csv" in printed
    assert "half.csv" in printed
    code, printed = commands("show", FINISHED)
    assert code == 0
    assert "There is no such client" not in printed
    assert "409" in printed
    assert "UNCHANGED" not in printed
    assert "SUCCESS" in commands("history", "--client", 1024)[1]
    assert bytes_of(commands.runs()) == before, "reading a run changed it"


def test_they_verify(commands: Commands) -> None:
    """Every file, every seal and the chain hold."""
    code, printed = commands("verify", "--all")
    assert code == 0, printed


def test_finished_run_is_not_sent_again(commands: Commands, api: Sandbox) -> None:
    """Its file is known as processed, with or without comparing."""
    for options in ((), ("--compare",)):
        code, printed = commands("update", "finished.csv", *options)
        assert (code, api.requests_of("PUT")) == (0, 0)
        assert "Already processed" in printed


@pytest.mark.parametrize("options", [(), ("--compare",)])
def test_half_sent_run_is_resumed(
    commands: Commands, api: Sandbox, options: tuple[str, ...]
) -> None:
    """Only its remaining rows are sent, in its own folder, compared or not."""
    code, printed = commands("update", "half.csv", *options)
    assert code == 0, printed
    assert commands.statuses() == ["SUCCESS"] * 5
    assert (api.requests_of("PUT"), len(commands.runs())) == (3, 2)
    assert api.store.get(2001).name == "Client 2001", "a row was sent again"
    assert api.store.get(2005).name == "Eman"
    changes = [row.get("update_changes") for row in commands.results()]
    if options:
        assert changes[:2] == ["", ""], "what they changed is not known"
        assert changes[2] == (
            "email: “client-2003@example.com” → “a3@example.com”; name: “Client 2003” → “Carmen”"
        )
    else:
        assert changes == [None] * 5
    assert commands("verify", "--all")[0] == 0
    manifest = json.loads((commands.runs()[-1] / "manifest.json").read_text())
    assert len(manifest["sessions"]) == 2


def test_half_sent_run_may_be_planned(commands: Commands, api: Sandbox) -> None:
    """A plan of the rest sends nothing, and update sends exactly that."""
    assert commands("plan", "half.csv")[0] == 4
    assert api.requests_of("PUT") == 0
    assert commands.statuses() == ["SUCCESS"] * 2 + ["NOT_SENT"] * 3
    assert commands("update", "half.csv")[0] == 0
    assert api.requests_of("PUT") == 3


def test_they_are_pruned(commands: Commands) -> None:
    """Pruning removes their personal data, and they still verify and are shown."""
    commands.prune()
    left = bytes_of([commands.folder / "runs"])
    for value in ("sara@", "سارة", "5555", "Alia", "a3@example"):
        assert value.encode() not in left
    assert commands("verify", "--all")[0] == 0
    assert commands("show", FINISHED)[0] == 0
    assert commands("history")[0] == 0
