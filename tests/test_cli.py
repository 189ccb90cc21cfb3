"""The command line: help, usage, and unforeseen errors."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest

from etl import __version__
from etl.cli import COMMANDS, commands, run
from etl.config import Settings
from program import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from program import Program


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the program's name and version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"fatora-clients, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_is_printed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every listed command has its own help."""
    assert run([name, "--help"]) == 0
    assert f"Usage: fatora-clients {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help(name: str) -> None:
    """Every option has a help text."""
    command: click.Command = import_module(f"etl.commands.{name}").command
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        ("--help", {"pandas", "requests", "pydantic"}),
        ("update --help", {"pandas"}),
        ("check --help", {"pandas", "requests"}),
    ],
)
def test_help_needs_no_heavy_import(program: Program, arguments: str, heavy: set[str]) -> None:
    """Help does not import pandas or requests, which are slow."""
    code = (
        f"import sys; from etl.cli import run; run({arguments.split()});"
        f"sys.exit(sorted({heavy} & set(sys.modules)) != [])"
    )
    environment = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        capture_output=True,
        cwd=program.folder,
        env=environment,
    )
    assert done.returncode == 0


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_examples_that_can_be_typed(name: str) -> None:
    """The examples use only options of their command and fit a narrow terminal."""
    command: click.Command = import_module(f"etl.commands.{name}").command
    lines = re.findall(r"^  (fatora-clients .*)$", command.epilog or "", re.MULTILINE)
    assert 1 <= len(lines) <= 3
    options = {option for each in command.params for option in each.opts}
    for line in lines:
        words = line.split()
        assert words[1] == name
        assert {word for word in words if word.startswith("--")} <= options
        assert len(line) < 76


def test_help_has_the_defaults_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Help shows the defaults that really apply."""
    run(["update", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    settings = Settings()
    defaults = {
        "--workers N Parallel requests": settings.load.workers,
        "0 means no limit": settings.load.rate,
        "Total timeout per attempt, in seconds": settings.api.timeout,
        "Maximum attempts per row and session": settings.api.attempts,
        "including its version": settings.api.url,
        "Folder that holds all runs": settings.runs.dir,
    }
    for words, default in defaults.items():
        assert f"{words} (default {default})." in shown


@pytest.mark.parametrize(
    "arguments",
    [
        ["update"],
        ["update", "a.csv", "--workers", "x"],
        ["update", "a.csv", "--token", "t"],
        ["update", "a.csv", "--workers"],
        ["verify"],
        ["go"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Unknown commands and options are refused in one sentence, and nothing is sent."""
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.count("fatora-clients: ") == 1
    assert printed.out == ""


