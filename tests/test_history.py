"""``history`` and ``show``: what an auditor asks of the runs folder."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import socket
import struct
import termios
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from etl.cli import run
from etl.runs.folder import RunsFolder
from etl.runs.lock import locked
from etl.runs.refused import note_refused
from program import Program
from scripted import ScriptedServer, reply
from spreadsheets import write_csv

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


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:  # noqa: ANN401
    """Return what a command prints with --json."""
    assert run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_history_lists_the_newest_run_first(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """History lists each run with its file, rows, counts, outcome and API."""
    newest, oldest = printed(capsys, "history")
    assert [newest["run"], oldest["run"]] == two_runs[::-1]
    assert (oldest["file"], oldest["rows"], oldest["REJECTED"]) == ("0.csv", 2, 1)
    assert (oldest["outcome"], oldest["api"]) == ("action needed", "SANDBOX")


def test_history_of_a_client_spans_all_runs(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """--client shows one client's result in every run."""
    rows = printed(capsys, "history", "--client", "4711")
    assert [(row["run"], row["status"]) for row in rows] == [
        (two_runs[1], "INVALID"),
        (two_runs[0], "SUCCESS"),
    ]


def test_history_is_a_table_for_people(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """People get a line for each run, and below it what is still open."""
    run(["history"])
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split() == ["WHEN", "(UTC)", "FILE", "ROWS", "RESULT", "API", "RUN"]
    second, second_open, first, first_open = lines
    assert second.split()[2:] == ["1.csv", "1", "action", "needed", "SANDBOX", two_runs[1][:20]]
    assert first.split()[2:] == ["0.csv", "2", "action", "needed", "SANDBOX", two_runs[0][:20]]
    assert (second_open, first_open) == ("    1 to fix", "    1 to fix")


def test_history_of_a_client_says_what_the_api_answered(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The auditor reads status, code and error of each row, the newest first."""
    run(["history", "--client", "12"])
    output = capsys.readouterr().out
    assert output.startswith("Client 12: this client's history across all runs\n")
    assert "  0.csv    3  REJECTED  SANDBOX  " in output
    assert "    API_REJECTED: " in output
    assert "422" in output
    run(["history", "--client", "4711"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines[3:] if two_runs[0][:8] in line] == [
        "INVALID",
        "SUCCESS",
    ]


def test_history_is_sorted_by_the_times_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs and unusable files are sorted by the times that are shown."""
    monkeypatch.chdir(tmp_path)
    rows = [(str(number), f"c{number}@example.com") for number in (1, 2)]
    long = str(write_csv(tmp_path / "long.csv", [HEADER, *rows]))
    short = str(write_csv(tmp_path / "short.csv", [HEADER, *rows[:1]]))
    unusable = str(write_csv(tmp_path / "unusable.csv", [("name",), ("Sara",)]))
    for arguments in ([long, "--limit", "1"], [short], [unusable], [long]):
        run(["update", *arguments, "--sandbox", "--quiet"])
    capsys.readouterr()
    history = printed(capsys, "history")
    assert [each["file"] for each in history] == ["long.csv", "unusable.csv", "short.csv"]
    assert [each["when"] for each in history] == sorted(
        (each["when"] for each in history), reverse=True
    )
    assert history[1]["run"] is None
    assert history[1]["outcome"].startswith("could not be used: ")
    run(["history"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[2:] == ["unusable.csv"]
    assert lines[3].startswith("    could not be used: no column for ")


def test_history_shows_the_newest_50(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The newest 50 runs are shown, with the number of others; --all and --json show all."""
    refuse(tmp_path, 52)
    assert run(["history", "--runs-dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * 50 + 1
    assert lines[1].split() == ["2026-11-28", "02:51", "clients-51.csv"]
    assert lines[-1] == "… and 2 more; --all shows all"
    run(["history", "--runs-dir", str(tmp_path), "--all"])
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * 52
    assert len(printed(capsys, "history", "--runs-dir", str(tmp_path))) == 52


def refuse(runs: Path, number: int) -> None:
    """Record so many refused inputs, one per minute."""
    for minute in range(number):
        when = datetime(2026, 11, 28, 2, minute, tzinfo=UTC)
        source = Path(f"clients-{minute}.csv")
        note_refused(RunsFolder(runs), source, "The file is empty.", when)


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"{",
        b"[]",
        b"5",
        b'{"when": "yesterday"}',
        b'{"when": "9999-12-31T23:00:00-09:00", "name": "", "sha256": "", "sentence": ""}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_line_hides_no_other_refused_input(
    tmp_path: Path, line: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged line is skipped, and the others are shown."""
    refuse(tmp_path, 1)
    refused = tmp_path / "refused.jsonl"
    refused.write_bytes(refused.read_bytes() + line + b"\n" + refused.read_bytes())
    assert len(printed(capsys, "history", "--runs-dir", str(tmp_path))) == 2


def test_a_time_without_its_offset_hides_no_other_refused_input(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A time without an offset, as after an edit, is still compared with the others."""
    refuse(tmp_path, 2)
    refused = tmp_path / "refused.jsonl"
    refused.write_text(refused.read_text("utf-8").replace("+00:00", "", 1), encoding="utf-8")
    assert len(printed(capsys, "history", "--runs-dir", str(tmp_path))) == 2


def test_a_line_cut_by_a_power_cut_does_not_hide_the_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next refused input begins a new line, even if a power cut left part of one."""
    refused = tmp_path / "refused.jsonl"
    refused.write_text('{"when": "2026-11', encoding="utf-8")
    refuse(tmp_path, 1)
    assert len(printed(capsys, "history", "--runs-dir", str(tmp_path))) == 1


@pytest.mark.slow
def test_running_and_killed_runs_are_distinguished(tmp_path: Path) -> None:
    """A run without an end is running only while its own process uses the runs folder."""
    token = reply(b'{"success": true, "bearer_token": "an-invented-token"}')
    with ScriptedServer([[token], [30.0]]) as silent:
        environment = {"FATORA_API_KEY": "an-invented-api-key", "FATORA_API_URL": silent.url}
        program = Program(tmp_path, environment)
        source = write_csv(tmp_path / "clients.csv", [HEADER, ("1", "sara@example.com")])
        process = program.start("update", source)
        while len(silent.requests) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        outcomes = [outcome(program)]
        process.kill()
        process.communicate()
    outcomes.append(outcome(program))
    with locked(tmp_path / "runs"):
        outcomes.append(outcome(program))
    assert outcomes == ["running", "interrupted", "interrupted"]
    shown = program.run("show", "latest").stdout
    assert ": interrupted\n" in shown
    assert "no end recorded" in shown


def outcome(program: Program) -> str:
    """Return the outcome of the only run, on which `history` and `show` must agree."""
    (history,) = json.loads(program.run("history", "--json").stdout)
    shown = json.loads(program.run("show", "latest", "--json").stdout)
    assert history["outcome"] == shown["outcome"]
    return str(history["outcome"])


@pytest.mark.slow
@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_the_terminal(tmp_path: Path, width: int) -> None:
    """The middle of a long name is left out; a narrow history says SANDBOX below the run."""
    program = Program(tmp_path)
    name = f"{'a-long-name-' * 6}2026-11-28.csv"
    rows = [HEADER, ("1", "sara+422@example.com"), ("1.5", f"{'x' * 80} y"), ("no id", "z")]
    program.run("update", write_csv(tmp_path / name, rows), "--sandbox", "--quiet")
    run_id = program.only_run().name
    for command in (["history"], ["history", "--client", "1"], ["show", "latest"]):
        lines = at_a_terminal(program, command, width)
        assert [line for line in lines if len(line) > width and run_id not in line] == []
        assert any("SANDBOX" in line for line in lines)
    header, line, *_ = at_a_terminal(program, ["history"], width)
    assert ("API" in header.split()) is (width >= 100)
    assert re.search("  a-lon.*28.csv  ", line)


def at_a_terminal(program: Program, command: list[str], width: int) -> list[str]:
    """Return the lines that a command prints at a terminal of this width."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with os.fdopen(controller, "rb") as screen:
        process = program.start(*command, stdout=terminal)
        os.close(terminal)
        printed = b""
        with suppress(OSError):  # raised once the program has closed the terminal
            while data := screen.read1():
                printed += data
        assert process.wait(timeout=20) == 0
        process.communicate()
    return printed.decode().splitlines()


def test_history_says_what_rework_has_left_open(
    two_runs: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A corrected row is no longer counted as open."""
    rework = (tmp_path / "runs" / two_runs[0] / "rework.csv").read_text("utf-8-sig")
    corrected = tmp_path / "corrected.csv"
    corrected.write_text(rework.replace("+422", ""), encoding="utf-8")
    run(["update", str(corrected), "--sandbox", "--quiet"])
    capsys.readouterr()
    newest, _, oldest = printed(capsys, "history")
    assert newest["reworks"] == [oldest["run"]]
    assert oldest["still_open"] == {"to_fix": 0, "left": 0}
    assert oldest["outcome"] == "all corrected"
    run(["history"])
    assert "    1 to fix; still open after rework: nothing" in capsys.readouterr().out
    run(["show", two_runs[0]])
    shown = capsys.readouterr().out
    assert "Later runs corrected 1 of 1 row." in shown
    assert "Fix the row" not in shown


@pytest.mark.parametrize("command", [["history", "--client", "4711"], ["show", "latest"]])
def test_a_damaged_journal_hides_no_other_run(
    two_runs: list[str], tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A damaged journal is reported, and the other runs are shown."""
    (tmp_path / "runs" / two_runs[1] / "journal.sqlite3").write_bytes(b"x" * 9_000)
    code = run(command)
    output = capsys.readouterr()
    assert f"the journal of run {two_runs[1]} is damaged" in output.err
    assert (two_runs[0][:20] in output.out) is (command[0] == "history")
    assert code == (0 if command[0] == "history" else 4)


@pytest.mark.parametrize(
    ("original", "rubbish"),
    [
        ('"exit_code": 1', '"exit_code": 75'),
        ('"exit_code": 1', '"exit_code": 99'),
        ('"INVALID": 1', '"WRONG": 1'),
        ('"rows": 1', '"rows": null'),
        ('"begun": "2', '"begun": "x'),
    ],
)
def test_a_modified_manifest_hides_no_other_run(
    two_runs: list[str],
    tmp_path: Path,
    original: str,
    rubbish: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A modified manifest is named, and the other runs are shown."""
    manifest = tmp_path / "runs" / two_runs[1] / "manifest.json"
    text = manifest.read_text(encoding="utf-8")
    assert original in text
    manifest.write_text(text.replace(original, rubbish), encoding="utf-8")
    assert run(["history"]) == 0
    output = capsys.readouterr()
    assert f"the manifest of run {two_runs[1]} is damaged" in output.err
    assert two_runs[0][:20] in output.out


def test_history_without_any_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first run, history says that there are no runs."""
    monkeypatch.chdir(tmp_path)
    assert run(["history"]) == 0
    assert capsys.readouterr().out == "No runs yet.\n"


def test_history_of_a_folder_that_is_missing_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A runs folder that does not exist ends with 2."""
    assert run(["history", "--runs-dir", str(tmp_path / "none")]) == 2
    assert "there is no runs folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["history"], ["show", "latest"], ["verify", "--all"]])
def test_a_runs_folder_that_cannot_be_read_ends_with_2(
    tmp_path: Path,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A runs folder that cannot be read is named; simulated, since root may read anything."""

    def refuse_it(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refuse_it)
    assert run([*command, "--runs-dir", str(tmp_path)]) == 2
    output = capsys.readouterr().err
    assert f"the runs folder “{tmp_path}” cannot be read: Permission denied" in output


def test_show_says_what_the_api_answered(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each row has its client, status and code, and below them the API's words."""
    run(["show", two_runs[0]])
    out = capsys.readouterr().out
    assert "  3      12  REJECTED  API_REJECTED\n    " in out
    assert "422" in out.partition("API_REJECTED\n    ")[2]
    assert "lina" not in out
    (row,) = printed(capsys, "show", two_runs[0])["not_updated"]
    assert "422" in row["error"]
    assert (row["id"], row["http_status"], row["attempts"]) == ("12", 422, 1)


def test_show_has_the_facts_that_an_auditor_needs(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Show prints the API, the user, the columns, the results and the files."""
    run(["show", two_runs[0]])
    output = capsys.readouterr().out
    assert f"{two_runs[0]}: action needed\n" in output
    assert "SANDBOX: nothing was sent to Fatora." in output
    assert "Sent: id ← “id”, email ← “email”." in output
    assert f" s, by {getpass.getuser()} on {socket.gethostname()}." in output
    assert "        1  REJECTED  Fatora refused the update\n" in output
    assert f"runs/{two_runs[0]}\n" in output
    assert "results.csv, rework.csv, run.log" in output
    assert "Fix the row in rework.csv" in output


def test_show_quotes_an_id_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An unusable id is quoted as it is in the file."""
    monkeypatch.chdir(tmp_path)
    source = write_csv(tmp_path / "clients.csv", [HEADER, ("C-17", "sara@example.com")])
    run(["update", str(source), "--sandbox", "--quiet"])
    run(["show", "latest"])
    assert "  2  “C-17”  INVALID  ID_NOT_INTEGER\n" in capsys.readouterr().out
    assert printed(capsys, "show", "latest")["not_updated"][0]["id"] == "C-17"


def test_show_prints_the_first_50_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first 50 rows are printed, with where the others are; --all and --json print all."""
    monkeypatch.chdir(tmp_path)
    source = write_csv(tmp_path / "clients.csv", [HEADER, *[("x", "sara@example.com")] * 53])
    run(["update", str(source), "--sandbox", "--quiet"])
    run(["show", "latest"])
    output = capsys.readouterr().out
    assert output.count("  ID_NOT_INTEGER\n") == 50
    assert output.endswith("… and 3 more in results.csv; --all shows all\n")
    run(["show", "latest", "--all"])
    assert capsys.readouterr().out.count("  ID_NOT_INTEGER\n") == 53
    assert len(printed(capsys, "show", "latest")["not_updated"]) == 53


@pytest.mark.parametrize("name", ["latest", "20"])
def test_show_takes_latest_and_a_beginning(
    two_runs: list[str], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Show accepts 'latest' and a unique beginning of an id."""
    code = run(["show", name, "--json"])
    out = capsys.readouterr().out
    assert code == (0 if name == "latest" else 2)
    assert not out or json.loads(out)["run"] == two_runs[1]


def test_show_of_an_unknown_run_ends_with_2(
    two_runs: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unknown run ends with 2 and one sentence."""
    assert run(["show", "1999"]) == 2
    assert "there is no run “1999”" in capsys.readouterr().err
    assert two_runs
