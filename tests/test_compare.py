"""Runs that look before they write: ``update --compare`` and ``plan``, against a sandbox."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from etl.sandbox.server import Sandbox
from etl.sandbox.store import Client
from inprocess import Commands, bytes_of
from spreadsheets import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = ("id", "email", "name", "phone")
SARA = Client(1, "Sara", "+97455550001", "sara@example.com", "Doha", "VIP")
OMAR = Client(2, "Omar", "", "omar@example.com", "Al Wakrah", "")
LINA = Client(3, "لينا", "+97455550003", "lina@example.com", "", "two\nlines")
CLIENTS = (SARA, OMAR, LINA)
SAME = (
    ("1", "sara@example.com", "Sara", "+97455550001"),
    ("2", "omar@example.com", "Omar", ""),
    ("3", "lina@example.com", "لينا", "+97455550003"),
)
NEW = (
    ("1", "sara@example.com", "Sara A.", "+97466660001"),
    ("2", "omar@example.com", "Omar", "+97466660002"),
    ("3", "lina@example.com", "لينا", "+97455550003"),
)


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Commands:
    """The commands in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Commands(tmp_path, monkeypatch, capsys)


@pytest.fixture
def api(commands: Commands) -> Iterator[Sandbox]:
    """A sandbox with three clients, to which the commands send."""
    with Sandbox(clients=CLIENTS) as sandbox:
        commands.use(sandbox)
        yield sandbox


def clients(api: Sandbox) -> list[Client]:
    """What the API holds."""
    return [api.store.get(number) for number in api.store.ids]


def test_what_another_file_changed_meanwhile_is_not_overwritten_unseen(
    commands: Commands, api: Sandbox
) -> None:
    """Two files were planned: what the first changes is a conflict of the second's plan."""
    first = commands.file(HEADER, NEW[0], name="first.csv")
    second = commands.file(HEADER, (*NEW[0][:3], "+97477770001"), SAME[1], name="second.csv")
    commands("plan", first, second)
    code, _ = commands("update", first, second)
    assert (code, api.store.get(1).phone) == (1, "+97466660001")
    assert commands.statuses() == ["CONFLICT", "UNCHANGED"]
    assert commands("update", second)[0] == 0
    assert commands("undo", "latest")[0] == 0
    assert api.store.get(1).phone == "+97466660001"


# What is sent, and what is not


def test_rows_that_change_nothing_are_unchanged_and_not_sent(
    commands: Commands, api: Sandbox
) -> None:
    """A row that says only what the API holds is done without an update, for good."""
    source = commands.file(HEADER, *SAME)
    code, _ = commands("update", source, "--compare")
    assert (code, commands.statuses()) == (0, ["UNCHANGED"] * 3)
    assert (api.requests_of("PUT"), api.requests_of("GET")) == (0, 1 + 3)  # the token is a GET
    row = commands.results()[0]
    added = ("update_error", "update_code", "update_fix", "update_warning", "update_changes")
    assert [row[name] for name in added] == [""] * 5
    assert (row["update_attempts"], row["update_http_status"]) == ("0", "200")
    code, printed = commands("update", source, "--compare")
    assert (code, api.requests_seen) == (0, 4)
    assert "Already processed" in printed


def test_only_rows_that_change_something_are_sent(commands: Commands, api: Sandbox) -> None:
    """Each of these gets exactly one update, and the results say what changed."""
    code, _ = commands("update", commands.file(HEADER, *NEW), "--compare")
    assert (code, commands.statuses()) == (0, ["SUCCESS", "SUCCESS", "UNCHANGED"])
    assert (api.requests_of("PUT"), api.requests_of("GET")) == (2, 1 + 3)
    assert [row["update_changes"] for row in commands.results()] == [
        "name: “Sara” → “Sara A.”; phone: “+97455550001” → “+97466660001”",
        "phone: “” → “+97466660002”",
        "",
    ]
    assert api.store.get(1) == Client(
        1, "Sara A.", "+97466660001", "sara@example.com", "Doha", "VIP"
    )


