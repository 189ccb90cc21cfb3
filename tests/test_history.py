"""``history`` and ``show``: what an auditor asks of the runs folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from etl.cli import run
from spreadsheets import write_csv

if TYPE_CHECKING:
    from pathlib import Path

HEADER = ("id", "email")


@pytest.fixture
def two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Make two runs against the sandbox and return their ids, the oldest first."""
    monkeypatch.chdir(tmp_path)
    first = [HEADER, ("4711", "lina@example.com"), ("12", "lina+422@example.com")]
    second = [HEADER, ("4711", "no address")]
    for number, rows in enumerate((first, second)):
        run(["update", str(write_csv(tmp_path / f"{number}.csv", rows)), "--sandbox", "--quiet"])
    return sorted(path.name for path in (tmp_path / "runs").glob("2*"))


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401
    """Return what a command prints with --json."""
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_history_lists_the_newest_run_first(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each run is told with its file, rows, counts and outcome."""
    newest, oldest = told(capsys, "history")
    assert [newest["run"], oldest["run"]] == two_runs[::-1]
    assert (oldest["file"], oldest["rows"], oldest["REJECTED"]) == ("0.csv", 2, 1)
    assert oldest["outcome"] == "some rows not updated"


def test_history_of_a_client_spans_all_runs(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--client tells what became of one client in every run."""
    found = told(capsys, "history", "--client", "4711")
    assert [(each["run"], each["status"]) for each in found] == [
        (two_runs[1], "INVALID"),
        (two_runs[0], "SUCCESS"),
    ]


def test_history_is_a_table_for_people(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --json there is a line for each run below a header."""
    run(["history"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["RUN", "WHEN", "FILE"]
    assert [line.split()[0] for line in lines[1:]] == two_runs[::-1]


@pytest.mark.parametrize("command", [["history", "--client", "4711"], ["show", "latest"]])
def test_a_damaged_journal_hides_no_other_run(
    two_runs: list[str], tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named, and is no internal error."""
    (tmp_path / "runs" / two_runs[1] / "journal.sqlite3").write_bytes(b"x" * 9_000)
    code = run(command)
    said = capsys.readouterr()
    assert f"the journal of run {two_runs[1]} is damaged" in said.err
    assert (two_runs[0] in said.out) is (command[0] == "history")
    assert code == (0 if command[0] == "history" else 70)


def test_history_of_no_runs_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A runs folder that is not there yet is no error."""
    assert run(["history", "--runs-dir", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == "no runs\n"


def test_show_tells_the_rows_that_were_not_updated(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Row, client, status and code are told, the values are not."""
    run(["show", two_runs[0]])
    out = capsys.readouterr().out
    assert "3    12      REJECTED  API_REJECTED" in out
    assert "lina" not in out


@pytest.mark.parametrize("name", ["latest", "20"])
def test_show_takes_latest_and_a_beginning(
    two_runs: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The latest run needs no id; a beginning that fits two runs is refused with 2."""
    code = run(["show", name, "--json"])
    out = capsys.readouterr().out
    assert code == (0 if name == "latest" else 2)
    assert not out or json.loads(out)["run"] == two_runs[1]


def test_show_of_an_unknown_run_ends_with_2(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that is not there is wrong usage, said in a sentence."""
    assert run(["show", "1999"]) == 2
    assert "there is no run '1999'" in capsys.readouterr().err
    assert two_runs
