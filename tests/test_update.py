"""Whole runs of ``fatora-clients update``: a process, real files, real sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from typing import TYPE_CHECKING

import jwt
import openpyxl
import pytest

from etl.cli import run
from etl.codes import Code
from etl.jobs.pipeline import update_file
from etl.rows import Status
from etl.runs.lock import locked
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from program import Program
from scripted import ScriptedServer, reply
from spreadsheets import read_csv, read_xlsx, statuses, write_csv, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.context import Context
    from etl.jobs.summary import Summary

HEADER = ("Client ID", "E-mail", "Name", "Phone", "Notes", "Account manager")
GOOD = ("1024", "sara@example.com", "سارة", "+97455550000", "NA", "Mei")
CONFLICT = ("1025", "omar+409@example.com", "Omar", "0097455550001", "", "Mei")
BAD_ID = ("1024.7", "lina@example.com", "Lina", "", "", "Dana")
UNKNOWN_CLIENT = ("1000000", "noor@example.com", "=1+1", "", "two\nlines", "Dana")
MIXED = (HEADER, GOOD, CONFLICT, BAD_ID, UNKNOWN_CLIENT)
OUTCOMES = ["SUCCESS", "REJECTED", "INVALID", "REJECTED"]


def many(count: int) -> list[tuple[str, ...]]:
    """Return a header and this many good rows."""
    return [("id", "email"), *((str(i), f"c{i}@example.com") for i in range(1, count + 1))]


def test_results_of_a_csv_hold_every_row_unchanged(program: Program) -> None:
    """Each row of the input is in the results once, in order, with its cells untouched."""
    source = write_csv(program.folder / "clients.csv", MIXED)
    assert program.run("update", source).returncode == 1
    results = read_csv(program.only_run() / "results.csv")
    cells = [tuple(row[name] for name in HEADER) for row in results]
    guarded = [*UNKNOWN_CLIENT[:2], "'=1+1", *UNKNOWN_CLIENT[3:]]
    assert cells == [GOOD, CONFLICT, BAD_ID, tuple(guarded)]
    assert statuses(results) == OUTCOMES
    assert [row["update_row"] for row in results] == ["2", "3", "4", "5"]


@pytest.mark.slow
def test_results_of_a_workbook_are_a_workbook_too(program: Program) -> None:
    """A workbook's results are written as CSV and as text cells of a workbook."""
    source = write_xlsx(program.folder / "clients.xlsx", MIXED)
    assert program.run("update", source).returncode == 1
    run = program.only_run()
    results = read_xlsx(run / "results.xlsx")
    expected = [tuple(cell or None for cell in row) for row in MIXED[1:]]
    assert [tuple(row[name] for name in HEADER) for row in results] == expected
    assert statuses(results) == statuses(read_csv(run / "results.csv")) == OUTCOMES
    assert statuses(read_xlsx(run / "rework.xlsx")) == OUTCOMES[1:]


def test_only_valid_rows_reach_the_api_unchanged(program: Program, sandbox: Sandbox) -> None:
    """The API stores the cells of valid rows unchanged, and an invalid row changes no client."""
    program.run("update", write_csv(program.folder / "clients.csv", MIXED))
    stored = sandbox.store.get(1024)
    assert (stored.email, stored.name, stored.phone, stored.notes) == GOOD[1:5]
    assert sandbox.store.get(1025).email == "client-1025@example.com"
    assert sandbox.requests_seen == 1 + 3  # the token, and one for each valid row


def test_rejected_row_says_what_the_api_returned(program: Program) -> None:
    """The returned error, its code and its HTTP status are in the results."""
    program.run("update", write_csv(program.folder / "clients.csv", MIXED))
    row = read_csv(program.only_run() / "results.csv")[3]
    assert "404" in row["update_error"]
    assert "There is no such client" in row["update_error"]
    assert (row["update_code"], row["update_http_status"]) == ("API_NOT_FOUND", "404")
    assert row["update_fix"]


@pytest.mark.slow
def test_file_without_faults_ends_with_0_and_no_rework(program: Program) -> None:
    """A run that updated every row ends with 0 and has no rework."""
    done = program.run("update", write_csv(program.folder / "clients.csv", many(3)))
    assert done.returncode == 0
    assert "All rows were updated." in done.stdout
    assert not list(program.only_run().glob("rework.*"))


@pytest.mark.slow
def test_file_with_only_a_header_is_done(program: Program) -> None:
    """A file without rows ends with 0 and sends nothing."""
    done = program.run("update", write_csv(program.folder / "clients.csv", many(0)))
    assert done.returncode == 0
    assert read_csv(program.only_run() / "results.csv") == []


@pytest.mark.slow
def test_processed_file_is_not_sent_twice(program: Program, sandbox: Sandbox) -> None:
    """The same bytes under another name send nothing; the message names the run."""
    program.run("update", write_csv(program.folder / "clients.csv", MIXED))
    seen = sandbox.requests_seen
    again = program.run("update", write_csv(program.folder / "copy.csv", MIXED))
    assert again.returncode == 0
    assert program.only_run().name in again.stdout
    assert sandbox.requests_seen == seen


