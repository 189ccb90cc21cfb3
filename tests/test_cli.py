"""The command line as such: help, usage, and errors that nobody foresaw."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest

from etl import __version__
from etl.cli import COMMANDS, commands, run

if TYPE_CHECKING:
    from program import Program


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints the program's name and version."""
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"fatora-clients, version {__version__}\n"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_command_is_told(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command that the overview lists has a help of its own."""
    assert run([name, "--help"]) == 0
    assert f"Usage: fatora-clients {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help(name: str) -> None:
    """No option is left to guesswork."""
    command: click.Command = import_module(f"etl.commands.{name}").command
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.name for each in options if not each.help] == []


def test_overview_needs_no_heavy_import() -> None:
    """--help does not wait for pandas or requests."""
    code = (
        "import sys; from etl.cli import run; run(['--help']);"
        "sys.exit(sorted({'pandas', 'requests', 'pydantic'} & set(sys.modules)) != [])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode
        == 0
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["update"],
        ["update", "a.csv", "--workers", "x"],
        ["update", "a.csv", "--token", "t"],
        ["go"],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What the command line does not know is refused with one sentence, and sends nothing."""
    assert run(arguments) == 2
    assert capsys.readouterr().err.startswith("fatora-clients: ")


def test_unforeseen_error_ends_with_70_and_shows_no_values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An internal error is a code and a sentence; its message could hold a client's data."""

    def fail(_context: click.Context) -> None:
        raise KeyError("sara@example.com")

    monkeypatch.setattr(commands, "invoke", fail)
    assert run(["history"]) == 70
    told = capsys.readouterr().err
    assert "internal error (KeyError at test_cli.py:" in told
    assert "sara" not in told


def test_sandbox_command_serves_until_it_is_asked_to_end(program: Program) -> None:
    """The stand-in says where it is and how to use it, and ends at SIGTERM with 0."""
    process = program.start("sandbox", "--port", 0)
    assert process.stdout is not None
    told = process.stdout.readline() + process.stdout.readline()
    assert "http://127.0.0.1:" in told
    assert "FATORA_API_KEY=sandbox-key" in told
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 0
