"""Runs that look before they write, while clients change, answers are odd, or the API is down."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from etl.sandbox.store import Client
from inprocess import Commands
from scripted import ScriptedServer, reply
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from program import Program

HEADER = ("id", "email", "name", "phone")
SARA = Client(1, "Sara", "+97455550001", "sara@example.com", "Doha", "VIP")
OMAR = Client(2, "Omar", "", "omar@example.com", "Al Wakrah", "")
ROWS = (
    ("1", "sara@example.com", "Sara A.", "+97466660001"),
    ("2", "omar@example.com", "Omar", "+97466660002"),
)
HELD = {"name": "Sara", "phone": "55", "email": "sara@example.com", "address": "", "note": None}


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The commands in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Commands(tmp_path, monkeypatch, capsys)


@pytest.fixture
def api(commands: Commands) -> Iterator[Sandbox]:
    """A sandbox with two clients, to which the commands send."""
    with Sandbox(clients=(SARA, OMAR)) as sandbox:
        commands.use(sandbox)
        yield sandbox


def answer(body: object, status: bytes = b"200 OK", *headers: bytes) -> list[bytes]:
    """A script: this answer."""
    return [reply(json.dumps(body).encode(), *headers, status=status)]


def held(client: int = 1, **fields: object) -> list[bytes]:
    """A script: the answer to a request that reads a client."""
    return answer({"status": "SUCCESS", "client": {"id": client, **HELD, **fields}})


def methods(server: ScriptedServer) -> list[str]:
    """The methods of the requests that a server got."""
    return [request.head.split(b" ", 1)[0].decode() for request in server.requests]


# Clients that change meanwhile


def test_client_that_changed_since_the_plan_is_not_sent(commands: Commands, api: Sandbox) -> None:
    """After ``fresh``, a client is read again; what somebody changed stays, and is named."""
    source = commands.file(HEADER, *ROWS)
    commands("plan", source)
    api.store.edit(1, phone="+97499998888")
    commands.age(601)
    code, _ = commands("update", source)
    assert (code, commands.statuses()) == (1, ["CONFLICT", "SUCCESS"])
    assert (api.requests_of("PUT"), api.store.get(1).phone) == (1, "+97499998888")
    row = commands.results()[0]
    assert row["update_code"] == "CHANGED_MEANWHILE"
    assert "phone: “+97455550001” → “+97499998888”" in row["update_error"]
    assert row["update_fix"]
    # The next session reads it again, plans it anew, and sends it.
    code, _ = commands("update", source)
    assert (code, commands.statuses()) == (0, ["SUCCESS", "SUCCESS"])
    changes = "name: “Sara” → “Sara A.”; phone: “+97499998888” → “+97466660001”"
    assert commands.results()[0]["update_changes"] == changes
    assert len(commands.runs()) == 1
    before = commands.asked(
        "SELECT client FROM plans JOIN readings ON readings.id = before ORDER BY plans.row"
    )
    assert [json.loads(client)["phone"] for (client,) in before] == ["+97499998888", ""]


def test_field_that_is_not_sent_counts_too(commands: Commands, api: Sandbox) -> None:
    """A client that differs in any field is not the one that was planned for."""
    source = commands.file(HEADER, *ROWS[:1])
    commands("plan", source)
    api.store.edit(1, notes="call first")
    commands.age(601)
    assert commands("update", source)[0] == 1
    assert "notes: “VIP” → “call first”" in commands.results()[0]["update_error"]


def test_client_that_is_gone_since_the_plan_is_refused(commands: Commands, api: Sandbox) -> None:
    """It is read again, and is not there."""
    source = commands.file(HEADER, *ROWS[:1])
    commands("plan", source)
    api.store.remove(1)
    commands.age(601)
    assert commands("update", source)[0] == 1
    assert commands.results()[0]["update_code"] == "API_NOT_FOUND"
    assert api.requests_of("PUT") == 0


def test_unchanged_client_is_read_again_and_sent(commands: Commands, api: Sandbox) -> None:
    """An old plan that still holds costs one more request a row, and nothing else."""
    source = commands.file(HEADER, *ROWS)
    commands("plan", source)
    commands.age(601)
    assert commands("update", source)[0] == 0
    assert (api.requests_of("GET"), api.requests_of("PUT")) == (2 + 4, 2)
    assert [row["update_attempts"] for row in commands.results()] == ["1", "1"]


@pytest.mark.parametrize("fresh", ["0", "0.001"])
def test_however_short_fresh_is_every_row_is_sent(
    commands: Commands, api: Sandbox, fresh: str
) -> None:
    """Each client is read once more, and its row is sent right after that."""
    commands.settings("[load]", f"fresh = {fresh}")
    assert commands("update", commands.file(HEADER, *ROWS), "--compare")[0] == 0
    assert (api.requests_of("GET"), api.requests_of("PUT")) == (1 + 4, 2)


def test_row_that_cannot_be_sent_is_not_read_for_ever(commands: Commands) -> None:
    """Attempts are bounded, also where each follows a new reading."""
    commands.settings("[load]", "fresh = 0", "[api]", "pause = 0.01", "attempts = 3")
    down = answer({}, b"503 Service Unavailable")
    scripts = [held()] + [held(), down] * 10
    with ScriptedServer(scripts) as server:
        commands.use_script(server.url)
        code, _ = commands("update", commands.file(HEADER, *ROWS[:1]), "--compare")
        assert (code, commands.statuses()) == (1, ["UNKNOWN"])
        assert methods(server) == ["GET"] + ["GET", "PUT"] * 3
    assert commands.results()[0]["update_attempts"] == "3"


def test_change_after_an_unclear_update_is_kept_until_it_was_seen(commands: Commands) -> None:
    """A row that may have been sent is not sent over a change that a reading has shown.

    The session after that reads the client again and sends the row, as after any conflict.
    """
    commands.settings("[load]", "fresh = 1", "[api]", "attempts = 1")
    source = commands.file(HEADER, ("1", "sara@example.com", "Sara", "66"))
    down = answer({}, b"503 Service Unavailable")
    with ScriptedServer([held(), down]) as server:
        commands.use_script(server.url)
        commands("update", source, "--compare")
        assert commands.statuses() == ["UNKNOWN"]
    commands.age(60)
    with ScriptedServer([held(phone="77")]) as server:
        commands.use_script(server.url)
        assert commands("update", source)[0] == 1
        assert methods(server) == ["GET"]
    row = commands.results()[0]
    assert (row["update_status"], row["update_code"]) == ("UNKNOWN", "CHANGED_MEANWHILE")
    # At once: the reading is fresh, but it is that of a conflict.
    with ScriptedServer([held(phone="88"), answer({"status": "SUCCESS"})]) as server:
        commands.use_script(server.url)
        assert commands("update", source)[0] == 0
        assert methods(server) == ["GET", "PUT"]
    before = commands.asked("SELECT client FROM plans JOIN readings ON readings.id = before")
    assert [json.loads(client)["phone"] for (client,) in before] == ["55"], "the first is kept"
    assert commands.results()[0]["update_changes"] == "phone: “55” → “66”"


def test_conflict_that_could_not_be_read_again_is_not_sent(commands: Commands) -> None:
    """What a failed reading leaves behind is the conflict, not the old plan."""
    commands.settings("[load]", "fresh = 5", "[api]", "attempts = 1")
    source = commands.file(HEADER, ("1", "sara@example.com", "Sara", "66"))
    with ScriptedServer([held()]) as server:
        commands.use_script(server.url)
        commands("plan", source)
    commands.age(60)
    down = answer({}, b"503 Service Unavailable")
    for script, status in ((held(phone="77"), "CONFLICT"), (down, "FAILED"), (down, "FAILED")):
        with ScriptedServer([script, answer({"status": "SUCCESS"})]) as server:
            commands.use_script(server.url)
            commands("update", source)
            assert (methods(server), commands.statuses()) == (["GET"], [status])


# What an update clears


def test_update_that_clears_what_it_leaves_out_stops_the_run(commands: Commands) -> None:
    """The first such answer stops it, names client and field, and says what to set."""
    rows = [(str(client), f"c{client}@example.com") for client in range(1, 21)]
    with Sandbox(range(1, 21), replaces=True) as api:
        commands.use(api)
        source = commands.file(("id", "email"), *rows)
        code, printed = commands("update", source, "--compare", "--workers", 1)
        assert code == 4
        assert api.requests_of("PUT") == 1
        assert "client 1" in printed
        assert 'unsent = "resend"' in printed
        row = commands.results()[0]
        assert (row["update_status"], row["update_code"]) == ("SUCCESS", "API_CLEARED")
        assert "phone: Fatora emptied it although it was not sent" in row["update_warning"]
        assert row["update_error"] == ""
        assert set(commands.statuses()[1:]) == {"NOT_SENT"}
        # Set as it says, the rest of the run keeps every field.
        commands.settings("[load]", "compare = true", 'unsent = "resend"')
        assert commands("update", source)[0] == 0
        stored = [api.store.get(client) for client in range(2, 21)]
        assert {each.phone for each in stored} == {f"+974{each:08}" for each in range(2, 21)}
        assert {each.address for each in stored} == {"Doha"}


def test_last_row_that_clears_ends_with_4_too(commands: Commands) -> None:
    """Nothing is left to send, but somebody must act before the next file is."""
    with Sandbox(clients=[SARA], replaces=True) as api:
        commands.use(api)
        code, printed = commands("update", commands.file(HEADER, *ROWS[:1]), "--compare")
        assert (code, commands.statuses()) == (4, ["SUCCESS"])
        assert 'unsent = "resend"' in printed


def test_blank_field_that_stays_blank_is_no_cause(commands: Commands) -> None:
    """Only a field that was filled can be cleared."""
    empty = Client(1, "Sara", "55", "sara@example.com")
    with Sandbox(clients=[empty], replaces=True) as api:
        commands.use(api)
        assert commands("update", commands.file(HEADER, *ROWS[:1]), "--compare")[0] == 0


def test_resent_values_are_those_that_the_api_holds(commands: Commands) -> None:
    """With ``resend`` all that is not given travels along, and the row's own values win."""
    commands.settings("[load]", "compare = true", 'unsent = "resend"')
    with ScriptedServer([held(address="Doha"), answer({"status": "SUCCESS"})]) as server:
        commands.use_script(server.url)
        source = commands.file(HEADER, ("1", "sara@example.com", "", "66"))
        assert commands("update", source)[0] == 0
        body = json.loads(server.requests[1].body)
    assert body == {
        "name": "Sara",
        "email": "sara@example.com",
        "address": "Doha",
        "phone": "66",
    }
    assert commands.results()[0]["update_changes"] == "phone: “55” → “66”"