@pytest.mark.slow
def test_again_sends_a_processed_file_as_a_new_run(program: Program) -> None:
    """--again sends a processed file as a new run."""
    source = write_csv(program.folder / "clients.csv", many(2))
    program.run("update", source)
    assert program.run("update", source, "--again").returncode == 0
    assert len(program.runs()) == 2


@pytest.mark.slow
def test_limit_leaves_rows_which_the_next_run_sends(program: Program, sandbox: Sandbox) -> None:
    """--limit ends with 4, and the same command later sends the rest in the same folder."""
    source = write_csv(program.folder / "clients.csv", many(5))
    first = program.run("update", source, "--limit", 2)
    results = program.only_run() / "results.csv"
    assert first.returncode == 4
    assert statuses(read_csv(results)) == ["SUCCESS"] * 2 + ["NOT_SENT"] * 3
    assert program.run("update", source).returncode == 0
    assert statuses(read_csv(results)) == ["SUCCESS"] * 5
    assert program.only_run()
    assert sandbox.requests_seen == 2 + 5  # a token for each session, one request for each row


@pytest.mark.slow
def test_corrected_rework_can_be_fed_back(program: Program, sandbox: Sandbox) -> None:
    """A corrected rework file can be sent, and its own columns are dropped."""
    program.run("update", write_csv(program.folder / "clients.csv", (HEADER, GOOD, BAD_ID)))
    rework = (program.only_run() / "rework.csv").read_text(encoding="utf-8-sig")
    corrected = program.folder / "corrected.csv"
    corrected.write_text(rework.replace("1024.7", "1026"), encoding="utf-8")
    assert program.run("update", corrected).returncode == 0
    assert sandbox.store.get(1026).email == "lina@example.com"
    assert "update_error" in read_csv(program.runs()[1] / "results.csv")[0]


@pytest.mark.slow
def test_unreachable_api_stops_the_run_and_the_next_resumes(tmp_path: Path) -> None:
    """An unreachable API stops the run, and the next session sends all rows."""
    with Sandbox() as gone:
        port = int(gone.url.split(":")[2].split("/")[0])
    program = Program(tmp_path, {"FATORA_API_KEY": gone.api_key, "FATORA_API_URL": gone.url})
    source = write_csv(tmp_path / "clients.csv", many(20))
    stopped = program.run("update", source, "--attempts", 1, "--workers", 1)
    assert stopped.returncode == 4
    assert "10 rows in a row" in stopped.stdout
    results = program.only_run() / "results.csv"
    assert statuses(read_csv(results)) == ["FAILED"] * 10 + ["NOT_SENT"] * 10
    with Sandbox(port=port):
        assert program.run("update", source).returncode == 0
    assert {row["update_attempts"] for row in read_csv(results)} == {"1", "2"}


@pytest.mark.slow
def test_failing_requests_are_tried_again(tmp_path: Path) -> None:
    """An API that fails every third request still has every row updated in the end."""
    config = tmp_path / "job.toml"
    config.write_text("[api]\npause = 0.01\n", encoding="utf-8")
    with Sandbox(behaviour=Behaviour(fail_share=0.34)) as sandbox:
        environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, {**environment, "FATORA_CONFIG": str(config)})
        done = program.run("update", write_csv(tmp_path / "clients.csv", many(30)))
    assert done.returncode == 0
    attempts = [int(row["update_attempts"]) for row in read_csv(program.only_run() / "results.csv")]
    assert sum(attempts) > 30


@pytest.mark.slow
def test_files_share_a_token_and_the_rate(program: Program, sandbox: Sandbox) -> None:
    """Several files share one token and one rate."""
    sources = [write_csv(program.folder / f"{n}.csv", many(2)[: 1 + n]) for n in (1, 2)]
    start = time.monotonic()
    assert program.run("update", *sources, "--rate", 1).returncode == 0
    assert time.monotonic() - start > 2
    assert sandbox.requests_seen == 1 + 3


@pytest.mark.slow
def test_throttling_api_is_waited_for(tmp_path: Path) -> None:
    """A 429 holds the job as long as Retry-After says, and no row is lost to it."""
    with Sandbox(behaviour=Behaviour(throttle=10)) as sandbox:
        environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, environment)
        done = program.run("update", write_csv(tmp_path / "clients.csv", many(15)))
    assert done.returncode == 0


