"""Whole runs on a broken network, for every kind of failure that was observed.

A server answers the only row of a file with exactly these bytes, and the results must be true.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import sqlite3
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from etl.jobs.pipeline import update_file
from jobs import job
from scripted import SUCCESS, ScriptedServer, dripping, reply
from spreadsheets import read_csv, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.summary import Summary
    from program import Program
    from scripted import Script

TIMEOUT = 0.5
MEBIBYTE = 1 << 20
TABLE = [("id", "email"), ("1024", "sara@example.com")]


def sent(url: str, folder: Path, attempts: int = 1) -> Summary:
    """Send the file to this address with one worker."""
    runs = folder / "runs"
    one = job(url, runs, timeout=TIMEOUT, api__attempts=attempts, api__pause=0.01, load__workers=1)
    return update_file(write_csv(folder / "clients.csv", TABLE), one)


def outcome(summary: Summary) -> tuple[str, str]:
    """The status and the code of the one row."""
    assert summary.folder is not None
    (row,) = read_csv(summary.folder / "results.csv")
    assert bool(row["update_error"]) == (row["update_status"] != "SUCCESS")
    assert "\n" not in row["update_error"]
    return row["update_status"], row["update_code"]


def _milliseconds(summary: Summary) -> int:
    assert summary.folder is not None
    (row,) = read_csv(summary.folder / "results.csv")
    return int(row["update_ms"])


def chunked(*chunks: bytes) -> bytes:
    """An answer in chunks, without the last."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in chunks)


def redirect(status: bytes) -> bytes:
    """An answer that points to another host."""
    return reply(b"", b"Location: http://127.0.0.1:9/v1/clients/1024", status=status)


INTERRUPTED = ("UNKNOWN", "NETWORK_INTERRUPTED")
TIMED_OUT = ("UNKNOWN", "NETWORK_TIMEOUT")
UNREADABLE = ("UNKNOWN", "API_UNREADABLE")
REDIRECT = ("FAILED", "API_REDIRECT")
UPDATED = ("SUCCESS", "")
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
BOMB = gzip.compress(b" " * (64 * MEBIBYTE))

