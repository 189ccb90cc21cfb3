"""``fatora-clients confirm``: Fatora is asked again about the clients of a run."""

from __future__ import annotations

import errno
import json
import random
import shutil
import signal
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import etl
from etl.cli import run
from etl.config import load_settings
from etl.fields import Field
from etl.images import KEYS
from etl.jobs import confirm as confirming
from etl.jobs.prune import older_than, prune
from etl.manifest import InputFacts, Manifest
from etl.runs.confirming import CONFIRMED, Outcome, judged
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from etl.runs.lock import locked
from etl.sandbox.app import ApiError, Behaviour
from etl.sandbox.server import Sandbox
from etl.sandbox.store import Client
from faults import Refusal
from jobs import job, sent_to
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.rows import RowResult
    from program import Program

INTERRUPTED = "a confirm or approve was interrupted; run that command again"


def rows(count: int) -> list[tuple[str, ...]]:
    """Return a header and this many rows, about the clients 1 to ``count``."""
    new = ((str(i), f"new-{i}@example.com", f"+9745555{i:04}") for i in range(1, count + 1))
    return [("id", "email", "phone"), *new]


@dataclass
class Desk:
    """Somebody who types commands in a folder, with a sandbox to talk to."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def use(self, sandbox: Sandbox) -> None:
        """Send everything to this sandbox from now on."""
        self.monkeypatch.setenv("FATORA_API_URL", sandbox.url)
        self.monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)

    def type(self, *arguments: object) -> int:
        """Run a command in this process, and return its exit code."""
        self.capsys.readouterr()
        return run(list(map(str, arguments)))

    def update(self, count: int, *options: str) -> int:
        """Send a file of so many rows."""
        return self.type("update", write_csv(self.folder / "c.csv", rows(count)), *options)

    def confirm(self, *options: str) -> tuple[int, dict[str, Any]]:
        """Confirm the latest run, and return the exit code and what --json says."""
        code = self.type("confirm", "latest", "--json", *options)
        printed = self.capsys.readouterr()
        assert printed.out, printed.err
        return code, json.loads(printed.out)

    @property
    def run_folder(self) -> Path:
        """The folder of the latest run."""
        return RunsFolder(self.folder / "runs").find("latest").path

    @property
    def manifest(self) -> Manifest:
        """Its manifest."""
        return Manifest.read(self.run_folder / "manifest.json")

    @property
    def results(self) -> list[dict[str, str]]:
        """Its results."""
        return read_csv(self.run_folder / "results.csv")

    def require_intact(self) -> None:
        """Check that all files are as their manifests say."""
        assert self.type("verify", "--all") == 0, self.capsys.readouterr().out


@pytest.fixture
def desk(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sandbox: Sandbox,
) -> Desk:
    """A desk at an empty folder, with the sandbox of the test."""
    monkeypatch.chdir(tmp_path)
    made = Desk(tmp_path, monkeypatch, capsys)
    made.use(sandbox)
    return made


def counts(facts: dict[str, Any]) -> dict[str, int]:
    """Return the outcomes that any row has."""
    return {outcome: number for outcome, number in facts["outcomes"].items() if number}


def statuses_of(manifest: Manifest) -> dict[str, int]:
    """Return the statuses that any row has, by a manifest."""
    return {str(status): number for status, number in manifest.counts.items() if number}


# What became of clients that were updated.


@pytest.mark.parametrize("option", [(), ("--compare",)])
def test_untouched_clients_are_still_so(
    desk: Desk, sandbox: Sandbox, option: Sequence[str]
) -> None:
    """Nothing is sent, the exit code is 0, and the manifest has the numbers, sealed."""
    assert desk.update(4, *option) == 0
    before, puts = desk.manifest, sandbox.requests_of("PUT")
    code, facts = desk.confirm()
    assert (code, counts(facts), facts["differing"]) == (0, {"STILL_SO": 4}, [])
    assert sandbox.requests_of("PUT") == puts
    (recorded,) = desk.manifest.confirmations
    assert (recorded.clients, recorded.unchanged, recorded.unread) == (4, 4, 0)
    assert desk.manifest.earlier[-1].sha256 == before.sealed_as
    assert desk.manifest.sessions == before.sessions
    assert desk.manifest.exit_code == 0
    desk.require_intact()


def test_a_field_that_somebody_changed_is_named(desk: Desk, sandbox: Sandbox) -> None:
    """The field is named with its value then and now; one that was not sent does not matter."""
    desk.update(3)
    sandbox.store.edit(2, phone="+1", notes="of somebody else")
    sandbox.store.edit(3, notes="of somebody else")
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"STILL_SO": 2, "CHANGED": 1})
    field = {"field": "phone", "then": "+97455550002", "now": "+1"}
    assert facts["differing"] == [{"row": 3, "client": 2, "outcome": "CHANGED", "fields": [field]}]
    assert desk.manifest.confirmations[0].changed == 1
    desk.require_intact()


def test_a_removed_client_is_deleted_since(desk: Desk, sandbox: Sandbox) -> None:
    """A client that is gone counts as changed, and the row stays SUCCESS: it was updated."""
    desk.update(2, "--compare")
    sandbox.store.remove(2)
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"STILL_SO": 1, "DELETED": 1})
    assert desk.manifest.confirmations[0].changed == 1
    assert statuses(desk.results) == ["SUCCESS", "SUCCESS"]
    desk.require_intact()


def test_the_values_from_before_are_not_as_sent(desk: Desk, sandbox: Sandbox) -> None:
    """A client with the values that it had before the update is not taken for a changed one."""
    old = sandbox.store.get(1)
    desk.update(2, "--compare")
    sandbox.store.put(old)
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"STILL_SO": 1, "NOT_AS_SENT": 1})
    (row,) = facts["differing"]
    assert {"field": "phone", "then": "+97455550001", "now": old.phone} in row["fields"]
    assert desk.manifest.confirmations[0].not_as_sent == 1


def test_without_compare_nobody_knows_what_was_there_before(desk: Desk, sandbox: Sandbox) -> None:
    """The old values count as changed then, and the sentence says what cannot be said."""
    old = sandbox.store.get(1)
    desk.update(2)
    sandbox.store.put(old)
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"STILL_SO": 1, "CHANGED": 1})
    assert "may never have taken the values" in facts["sentence"]


def test_an_update_that_only_seemed_to_work_is_not_as_sent(desk: Desk, sandbox: Sandbox) -> None:
    """If the answer itself showed the old values, they are not what the API made of the new."""
    desk.monkeypatch.setattr(
        sandbox.store, "update", lambda client, _changes: sandbox.store.get(client)
    )
    desk.update(1, "--compare")
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"NOT_AS_SENT": 1})
    field = {"field": "phone", "then": "+97455550001", "now": "+97400000001"}
    assert field in facts["differing"][0]["fields"]


@pytest.mark.parametrize("option", [(), ("--compare",)])
@pytest.mark.parametrize("old", ["", "+97455550001"])
def test_what_the_api_made_of_a_value_is_still_so(
    desk: Desk, option: Sequence[str], old: str
) -> None:
    """A phone that the API stores in its own way is as sent, even if it was like that before."""
    clients = [Client(1, "Sara", old, "new-1@example.com")]
    with Sandbox(clients=clients, normalises=True) as normalising:
        desk.use(normalising)
        header, (number, email, _) = rows(1)
        source = write_csv(desk.folder / "n.csv", [header, (number, email, "00974 5555-0001")])
        assert desk.type("update", source, *option) == 0
        assert normalising.store.get(1).phone == "+97455550001"
        code, facts = desk.confirm()
        assert (code, counts(facts)) == (0, {"STILL_SO": 1})
        normalising.store.edit(1, phone="00974 5555-0001")  # exactly as sent is fine as well
        assert desk.confirm()[0] == 0
        normalising.store.edit(1, phone="+97455550002")
        assert counts(desk.confirm()[1]) == {"CHANGED": 1}


def test_rows_that_were_not_sent_are_not_asked_about(desk: Desk, sandbox: Sandbox) -> None:
    """Neither UNCHANGED nor INVALID rows count, and a run that sent nothing needs no answer."""
    bad = ("1.5", "x@example.com", "")
    source = write_csv(desk.folder / "c.csv", [*rows(2), bad])
    sandbox.store.edit(2, email="new-2@example.com", phone="+97455550002")
    assert desk.type("update", source, "--compare") == 1
    assert statuses(desk.results) == ["SUCCESS", "UNCHANGED", "INVALID"]
    code, facts = desk.confirm()
    assert (code, facts["asked"]) == (0, 1)
    write_csv(desk.folder / "d.csv", [rows(2)[0], rows(2)[2]])
    assert desk.type("update", "d.csv", "--compare") == 0
    seen = sandbox.requests_seen
    code, facts = desk.confirm()
    assert (code, facts["asked"], sandbox.requests_seen) == (0, 0, seen)
    assert "nothing to confirm" in facts["sentence"]


def test_the_terminal_shows_the_first_rows_that_differ(desk: Desk, sandbox: Sandbox) -> None:
    """Twenty rows are shown with their fields, and how to see all of them."""
    desk.update(23)
    for client in range(1, 24):
        sandbox.store.edit(client, email="somebody@example.com")
    assert desk.type("confirm", "latest") == 1
    printed = desk.capsys.readouterr().out
    assert "23 changed since" in printed
    assert printed.count("email: “new-") == 20
    assert "… and 3 more; --json lists all" in printed


# Rows without an answer.


def lose_half(desk: Desk, sandbox: Sandbox, count: int, *options: str) -> None:
    """Send rows none of which is answered, although those of odd clients are carried out."""
    update = sandbox.store.update

    def broken(client: int, changes: dict[str, str]) -> Client:
        if client % 2:
            update(client, changes)
        raise ApiError(500, "Invented")  # anything else would close the connection as well

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox.store, "update", broken)
        desk.update(count, "--attempts", "1", *options)
    assert statuses(desk.results) == ["UNKNOWN"] * count


def carried_out(sandbox: Sandbox, count: int) -> list[bool]:
    """Return whether each client holds what was sent."""
    return [sandbox.store.get(i).email == f"new-{i}@example.com" for i in range(1, count + 1)]


@pytest.mark.parametrize("option", [(), ("--compare",)])
def test_unknown_rows_are_settled_without_sending(
    desk: Desk, sandbox: Sandbox, option: Sequence[str]
) -> None:
    """They are SUCCESS where the values stand, else FAILED, which the next update sends."""
    lose_half(desk, sandbox, 4, *option)
    done, puts = [True, False, True, False], sandbox.requests_of("PUT")
    assert carried_out(sandbox, 4) == done
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"NOW_SUCCESS": 2, "NOW_FAILED": 2})
    assert sandbox.requests_of("PUT") == puts
    assert statuses(desk.results) == ["SUCCESS" if each else "FAILED" for each in done]
    for each, row in zip(done, desk.results, strict=True):
        assert row["update_http_status"] == "200"
        assert row["update_warning"] == (CONFIRMED if each else "")
        assert row["update_code"] == ("" if each else "API_NOT_APPLIED")
        assert row["update_attempts"] == "1"
    assert statuses_of(desk.manifest) == {"SUCCESS": 2, "FAILED": 2}
    assert desk.manifest.exit_code == 1
    assert desk.manifest.confirmations[0].settled == 2 + 2
    desk.require_intact()

    assert desk.type("update", "c.csv") == 0
    assert sandbox.requests_of("PUT") == puts + 2
    assert carried_out(sandbox, 4) == [True] * 4
    assert desk.confirm()[1]["outcomes"]["STILL_SO"] == 4
    desk.require_intact()


def test_a_run_whose_unknown_rows_all_stand_is_complete(desk: Desk, sandbox: Sandbox) -> None:
    """It ends with 0 after all, and running its file again sends nothing."""
    lose_half(desk, sandbox, 2)
    for i in (1, 2):
        sandbox.store.edit(i, email=f"new-{i}@example.com", phone=f"+9745555{i:04}")
    assert desk.confirm()[0] == 0
    assert desk.manifest.exit_code == 0
    assert desk.type("update", "c.csv") == 0
    assert "Already processed" in desk.capsys.readouterr().out
    assert sandbox.requests_of("PUT") == 2


def test_an_unknown_row_whose_client_is_gone_is_failed(desk: Desk, sandbox: Sandbox) -> None:
    """It says that there is no such client, and the next update has Fatora refuse it."""
    lose_half(desk, sandbox, 1)
    sandbox.store.remove(1)
    assert counts(desk.confirm()[1]) == {"NOW_FAILED": 1}
    assert desk.results[0]["update_code"] == "API_NOT_FOUND"
    desk.type("update", "c.csv")
    assert statuses(desk.results) == ["REJECTED"]


def test_what_was_read_after_the_first_attempt_is_not_what_was_there_before(
    desk: Desk, sandbox: Sandbox
) -> None:
    """A run may be resumed with --compare after an attempt that changed the client."""
    update = sandbox.store.update

    def shortened(client: int, changes: dict[str, str]) -> Client:
        return update(client, {**changes, "phone": "+974"})

    def lost(client: int, changes: dict[str, str]) -> Client:
        shortened(client, changes)
        raise RuntimeError

    desk.monkeypatch.setattr(sandbox.store, "update", lost)
    assert desk.update(1, "--attempts", "1") == 1
    desk.monkeypatch.setattr(sandbox.store, "update", shortened)
    assert desk.update(1, "--compare") == 0
    assert statuses(desk.results) == ["SUCCESS"]
    assert counts(desk.confirm()[1]) == {"STILL_SO": 1}


# A part of the rows, and what was left unfinished.


def test_a_sample_asks_about_some_rows_and_all_that_are_unknown(
    desk: Desk, sandbox: Sandbox
) -> None:
    """The sample is of the rows that were confirmed, and another one the next time."""
    lose_half(desk, sandbox, 4)
    assert desk.confirm("--sample", "1")[1]["asked"] == 4
    desk.type("update", "c.csv")
    assert carried_out(sandbox, 4) == [True] * 4
    for client in range(1, 5):
        sandbox.store.edit(client, phone="+1")
    picked = []
    for _ in range(12):
        code, facts = desk.confirm("--sample", "2")
        assert (code, facts["asked"], counts(facts)) == (1, 2, {"CHANGED": 2})
        picked.append(tuple(row["row"] for row in facts["differing"]))
    assert len(set(picked)) > 1
    assert desk.confirm("--sample", "9")[1]["asked"] == 4


class _StopAfter(etl.Progress):
    """Stops when so many clients were read."""

    def __init__(self, most: int) -> None:
        self.stop, self._most, self.read_so_far = etl.StopRequest(), most, 0

    def read(self, results: Sequence[RowResult]) -> None:
        self.read_so_far += len(results)
        if self.read_so_far >= self._most:
            self.stop.ask("Somebody asked.")


def stopped_after(
    most: int, sandbox: Sandbox, sample: int | None = None, **settings: object
) -> etl.Confirmed:
    """Confirm the latest run from Python, and stop when so many clients were read."""
    chosen = load_settings(
        None, {"api.url": sandbox.url, "load.workers": 1, "load.rate": 400.0, **settings}
    )
    watching = _StopAfter(most)
    key = etl.Credentials(SecretStr(sandbox.api_key), is_api_key=True)
    return etl.confirm("latest", chosen, key, sample=sample, stop=watching.stop, progress=watching)


def recorded_clients(desk: Desk) -> list[int]:
    """Return how many clients each confirmation read that the manifest has."""
    return [each.clients for each in desk.manifest.confirmations]


def test_a_stopped_confirmation_is_continued(desk: Desk, sandbox: Sandbox) -> None:
    """It ends with 4 and keeps what was read; the next one reads only the others."""
    desk.update(20)
    stopped = stopped_after(5, sandbox)
    assert stopped.exit_code == 4
    assert 5 <= stopped.clients < 20
    assert stopped.unread == 20 - stopped.clients
    assert stopped.stopped == "Somebody asked."
    assert recorded_clients(desk) == []
    desk.require_intact()
    seen = sandbox.requests_of("GET")
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (0, {"STILL_SO": 20})
    assert sandbox.requests_of("GET") - seen == 1 + stopped.unread  # and the token
    assert recorded_clients(desk) == [20]
    desk.require_intact()


def test_a_stopped_sample_goes_on_with_the_same_rows(desk: Desk, sandbox: Sandbox) -> None:
    """Otherwise more clients would be read than were asked for."""
    desk.update(20)
    stopped = stopped_after(3, sandbox, sample=8)
    assert stopped.exit_code == 4
    seen = sandbox.requests_of("GET")
    assert counts(desk.confirm("--sample", "8")[1]) == {"STILL_SO": 8}
    assert sandbox.requests_of("GET") - seen == 1 + stopped.unread


def test_settled_rows_of_a_stopped_confirmation_count_in_the_end(
    desk: Desk, sandbox: Sandbox
) -> None:
    """They are settled once, and not asked about again."""
    lose_half(desk, sandbox, 4)
    stopped = stopped_after(2, sandbox)
    assert 2 <= stopped.settled < 4
    code, facts = desk.confirm()
    assert (code, counts(facts)) == (1, {"NOW_SUCCESS": 2, "NOW_FAILED": 2})
    assert desk.manifest.confirmations[0].settled == 4


def test_a_row_that_was_sent_meanwhile_is_asked_about_again(desk: Desk, sandbox: Sandbox) -> None:
    """What an unfinished confirmation found of it no longer holds."""
    lose_half(desk, sandbox, 4)
    stopped_after(2, sandbox)
    desk.type("update", "c.csv")
    code, facts = desk.confirm()
    assert code == 0
    assert facts["outcomes"]["NOW_FAILED"] == 0
    assert facts["clients"] == 4


def test_what_was_read_long_ago_is_read_again(desk: Desk, sandbox: Sandbox) -> None:
    """An unfinished confirmation is continued for a day."""
    desk.update(10)
    stopped_after(3, sandbox)
    sandbox.store.edit(1, phone="+1")
    desk.monkeypatch.setattr(confirming, "_RECENT", -1)
    assert stopped_after(2, sandbox).exit_code == 4
    seen = sandbox.requests_of("GET")
    assert counts(desk.confirm()[1]) == {"STILL_SO": 9, "CHANGED": 1}
    assert sandbox.requests_of("GET") - seen == 1 + 10


def test_a_client_that_cannot_be_read_is_not_confirmed(desk: Desk, sandbox: Sandbox) -> None:
    """The others are, and the exit code is not 0."""
    desk.update(4)
    get = sandbox.store.get

    def broken(client: int) -> Client:
        if client == 2:
            raise RuntimeError
        return get(client)

    desk.monkeypatch.setattr(sandbox.store, "get", broken)
    code, facts = desk.confirm("--attempts", "1")
    assert (code, facts["unread"], counts(facts)) == (1, 1, {"STILL_SO": 3})
    assert "1 client could not be confirmed." in facts["sentence"]
    assert desk.manifest.confirmations[0].unread == 1
    assert statuses(desk.results) == ["SUCCESS"] * 4


@pytest.mark.slow
@pytest.mark.parametrize("wanted", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_a_confirmation_that_is_ended_from_outside_is_continued(
    program: Program, wanted: signal.Signals
) -> None:
    """What was read is kept; `verify` says that the run was left open only if it was killed."""
    with Sandbox(range(1, 41), Behaviour(latency=0.02)) as slow:
        program.environment["FATORA_API_URL"] = slow.url
        program.run("update", write_csv(program.folder / "c.csv", rows(40)))
        seen = slow.requests_of("GET")
        process = program.start("confirm", "latest", "--workers", "1")
        while slow.requests_of("GET") < seen + 20:
            time.sleep(0.005)
        process.send_signal(wanted)
        process.communicate(timeout=20)
        killed = wanted is signal.SIGKILL
        assert process.returncode == (-signal.SIGKILL if killed else 4)
        verified = program.run("verify", "--all")
        assert verified.returncode == killed
        assert (INTERRUPTED in verified.stdout) == killed
        assert program.run("update", "c.csv").returncode == 0
        seen = slow.requests_of("GET")
        done = program.run("confirm", "latest", "--json")
        assert done.returncode == 0
        assert counts(json.loads(done.stdout)) == {"STILL_SO": 40}
        assert slow.requests_of("GET") - seen < 1 + 40 - 15
    assert slow.requests_of("PUT") == 40
    assert program.run("verify", "--all").returncode == 0


@pytest.mark.slow
def test_a_confirmation_may_be_killed_at_any_instant(program: Program, desk: Desk) -> None:
    """However often it is killed, every row is settled as its client shows, and nothing is sent."""
    with Sandbox(range(1, 31), Behaviour(latency=0.005)) as slow:
        desk.use(slow)
        program.environment["FATORA_API_URL"] = slow.url
        lose_half(desk, slow, 30, "--compare", "--config", _patient(desk))
        puts = slow.requests_of("PUT")
        instants = random.Random(time.time_ns())  # noqa: S311
        for _ in range(10):
            seen = slow.requests_of("GET")
            process = program.start("confirm", "latest", "--workers", "2")
            while slow.requests_of("GET") == seen and process.poll() is None:
                time.sleep(0.002)
            time.sleep(instants.uniform(0, 0.3))
            process.kill()
            process.communicate()
            assert desk.type("verify", "latest") == 0 or INTERRUPTED in desk.capsys.readouterr().out
        desk.confirm()
        assert statuses(desk.results) == ["SUCCESS", "FAILED"] * 15
        assert slow.requests_of("PUT") == puts
        desk.require_intact()
        assert desk.type("update", "c.csv") == 0
        assert slow.requests_of("PUT") == puts + 15


@pytest.mark.slow
def test_a_confirmation_that_the_system_refuses_is_continued(desk: Desk, sandbox: Sandbox) -> None:
    """Whichever call fails for a full disk, the next confirmation finishes it."""
    lose_half(desk, sandbox, 4)
    watched = Refusal(errno.ENOSPC, 0)
    shutil.copytree("runs", "kept")
    with watched.in_force():
        assert desk.confirm()[0] == 1
    for number in range(1, watched.seen, max(watched.seen // 25, 1)):
        shutil.rmtree("runs")
        shutil.copytree("kept", "runs")
        with Refusal(errno.ENOSPC, number).in_force():
            assert desk.type("confirm", "latest") in {1, 2, 4}
        desk.confirm()
        assert statuses(desk.results) == ["SUCCESS", "FAILED"] * 2
        desk.require_intact()


def _patient(desk: Desk) -> str:
    """Return the path of a configuration that lets any number of rows fail."""
    path = desk.folder / "patient.toml"
    path.write_text("[load]\nstop_after = 1000\n", encoding="utf-8")
    return str(path)


def test_nobody_to_ask_is_no_confirmation(desk: Desk) -> None:
    """If no client can be read, the run stays as it is, and the exit code is not 0."""
    desk.update(2)
    desk.monkeypatch.setenv("FATORA_API_URL", "http://127.0.0.1:9/v1")
    code, facts = desk.confirm("--attempts", "1")
    assert (code, facts["clients"], facts["unread"]) == (1, 0, 2)
    assert recorded_clients(desk) == []
    desk.require_intact()


def test_an_api_in_trouble_stops_it(desk: Desk) -> None:
    """The rules by which an update stops hold here, too."""
    desk.update(20)
    desk.monkeypatch.setenv("FATORA_API_URL", "http://127.0.0.1:9/v1")
    code, facts = desk.confirm("--attempts", "1", "--workers", "1")
    assert code == 4
    assert "10 rows in a row" in facts["stopped"]
    assert recorded_clients(desk) == []
    desk.require_intact()


def test_settled_rows_are_delivered_again(desk: Desk, sandbox: Sandbox) -> None:
    """Operations see the results of the rows that had no answer."""
    desk.monkeypatch.setattr("etl.jobs.target._is_of_sandbox", lambda *_: False)
    (desk.folder / "out").mkdir()
    settings = desk.folder / "job.toml"
    settings.write_text('[deliver]\ndir = "out"\n', encoding="utf-8")
    lose_half(desk, sandbox, 2, "--config", str(settings))
    (delivered,) = (desk.folder / "out").iterdir()
    assert statuses(read_csv(delivered / "results.csv")) == ["UNKNOWN", "UNKNOWN"]
    desk.confirm("--config", str(settings))
    assert statuses(read_csv(delivered / "results.csv")) == ["SUCCESS", "FAILED"]


# Runs that cannot be confirmed.


def refused(desk: Desk, *arguments: str) -> str:
    """Return why the latest run is not confirmed, and check that nothing was changed."""
    before = {file.name: file.read_bytes() for file in desk.run_folder.iterdir()}
    assert desk.type("confirm", "latest", *arguments) == 2
    assert {file.name: file.read_bytes() for file in desk.run_folder.iterdir()} == before
    return desk.capsys.readouterr().err


def forget(desk: Desk) -> None:
    """Prune all runs."""
    runs = RunsFolder(desk.folder / "runs")
    assert list(prune(older_than(timedelta(0), entries(runs)), runs)) == [None]


def test_a_pruned_run_is_refused(desk: Desk) -> None:
    """The values that it sent are gone."""
    desk.update(1)
    forget(desk)
    assert "was pruned" in refused(desk)


def test_what_was_read_is_pruned(desk: Desk, sandbox: Sandbox) -> None:
    """Neither the values nor the changes stay in the journal."""
    desk.update(1)
    sandbox.store.edit(1, phone="+974666")
    desk.confirm()
    journal = desk.run_folder / "journal.sqlite3"
    assert b"+974666" in journal.read_bytes()
    forget(desk)
    assert b"+974666" not in journal.read_bytes()
    assert desk.manifest.confirmations[0].changed == 1
    desk.require_intact()


def test_another_account_is_refused(desk: Desk) -> None:
    """Its clients may have the same numbers."""
    desk.update(1)
    desk.monkeypatch.setenv("FATORA_API_KEY", "another-invented-key")
    assert "the credentials are those of account" in refused(desk)


def test_another_api_is_refused(tmp_path: Path) -> None:
    """The run's clients are not there, even if the account has the same name."""
    finished = Manifest(
        "run", "https://api.example.com/v1", InputFacts("c.csv", 1, ""), 1, 0, 0, exit_code=0
    )
    context = sent_to(job("https://api.example.com/v1", tmp_path), account="")
    confirming.require_confirmable(finished, context.target)
    other = sent_to(context, url="https://api.example.org/v1")
    with pytest.raises(etl.ConfigError, match=r"api\.example\.com.*api\.example\.org"):
        confirming.require_confirmable(finished, other.target)