@pytest.mark.slow
def test_sigterm_ends_with_a_complete_report(tmp_path: Path) -> None:
    """SIGTERM stops the run with a complete report, and the next session resumes it."""
    with Sandbox(behaviour=Behaviour(latency=0.1)) as sandbox:
        environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, environment)
        source = write_csv(tmp_path / "clients.csv", many(200))
        process = program.start("update", source, "--workers", 2)
        while sandbox.requests_seen < 10:
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 4
        assert " STOPPED EARLY (SANDBOX): 1 file, " in out.splitlines()[0]
        ended = statuses(read_csv(program.only_run() / "results.csv"))
        assert ended == sorted(ended, key=str, reverse=True)
        assert set(ended) == {"SUCCESS", "NOT_SENT"}
        assert ended.count("SUCCESS") == sandbox.requests_seen - 1
        assert program.run("update", source, "--workers", 32).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_second_signal_ends_at_once_and_the_next_run_resumes(
    first: signal.Signals, tmp_path: Path
) -> None:
    """A second signal ends the program at once, and no record is lost."""
    token = reply(b'{"success": true, "bearer_token": "an-invented-token"}')
    with ScriptedServer([[token], [30.0]]) as silent, Sandbox() as sandbox:
        program = Program(tmp_path, {"FATORA_API_KEY": sandbox.api_key})
        source = write_csv(tmp_path / "clients.csv", many(3))
        process = program.start("update", source, "--workers", 1, "--api-url", f"{silent.url}/v1")
        while len(silent.requests) < 2:
            assert process.poll() is None
            time.sleep(0.02)
        start = time.monotonic()
        process.send_signal(first)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert time.monotonic() - start < 10
        assert process.returncode == 4
        program.environment["FATORA_API_URL"] = sandbox.url
        assert program.run("update", source).returncode == 0
    results = read_csv(program.only_run() / "results.csv")
    assert [row["update_attempts"] for row in results] == ["2", "1", "1"]


def test_killed_run_is_resumed(tmp_path: Path) -> None:
    """After kill -9 the same command finishes the run in its folder, and all rows are updated."""
    with Sandbox(behaviour=Behaviour(latency=0.05)) as sandbox:
        environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, environment)
        source = write_csv(tmp_path / "clients.csv", many(100))
        process = program.start("update", source, "--workers", 4)
        while sandbox.requests_seen < 20:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        process.communicate()
        assert program.run("update", source, "--workers", 32).returncode == 0
        assert sandbox.requests_seen <= 100 + 8  # what each worker had sent, and was sending
    results = read_csv(program.only_run() / "results.csv")
    assert statuses(results) == ["SUCCESS"] * 100
    assert sum(int(row["update_attempts"]) for row in results) <= 100 + 8


def test_refused_key_ends_with_2_before_any_row(program: Program, sandbox: Sandbox) -> None:
    """A refused key ends with 2 before any row is sent."""
    program.environment["FATORA_API_KEY"] = "another-invented-key"
    refused = program.run("update", write_csv(program.folder / "clients.csv", many(2)))
    assert refused.returncode == 2
    assert "key" in refused.stderr
    assert sandbox.requests_seen == 1


@pytest.mark.slow
def test_refused_token_stops_the_run(program: Program, sandbox: Sandbox) -> None:
    """The first 401 stops a run with a bearer token, which cannot be renewed."""
    program.environment["FATORA_BEARER_TOKEN"] = "a-worn-out-invented-token"
    del program.environment["FATORA_API_KEY"]
    stopped = program.run(
        "update", write_csv(program.folder / "clients.csv", many(9)), "--workers", 1
    )
    assert stopped.returncode == 4
    assert "HTTP 401" in stopped.stdout
    assert sandbox.requests_seen == 1


@pytest.mark.slow
def test_expired_token_is_reported_before_any_row(program: Program, sandbox: Sandbox) -> None:
    """An expired token is reported before any row, after asking the API once."""
    del program.environment["FATORA_API_KEY"]
    program.environment["FATORA_BEARER_TOKEN"] = token_until(time.time() - 60)
    refused = program.run("update", write_csv(program.folder / "clients.csv", many(9)))
    assert refused.returncode == 2
    assert "the bearer token expired at 20" in refused.stderr
    assert "nothing was sent" in refused.stderr
    assert sandbox.requests_seen == 1
    results = read_csv(program.only_run() / "results.csv")
    assert statuses(results) == ["NOT_SENT"] * 9


@pytest.mark.slow
def test_token_that_only_seems_expired_is_used(program: Program) -> None:
    """A token that only seems expired is used if the API accepts it."""
    update, listing = (
        reply(b'{"status": "SUCCESS"}'),
        reply(b'{"status": "SUCCESS", "clients": []}'),
    )
    del program.environment["FATORA_API_KEY"]
    with ScriptedServer([[listing], [update]]) as server:
        program.environment["FATORA_BEARER_TOKEN"] = token_until(1_000_000_000)
        program.environment["FATORA_API_URL"] = f"{server.url}/v1"
        done = program.run("update", write_csv(program.folder / "clients.csv", many(1)))
    assert done.returncode == 0
    lines = [request.head.split(b"\r\n")[0] for request in server.requests]
    assert lines == [b"GET /v1/clients?page=1&page_size=1 HTTP/1.1", b"PUT /v1/clients/1 HTTP/1.1"]


