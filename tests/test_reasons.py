"""Whole runs: why a row was not updated is in its result, in the sentence and in the log.

What the API answered is never lost either: what nobody understood is kept for ``show --verbose``.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from pydantic import SecretStr

from etl import update
from etl.cli import run
from etl.config import Credentials, load_settings
from etl.errors import ConfigError
from etl.jobs.prune import older_than, prune
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from scripted import ScriptedServer, reply
from spreadsheets import read_csv, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.summary import Summary
    from program import Program
    from scripted import Script

TOKEN = "invented-bearer-token"
EXPIRED = jwt.encode({"exp": 1_000_000_000}, "x" * 32)
HEADER = ("id", "email", "name")
ROWS = [(str(id_), f"c{id_}@example.com", "Sara") for id_ in range(1, 41)]
QUICK = {"api.attempts": 2, "api.pause": 0.01, "api.timeout": 2, "load.stop_after": 1}


def sent(
    folder: Path,
    url: str,
    rows: int = 1,
    credentials: Credentials | None = None,
    **settings: object,
) -> Summary:
    """Send a file of so many rows; a setting such as ``api.proxy`` is given as ``api__proxy``."""
    chosen = {name.replace("__", "."): value for name, value in settings.items()}
    source = write_csv(folder / "clients.csv", [HEADER, *ROWS[:rows]])
    (summary,) = update(
        [source],
        load_settings(None, {**QUICK, "runs.dir": folder / "runs", "api.url": url, **chosen}),
        credentials or Credentials(SecretStr(TOKEN), is_api_key=False),
    )
    return summary


def results(summary: Summary) -> list[dict[str, str]]:
    """The results of a run."""
    assert summary.folder is not None
    return read_csv(summary.folder / "results.csv")


def logged(summary: Summary, event: str) -> list[dict[str, Any]]:
    """The lines of a run's log about an event."""
    assert summary.folder is not None
    lines = (summary.folder / "run.log").read_text(encoding="utf-8").splitlines()
    return [line for line in map(json.loads, lines) if line["event"] == event]


# Why there was no connection


def test_why_there_was_no_connection_is_in_result_sentence_and_log(tmp_path: Path) -> None:
    """One reason is in the row's error, in why the run stopped, and in the log of each attempt."""
    with ScriptedServer([[reply(b"", status=b"503 No Route")]] * 2, hang_up=True) as proxy:
        summary = sent(tmp_path, "https://api.example.com/v1", api__proxy=proxy.url)
    reason = "the proxy answered HTTP 503"
    cause = f"no connection to api.example.com ({reason})"
    (row,) = results(summary)
    assert row["update_error"] == f"Fatora could not be reached ({reason})."
    assert summary.stopped == f"1 row: {cause}."
    assert [line["cause"] for line in logged(summary, "attempt")] == [cause, cause]


@pytest.mark.parametrize("is_api_key", [False, True])
def test_a_proxy_that_refuses_the_password_is_asked_at_most_once_by_each_worker(
    is_api_key: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """A proxy's 407 stops the run at once, before an account at the proxy can be locked."""
    refusal = reply(b"", status=b"407 Proxy Authentication Required")
    with ScriptedServer([[refusal]] * 999, hang_up=True) as proxy:
        summary = sent(
            tmp_path,
            "https://api.example.com/v1",
            rows=40,
            credentials=Credentials(SecretStr("invented-key-of-16"), is_api_key=is_api_key),
            api__proxy=proxy.url.replace("//", "//somebody:invented-password@"),
            api__attempts=5,
            load__stop_after=10,
            load__workers=8,
        )
    assert len(proxy.requests) <= 9
    assert summary.exit_code == 4
    assert str(summary.stopped).endswith("Check the proxy's address ([api] proxy).")
    codes = {(row["update_status"], row["update_code"]) for row in results(summary)}
    assert codes == {("FAILED", "NETWORK_UNREACHABLE"), ("NOT_SENT", "RUN_STOPPED")}
    assert summary.folder is not None
    for path in summary.folder.iterdir():
        assert b"invented-password" not in path.read_bytes(), path.name


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_an_api_on_this_machine_is_not_asked_through_a_proxy(host: str, tmp_path: Path) -> None:
    """A proxy would look for the API on its own machine, and would get its token."""
    with ScriptedServer([]) as proxy, ScriptedServer([[reply(b'{"status": "SUCCESS"}')]]) as api:
        url = api.url.replace("127.0.0.1", host)
        assert sent(tmp_path, url, api__proxy=proxy.url).exit_code == 0
    assert proxy.requests == []


NO_BUNDLES = {
    "text": "no certificate\n",
    "empty": "",
    "damaged": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
}


@pytest.mark.parametrize("text", NO_BUNDLES.values(), ids=NO_BUNDLES)
def test_a_bundle_without_certificates_is_found_before_the_first_request(
    text: str, tmp_path: Path
) -> None:
    """A CA bundle that is not one is a wrong setting, which the message names with its path."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text(text, encoding="utf-8")
    with ScriptedServer([]) as server, pytest.raises(ConfigError) as raised:
        sent(tmp_path, server.url, api__ca_bundle=bundle)
    assert server.requests == []
    assert str(raised.value) == (
        f"api.ca_bundle: “{bundle}” is not a file of certificates in the PEM format"
    )
    assert not (tmp_path / "runs").exists()


def test_a_bundle_that_is_a_folder_or_missing_is_named(tmp_path: Path) -> None:
    """A CA bundle that cannot be read is named with the system's reason."""
    for bundle, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "ca.pem", "No such file or directory"),
    ):
        with pytest.raises(ConfigError) as raised:
            sent(tmp_path, "https://api.example.com/v1", api__ca_bundle=bundle)
        assert str(raised.value) == f"api.ca_bundle: “{bundle}” cannot be read: {reason}"


