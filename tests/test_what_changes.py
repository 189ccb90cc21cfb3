"""A plan and the update that follows it say what changes, wherever people and programs look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from etl.cli import run
from etl.manifest import Manifest
from spreadsheets import read_csv, write_csv

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [("id", "email", "name"), *((str(4700 + n), f"c{n}@example.com", "سارة") for n in range(25))]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Plan 25 changes and a wrong row against the sandbox, and return the input."""
    monkeypatch.chdir(tmp_path)
    source = write_csv(tmp_path / "clients.csv", [*ROWS, ("9", "no address", "Omar")])
    assert run(["plan", str(source), "--sandbox", "--quiet"]) == 4
    return source


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what a command prints."""
    capsys.readouterr()
    run([*arguments])
    return capsys.readouterr().out


def facts_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401
    """Return what a command prints with --json."""
    return json.loads(output_of(capsys, *arguments, "--json"))


def test_a_plan_prints_the_first_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The terminal has the numbers, the first 20 changes, and where the others are."""
    monkeypatch.chdir(tmp_path)
    source = write_csv(tmp_path / "clients.csv", ROWS)
    first, *lines = output_of(capsys, "plan", str(source), "--sandbox").splitlines()
    assert first.endswith(" PLANNED (SANDBOX): 1 file, 25 rows would change")
    assert (
        "25 of 25 rows would change: email 25, name 25. Nothing was sent. Run fatora-clients update"
        " with the same file to send exactly these changes."
    ) in lines
    changes = [line for line in lines if line.startswith("  row ")]
    assert len(changes) == 20
    assert changes[0] == (
        "  row 2, client 4700: email: “client-4700@example.com” → “c0@example.com”;"
        " name: “Client 4700” → “سارة”"
    )
    (more,) = [line for line in lines if line.startswith("  and ")]
    assert more.startswith("  and 5 more in runs/")
    assert more.endswith("/report.html")


def test_a_plan_is_an_entry_for_programs(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json has the numbers and the digest of a plan, and no value of a client."""
    output = output_of(capsys, "plan", str(planned), "--sandbox", "--json")
    facts = json.loads(output)
    assert facts["planned"] is True
    assert (facts["plan"]["rows"], facts["plan"]["fields"]) == (25, {"email": 25, "name": 25})
    assert len(facts["plan"]["digest"]) == 64
    assert "@example.com" not in output


def test_history_and_show_know_a_plan(planned: Path, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    """History names a plan as such; show has its numbers, its digest and its changes."""
    history = output_of(capsys, "history").splitlines()
    assert "  planned  " in history[1]
    assert history[2] == "    25 would change; 1 to fix"
    (listed,) = facts_of(capsys, "history")
    assert (listed["outcome"], listed["plan"]["rows"]) == ("planned", 25)
    shown = output_of(capsys, "show", "latest")
    assert "plan      25 of 26 rows change: email 25, name 25\n" in shown
    assert f"          digest {listed['plan']['digest']}\n" in shown
    assert "email: “client-4700@example.com” → “c0@example.com”" in shown
    (row,) = facts_of(capsys, "history", "--client", "4703")
    assert row["status"] == "NOT_SENT"
    assert "Planned: email: “" in output_of(capsys, "history", "--client", "4703")


def test_history_of_a_client_shows_each_change(
    planned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the update, the client's history has its values before and after."""
    assert run(["update", str(planned), "--sandbox", "--quiet"]) == 1
    (row,) = facts_of(capsys, "history", "--client", "4703")
    assert row["status"] == "SUCCESS"
    assert row["changes"] == [
        {"field": "email", "old": "client-4703@example.com", "new": "c3@example.com"},
        {"field": "name", "old": "Client 4703", "new": "سارة"},
    ]
    printed = output_of(capsys, "history", "--client", "4703")
    assert "    email: “client-4703@example.com” → “c3@example.com”; name: " in printed
    assert "Planned" not in printed


def test_the_files_of_a_plan_say_so(planned: Path) -> None:
    """Rows of a plan have a code and changes of their own, and the log has no value."""
    (folder,) = (planned.parent / "runs").glob("2*")
    assert Manifest.read(folder / "manifest.json").is_planned
    row, *_, wrong = read_csv(folder / "results.csv")
    assert (row["update_status"], row["update_code"]) == ("NOT_SENT", "PLANNED")
    assert str(row["update_changes"]).startswith("email: “client-4700@example.com” → “c0@")
    assert wrong["update_status"] == "INVALID"
    assert "example.com" not in (folder / "run.log").read_text()
    page = (folder / "report.html").read_text()
    assert "25 of 26 rows would change" in page
    assert page.count('id="change-2"') == 1
    assert 'id="row-2"' not in page


def test_a_plan_of_what_is_there_already_needs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plan that changes nothing ends with 0, and says that nothing has to be done."""
    monkeypatch.chdir(tmp_path)
    rows = [("id", "email"), ("7", "client-7@example.com")]
    source = write_csv(tmp_path / "clients.csv", rows)
    first, *lines = output_of(capsys, "plan", str(source), "--sandbox").splitlines()
    assert first.endswith(" OK (SANDBOX): 1 file, 1 row unchanged")
    assert "The row was not sent: Fatora already had these values." in lines
    assert "  all up to date  " in output_of(capsys, "history").splitlines()[1]