def token_until(end: float) -> str:
    """Return a bearer token with this expiry and no account."""
    return jwt.encode({"exp": end}, "an invented secret of enough bytes", algorithm="HS256")


@pytest.mark.slow
def test_token_that_runs_out_is_renewed_for_all_workers(tmp_path: Path) -> None:
    """A token that expires during the run is renewed for all workers."""
    with Sandbox(behaviour=Behaviour(token_lifetime=0.4, latency=0.02)) as sandbox:
        environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, environment)
        done = program.run("update", write_csv(tmp_path / "clients.csv", many(300)))
        assert done.returncode == 0
        results = read_csv(program.only_run() / "results.csv")
        sent = sum(int(row["update_attempts"]) for row in results)
        assert statuses(results) == ["SUCCESS"] * 300
        assert 3 <= sandbox.requests_seen - sent <= 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"FATORA_API_KEY": ""}, "no credentials"),
        (
            {"FATORA_BEARER_TOKEN": "another-invented-token"},
            "both FATORA_API_KEY and FATORA_BEARER_TOKEN",
        ),
        ({"FATORA_API_URL": "http://api.example.com/v1"}, "https://"),
        ({"FATORA_CONFIG": "nowhere.toml"}, "nowhere.toml"),
    ],
)
def test_wrong_environment_ends_with_2(
    program: Program, environment: dict[str, str], message: str
) -> None:
    """Wrong credentials or settings are named, and no run is made."""
    program.environment.update(environment)
    wrong = program.run("update", write_csv(program.folder / "clients.csv", many(1)))
    assert (wrong.returncode, program.runs()) == (2, [])
    assert message in wrong.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("clients.csv", b"id,name\n1,Sara\n", "no column for email"),
        ("clients.csv", b'id,email\n1,"a@example.com\n', "line 2"),
        ("clients.xls", b"old", "save it as .xlsx"),
        ("clients.xlsx", b"no zip", "not an Excel workbook"),
        ("clients.csv", b"", "empty"),
    ],
)
def test_unusable_input_ends_with_3_and_no_run(
    program: Program, name: str, content: bytes, message: str
) -> None:
    """An unusable file gets one sentence; nothing of it is sent, and no folder is left."""
    (program.folder / name).write_bytes(content)
    unusable = program.run("update", name)
    assert (unusable.returncode, program.runs()) == (3, [])
    assert message in unusable.stderr
    assert len(unusable.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_pipe_ends_with_3(program: Program) -> None:
    """A pipe is refused without waiting for its bytes, which might never come."""
    os.mkfifo(program.folder / "clients.csv")
    refused = program.run("update", "clients.csv")
    assert refused.returncode == 3
    assert "not a regular file" in refused.stderr


@pytest.mark.slow
def test_an_unusable_input_that_cannot_be_recorded_ends_with_2(program: Program) -> None:
    """An unusable input that cannot be recorded ends with 2, and is named with the record."""
    (program.folder / "runs" / "refused.jsonl").mkdir(parents=True)
    refused = program.run("update", write_csv(program.folder / "clients.csv", [("a",), ("b",)]))
    assert refused.returncode == 2
    assert "refused input clients.csv cannot be recorded in runs/refused.jsonl" in refused.stderr


@pytest.mark.slow
def test_a_token_of_an_account_called_sandbox_is_not_the_sandbox(tmp_path: Path) -> None:
    """Only the sandbox's own key makes a run one against the sandbox."""
    token = jwt.encode({"unique_name": "sandbox"}, "an-invented-secret-of-some-length")
    source = write_csv(tmp_path / "clients.csv", [("id", "email"), ("1024", "sara@example.com")])
    with ScriptedServer([[reply()]]) as api:
        program = Program(
            tmp_path, {"FATORA_BEARER_TOKEN": token, "FATORA_API_URL": f"{api.url}/v1"}
        )
        done = program.run("update", source, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["sandbox"] is False


@pytest.mark.slow
def test_missing_input_ends_with_3(program: Program) -> None:
    """A file that is not there is an unusable input."""
    missing = program.run("update", "nothing.csv")
    assert missing.returncode == 3
    assert "nothing.csv: there is no such file" in missing.stderr


@pytest.mark.slow
def test_held_runs_folder_ends_with_75(program: Program, sandbox: Sandbox) -> None:
    """If another run is using the runs folder, nothing is sent."""
    source = write_csv(program.folder / "clients.csv", many(1))
    (program.folder / "runs").mkdir()
    with locked(program.folder / "runs"):
        refused = program.run("update", source)
    assert (refused.returncode, refused.stdout) == (75, "")
    assert f"another run is using runs (PID {os.getpid()}, since 20" in refused.stderr
    assert sandbox.requests_seen == 0
    assert program.run("update", source).returncode == 0


def test_each_file_of_a_folder_is_a_run(program: Program) -> None:
    """Every spreadsheet of a folder is a run, and an unusable one does not stop the others."""
    folder = program.folder / "in"
    folder.mkdir()
    write_csv(folder / "b.csv", many(1))
    write_csv(folder / "a.csv", [("name",), ("Sara",)])
    write_csv(folder / "~$b.csv", many(2))
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    with write_csv(folder / "unfinished.csv", many(3)).open("a"):
        done = program.run("update", "in", "--json")
    printed = json.loads(done.stdout)
    assert done.returncode == printed["exit_code"] == 3
    assert [(run["input"], run["exit_code"]) for run in printed["runs"]] == [
        ("in/a.csv", 3),
        ("in/b.csv", 0),
    ]


@pytest.mark.slow
def test_files_after_trouble_start_with_one_row(tmp_path: Path) -> None:
    """While the API cannot be reached, one row of each later file is tried."""
    with Sandbox() as gone:
        environment = {"FATORA_API_KEY": gone.api_key, "FATORA_API_URL": gone.url}
    program = Program(tmp_path, environment)
    sources = [write_csv(tmp_path / f"{name}.csv", many(20 + name)) for name in (1, 2, 3)]
    stopped = program.run("update", *sources, "--attempts", 1, "--json")
    printed = json.loads(stopped.stdout)
    assert stopped.returncode == printed["exit_code"] == 4
    assert [run["counts"]["FAILED"] for run in printed["runs"][1:]] == [1, 1]
    assert all(run["stopped"].startswith("1 row: no conn") for run in printed["runs"][1:])


@pytest.mark.slow
def test_key_that_is_refused_after_the_first_file_stops_the_others(tmp_path: Path) -> None:
    """A key that is refused after the first file ends with 4, since something was sent."""
    later = reply(b"", status=b"503 Service Unavailable")
    refused = reply(b'{"status": "ERROR", "error": "Invalid API Key"}')
    with ScriptedServer([[answer] for answer in (later, later, refused)]) as server:
        program = Program(
            tmp_path, {"FATORA_API_KEY": "an-invented-api-key", "FATORA_API_URL": server.url}
        )
        sources = [write_csv(tmp_path / f"{name}.csv", many(1 + name)) for name in range(3)]
        done = program.run("update", *sources, "--json", "--attempts", 1)
    printed = json.loads(done.stdout)
    assert done.returncode == printed["exit_code"] == 4
    assert [run["exit_code"] for run in printed["runs"]] == [1, 4, 4]
    cause = printed["runs"][1]["stopped"]
    assert "key" in cause
    assert f"1.csv: {cause}" in done.stderr
    assert f"2.csv: Not started. {cause}" in done.stderr


def test_a_bug_with_one_file_does_not_stop_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A bug with one file is reported without values and ends with 70; the other file is sent."""

    def failing(source: Path, context: Context) -> Summary:
        if source.name == "a.csv":
            raise KeyError("sara@example.com")
        return update_file(source, context)

    monkeypatch.setattr("etl.jobs.update.update_file", failing)
    sources = [write_csv(tmp_path / name, many(2)) for name in ("a.csv", "b.csv")]
    code = run(["update", *map(str, sources), "--sandbox", "--json", "--runs-dir", f"{tmp_path}/r"])
    out, err = capfd.readouterr()
    assert code == 70
    assert [each["exit_code"] for each in json.loads(out)["runs"]] == [70, 0]
    assert "a.csv: internal error (KeyError at test_update.py:" in err
    assert "sara" not in err


def test_json_summary_is_the_only_thing_on_stdout(program: Program) -> None:
    """--json prints one object with the documented keys, and nothing else."""
    done = program.run("update", write_csv(program.folder / "clients.csv", MIXED), "--json")
    printed = json.loads(done.stdout)
    assert printed["run"] == program.only_run().name
    assert printed["folder"] == f"runs/{printed['run']}"
    assert printed["results"] == f"runs/{printed['run']}/results.csv"
    assert (printed["rows"], printed["blank_rows"], printed["exit_code"]) == (4, 0, 1)
    assert printed["counts"] == {
        "SUCCESS": 1,
        "INVALID": 1,
        "REJECTED": 2,
        "FAILED": 0,
        "UNKNOWN": 0,
        "NOT_SENT": 0,
    }


@pytest.mark.slow
def test_rework_of_a_named_sheet_can_be_fed_back(program: Program, sandbox: Sandbox) -> None:
    """The rework of a named sheet has the same sheet name, and can be sent."""
    source = write_xlsx(program.folder / "clients.xlsx", [*MIXED[:2], MIXED[3]])
    assert program.run("update", source, "--sheet", "Clients").returncode == 1
    rework = program.only_run() / "rework.xlsx"
    assert program.run("update", rework, "--sheet", "Clients").returncode == 1
    assert sandbox.store.get(1024).name == GOOD[2]


@pytest.mark.slow
def test_a_csv_is_the_same_file_whatever_sheet_is_named(program: Program, sandbox: Sandbox) -> None:
    """A CSV has no sheets, so --sheet does not make it another file."""
    source = write_csv(program.folder / "clients.csv", many(3))
    assert program.run("update", source).returncode == 0
    seen = sandbox.requests_seen
    assert program.run("update", source, "--sheet", "Clients").returncode == 0
    assert sandbox.requests_seen == seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("results", "why"),
    [
        ("clients.csv", "is the input itself: name another file"),
        ("./clients.csv", "is the input itself: name another file"),
        ("/proc/results.csv", "cannot be written"),
        ("a" * 250 + ".csv", "cannot be written (File name too long)"),
        ("a" * 300 + ".csv", "cannot be written (File name too long)"),
        ("a" * 300 + "/results.csv", "there is no folder “aaa"),
        ("loop/results.csv", "there is no folder “loop”"),
    ],
)
@pytest.mark.parametrize("command", ["update", "check"])
def test_results_that_cannot_be_written_are_found_before_anything_is_sent(
    program: Program, sandbox: Sandbox, command: str, results: str, why: str
) -> None:
    """Results that cannot be written are an error before anything is sent."""
    write_csv(program.folder / "clients.csv", many(3))
    (program.folder / "loop").symlink_to("loop")
    refused = program.run(command, "clients.csv", "--results", results)
    assert refused.returncode == 2
    assert why in refused.stderr
    assert sandbox.requests_seen == 0
    assert not program.runs()
    assert len(read_csv(program.folder / "clients.csv")) == 3


@pytest.mark.slow
@pytest.mark.parametrize("command", ["update", "check"])
@pytest.mark.parametrize(
    "results", ["{run}/results.csv", "link/{run}/extra.csv", "data/../runs/copy.csv"]
)
def test_results_never_go_into_the_runs_folder(
    program: Program, sandbox: Sandbox, command: str, results: str
) -> None:
    """They could replace the files of a run, which the chain proves."""
    source = write_csv(program.folder / "clients.csv", many(2))
    program.environment["FATORA_RUNS_DIR"] = "runs"
    assert program.run("update", source).returncode == 0
    (program.folder / "data").mkdir()
    (program.folder / "link").symlink_to("runs")
    seen, run = sandbox.requests_seen, program.only_run()
    path = results.format(run=f"runs/{run.name}" if results.startswith("{") else run.name)
    refused = program.run(command, source, "--results", path)
    assert refused.returncode == 2
    assert f"“{path}” is inside the runs folder “runs”, whose files must not" in refused.stderr
    assert program.run("verify", "--all").returncode == 0
    assert sandbox.requests_seen == seen


@pytest.mark.slow
def test_unreadable_input_does_not_stop_the_next(program: Program) -> None:
    """An unreadable input does not stop the next one."""
    source = write_csv(program.folder / "clients.csv", many(2))
    done = program.run("update", "a" * 300 + ".csv", source, "--json")
    assert done.returncode == 3
    assert [run["exit_code"] for run in json.loads(done.stdout)["runs"]] == [3, 0]


@pytest.mark.slow
def test_extra_copy_of_the_results_goes_where_it_is_asked_for(program: Program) -> None:
    """--results writes a copy in the format of its ending, also for a processed file."""
    source = write_csv(program.folder / "clients.csv", MIXED)
    program.run("update", source, "--results", "out.xlsx")
    program.run("update", source, "--results", "out.csv")
    assert statuses(read_xlsx(program.folder / "out.xlsx")) == OUTCOMES
    assert (program.folder / "out.csv").read_bytes() == (
        program.only_run() / "results.csv"
    ).read_bytes()


@pytest.mark.slow
def test_the_first_line_of_a_good_night_says_everything(program: Program) -> None:
    """The first line of a good night has the time, OK and the numbers."""
    done = program.run("update", write_csv(program.folder / "clients.csv", many(3)))
    first, *rest = done.stdout.splitlines()
    assert re.fullmatch(r"20[0-9-]{8} [0-9:]{5} OK \(SANDBOX\): 1 file, 3 rows updated", first)
    assert "clients.csv: 3 rows" in rest[1]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_the_mail_of_a_folder_names_the_files_that_need_action(program: Program) -> None:
    """The mail names unusable files and rows to fix, and only counts files without problems."""
    folder = program.folder / "in"
    folder.mkdir()
    for number in (1, 2):
        write_csv(folder / f"fine-{number}.csv", many(number))
    write_csv(folder / "faulty.csv", MIXED)
    write_csv(folder / "unusable.csv", [("name",), ("Sara",)])
    for file in folder.iterdir():
        os.utime(file, (0, 0))
    first = program.run("update", "in")
    assert ": 4 files, 3 sent, 1 unusable, 3 rows to fix, 4 rows updated" in first.stdout
    assert "\n1 file could not be used:\n  in/unusable.csv: no column for " in first.stdout
    assert "Fix the 3 rows in runs/" in first.stdout
    assert first.stdout.index("in/unusable.csv: ") < first.stdout.index("in/faulty.csv: 4 rows")

    later = program.run("update", "in").stdout
    totals = "4 files, 1 unusable, 3 already processed, 3 rows still open in earlier files"
    assert later.splitlines()[0].endswith(f" ACTION NEEDED (SANDBOX): {totals}")
    assert "\nin/faulty.csv: Already processed on " in later
    assert "; 3 rows still need fixing." in later
    assert "\n2 files were already processed and need no action.\n" in later
    assert "fine-1.csv" not in later


@pytest.mark.slow
def test_a_mail_with_both_outputs_repeats_nothing(program: Program) -> None:
    """Cron's mail, with both outputs, begins with the verdict and repeats nothing."""
    write_csv(program.folder / "clients.csv", [("name",), ("Sara",)])
    process = program.start("update", "clients.csv", stderr=subprocess.STDOUT)
    mail, _ = process.communicate(timeout=60)
    assert process.returncode == 3
    assert " ACTION NEEDED (SANDBOX): 1 file, 1 unusable" in mail.splitlines()[0]
    assert mail.count("clients.csv: no column for ") == 1


@pytest.mark.slow
def test_fed_back_rework_says_what_is_still_open(program: Program) -> None:
    """After a partial rework, the summary says how many rows are still open."""
    source = write_csv(program.folder / "clients.csv", MIXED[:4])
    program.run("update", source)
    original = program.only_run()
    rework = (original / "rework.csv").read_text(encoding="utf-8-sig")
    corrected = program.folder / "corrected.csv"
    corrected.write_text(rework.replace("1024.7", "1026"), encoding="utf-8")
    done = program.run("update", corrected)
    sentence = f"Still open after this rework: clients.csv (run {original.name}): 1 row to fix"
    assert sentence in done.stdout.splitlines()
    again = program.run("update", source, corrected, "--json")
    assert [run["still_open"] for run in json.loads(again.stdout)["runs"]] == [1, 1]
    assert str(original / "rework.csv") not in program.run("update", source).stdout


@pytest.mark.slow
def test_values_that_the_api_stored_differently_are_in_the_first_line(tmp_path: Path) -> None:
    """The first line counts rows that were stored differently."""
    answer = reply(b'{"status": "SUCCESS", "client": {"id": 1, "email": "other@example.com"}}')
    with ScriptedServer([[answer]]) as server:
        environment = {"FATORA_BEARER_TOKEN": "an-invented-token", "FATORA_API_URL": server.url}
        program = Program(tmp_path, environment)
        done = program.run("update", write_csv(tmp_path / "clients.csv", many(1)))
    (first, *_) = done.stdout.splitlines()
    updated = "1 row updated, 1 of them stored differently from what was sent"
    assert first.endswith(f" OK: 1 file, {updated}")


def summary_of(path: Path) -> list[str]:
    """Return the lines of the summary sheet."""
    lines = openpyxl.load_workbook(path)["Summary"].values
    return [" | ".join(str(cell) for cell in line if cell) for line in lines]


@pytest.mark.slow
def test_summary_sheet_says_what_to_do(program: Program) -> None:
    """The summary sheet names the run, the file, the rows, and what to do."""
    source = write_csv(program.folder / "clients.csv", MIXED[:4])
    arguments = "update", source, "--results", "out.xlsx"
    program.run(*arguments, "--limit", "1")
    lines = summary_of(program.folder / "out.xlsx")
    assert {"File | clients.csv", f"Run | {program.only_run().name}", "Rows | 3 rows"} < set(lines)
    assert f"INVALID | 1 | {Status.INVALID.meaning}" in lines
    assert f"NOT_SENT | 1 | {Status.NOT_SENT.meaning}" in lines
    code = Code.RUN_STOPPED
    assert f"{code.name} | 1 | {code.meaning} | {code.fix}" in lines
    place = lines.index("What to do | Run the same file again to send the remaining row.")
    fix = "Fix the row in rework.csv (see the update_fix column), then submit that file."
    assert lines[place + 1] == fix


@pytest.mark.slow
def test_summary_sheet_says_when_there_is_nothing_to_do(program: Program) -> None:
    """The summary sheet of a run without faults has no reasons and no advice."""
    source = write_xlsx(program.folder / "clients.xlsx", MIXED[:2])
    program.run("update", source)
    lines = summary_of(program.only_run() / "results.xlsx")
    assert "What to do | Nothing." in lines
    assert lines[-1] == "Total | 1"


@pytest.mark.slow
def test_summary_sheet_of_a_stopped_run_says_why(program: Program) -> None:
    """The summary sheet of a stopped run says why it stopped."""
    program.environment["FATORA_API_KEY"] = "an-invented-wrong-key"
    source = write_xlsx(program.folder / "clients.xlsx", MIXED[:2])
    assert program.run("update", source).returncode == 2
    lines = summary_of(program.only_run() / "results.xlsx")
    assert any("When this is resolved, run the same file again" in line for line in lines)


@pytest.mark.slow
def test_summary_sheet_of_a_check_says_that_nothing_was_sent(program: Program) -> None:
    """The summary sheet of a check says that nothing was sent."""
    source = write_xlsx(program.folder / "clients.xlsx", MIXED)
    program.run("check", source, "--results", "out.xlsx")
    lines = summary_of(program.folder / "out.xlsx")
    assert not any(line.startswith("Run |") for line in lines)
    assert "Result | 1 row to fix. This was only a check: nothing was sent." in lines
    assert any("Fix the row in " in line for line in lines)


def test_run_folder_is_private(program: Program) -> None:
    """Folders are 0700 and files 0600, whatever the umask."""
    program.run("update", write_xlsx(program.folder / "clients.xlsx", MIXED))
    run = program.only_run()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in run.iterdir()}
    assert modes == dict.fromkeys(
        [
            "input.xlsx",
            "journal.sqlite3",
            "manifest.json",
            "report.html",
            "results.csv",
            "results.xlsx",
            "rework.xlsx",
            "run.log",
        ],
        0o600,
    )
    assert stat.S_IMODE(run.stat().st_mode) == 0o700


PERSONS = [
    (f"{n}", f"invented-{n}+{code}@example.com", f"Person-{n}-سارة", f"+9745555{n:04d}")
    for n, code in enumerate([0, 409, 422, 500, 0, 0, 0, 0], start=1)
]
PERSONS += [("x", "lina-invented", "Lina Invented", "0097455550002")]


@pytest.mark.slow
def test_nothing_personal_is_logged_printed_or_in_the_manifest(tmp_path: Path) -> None:
    """Log, output and manifest hold no personal data and no key, for every kind of outcome.

    Only `check` and `show` quote values, to people who may read the file itself.
    """
    table = [("id", "email", "name", "phone"), *PERSONS]
    with Sandbox(behaviour=Behaviour(latency=0.2)) as sandbox:
        key = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        program = Program(tmp_path, key)
        source = write_csv(tmp_path / "clients.csv", table)
        options = ("update", source, "--verbose", "--attempts", 2, "--workers", 2)
        process = program.start(*options)
        while sandbox.requests_seen < 4:
            assert process.poll() is None
            time.sleep(0.02)
        process.kill()
        printed = "".join(process.communicate())
        for command in (options, ("history",), ("history", "--client", 1), ("verify", "--all")):
            done = program.run(*command)
            assert done.returncode in {0, 1}
            printed += done.stdout + done.stderr
    run = program.only_run()
    printed += (run / "run.log").read_text("utf-8") + (run / "manifest.json").read_text("utf-8")
    assert '"event": "attempt"' in printed
    assert [cell for row in PERSONS for cell in row[1:] if cell in printed] == []
    everything = b"".join(file.read_bytes() for file in run.iterdir())
    assert b"Bearer" not in everything
    assert b"eyJ" not in everything  # how the token of the sandbox begins
    assert all(text not in printed for text in ("Bearer", "eyJ", '"sandbox-key"'))


@pytest.mark.slow
def test_no_reader_of_the_output_is_needed(program: Program) -> None:
    """A closed standard output changes neither the work nor the exit code."""
    source = write_csv(program.folder / "clients.csv", many(3))
    reader, writer = os.pipe()
    os.close(reader)
    process = program.start("update", source, stdout=writer)
    os.close(writer)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert statuses(read_csv(program.only_run() / "results.csv")) == ["SUCCESS"] * 3


@pytest.mark.slow
def test_quiet_prints_nothing(program: Program) -> None:
    """--quiet prints nothing for a run that ends normally."""
    done = program.run("update", write_csv(program.folder / "clients.csv", MIXED), "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")


@pytest.mark.slow
def test_quiet_says_why_a_run_stopped(program: Program, sandbox: Sandbox) -> None:
    """--quiet prints once why a run stopped."""
    program.environment |= {"FATORA_API_KEY": "", "FATORA_BEARER_TOKEN": f"not-{sandbox.api_key}"}
    done = program.run("update", write_csv(program.folder / "clients.csv", many(3)), "--quiet")
    assert (done.returncode, done.stdout) == (4, "")
    (sentence,) = done.stderr.splitlines()
    assert "clients.csv: 3 of 3 rows were not updated. " in sentence
    assert "HTTP 401" in sentence


@pytest.mark.slow
def test_cron_sees_neither_bar_nor_colour(program: Program) -> None:
    """Without a terminal there is no control character in the output."""
    done = program.run("update", write_csv(program.folder / "clients.csv", MIXED))
    printed = done.stdout + done.stderr
    assert [char for char in printed if not char.isprintable() and char != "\n"] == []


@pytest.mark.slow
def test_sandbox_option_needs_no_account(tmp_path: Path) -> None:
    """--sandbox starts its own API that knows the file's clients, and sends to it."""
    program = Program(tmp_path)
    source = write_csv(tmp_path / "clients.csv", [("id", "email"), ("77777777", "s@example.com")])
    assert program.run("update", source, "--sandbox").returncode == 0