@pytest.mark.slow
def test_a_command_with_a_wrong_bundle_ends_with_2(program: Program) -> None:
    """The command ends with 2, and no run is made."""
    config = program.folder / "job.toml"
    config.write_text('[api]\nca_bundle = "job.toml"\n', encoding="utf-8")
    source = write_csv(program.folder / "clients.csv", [HEADER, *ROWS[:1]])
    done = program.run("update", source, "--config", config)
    assert done.returncode == 2
    assert "api.ca_bundle in " in done.stderr
    assert program.runs() == []


# A token that seems expired


def to_expired(folder: Path, *scripts: Script) -> Summary:
    """Send a row with a token that has expired by its own claim, to this server."""
    with ScriptedServer(scripts) as server:
        return sent(
            folder,
            server.url,
            credentials=Credentials(SecretStr(EXPIRED), is_api_key=False),
            api__timeout=0.5,
        )


UNANSWERED: dict[str, Script] = {
    "500": [reply(b"", status=b"500 Oops")],
    "503": [reply(b"", status=b"503 Busy")],
    "429": [reply(b"{}", b"Retry-After: 0", status=b"429 Slow")],
    "404": [reply(b"", status=b"404 Not Found")],
    "silence": [1.0],
}


@pytest.mark.parametrize("script", UNANSWERED.values(), ids=UNANSWERED)
def test_a_token_is_not_expired_because_nobody_could_be_asked(
    script: Script, tmp_path: Path
) -> None:
    """If the API cannot say whether a token expired, the rows are tried: only the API knows."""
    summary = to_expired(tmp_path, script, [reply(b'{"status": "SUCCESS"}')])
    assert (summary.exit_code, summary.stopped) == (0, None)


@pytest.mark.parametrize("status", [b"401 Unauthorized", b"403 Forbidden"])
def test_a_token_is_expired_where_the_api_agrees(status: bytes, tmp_path: Path) -> None:
    """A 401 or a 403 proves that the token has expired, and nothing is sent."""
    with pytest.raises(ConfigError, match="the bearer token expired at 2001-09-09 01:46 UTC"):
        to_expired(tmp_path, [reply(b"", status=status)])


# Waiting


@pytest.mark.parametrize("status", [b"429 Slow", b"503 Busy"])
def test_the_longer_of_two_waits_decides_whether_to_stop(status: bytes, tmp_path: Path) -> None:
    """If one of two Retry-After lines is above ``retry_after_max``, the run stops."""
    busy = reply(b"{}", b"Retry-After: 0", b"Retry-After: 3600", status=status)
    with ScriptedServer([[busy]]) as server:
        summary = sent(tmp_path, server.url, load__stop_after=10)
    assert summary.exit_code == 4
    assert str(summary.stopped).startswith("Fatora asked us to wait 1 hour.")