CASES: dict[str, tuple[Script, tuple[str, str]]] = {
    "301": ([redirect(b"301 Moved Permanently")], REDIRECT),
    "302": ([redirect(b"302 Found"), reply()], REDIRECT),
    "303": ([redirect(b"303 See Other"), reply()], REDIRECT),
    "307": ([redirect(b"307 Temporary Redirect")], REDIRECT),
    "308": ([redirect(b"308 Permanent Redirect")], REDIRECT),
    "300 without a place": ([reply(status=b"300 Multiple Choices")], REDIRECT),
    "cut before anything": ([], INTERRUPTED),
    "cut in the status line": ([b"HTTP/1.1 200"], INTERRUPTED),
    "cut in the headers": ([b"HTTP/1.1 200 OK\r\nContent-Ty"], INTERRUPTED),
    "cut after the headers": ([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"], INTERRUPTED),
    "short body": ([reply()[:-1]], INTERRUPTED),
    "cut in a chunk": ([chunked(SUCCESS)[:-9]], INTERRUPTED),
    "no last chunk": ([chunked(SUCCESS)], INTERRUPTED),
    "cut JSON, closed": ([b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS[:-1]], UNREADABLE),
    "length -1": ([b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + SUCCESS], INTERRUPTED),
    "over-long body": ([reply() + b"HTTP/1.1 500 Oops\r\n\r\n"], UPDATED),
    "long body that is short": ([reply(SUCCESS + b" " * 9)[:-9]], INTERRUPTED),
    "no HTTP": ([b"220 mail.example.com ESMTP\r\n"], INTERRUPTED),
    "a header of a megabyte": ([reply(SUCCESS, b"X: " + b"x" * MEBIBYTE)], INTERRUPTED),
    "10,000 headers": ([reply(SUCCESS, *[b"X: x"] * 10_000)], UPDATED),
    "silence": ([60.0], TIMED_OUT),
    "dripping headers": (dripping(reply(), 0.1), TIMED_OUT),
    "dripping body": ([reply()[: -len(SUCCESS)], *dripping(SUCCESS, 0.1)], TIMED_OUT),
    "dripping chunks": ([chunked(), *dripping(b"1\r\n \r\n" * 99, 0.05)], TIMED_OUT),
    "endless 100 Continue": (dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 99, 0.005), TIMED_OUT),
    "many 100 Continue at once": ([b"HTTP/1.1 100 Continue\r\n\r\n" * 99, reply()], UPDATED),
    "gzip bomb": ([reply(BOMB, b"Content-Encoding: gzip")], UNREADABLE),
    "endless body": ([b"HTTP/1.1 200 OK\r\n\r\n", *[b" " * MEBIBYTE] * 99], UNREADABLE),
    "endless chunks": ([chunked(), *[b"100000\r\n" + b" " * MEBIBYTE + b"\r\n"] * 99], UNREADABLE),
    "web page": ([reply(PAGE)], UNREADABLE),
    "web page as an error": (
        [reply(PAGE, status=b"400 Bad Request")],
        ("REJECTED", "API_REJECTED"),
    ),
    "byte order mark": ([reply(b"\xef\xbb\xbf" + SUCCESS)], UPDATED),
    "null": ([reply(b"null")], UNREADABLE),
    "array": ([reply(b"[" + SUCCESS + b"]")], UNREADABLE),
    "NaN": ([reply(b'{"status": "SUCCESS", "x": NaN}')], UNREADABLE),
    "a key twice": ([reply(b'{"status": "ERROR", "status": "SUCCESS"}')], UNREADABLE),
    "5,000 digits": ([reply(b'{"status": "SUCCESS", "x": ' + b"9" * 5_000 + b"}")], UNREADABLE),
    "100,000 deep": ([reply(b'{"status": ' * 100_000)], UNREADABLE),
    "another encoding": (
        [reply('{"status": "SUCCESS", "x": "سارة"}'.encode("cp1256"))],
        UNREADABLE,
    ),
    "UTF-16": ([reply(SUCCESS.decode().encode("utf-16"))], UNREADABLE),
    "two objects": ([reply(SUCCESS + SUCCESS)], UNREADABLE),
    "no status": ([reply(b'{"client": {"id": 1024}}')], UNREADABLE),
    "status true": ([reply(b'{"status": true}')], UNREADABLE),
    "status in lower case": ([reply(b'{"status": "success"}')], ("REJECTED", "API_REJECTED")),
    "status ERROR": ([reply(b'{"status": "ERROR", "error": "x"}')], ("REJECTED", "API_REJECTED")),
    "another client": (
        [reply(b'{"status": "SUCCESS", "client": {"id": 9}}')],
        ("UNKNOWN", "API_MISMATCH"),
    ),
    "201": ([reply(status=b"201 Created")], UNREADABLE),
    "204": ([b"HTTP/1.1 204 No Content\r\n\r\n"], UNREADABLE),
    "500 that says SUCCESS": ([reply(status=b"500 Oops")], ("UNKNOWN", "API_UNAVAILABLE")),
    "599": ([reply(status=b"599 Odd")], ("UNKNOWN", "API_UNAVAILABLE")),
    "600": ([reply(status=b"600 Odder")], UNREADABLE),
}


@pytest.fixture(scope="module")
def _imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import everything first, so that imports do not count as memory of an attempt."""
    with ScriptedServer([[reply()]]) as server:
        sent(server.url, tmp_path_factory.mktemp("first"))


@pytest.mark.parametrize(("script", "expected"), CASES.values(), ids=CASES)
@pytest.mark.usefixtures("_imported")
def test_no_answer_is_taken_for_what_it_is_not(
    script: Script, expected: tuple[str, str], tmp_path: Path
) -> None:
    """Every answer leads to the right status, in time and with little memory."""
    tracemalloc.start()
    try:
        with ScriptedServer([script], hang_up=True) as server:
            summary = sent(server.url, tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert outcome(summary) == expected
    assert len(server.requests) == 1
    assert _milliseconds(summary) < 3 * 1000 * TIMEOUT
    assert peak < 24 * MEBIBYTE


def test_a_reset_is_not_an_answer(tmp_path: Path) -> None:
    """After a reset, the result of the request is unknown."""
    with ScriptedServer([[]], hang_up=True, reset=True) as server:
        assert outcome(sent(server.url, tmp_path)) == INTERRUPTED


def test_a_reset_before_the_request_is_not_a_success(tmp_path: Path) -> None:
    """A reset before or during the request is never a success."""
    with ScriptedServer([[]], greeting=None, reset=True) as server:
        result = outcome(sent(server.url, tmp_path))
    assert server.requests == []
    assert result in {INTERRUPTED, ("FAILED", "NETWORK_UNREACHABLE")}


def test_nobody_listens(tmp_path: Path) -> None:
    """A refused connection had no effect, and the file can be run again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    assert outcome(sent(url, tmp_path)) == ("FAILED", "NETWORK_UNREACHABLE")
    with ScriptedServer([[reply()]]) as server:
        assert outcome(sent(server.url, tmp_path)) == UPDATED


def test_an_update_whose_answer_was_lost_is_sent_again_by_the_next_run(tmp_path: Path) -> None:
    """A row whose answer was lost is UNKNOWN, and is sent again by the next session."""
    with ScriptedServer([[], [reply()]], hang_up=True) as server:
        assert outcome(sent(server.url, tmp_path)) == INTERRUPTED
        assert outcome(sent(server.url, tmp_path)) == UPDATED
    first, second = server.requests
    assert first.body == second.body


def test_a_later_failure_does_not_make_an_unclear_update_undone(tmp_path: Path) -> None:
    """A later failure does not make an unclear update FAILED."""
    turned_away = reply(b"{}", status=b"408 Request Timeout")
    with ScriptedServer([[], [turned_away]], hang_up=True) as server:
        summary = sent(server.url, tmp_path, attempts=2)
    assert outcome(summary) == ("UNKNOWN", "API_UNAVAILABLE")


@pytest.mark.parametrize("retry_after", [b"-5", b"soon", b"1.5", b"", b"0", b"\xd9\xa5"])
def test_an_absurd_retry_after_is_as_good_as_none(retry_after: bytes, tmp_path: Path) -> None:
    """An absurd Retry-After is ignored, and its answer still counts."""
    busy = reply(b"{}", b"Retry-After: " + retry_after, status=b"503 Busy")
    with ScriptedServer([[busy], [reply()]]) as server:
        assert outcome(sent(server.url, tmp_path, attempts=2)) == UPDATED


@pytest.mark.parametrize(
    "retry_after",
    [b"86400", b"9" * 400, b"Fri, 31 Dec 9999 23:59:59 GMT"],
    ids=["day", "ages", "date"],
)
def test_a_retry_after_of_hours_stops_the_run(retry_after: bytes, tmp_path: Path) -> None:
    """A Retry-After of hours stops the run, and the next session continues."""
    busy = reply(b"{}", b"Retry-After: " + retry_after, status=b"429 Busy")
    with ScriptedServer([[busy]]) as server:
        summary = sent(server.url, tmp_path, attempts=5)
    assert summary.exit_code == 4
    assert str(summary.stopped).startswith("Fatora asked us to wait ")
    assert outcome(summary) == ("FAILED", "API_THROTTLED")


def test_the_reason_to_stop_names_the_host_that_cannot_be_reached(tmp_path: Path) -> None:
    """The stop reason is a sentence that names the unreachable host and the cause."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
    one = job(f"http://{host}", tmp_path / "runs", api__attempts=1, load__stop_after=1)
    summary = update_file(write_csv(tmp_path / "clients.csv", TABLE), one)
    assert summary.stopped == f"1 row: no connection to {host} (connection refused)."


def test_the_reason_to_stop_names_where_a_redirect_points(tmp_path: Path) -> None:
    """The stop reason names the host of a redirect, and nothing was sent there."""
    with ScriptedServer([[redirect(b"302 Found")]]) as server:
        summary = sent(server.url, tmp_path)
    assert str(summary.stopped).startswith(
        f"HTTP 302 from {server.url.removeprefix('http://')} points to http://127.0.0.1:9/…: "
    )


def test_an_answer_is_judged_before_the_token_is_masked(tmp_path: Path) -> None:
    """A correct answer that contains the token gives no false warning."""
    token = "invented-bearer-token"  # as `job` sends
    table = [("id", "email", "name"), ("1024", "sara@example.com", token)]
    echo = reply(b'{"status": "SUCCESS", "client": {"id": 1024, "name": "%s"}}' % token.encode())
    with ScriptedServer([[echo]]) as server:
        update_file(write_csv(tmp_path / "a.csv", table), job(server.url, tmp_path / "runs"))
    (results,) = (tmp_path / "runs").glob("*/results.csv")
    (row,) = read_csv(results)
    assert (row["update_status"], row["update_warning"]) == ("SUCCESS", "")


@pytest.mark.parametrize("status", [b"400 Bad", b"401 No", b"403 No", b"503 Busy"])
def test_no_file_of_a_run_holds_a_token_that_the_api_repeats(status: bytes, tmp_path: Path) -> None:
    """A token that the API repeats is in no file of the run."""
    answer = reply(b'{"error": "Bearer invented-bearer-token is bad"}', status=status)
    with ScriptedServer([[answer]]) as server:
        summary = sent(server.url, tmp_path)
    assert summary.folder is not None
    files = [path for path in summary.folder.iterdir() if path.is_file()]
    assert len(files) > 4
    for path in files:
        assert b"invented-bearer" not in path.read_bytes(), path.name
    (row,) = read_csv(summary.folder / "results.csv")
    assert "Bearer *** is bad" in row["update_error"]


def test_each_attempt_is_in_the_journal(tmp_path: Path) -> None:
    """Each attempt of a row is recorded with its start, its end and its result."""
    busy = reply(b"{}", status=b"503 Busy")
    with ScriptedServer([[busy], [busy], [reply()]]) as server:
        summary = sent(server.url, tmp_path, attempts=3)
    assert summary.folder is not None
    (row,) = read_csv(summary.folder / "results.csv")
    assert row["update_attempts"] == "3"
    assert _attempts(summary.folder) == [
        (1, "UNKNOWN", 503),
        (2, "UNKNOWN", 503),
        (3, "SUCCESS", 200),
    ]


def _attempts(run: Path) -> list[tuple[int, str, int]]:
    with contextlib.closing(sqlite3.connect(run / "journal.sqlite3")) as db:
        return db.execute(
            "SELECT attempt, status, http_status FROM attempts"
            " WHERE begun <= ended ORDER BY attempt"
        ).fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("around", ["{}\n", "\ufeff{}\r\n", "\u200f{}\u200e", " {} \t\n\n"])
def test_characters_around_a_token_in_its_file_are_removed(around: str, program: Program) -> None:
    """Line ends and marks around a token in its file are removed."""
    key = program.environment.pop("FATORA_API_KEY")
    (program.folder / "key").write_text(around.format(key), encoding="utf-8")
    program.environment["FATORA_API_KEY_FILE"] = "key"
    done = program.run("update", write_csv(program.folder / "clients.csv", TABLE))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "inside", ["invented\ntoken", "invented\u200ftoken", "invented token", "ключ"]
)
def test_text_that_cannot_be_a_token_is_refused_and_not_shown(
    inside: str, program: Program, tmp_path: Path
) -> None:
    """Text that cannot be a token is refused, and the message does not show it."""
    (tmp_path / "token").write_text(inside, encoding="utf-8")
    del program.environment["FATORA_API_KEY"]
    program.environment["FATORA_BEARER_TOKEN_FILE"] = "token"
    wrong = program.run("update", write_csv(program.folder / "clients.csv", TABLE))
    assert wrong.returncode == 2
    assert "FATORA_BEARER_TOKEN_FILE" in wrong.stderr
    assert not {"invented", "ключ"} & set(wrong.stderr.replace(",", " ").split())
    assert wrong.stdout == ""


def test_an_id_can_name_no_other_address(program: Program) -> None:
    """An id can only be a number, so it cannot change the path."""
    ids = [
        "1024/../../Authorization/Authorize",
        "1024?x=1",
        "1024#x",
        "..",
        "1024%2f9",
        "1024\u200f/1",
    ]
    rows = [(each, "sara@example.com") for each in ids]
    done = program.run("update", write_csv(program.folder / "clients.csv", [TABLE[0], *rows]))
    assert done.returncode == 1
    results = read_csv(program.only_run() / "results.csv")
    assert {row["update_status"] for row in results} == {"INVALID"}