def test_client_that_is_not_there_is_never_sent(commands: Commands, api: Sandbox) -> None:
    """Its row is refused for good, with the code of a client that does not exist."""
    source = commands.file(HEADER, ("4", "noor@example.com", "Noor", ""), *SAME)
    code, _ = commands("update", source, "--compare")
    assert (code, commands.statuses()) == (1, ["REJECTED", *["UNCHANGED"] * 3])
    row = commands.results()[0]
    assert (row["update_code"], row["update_attempts"]) == ("API_NOT_FOUND", "0")
    assert api.requests_of("PUT") == 0
    assert (commands.runs()[0] / "rework.csv").exists()


def test_invalid_rows_are_not_read(commands: Commands, api: Sandbox) -> None:
    """Only rows that could be sent are worth a request."""
    source = commands.file(HEADER, ("1.5", "sara@example.com", "", ""), *SAME)
    code, _ = commands("update", source, "--compare")
    assert (code, api.requests_of("GET")) == (1, 1 + 3)


def test_equal_is_what_looks_equal(commands: Commands, api: Sandbox) -> None:
    """Decomposed letters are equal to composed ones, and nothing is equal to nothing."""
    api.store.edit(1, name=unicodedata.normalize("NFC", "Zoé Müller"))
    commands.settings("[columns.phone]", 'blank = "clear"')
    name = unicodedata.normalize("NFD", "Zoé Müller")
    source = commands.file(
        HEADER, ("1", "sara@example.com", name, "+97455550001"), ("2", "omar@example.com", "", "")
    )
    code, _ = commands("update", source, "--compare")
    assert (code, commands.statuses()) == (0, ["UNCHANGED"] * 2)


def test_letter_case_and_space_are_changes(commands: Commands, api: Sandbox) -> None:
    """What a person could tell apart is a change."""
    source = commands.file(HEADER, ("1", "Sara@example.com", "Sara ", ""))
    commands("update", source, "--compare")
    assert commands.results()[0]["update_changes"] == (
        "email: “sara@example.com” → “Sara@example.com”; name: “Sara” → “Sara ”"
    )
    assert api.store.get(1).name == "Sara "


def test_field_that_is_cleared_is_a_change(commands: Commands, api: Sandbox) -> None:
    """With ``blank = "clear"``, a blank cell empties the field, and the results say so."""
    commands.settings("[columns.phone]", 'blank = "clear"')
    commands("update", commands.file(HEADER, ("1", "sara@example.com", "Sara", "")), "--compare")
    assert commands.results()[0]["update_changes"] == "phone: “+97455550001” → “”"
    assert api.store.get(1).phone == ""


def test_rows_that_repeat_one_another_are_each_sent(commands: Commands, api: Sandbox) -> None:
    """All of them were planned before the first was sent."""
    commands("update", commands.file(HEADER, NEW[0], NEW[0]), "--compare")
    assert (commands.statuses(), api.requests_of("PUT")) == (["SUCCESS"] * 2, 2)


# Without comparing


def test_without_compare_a_row_is_one_request(commands: Commands, api: Sandbox) -> None:
    """No client is read, each row is sent once, and the results have no column for changes."""
    code, _ = commands("update", commands.file(HEADER, *NEW))
    assert (code, commands.statuses()) == (0, ["SUCCESS"] * 3)
    assert (api.requests_of("PUT"), api.requests_of("GET")) == (3, 1)
    assert "update_changes" not in commands.results()[0]
    assert commands.asked("SELECT (SELECT COUNT(*) FROM readings) + COUNT(*) FROM plans") == [(0,)]
    manifest = json.loads((commands.runs()[0] / "manifest.json").read_text())
    assert not {"compares", "plan", "approvals"} & manifest.keys()


# The second night of one file