@pytest.mark.parametrize("place", ["row", "key"])
def test_a_wait_of_400_digits_stops_the_run(place: str, tmp_path: Path) -> None:
    """A Retry-After of 400 digits is a wait that is too long, also from the Authorize endpoint."""
    busy = reply(b"{}", b"Retry-After: " + b"9" * 400, status=b"503 Busy")
    with ScriptedServer([[busy]] * 3) as server:
        summary = sent(
            tmp_path,
            server.url,
            credentials=Credentials(SecretStr("invented-key-of-16"), is_api_key=place == "key"),
            api__retry_after_max=0.1,
            load__stop_after=10,
        )
    assert summary.exit_code == 4
    assert summary.stopped == "Fatora asked us to wait more than 30 days."


# What the API answered


PAGE = (
    b"<html>\n<head><title>Bad Gateway</title></head>\n"
    b"<p>sara@example.com, \x1b[31mBearer %s</p>" % TOKEN.encode()
)


@pytest.fixture
def with_a_page(tmp_path: Path) -> Summary:
    """A run of two rows: one got a web page, the other a refusal that Fatora documents."""
    refused = reply(b'{"status": "ERROR", "error": "Bad email"}', status=b"400 Bad Request")
    with ScriptedServer([[reply(PAGE, status=b"502 Bad")], [refused]]) as server:
        return sent(
            tmp_path,
            server.url,
            rows=2,
            api__attempts=1,
            load__workers=1,
            load__stop_after=10,
        )


def kept(summary: Summary) -> list[tuple[int, int, str]]:
    """The answers in a run's journal."""
    assert summary.folder is not None
    with contextlib.closing(sqlite3.connect(summary.folder / "journal.sqlite3")) as db:
        return db.execute("SELECT row, attempt, excerpt FROM answers ORDER BY row").fetchall()


def test_an_answer_that_was_not_understood_is_kept_in_the_journal_alone(
    with_a_page: Summary,
) -> None:
    """It is kept without the token, and only where personal data may be."""
    page = PAGE.decode().replace(TOKEN, "***").replace("\x1b", "<U+001B>")
    assert kept(with_a_page) == [(2, 1, page)]
    first, second = results(with_a_page)
    assert first["update_error"].endswith(" (HTTP 502 with an HTML page “Bad Gateway”).")
    assert second["update_error"].endswith(" (HTTP 400: Bad email).")
    assert with_a_page.folder is not None
    for name in ("run.log", "manifest.json"):
        assert "sara@" not in (with_a_page.folder / name).read_text(encoding="utf-8")


def test_show_verbose_prints_the_answer_that_was_not_understood(
    with_a_page: Summary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only with --verbose, line by line; --json has it too."""
    show = ["show", "latest", "--runs-dir", str(tmp_path / "runs")]
    assert run(show) == 0
    assert "sara@" not in capsys.readouterr().out
    assert run([*show, "--verbose"]) == 0
    shown = capsys.readouterr().out
    assert (
        "        Answer as received:\n        <html>\n"
        "        <head><title>Bad Gateway</title></head>\n"
        "        <p>sara@example.com, <U+001B>[31mBearer ***</p>\n"
    ) in shown
    assert run([*show, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["not_updated"]
    assert [row["answer"] for row in rows] == [kept(with_a_page)[0][2], ""]


def test_pruning_removes_the_answers_that_were_kept(with_a_page: Summary, tmp_path: Path) -> None:
    """No byte of a kept answer is left in a pruned journal."""
    runs = RunsFolder(tmp_path / "runs")
    assert with_a_page.folder is not None
    assert b"Gateway" in (with_a_page.folder / "journal.sqlite3").read_bytes()
    assert list(prune(older_than(timedelta(0), entries(runs)), runs)) == [None]
    assert kept(with_a_page) == []
    assert b"Gateway" not in (with_a_page.folder / "journal.sqlite3").read_bytes()


def test_a_run_of_the_first_version_is_shown_and_resumed(
    with_a_page: Summary, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A journal without the table of answers is read, and gets one when its run is resumed."""
    assert with_a_page.folder is not None
    with contextlib.closing(sqlite3.connect(with_a_page.folder / "journal.sqlite3")) as db, db:
        db.execute("DROP TABLE answers")
    show = ["show", "latest", "--verbose", "--runs-dir", str(tmp_path / "runs")]
    assert run(show) == 0
    assert "Answer as received" not in capsys.readouterr().out
    with ScriptedServer([[reply(b"no JSON")]]) as server:
        resumed = sent(tmp_path, server.url, rows=2, api__attempts=1, load__stop_after=10)
    assert resumed.folder == with_a_page.folder
    assert kept(resumed) == [(2, 2, "no JSON")]
