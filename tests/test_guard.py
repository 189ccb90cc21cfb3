"""The guard stops a run that changes too much before its first update, and says why."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import etl
from approvals import Desk
from etl.config import GuardSettings, load_settings
from etl.errors import ConfigError
from etl.fields import Field
from etl.jobs.guard import exceeded_limits
from etl.manifest import Plan

if TYPE_CHECKING:
    from pathlib import Path

    from etl.sandbox.server import Sandbox

TWELVE = [(str(number), f"{number}@example.com", "") for number in range(1001, 1013)]
COMPARED = {"load.compare": True}


@pytest.fixture
def desk(
    tmp_path: Path,
    sandbox: Sandbox,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Desk:
    """A folder, a configuration and a sandbox, whose clients have a phone."""
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    for number, *_ in TWELVE:
        sandbox.store.edit(int(number), email=f"{number}@example.com", phone="+97455512345")
    return Desk(tmp_path, sandbox, capfd)


def plan(rows: int, **emptied: int) -> Plan:
    """Return a plan that changes so many rows, and empties fields in so many of them."""
    fields = {Field(name): number for name, number in emptied.items()}
    return Plan("0" * 64, rows, {Field.EMAIL: rows}, max(emptied.values(), default=0), fields)


def sentences(plan: Plan, rows: int, **limits: object) -> list[str]:
    """Return what is said about a plan for so many rows with these limits."""
    plan = replace(plan, compared=rows)
    return exceeded_limits(plan, rows, GuardSettings.model_validate(limits))


# The sentence


def test_the_sentence_has_the_numbers_the_field_and_the_share() -> None:
    """Operations read what would happen to how many rows, and how many may."""
    assert sentences(plan(1912, phone=1912), 2000, cleared="5%") == [
        "1,912 of 2,000 rows would lose their phone; at most 5% may."
    ]


def test_the_sentence_about_changes_has_the_numbers_and_the_limit() -> None:
    """A limit on changed rows is named as it is set, with thousands separators."""
    assert sentences(plan(1912), 2000, changed=1500) == [
        "1,912 of 2,000 rows would change their client; at most 1,500 may."
    ]


def test_the_sentence_about_one_row_is_singular() -> None:
    """One row is not spoken of as several."""
    assert sentences(plan(1, phone=1), 12, changed=0, cleared=0) == [
        "1 of 12 rows would change its client; at most 0 may.",
        "1 of 12 rows would lose its phone; at most 0 may.",
    ]


def test_of_several_emptied_fields_the_most_frequent_is_named() -> None:
    """Where rows lose different fields, the sentence counts the rows and names the main field."""
    mixed = Plan("0" * 64, 9, {}, 9, {Field.PHONE: 7, Field.NAME: 3})
    assert sentences(mixed, 100, cleared="5%") == [
        "9 of 100 rows would lose a value, 7 of them the phone; at most 5% may."
    ]


# The limits


@pytest.mark.parametrize("limit", [30, "30%", "30 %", "30.0%"])
def test_a_limit_on_changes_is_exceeded_only_above_it(limit: object) -> None:
    """As many changed rows as the limit may change, and not one more."""
    assert sentences(plan(30), 100, changed=limit) == []
    assert len(sentences(plan(31), 100, changed=limit)) == 1


@pytest.mark.parametrize("limit", [5, "5%", "5.5%"])
def test_a_limit_on_emptied_rows_is_exceeded_only_above_it(limit: object) -> None:
    """As many rows as the limit may lose a value, and not one more."""
    assert sentences(plan(90, phone=5), 100, cleared=limit) == []
    assert len(sentences(plan(90, phone=6), 100, cleared=limit)) == 1


@pytest.mark.parametrize("limit", [0, "0%"])
def test_a_limit_of_nothing_allows_nothing(limit: object) -> None:
    """A limit of 0 is a limit, unlike none."""
    assert len(sentences(plan(1, phone=1), 10, changed=limit, cleared=limit)) == 2
    assert sentences(plan(0), 10, changed=limit, cleared=limit) == []


@pytest.mark.parametrize("limit", [0, "0%"])
def test_files_below_ten_rows_are_not_judged(limit: object) -> None:
    """Of nine rows, a share says nothing: every limit is for files of ten rows and more."""
    assert sentences(plan(9, phone=9), 9, changed=limit, cleared=limit) == []
    assert len(sentences(plan(10, phone=10), 10, changed=limit, cleared=limit)) == 2


def test_emptied_and_changed_rows_have_limits_of_their_own() -> None:
    """Changed rows do not count as emptied ones."""
    assert sentences(plan(100), 100, cleared=0) == []


# The settings


@pytest.mark.parametrize(
    ("guard", "asks"),
    [
        ({}, "never"),
        ({"changed": 1}, "tripped"),
        ({"cleared": "1%"}, "tripped"),
        ({"changed": 0}, "tripped"),
        ({"cleared": 1, "approval": "never"}, "never"),
        ({"changed": 1, "approval": "always"}, "always"),
        ({"approval": "always"}, "always"),
    ],
)
def test_a_limit_asks_for_approval_unless_the_setting_says_otherwise(
    guard: dict[str, object], asks: str
) -> None:
    """By default an approval is needed where a limit is exceeded."""
    given = {f"guard.{key}": value for key, value in guard.items()}
    assert load_settings(None, COMPARED | given).guard.asks == asks


@pytest.mark.parametrize("limit", ["101%", "many", "-1%", -1, True, 0.5, "30"])
def test_a_limit_is_a_number_of_rows_or_a_share(limit: object) -> None:
    """A limit that could be meant in two ways is refused."""
    with pytest.raises(ConfigError, match=r"neither a number of rows nor a share such as 30%"):
        load_settings(None, {**COMPARED, "guard.changed": limit})


@pytest.mark.parametrize("key", ["changed", "cleared", "approval"])
def test_an_update_with_a_guard_needs_a_comparison(key: str, tmp_path: Path) -> None:
    """Without comparing, nobody knows what changes. Commands that send nothing do not care."""
    value = "always" if key == "approval" else 1
    settings = load_settings(None, {f"guard.{key}": value, "runs.dir": tmp_path})
    with pytest.raises(ConfigError, match=rf"^guard\.{key} needs load\.compare = true$"):
        etl.update([tmp_path], settings, None, sandbox=True)
    assert list(etl.history(settings).entries) == []


@pytest.mark.parametrize(
    ("guard", "why"),
    [
        ({"approval": "tripped"}, "needs a limit"),
        ({"two_persons": True}, "two_persons has no effect"),
        ({"two_persons": True, "changed": 1, "approval": "never"}, "two_persons has no effect"),
        ({"signers": __file__}, "signers has no effect"),
    ],
)
def test_settings_without_effect_are_refused(guard: dict[str, object], why: str) -> None:
    """Nobody believes to be safe because of a setting that does nothing."""
    given = {f"guard.{key}": value for key, value in guard.items()}
    with pytest.raises(ConfigError, match=why):
        load_settings(None, COMPARED | given)


# The run


def test_a_run_that_would_empty_too_much_stops_before_the_first_update(desk: Desk) -> None:
    """Nothing is sent, the exit code is 4, and the sentence has the numbers and the command."""
    desk.guard = {"cleared": "5%"}
    code, printed = desk.run("update", desk.clients(TWELVE))
    assert (code, desk.sent) == (4, 0)
    assert "12 of 12 rows would lose their phone; at most 5% may." in printed
    assert f"fatora-clients approve {desk.path.name} --config {desk.configuration}”" in printed
    assert desk.sandbox.store.get(1001).phone == "+97455512345"


def test_a_run_within_the_limits_is_sent(desk: Desk) -> None:
    """A limit that is not exceeded asks for nothing."""
    desk.guard = {"changed": "50%", "cleared": 1}
    rows = [
        ("1001", "1001@example.com", ""),
        *((id_, email, "+97455512345") for id_, email, _ in TWELVE[1:]),
    ]
    code, _ = desk.run("update", desk.clients(rows))
    assert (code, desk.sent) == (0, 1)


def test_nine_rows_may_all_be_emptied(desk: Desk) -> None:
    """A small file is not judged."""
    desk.guard = {"cleared": 0, "changed": 0}
    code, _ = desk.run("update", desk.clients(TWELVE[:9]))
    assert (code, desk.sent) == (0, 9)


def test_a_run_may_always_need_approval(desk: Desk) -> None:
    """With `always` even one row waits for an approval."""
    desk.guard = {"approval": "always"}
    code, printed = desk.run("update", desk.clients(TWELVE[:1]))
    assert (code, desk.sent) == (4, 0)
    assert "The changes of 1 row must be approved." in printed


def test_a_plan_without_changes_needs_no_approval(desk: Desk) -> None:
    """There is nothing to approve where nothing changes."""
    desk.guard = {"approval": "always", "changed": 0}
    same = [(client, email, "+97455512345") for client, email, _ in TWELVE]
    code, _ = desk.run("update", desk.clients(same))
    assert (code, desk.sent) == (0, 0)
    assert desk.manifest.stopped is None


@pytest.mark.parametrize("approval", ["tripped", "never"])
def test_the_next_file_is_sent_although_one_is_held_back(desk: Desk, approval: str) -> None:
    """A plan that is held back says nothing about the other files of the night."""
    desk.guard = {"cleared": 1, "approval": approval}
    first = desk.clients(TWELVE, "a.csv")
    second = desk.clients([("1", "sara@example.com", "+97455512345")], "b.csv")
    code, _ = desk.run("update", first, second)
    assert (code, desk.sent) == (4, 1)
    assert desk.sandbox.store.get(1).email == "sara@example.com"


def test_without_approvals_a_limit_cannot_be_lifted(desk: Desk) -> None:
    """With `never` a run that exceeds a limit is not sent, and no command is named to send it."""
    desk.guard = {"cleared": 1, "approval": "never"}
    code, printed = desk.run("update", desk.clients(TWELVE))
    assert (code, desk.sent) == (4, 0)
    assert "12 of 12 rows would lose their phone; at most 1 may. Check the file" in printed
    assert "approve" not in printed
    code, printed = desk.run("approve", "latest")
    assert code == 2
    code, _ = desk.run("update", desk.clients(TWELVE))
    assert (code, desk.sent) == (4, 0)


def test_part_of_a_file_at_a_time_does_not_pass_the_guard(desk: Desk) -> None:
    """Rows of earlier sessions count, so --limit is no way around a limit."""
    desk.guard = {"cleared": 4}
    source = desk.clients(TWELVE)
    codes = [desk.run("update", source, "--limit", 3)[0] for _ in range(4)]
    assert (codes, desk.sent) == ([4, 4, 4, 4], 3)


def test_rows_with_errors_do_not_hide_what_the_others_lose(desk: Desk) -> None:
    """A share is of the rows whose clients were read, however many others the file has."""
    desk.guard = {"cleared": "20%"}
    invalid = [(str(number), "no e-mail", "") for number in range(2000, 2090)]
    code, printed = desk.run("update", desk.clients([*TWELVE, *invalid]))
    assert "12 of 12 rows would lose their phone; at most 20% may." in printed
    assert (code, desk.sent) == (4, 0)