# Readings that fail


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer({}, b"503 Service Unavailable"), "API_UNAVAILABLE"),
        (answer({}, b"599 Odd"), "API_UNAVAILABLE"),
        (answer({}, b"400 Bad Request"), "API_REJECTED"),
        (answer({}, b"409 Conflict"), "API_CONFLICT"),
        (answer({}, b"408 Request Timeout"), "API_UNAVAILABLE"),
        (answer({"status": "ERROR", "client": HELD}), "API_REJECTED"),
        (answer({"status": "SUCCESS"}), "API_UNREADABLE"),
        (answer({"status": "SUCCESS", "client": None}), "API_UNREADABLE"),
        (answer({"status": "SUCCESS", "client": []}), "API_UNREADABLE"),
        (answer(["SUCCESS"]), "API_UNREADABLE"),
        (answer({}, b"204 No Content"), "API_UNREADABLE"),
        ([reply(b"{")], "API_UNREADABLE"),
        ([b"HTTP/1.1 200 OK\r\nContent-Le"], "NETWORK_TIMEOUT"),
        ([b"\0nonsense"], "NETWORK_INTERRUPTED"),
        ([], "NETWORK_TIMEOUT"),
    ],
)
def test_reading_that_fails_is_failed_and_nothing_is_sent(
    commands: Commands, script: list[bytes], code: str
) -> None:
    """Nothing can have happened to the client, so such a row is never UNKNOWN."""
    commands.settings("[api]", "attempts = 1", "timeout = 0.3")
    source = commands.file(HEADER, *ROWS[:1])
    with ScriptedServer([script, held(), answer({"status": "SUCCESS"})]) as server:
        commands.use_script(server.url)
        assert commands("update", source, "--compare")[0] == 1
        row = commands.results()[0]
        assert (row["update_status"], row["update_code"]) == ("FAILED", code)
        assert (row["update_attempts"], methods(server)) == ("0", ["GET"])
        # The next session reads the client, and sends the row.
        assert commands("update", source)[0] == 0
        assert methods(server) == ["GET", "GET", "PUT"]


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (answer({}, b"302 Found", b"Location: https://example.com/"), "API_REDIRECT"),
        ([reply(b"<html>Sign in</html>")], "API_UNREADABLE"),
        (held(client=2), "API_MISMATCH"),
        (answer({"error": "expired"}, b"401 Unauthorized"), "API_AUTH"),
        (answer({}, b"429 Too Many Requests", b"Retry-After: 3600"), "API_THROTTLED"),
    ],
)
def test_reading_stops_the_run_like_an_update(
    commands: Commands, script: list[bytes], code: str
) -> None:
    """What is certain to hold for all rows stops the run, and nothing is sent."""
    with ScriptedServer([script, held(client=2)]) as server:
        commands.use_script(server.url)
        source = commands.file(HEADER, *ROWS)
        assert commands("update", source, "--compare", "--workers", 1)[0] == 4
        assert methods(server) == ["GET"]
        assert commands.statuses() == ["FAILED", "NOT_SENT"]
        assert commands.results()[0]["update_code"] == code