def test_a_run_of_a_sandbox_that_is_gone_is_refused(desk: Desk) -> None:
    """The sandbox of ``update --sandbox`` ends with the run."""
    desk.update(1, "--sandbox")
    assert "a sandbox that ended with the run" in refused(desk)


def test_a_run_that_has_not_finished_is_refused(desk: Desk) -> None:
    """Its file is run again first: it has rows that may not have been sent."""
    desk.update(1)
    manifest = desk.manifest.reopened(())
    opened = manifest.begin_session(manifest.sessions[0].invocation, manifest.api, {})
    opened.write(desk.run_folder / "manifest.json")
    assert "has not finished" in refused(desk)


def test_a_refused_key_changes_nothing(desk: Desk, sandbox: Sandbox) -> None:
    """The run stays as it was sealed."""
    desk.update(1)
    issue = sandbox._api._tokens  # noqa: SLF001
    desk.monkeypatch.setattr(type(issue), "issue", _refuse)
    refused(desk)
    desk.require_intact()


def _refuse(*_: object) -> str:
    raise ApiError(401, "Invalid API Key")


def test_a_run_in_use_ends_with_75(desk: Desk) -> None:
    """Nobody else may be using the runs folder."""
    desk.update(1)
    with locked(desk.folder / "runs"):
        assert desk.type("confirm", "latest") == 75