@pytest.mark.parametrize("first_night", [(), ("--compare",)])
def test_second_night_sends_nothing_though_values_are_normalised(
    commands: Commands, first_night: tuple[str, ...]
) -> None:
    """What the API made of these very values the last time is no change."""
    rows = (
        ("1", "Sara@Example.com", "Sara  A.", "00974 5555 0009", " near  the port "),
        ("2", "omar@example.com", "Omar", "+974-6666-0002", "Doha"),
    )
    header = (*HEADER, "address")
    with Sandbox(clients=CLIENTS, normalises=True) as api:
        commands.use(api)
        commands("update", commands.file(header, *rows), *first_night)
        assert commands.statuses() == ["SUCCESS"] * 2
        # Other nights in between, with other columns and other clients.
        other = commands.file(
            ("id", "email", "notes"), ("3", "lina@example.com", "x"), name="b.csv"
        )
        commands("update", other)
        notes = commands.file(
            ("id", "email", "notes"), ("1", "sara@example.com", "y"), name="c.csv"
        )
        commands("update", notes)
        sent = api.requests_of("PUT")
        code, _ = commands("update", "clients.csv", "--compare", "--again")
        # The e-mail of the other file was sent since, and was stored as it came.
        assert (code, commands.statuses()) == (0, ["UNCHANGED"] * 2)
        assert api.requests_of("PUT") == sent


def test_normalised_value_that_somebody_changed_is_sent_again(commands: Commands) -> None:
    """Only what the API made of these values is none; a third value is a change."""
    with Sandbox(clients=CLIENTS, normalises=True) as api:
        commands.use(api)
        source = commands.file(HEADER, ("1", "sara@example.com", "Sara", "00974 5555 0009"))
        commands("update", source)
        api.store.edit(1, phone="+97477770000")
        commands("update", source, "--compare", "--again")
        changes = "phone: “+97477770000” → “00974 5555 0009”"
        assert commands.results()[0]["update_changes"] == changes
        assert api.store.get(1).phone == "+97455550009"


def test_normalising_of_another_account_is_not_known(commands: Commands, api: Sandbox) -> None:
    """What another client's update was made into says nothing about this one."""
    del api
    with Sandbox(clients=CLIENTS, normalises=True) as other:
        commands.use(other)
        first = commands.file(HEADER, ("1", "sara@example.com", "Sara", "00974 5555 0009"))
        commands("update", first)
        second = commands.file(
            HEADER, ("2", "omar@example.com", "Omar", "00974 5555 0009"), name="b.csv"
        )
        other.store.edit(2, phone="+97455550009")
        commands("update", second, "--compare")
        assert commands.statuses() == ["SUCCESS"]


# Plans


def test_plan_sends_nothing_and_update_sends_exactly_the_plan(
    commands: Commands, api: Sandbox
) -> None:
    """Update goes on in the folder of the plan, without the option and without reading again."""
    source = commands.file(HEADER, *NEW)
    code, _ = commands("plan", source)
    assert (code, commands.statuses()) == (4, ["NOT_SENT", "NOT_SENT", "UNCHANGED"])
    assert (api.requests_of("PUT"), clients(api)) == (0, list(CLIENTS))
    planned = [row["update_changes"] for row in commands.results()]
    code, _ = commands("update", source)
    assert (code, commands.statuses()) == (0, ["SUCCESS", "SUCCESS", "UNCHANGED"])
    assert (api.requests_of("PUT"), api.requests_of("GET")) == (2, 2 + 3)
    assert len(commands.runs()) == 1
    assert [row["update_changes"] for row in commands.results()] == planned


def test_plan_that_changes_nothing_is_done(commands: Commands, api: Sandbox) -> None:
    """It ends with 0, and the file is processed."""
    source = commands.file(HEADER, *SAME)
    assert commands("plan", source)[0] == 0
    assert "Already processed" in commands("update", source)[1]
    assert api.requests_of("PUT") == 0


def test_plan_of_faulty_rows_alone_ends_with_1(commands: Commands, api: Sandbox) -> None:
    """There is nothing left to send, and somebody has to correct a row."""
    del api
    assert commands("plan", commands.file(HEADER, ("x", "a@example.com", "", "")))[0] == 1


def test_a_plan_may_be_made_twice(commands: Commands, api: Sandbox) -> None:
    """The second one goes on in the folder of the first, with the same digest."""
    source = commands.file(HEADER, *NEW)
    digests = []
    for _ in range(2):
        assert commands("plan", source)[0] == 4
        manifest = json.loads((commands.runs()[-1] / "manifest.json").read_text())
        digests.append(manifest["plan"]["digest"])
    assert len(commands.runs()) == 1
    assert len(set(digests)) == 1
    assert (api.requests_of("PUT"), api.requests_of("GET")) == (0, 2 + 3)