def test_three_refusals_in_a_row_stop_the_reading(commands: Commands) -> None:
    """403s are asked about once, and then nothing more is read or sent."""
    refused = answer({}, b"403 Forbidden")
    rows = [(str(client), "a@example.com") for client in range(1, 8)]
    with ScriptedServer([refused] * 20) as server:
        commands.use_script(server.url)
        source = commands.file(("id", "email"), *rows)
        assert commands("update", source, "--compare", "--workers", 1)[0] == 4
        assert methods(server) == ["GET"] * 4  # three clients, and a probe
    assert commands.statuses() == ["FAILED"] * 3 + ["NOT_SENT"] * 4


def test_api_that_is_down_stops_the_reading(commands: Commands) -> None:
    """After ``stop_after`` rows in a row that it could not serve, and a probe."""
    commands.settings("[load]", "stop_after = 2", "[api]", "attempts = 1")
    down = answer({}, b"503 Service Unavailable")
    rows = [(str(client), "a@example.com") for client in range(1, 8)]
    with ScriptedServer([down] * 20) as server:
        commands.use_script(server.url)
        source = commands.file(("id", "email"), *rows)
        assert commands("plan", source, "--workers", 1)[0] == 4
        assert methods(server) == ["GET"] * 3
    assert commands.statuses() == ["FAILED"] * 2 + ["NOT_SENT"] * 5