def test_an_unknown_run_is_refused(desk: Desk) -> None:
    """Its name is quoted."""
    desk.update(1)
    assert desk.type("confirm", "2019") == 2
    assert "there is no run “2019”" in desk.capsys.readouterr().err


# The rule by which a client is judged.

BLANK = dict.fromkeys(KEYS, "")


@pytest.mark.parametrize(
    ("left", "before", "now", "outcome"),
    [
        ("new", "old", "new", Outcome.STILL_SO),
        ("new", "old", "old", Outcome.NOT_AS_SENT),
        ("new", "old", "other", Outcome.CHANGED),
        ("new", None, "old", Outcome.CHANGED),
        ("made", "old", "made", Outcome.STILL_SO),
        ("made", "old", "new", Outcome.STILL_SO),
        ("made", "old", "other", Outcome.CHANGED),
        ("made", None, "made", Outcome.STILL_SO),
        ("old", "old", "old", Outcome.NOT_AS_SENT),
        ("NEW ", "NEW ", "NEW ", Outcome.STILL_SO),
        ("new", "new", "new", Outcome.STILL_SO),
        ("new", "old", None, Outcome.DELETED),
    ],
)
def test_each_case_of_the_rule(
    left: str, before: str | None, now: str | None, outcome: Outcome
) -> None:
    """The table of `etl.runs.confirming`, for a field to which “new” was sent."""
    old = None if before is None else {**BLANK, "name": before}
    found, changes = judged(
        {"name": "new"},
        {**BLANK, "name": left},
        old,
        None if now is None else {**BLANK, "name": now},
    )
    assert found is outcome
    expected = {Outcome.CHANGED: [Field.NAME], Outcome.NOT_AS_SENT: [Field.NAME]}.get(outcome, [])
    assert [change.field for change in changes] == expected


TEXTS = st.sampled_from(["", "a", "A", "b"])
IMAGES = st.fixed_dictionaries(dict.fromkeys(KEYS, TEXTS))


@given(IMAGES, IMAGES, st.none() | IMAGES, IMAGES)
def test_a_client_is_still_so_only_if_nobody_can_see_a_difference(
    sent: dict[str, str], left: dict[str, str], before: dict[str, str] | None, now: dict[str, str]
) -> None:
    """Each field is then as it was sent or left; a change is never named from a value to itself."""
    outcome, changes = judged(sent, left, before, now)
    if outcome is Outcome.STILL_SO:
        assert all(now[key] in {sent[key], left[key]} for key in KEYS)
    assert (outcome is Outcome.STILL_SO) == (not changes)
    assert all(change.old != change.new for change in changes)
    if before is None:
        assert outcome is not Outcome.NOT_AS_SENT
