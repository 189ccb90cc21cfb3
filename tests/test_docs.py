"""The README is held to the program: what the program has is named there, and shown as it is."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from etl.cli import COMMANDS
from etl.codes import Code
from etl.config import Settings, load_settings
from etl.errors import ExitCode
from etl.extract.header import ALIASES
from etl.fields import Field, ResultColumn
from etl.outcome import Summary
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
EXAMPLE = ROOT / "configs" / "job.toml"

VARIABLES = ["FATORA_API_URL", "FATORA_RUNS_DIR", "FATORA_CONFIG"] + [
    name + ending for name in ("FATORA_API_KEY", "FATORA_BEARER_TOKEN") for ending in ("", "_FILE")
]


def parameters() -> Iterator[tuple[str, str]]:
    """Yield every option of every command."""
    for name in COMMANDS:
        command: click.Command = import_module(f"etl.commands.{name}").command
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter.opts[-1]


def keys(values: dict[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of nested settings."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from keys(value, f"{prefix}{key}.")
        else:
            yield prefix + key


@pytest.mark.parametrize("command", COMMANDS)
def test_readme_names_every_command(command: str) -> None:
    """A command that is not in the README does not exist for operations."""
    assert f"`fatora-clients {command}" in README


def test_readme_names_every_option_and_no_other() -> None:
    """Each option stands in the table of options, with just the commands that take it."""
    rows = re.findall(r"^\| `(--[a-z-]+)[^|]*` \| ([a-z, ]+) \|", README, re.MULTILINE)
    named = [(command, option) for option, commands in rows for command in commands.split(", ")]
    assert sorted(named) == sorted(parameters())


@pytest.mark.parametrize("name", VARIABLES)
def test_readme_names_every_environment_variable(name: str) -> None:
    """Each variable that the program reads is in the README."""
    assert f"`{name}`" in README


def test_program_reads_no_other_environment_variable() -> None:
    """The list above is whole: no other such name stands in the program."""
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "etl").rglob("*.py"))
    assert set(re.findall(r"FATORA_[A-Z_]*[A-Z]", source)) <= set(VARIABLES)


@pytest.mark.parametrize("key", sorted(keys(Settings().model_dump(mode="json"))))
def test_readme_names_every_configuration_key(key: str) -> None:
    """Each key is in the README, those of the columns once for all fields."""
    assert f"`{re.sub(r'^columns.[a-z]+', 'columns.<field>', key)}`" in README


@pytest.mark.parametrize("code", ExitCode)
def test_readme_explains_every_exit_code(code: ExitCode) -> None:
    """The engineer on call finds the code in a table."""
    assert f"\n| {code.value} | " in README


@pytest.mark.parametrize("column", ResultColumn)
def test_readme_explains_every_results_column(column: ResultColumn) -> None:
    """Each column is explained as the program explains it."""
    assert f"| `{column.header}` | {column.value} |" in README


@pytest.mark.parametrize("status", Status)
def test_readme_explains_every_status(status: Status) -> None:
    """Each status is explained as the summary explains it."""
    assert f"| `{status}` | {status.meaning} |" in README


@pytest.mark.parametrize("code", Code)
def test_readme_explains_every_code(code: Code) -> None:
    """Each code stands with the meaning and the fix that the results file gives."""
    assert f"| `{code.name}` | {code.meaning} | {code.fix} |" in README


@pytest.mark.parametrize("field", Field)
def test_readme_names_every_header_alias(field: Field) -> None:
    """Operations can look up by which names a column is found."""
    (row,) = re.findall(rf"^\| `{field}` \|.*$", README, re.MULTILINE)
    assert all(alias in row for alias in ALIASES[field])


@pytest.mark.parametrize("key", [field.name for field in fields(Summary)])
def test_readme_names_every_key_of_the_json_summary(key: str) -> None:
    """Whoever reads the summary by a program finds each of its keys."""
    (told,) = re.findall(r"`update --json` prints.*?\n\n", README, re.DOTALL)
    assert f"`{key}`" in told


def test_readme_begins_with_the_two_commands_of_the_makefile() -> None:
    """The first two commands are make's, and below stand the same without make."""
    commands = re.findall(r"^\$ (.+)$", README, re.MULTILINE)
    assert commands[:2] == ["make run", "make test"]
    recipes = dict(re.findall(r"^(run|test):.*\n\t(.*)$", MAKEFILE, re.MULTILINE))
    for recipe in recipes.values():
        command = recipe.replace("$(BIN)", ".venv/bin").split(" || ")[0]
        assert f"\n{command}\n" in README


def test_example_configuration_holds_every_key_at_its_default() -> None:
    """The example can be copied as it is: it changes nothing, and leaves no key out."""
    assert load_settings(EXAMPLE, {}).model_dump() == Settings().model_dump()
    text = EXAMPLE.read_text(encoding="utf-8")
    commented = tomllib.loads(re.sub(r"^# (\w+ = .*)$", r"\1", text, flags=re.MULTILINE))
    assert set(keys(commented)) == set(keys(Settings().model_dump(mode="json")))
