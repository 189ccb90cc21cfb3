"""A file's name is one readable line wherever it is printed, whatever characters it has."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from etl.text import visible, without_isolates
from spreadsheets import write_csv

if TYPE_CHECKING:
    from etl.sandbox.server import Sandbox

# A line break, a terminal's escape, both of C1, a bidi override, and a byte that is not UTF-8.
NAME = os.fsdecode(b"a\nOK: all updated\x1b[2J\xc2\x9b1A\xe2\x80\xaegpj\xe9.csv")
GOOD, BAD = [("id", "email"), ("1", "new-1@example.com")], [("id",), ("1",)]
REWORK = [("id", "email"), ("1", "none")]


@pytest.fixture
def _here(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program in this process work in an empty folder, and use the sandbox."""
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("FATORA_API_URL", sandbox.url)
    monkeypatch.chdir(tmp_path)


def is_safe(text: str) -> bool:
    """Whether a text has no invisible character, and no line that a file's name has faked."""
    lines = text.split("\n")
    return all(visible(line) == line and not line.startswith("OK: all") for line in lines)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("table", [GOOD, BAD, REWORK], ids=["good", "unusable", "to fix"])
@pytest.mark.parametrize("options", [[], ["--json"], ["--quiet"]])
def test_a_name_is_printed_as_one_line(
    table: list[tuple[str, ...]], options: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """In summaries, tables, errors and JSON of every command, and in the files of the run."""
    source = str(write_csv(Path(NAME), table))
    copy = Path(f"{NAME[:-4]}.xlsx")
    as_json = [option for option in options if option == "--json"]
    for command in (
        ["update", source, *options],
        ["update", source, *options],
        ["update", source, "--results", source, *options],
        ["update", source, "--results", f"{NAME}/x.csv"],
        ["check", source, *as_json],
        ["history", *as_json],
        ["history", "--client", "1", *as_json],
        ["show", "latest", *as_json],
        ["verify", "--all", *as_json],
        ["update", str(copy)],
        ["update", source, "--config", NAME],
    ):
        code = run(command)
        printed = capfd.readouterr()
        assert code != 70, printed
        assert is_safe(printed.out + printed.err), (command, printed)
        if as_json and "--json" in command and printed.out:
            json.loads(printed.out)
    for file in Path("runs").rglob("*"):
        if file.suffix in {".log", ".jsonl"}:
            assert is_safe(file.read_text("utf-8")), file
        if file.suffix == ".html":  # where a line break is a space, and isolates are in place
            assert is_safe(" ".join(without_isolates(file.read_text("utf-8")).split())), file
        if file.suffix == ".jsonl":
            names = {json.loads(line)["name"] for line in file.read_text("utf-8").splitlines()}
            assert names <= {NAME, copy.name}