@pytest.mark.parametrize(
    ("arguments", "usage", "missing"),
    [
        (["update"], "update [OPTIONS] INPUT...", "argument 'INPUT...'"),
        (["check"], "check [OPTIONS] INPUT...", "argument 'INPUT...'"),
        (["show"], "show [OPTIONS] RUN", "argument 'RUN'"),
        (["prune"], "prune [OPTIONS]", "option '--older-than'"),
    ],
)
def test_a_bare_command_shows_its_usage(
    arguments: list[str], usage: str, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command without arguments prints its usage on standard error."""
    assert run(arguments) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"Usage: fatora-clients {usage}",
        f"fatora-clients: missing {missing}.",
        f"Try 'fatora-clients {arguments[0]} --help'.",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("update a.csv --workers few", "--workers: must be a whole number, not “few”"),
        ("update a.csv --workers 1.5", "--workers: must be a whole number, not “1.5”"),
        ("update a.csv --workers 0", "--workers: must be at least 1, not “0”"),
        ("update a.csv --rate nan", "--rate: must be a number, not “nan”"),
        ("update a.csv --limit 0", "--limit: must be a whole number, at least 1, not “0”"),
        ("update a.csv --results a.txt", "--results: must end in .csv or .xlsx, not “a.txt”"),
        ("update a.csv --results no/a.csv", "--results: there is no folder “no”"),
        ("check a.csv --results d.csv", "--results: must be a file, but “d.csv” is a folder"),
        ("history --client x", "--client: must be a whole number, not “x”"),
        ("prune --older-than 5", "--older-than: must be a number of days, such as 400d, not “5”"),
        ("sandbox --port 65536", "--port: must be a whole number from 0 to 65535, not “65536”"),
        ("sandbox --latency -1", "--latency: must be a number, at least 0, not “-1”"),
        ("sandbox --fail-share ٢", "--fail-share: must be a number from 0 to 1, not “٢”"),
    ],
)
def test_a_wrong_value_of_an_option_is_quoted_with_what_is_allowed(
    arguments: str,
    words: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong value is named like a wrong setting: the option, what is allowed, and the value."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "d.csv").mkdir()
    assert run(arguments.split()) == 2
    assert capsys.readouterr().err.splitlines()[0] == f"fatora-clients: {words}"


def test_the_bare_program_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """The program without a command prints its commands on standard error."""
    assert run([]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("Usage: fatora-clients [OPTIONS] COMMAND")
    assert all(f"\n  {name} " in printed.err for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["udpate"], "update"),
        (["chekc"], "check"),
        (["update", "a.csv", "--wokers", "3"], "--workers"),
        (["history", "--clinet", "7"], "--client"),
        (["--vresion"], "--version"),
    ],
)
def test_a_misspelt_command_gets_a_suggestion(
    arguments: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt command or option gets a suggestion."""
    assert run(arguments) == 2
    assert f"Did you mean '{meant}'?" in capsys.readouterr().err


def test_a_wrong_setting_is_named_as_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong setting is named as the option, the variable or the key that set it."""
    file = tmp_path / "job.toml"
    file.write_text("[load]\nworkers = 0\n", encoding="utf-8")
    assert run(["update", "a.csv", "--workers", "0", "--config", str(file)]) == 2
    assert run(["update", "a.csv", "--config", str(file)]) == 2
    monkeypatch.setenv("FATORA_API_URL", "http://api.fatora.io/v1")
    assert run(["update", "a.csv"]) == 2
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "--workers",
        f"load.workers in {file}",
        "FATORA_API_URL",
    ]


NEED_RUNS = [["show", "latest"], ["verify", "--all"], ["prune", "--older-than", "9d"]]


@pytest.mark.parametrize("arguments", [["history"], ["history", "--client", "7"], *NEED_RUNS])
@pytest.mark.parametrize("name", ["none", "file"])
def test_a_missing_runs_folder_is_named(
    tmp_path: Path, arguments: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt runs folder is an error, not an empty history."""
    (tmp_path / "file").touch()
    folder = tmp_path / name
    assert run([*arguments, "--runs-dir", str(folder)]) == 2
    assert f"there is no runs folder “{folder}”; name it with --runs-dir" in capsys.readouterr().err
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_before_the_first_run_the_history_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default runs folder may be missing for history, but not for other commands."""
    monkeypatch.chdir(tmp_path)
    assert run(["history"]) == 0
    assert [run(arguments) for arguments in NEED_RUNS] == [2, 2, 2]
    assert list(tmp_path.iterdir()) == []


def test_unforeseen_error_ends_with_70_and_shows_no_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An internal error prints one sentence without its message, which could hold personal data."""

    def fail(_context: click.Context) -> None:
        raise KeyError("sara@example.com")

    monkeypatch.setattr(commands, "invoke", fail)
    assert run(["history"]) == 70
    printed = capsys.readouterr().err
    assert "internal error (KeyError at test_cli.py:" in printed
    assert "sara" not in printed


def test_sandbox_command_serves_until_it_is_asked_to_end(program: Program) -> None:
    """The sandbox prints its address and how to use it, and ends at SIGTERM with 0."""
    process = program.start("sandbox", "--port", 0)
    assert process.stdout is not None
    printed = process.stdout.readline() + process.stdout.readline()
    assert "http://127.0.0.1:" in printed
    assert "FATORA_API_KEY=sandbox-key" in printed
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0


def run_entry(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point with the modules of a folder before all others."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={"PYTHONPATH": f"{folder}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_foreign_package_of_the_same_name_is_not_run(tmp_path: Path) -> None:
    """Another project's `etl` on PYTHONPATH does not take the place of the program's own."""
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "__init__.py").write_text("raise SystemExit(1)\n", encoding="utf-8")
    done = run_entry(tmp_path, "fatora_clients", "--version")
    assert (done.returncode, done.stdout) == (0, f"fatora-clients, version {__version__}\n")


@pytest.mark.parametrize("library", ["click", "tomllib"])
@pytest.mark.parametrize("entry", ["etl", "fatora_clients"])
def test_a_foreign_library_ends_with_2(tmp_path: Path, entry: str, library: str) -> None:
    """A module in place of a library is a wrong setup, and never “some rows were not updated”."""
    (tmp_path / f"{library}.py").write_text("import not_there\n", encoding="utf-8")
    done = run_entry(tmp_path, entry, "update", "clients.csv", "--sandbox")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("fatora-clients: a library cannot be loaded (")
    assert "not_there" in line
    assert "check PYTHONPATH" in line
