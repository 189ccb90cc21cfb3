"""What is in the runs folder but is not a run: passed over, or named with what to do."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from etl.runs.folder import RunsFolder
from spreadsheets import write_csv
from unprivileged import IS_ROOT, take_away, unprivileged

if TYPE_CHECKING:
    from collections.abc import Callable

HEADER = ("id", "email")
ID = "20260101T000000.000Z-abcdef"
SENT, NEW, UNUSABLE = "sent.csv", "new.csv", "unusable.csv"
FOREIGN = "is not a run, and is ignored"
COPIED = "was copied or renamed: its manifest is that of run"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with inputs, and a runs folder with one run, of the file `SENT`."""
    folder = tmp_path_factory.mktemp("made")
    write_csv(folder / SENT, [HEADER, ("1", "a@example.com"), ("2", "b+422@example.com")])
    write_csv(folder / NEW, [HEADER, ("3", "c@example.com")])
    write_csv(folder / UNUSABLE, [("name",), ("Sara",)])
    runs = ["--runs-dir", str(folder / "runs")]
    run(["update", str(folder / SENT), "--sandbox", "--quiet", *runs])
    for command in COMMANDS.values():  # import everything while it may be read
        run([*command, "--runs-dir", str(folder / "others")])
    return folder


@pytest.fixture
def night(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, in which the commands are run."""
    shutil.copytree(made, tmp_path / "night")
    monkeypatch.chdir(tmp_path / "night")
    return tmp_path / "night"


COMMANDS = {
    "new": ["update", NEW, "--sandbox", "--quiet"],
    "sent": ["update", SENT, "--sandbox", "--quiet"],
    "unusable": ["update", UNUSABLE, "--sandbox", "--quiet"],
    "history": ["history"],
    "client": ["history", "--client", "1"],
    "show": ["show", "latest"],
    "verify": ["verify", "--all"],
    "verify one": ["verify", "latest"],
    "prune": ["prune", "--older-than", "400d", "--yes"],
}


def the_run(runs: Path) -> Path:
    """Return the folder of the run."""
    return RunsFolder(runs).all()[0].path


def lost_and_found(runs: Path) -> None:
    """What mkfs makes on a new disk: root's, and nobody else may enter it."""
    (runs / "lost+found").mkdir()
    take_away(runs / "lost+found")


def thumbnails(runs: Path) -> None:
    """What a NAS of Synology makes."""
    (runs / "@eaDir").mkdir()
    (runs / "@eaDir" / "SYNO@.fileindexdb").touch()


def other_manifest(runs: Path) -> None:
    """The manifest of a web application."""
    (runs / "app").mkdir()
    (runs / "app" / "manifest.json").write_text('{"name": "app"}', encoding="utf-8")


def copied(name: str) -> Callable[[Path], None]:
    """A copy of the run, by a person or a backup, with ``*`` for the run's name."""

    def copy_it(runs: Path) -> None:
        run_folder = the_run(runs)
        shutil.copytree(run_folder, runs / name.replace("*", run_folder.name))

    return copy_it


def without(name: str) -> Callable[[Path], None]:
    """The run has lost a file."""
    return lambda runs: (the_run(runs) / name).unlink()


def as_pipe(name: str) -> Callable[[Path], None]:
    """A file of the run is a pipe, which nobody writes to."""

    def replace_it(runs: Path) -> None:
        (the_run(runs) / name).unlink()
        os.mkfifo(the_run(runs) / name)

    return replace_it


def as_folder(name: str) -> Callable[[Path], None]:
    """A file of the run is a folder."""

    def replace_it(runs: Path) -> None:
        (the_run(runs) / name).unlink()
        (the_run(runs) / name).mkdir()

    return replace_it


def damaged(runs: Path) -> None:
    """The manifest is damaged."""
    (the_run(runs) / "manifest.json").write_text("{", encoding="utf-8")


def damaged_and_pruned(runs: Path) -> None:
    """The manifest of a pruned run is damaged."""
    for file in the_run(runs).iterdir():
        if file.name not in {"manifest.json", "journal.sqlite3", "run.log"}:
            file.unlink()
    damaged(runs)


def of_root(name: str) -> Callable[[Path], None]:
    """A file of the run is root's."""
    return lambda runs: take_away(the_run(runs) / name)


# For each entry: the exit codes of update (of a new file, of the file of the run), history, show,
# verify --all and prune, and what one of the commands says.
ENTRIES: dict[str, tuple[Callable[[Path], object], list[int], str]] = {
    "lost+found": (lost_and_found, [0, 0, 0, 0, 0, 0], f"lost+found {FOREIGN}"),
    "@eaDir": (thumbnails, [0, 0, 0, 0, 0, 0], f"@eaDir {FOREIGN}"),
    "another manifest": (other_manifest, [0, 0, 0, 0, 0, 0], f"app {FOREIGN}"),
    "a copy": (copied("* (1)"), [0, 0, 0, 0, 1, 1], COPIED),
    "a backup": (copied("*.bak"), [0, 0, 0, 0, 1, 1], COPIED),
    "a copy as a run": (copied("20200101T000000.000Z-abcdef"), [0, 0, 0, 0, 1, 1], COPIED),
    "a renamed run": (
        lambda runs: the_run(runs).rename(runs / ID),
        [0, 4, 0, 4, 1, 1],
        COPIED,
    ),
    "no manifest": (without("manifest.json"), [0, 4, 0, 4, 1, 1], "manifest of run * is missing"),
    "no input": (without("input.csv"), [0, 0, 0, 0, 1, 0], "*: input.csv: missing"),
    "no journal": (without("journal.sqlite3"), [0, 4, 0, 4, 1, 0], "journal of run * is damaged"),
    "a damaged manifest": (damaged, [0, 4, 0, 4, 1, 1], "manifest of run * is damaged"),
    "pruned and damaged": (damaged_and_pruned, [0, 1, 0, 4, 1, 1], "manifest of run * is damaged"),
    "a piped manifest": (as_pipe("manifest.json"), [0, 4, 0, 4, 1, 1], "run * is damaged"),
    "a piped journal": (as_pipe("journal.sqlite3"), [0, 4, 0, 4, 1, 0], "run * is damaged"),
    "a piped input": (as_pipe("input.csv"), [0, 0, 0, 0, 1, 0], "*: input.csv: modified"),
    "a folder as manifest": (as_folder("manifest.json"), [0, 4, 0, 4, 1, 1], "run * is damaged"),
    "a folder as results": (as_folder("results.csv"), [0, 0, 0, 0, 1, 0], "*: results.csv: mod"),
    "a folder in a run": (
        lambda runs: (the_run(runs) / "@eaDir").mkdir(),
        [0, 0, 0, 0, 1, 0],
        "*: @eaDir: not written by the run",
    ),
    "a dangling link": (
        lambda runs: (runs / "20200101T000000.000Z-abcdef").symlink_to(runs / "nowhere"),
        [0, 0, 0, 0, 1, 1],
        "the manifest of run 20200101T000000.000Z-abcdef is missing",
    ),
    "root's run": (lambda runs: take_away(the_run(runs)), [2, 2, 0, 2, 1, 1], "* cannot be read"),
    "root's manifest": (of_root("manifest.json"), [2, 2, 0, 2, 1, 1], "manifest.json cannot be"),
    "root's journal": (of_root("journal.sqlite3"), [0, 4, 0, 4, 1, 0], "journal.sqlite3 cannot"),
    "root's input": (of_root("input.csv"), [0, 0, 0, 0, 1, 0], "*: input.csv: cannot be read"),
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_every_command_copes_with_it(
    night: Path, entry: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """No command fails because of what is in the runs folder, and what matters is named."""
    make, expected, sentence = ENTRIES[entry]
    sentence = sentence.replace("*", the_run(night / "runs").name)
    codes, said = [], ""
    for name in ("new", "sent", "history", "show", "verify", "prune", "client", "verify one"):
        shutil.copytree(night, night.parent / name)
        with contextlib.chdir(night.parent / name), unprivileged(night.parent / name):
            make(Path("runs"))
            codes.append(run(COMMANDS[name]))
        said += "".join(capfd.readouterr())
    assert codes[:6] == expected
    assert codes[6] == 0
    assert sentence in said
    assert "internal error" not in said


@pytest.mark.parametrize("entry", ["lost+found", "@eaDir", "another manifest"])
def test_a_folder_without_any_run_cannot_be_verified(
    tmp_path: Path, entry: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A runs folder that holds nothing but strangers has no runs to verify."""
    (tmp_path / "runs").mkdir()
    with unprivileged(tmp_path):
        ENTRIES[entry][0](tmp_path / "runs")
        assert run(["verify", "--all", "--runs-dir", str(tmp_path / "runs")]) == 2
    assert "there are no runs in" in capfd.readouterr().err


def test_a_run_of_root_is_recognised(night: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The message has the path and the owner, and asks whether root ran the job once."""
    with unprivileged(night):
        folder = the_run(Path("runs"))
        take_away(folder)
        assert run(COMMANDS["new"]) == 2
    message = capfd.readouterr().err
    assert message.startswith(f"fatora-clients: {folder} cannot be read (Permission denied)")
    advice = (
        ": it belongs to root. Was update run as root?"
        " Give it to the user who runs the job, with chown -R\n"
    )
    assert message.endswith(advice) == IS_ROOT  # nobody else can make a file of root


def test_a_lock_of_root_is_recognised(night: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A lock file of another user is named, and nothing is sent."""
    with unprivileged(night):
        take_away(Path("runs/.lock"))
        assert run(COMMANDS["new"]) == 2
    assert "runs/.lock cannot be read (Permission denied)" in capfd.readouterr().err


@pytest.mark.parametrize("kind", ["pipe", "folder"])
def test_a_record_of_refused_inputs_that_is_not_a_file_is_named(
    night: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """History and update go on, and say what is wrong, where ``refused.jsonl`` is not a file."""
    refused = night / "runs" / "refused.jsonl"
    if kind == "pipe":
        os.mkfifo(refused)
    else:
        refused.mkdir()
    assert run(COMMANDS["history"]) == 0
    output = capfd.readouterr()
    assert "refused.jsonl is not a regular file" in output.err
    assert SENT in output.out
    assert run(COMMANDS["unusable"]) == 2
    assert "cannot be recorded in runs/refused.jsonl" in capfd.readouterr().err


def test_refused_inputs_of_another_user_are_named(
    night: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """History says that ``refused.jsonl`` may not be read, and lists the runs."""
    with unprivileged(night):
        Path("runs/refused.jsonl").touch()
        take_away(Path("runs/refused.jsonl"))
        assert run(COMMANDS["history"]) == 0
    output = capfd.readouterr()
    assert "runs/refused.jsonl cannot be read (Permission denied)" in output.err
    assert SENT in output.out


def test_a_run_whose_input_is_gone_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run without its input is refused before its rows are sent, and not after."""
    monkeypatch.chdir(tmp_path)
    rows = [(str(number), f"c{number}@example.com") for number in (1, 2)]
    write_csv(tmp_path / SENT, [HEADER, *rows])
    assert run([*COMMANDS["sent"], "--limit", "1"]) == 4
    folder = the_run(tmp_path / "runs")
    (folder / "input.csv").unlink()
    before = (folder / "journal.sqlite3").read_bytes()
    assert run(COMMANDS["sent"]) == 4
    assert f"the input of run {folder.name} is missing" in capfd.readouterr().err
    assert (folder / "journal.sqlite3").read_bytes() == before