def test_workbook_is_planned_and_sent_like_a_csv(commands: Commands, api: Sandbox) -> None:
    """Its results are a workbook too, and have the changes."""
    source = write_xlsx(commands.folder / "clients.xlsx", [HEADER, *NEW])
    code, printed = commands("plan", source)
    assert code == 4, printed
    assert commands("update", source)[0] == 0
    assert commands.statuses() == ["SUCCESS", "SUCCESS", "UNCHANGED"]
    assert (commands.runs()[0] / "results.xlsx").exists()
    assert api.requests_of("PUT") == 2


def test_limit_is_of_the_rows_that_are_looked_at(commands: Commands, api: Sandbox) -> None:
    """Each session reads and sends at most so many rows, until none is left."""
    source = commands.file(HEADER, *reversed(NEW))
    seen = []
    for code in (4, 4, 0):
        assert commands("update", source, "--compare", "--limit", 1)[0] == code
        seen.append((api.requests_of("PUT"), commands.statuses()))
    assert seen == [
        (0, ["UNCHANGED", "NOT_SENT", "NOT_SENT"]),
        (1, ["UNCHANGED", "SUCCESS", "NOT_SENT"]),
        (2, ["UNCHANGED", "SUCCESS", "SUCCESS"]),
    ]


def test_rate_holds_for_readings_too(commands: Commands, api: Sandbox) -> None:
    """Two requests of each row share the rate."""
    before = api.requests_seen
    source = commands.file(HEADER, *NEW)
    commands("update", source, "--compare", "--rate", 20)
    assert api.requests_seen - before == 1 + 3 + 2
    ((seconds,),) = commands.asked(
        "SELECT (julianday((SELECT MAX(ended) FROM attempts)) - julianday(MIN(time))) * 86400"
        " FROM readings"
    )
    assert seconds >= 4 / 20 * 0.9  # between the first and the last of five requests


# What remains


def test_history_show_and_verify_know_such_runs(commands: Commands, api: Sandbox) -> None:
    """The other commands read a run that compares, with its changes."""
    source = commands.file(HEADER, *NEW)
    commands("plan", source)
    commands("update", source)
    run = commands.runs()[0].name
    assert "SUCCESS" in commands("history", "--client", 1)[1]
    assert "UNCHANGED" in commands("show", run)[1]
    assert "clients.csv" in commands("history")[1]
    assert commands("verify", "--all")[0] == 0
    del api


def test_pruned_run_has_no_byte_of_what_a_client_held(commands: Commands, api: Sandbox) -> None:
    """Neither values that were read nor values that were sent remain, in any file of the run."""
    api.store.edit(1, address="Old-Address-q7z", notes="Old-Notes-q7z", phone="+97400009931")
    source = commands.file(HEADER, ("1", "new-q7z@example.com", "New-Name-q7z", "+97400009932"))
    commands("plan", source)
    commands.settings("[load]", "compare = true", 'unsent = "resend"')
    commands("update", source)
    secrets = [b"q7z", b"400009931", b"400009932", b"sara@example.com", b"Sara"]
    assert any(secret in bytes_of(commands.runs()) for secret in secrets)
    commands.prune()
    left = bytes_of([commands.folder / "runs"])
    assert [secret for secret in secrets if secret in left] == []
    code, printed = commands("verify", "--all")
    assert code == 0, printed
    for command in (["history"], ["show", "latest"], ["history", "--client", 1]):
        assert commands(*command)[0] == 0


def test_log_has_no_value_of_a_client(commands: Commands, api: Sandbox) -> None:
    """Neither a conflict nor a cleared field brings a value into the log."""
    commands.settings("[load]", "fresh = 5")
    source = commands.file(HEADER, *NEW)
    commands("plan", source)
    api.store.edit(1, phone="+97499998888")
    commands.age(60)
    commands("update", source)
    log = (commands.runs()[0] / "run.log").read_text()
    assert "CHANGED_MEANWHILE" in log
    for value in ("9999", "Sara", "sara@", "5555", "6666", "Doha", "VIP"):
        assert value not in log