def test_one_client_that_cannot_be_read_does_not_keep_others(commands: Commands) -> None:
    """The others are planned and sent."""
    commands.settings("[api]", "attempts = 1")
    down = answer({}, b"503 Service Unavailable")
    sent = answer({"status": "SUCCESS"})
    with ScriptedServer([down, held(client=2), sent, held(), sent]) as server:
        commands.use_script(server.url)
        source = commands.file(HEADER, *ROWS)
        commands("update", source, "--compare", "--workers", 1)
        assert (methods(server), commands.statuses()) == (
            ["GET", "GET", "PUT"],
            ["FAILED", "SUCCESS"],
        )
        assert commands("update", source)[0] == 0
        assert methods(server) == ["GET", "GET", "PUT", "GET", "PUT"]


def test_client_that_cannot_be_read_on_many_nights_needs_a_person(commands: Commands) -> None:
    """Sessions in which only reading failed count like those in which an update did."""
    commands.settings("[api]", "attempts = 1", "[load]", "give_up = 3")
    down = answer({}, b"503 Service Unavailable")
    source = commands.file(HEADER, *ROWS[:1])
    codes = []
    with ScriptedServer([down] * 3) as server:
        commands.use_script(server.url)
        for _ in range(3):
            commands("update", source, "--compare")
            codes.append(commands.results()[0]["update_code"])
    assert codes == ["API_UNAVAILABLE"] * 2 + ["API_UNAVAILABLE; FAILED_REPEATEDLY"]


@pytest.mark.slow
def test_stop_while_clients_are_read_sends_nothing(program: Program, sandbox: Sandbox) -> None:
    """SIGTERM ends the reading; running again reads the others only, and sends everything."""
    rows = [(str(client), f"new-{client}@example.com") for client in range(1, 301)]
    source = write_csv(program.folder / "clients.csv", [("id", "email"), *rows])
    command = ("update", source, "--compare", "--rate", 100)
    process = program.start(*command)
    while sandbox.requests_of("GET") < 20:
        time.sleep(0.01)
    process.terminate()
    process.communicate(timeout=30)
    assert (process.returncode, sandbox.requests_of("PUT")) == (4, 0)
    tokens = 2
    assert program.run("update", source).returncode == 0
    assert (sandbox.requests_of("PUT"), sandbox.requests_of("GET")) == (300, 300 + tokens)


def test_throttled_and_failing_api_is_read_in_the_end(commands: Commands) -> None:
    """429s and 503s cost attempts and pauses, and no row is lost or sent twice in success."""
    commands.settings("[api]", "pause = 0.01", "attempts = 9")
    behaviour = Behaviour(fail_share=0.3)
    with Sandbox(range(1, 31), behaviour) as api:
        commands.use(api)
        rows = [(str(client), f"new-{client}@example.com") for client in range(1, 31)]
        assert commands("update", commands.file(("id", "email"), *rows), "--compare")[0] == 0
        stored = [api.store.get(client).email for client in range(1, 31)]
        assert stored == [email for _, email in rows]
    changes = [row["update_changes"] for row in commands.results()]
    assert changes == [
        f"email: “client-{client}@example.com” → “new-{client}@example.com”"
        for client in range(1, 31)
    ]


def test_clients_come_go_and_change_meanwhile(commands: Commands) -> None:
    """With somebody else at work all the time, every row has a true status in the end."""
    with Sandbox(range(1, 41), churn=3, seed=7) as api:
        commands.use(api)
        commands.settings("[load]", "fresh = 0")
        rows = [(str(client), f"new-{client}@example.com") for client in range(1, 41)]
        source = commands.file(("id", "email"), *rows)
        for _ in range(6):
            commands("update", source, "--compare", "--workers", 1)
            if not {"CONFLICT", "NOT_SENT", "FAILED", "UNKNOWN"} & set(commands.statuses()):
                break
        assert set(commands.statuses()) <= {"SUCCESS", "REJECTED"}
        for row in commands.results():
            assert (row["update_status"] == "REJECTED") == (row["update_code"] == "API_NOT_FOUND")
