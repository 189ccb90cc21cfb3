"""Undoing a run: ``fatora-clients undo``, against a sandbox with real sockets."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

import etl
from etl.cli import run as run_command
from etl.config import Credentials
from etl.jobs.prune import older_than, prune
from etl.rows import Status
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from etl.sandbox.store import Client
from program import Program
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADER = ("id", "email", "name", "phone")
SARA = Client(1, "Sara", "+97455550001", "sara@example.com", "Doha", "VIP")
OMAR = Client(2, "Omar", "", "omar@example.com", "Al Wakrah", "")
LINA = Client(3, "لينا", "+97455550003", "lina@example.com", "", "two\nlines")
CLIENTS = (SARA, OMAR, LINA)
ROWS = (
    ("1", "sara@example.com", "Sara A.", "+97466660001"),
    ("2", "omar@example.com", "", "+97466660002"),
    ("3", "lina@example.org", "Lina", "+97455550003"),
)


@dataclass
class Commands:
    """The commands in this process, in an empty folder, with a sandbox as the API."""

    folder: Path
    sandbox: Sandbox
    capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """Run a command; return its exit code, and what it printed."""
        code = run_command([str(each) for each in arguments])
        printed = self.capture.readouterr()
        return code, printed.out + printed.err

    def update(self, *options: object, rows: object = ROWS) -> str:
        """Compare and send these rows, and return the run's id."""
        source = write_csv(self.folder / "clients.csv", [HEADER, *rows])  # type: ignore[misc]
        self("update", source, "--compare", *options)
        return self.runs()[-1].name

    def runs(self) -> list[Path]:
        """Return the folders of all runs, the oldest first."""
        return sorted(path for path in (self.folder / "runs").glob("2*") if path.is_dir())

    def prune(self) -> None:
        """Remove the personal data of all runs."""
        runs = RunsFolder(self.folder / "runs")
        assert not any(prune(older_than(timedelta(0), entries(runs)), runs))

    def clients(self, *ids: int) -> list[Client]:
        """Return what the API holds of clients."""
        return [self.sandbox.store.get(number) for number in ids or (1, 2, 3)]

    def results(self) -> list[dict[str, str]]:
        """Return the results of the newest run."""
        return read_csv(self.runs()[-1] / "results.csv")


def commands_of(
    sandbox: Sandbox,
    folder: Path,
    patch: pytest.MonkeyPatch,
    capture: pytest.CaptureFixture[str],
) -> Commands:
    """The commands, set up to use a sandbox."""
    patch.chdir(folder)
    patch.setenv("FATORA_API_KEY", sandbox.api_key)
    patch.setenv("FATORA_API_URL", sandbox.url)
    return Commands(folder, sandbox, capture)


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Commands]:
    """The commands and a sandbox with three clients."""
    with Sandbox(clients=CLIENTS) as sandbox:
        yield commands_of(sandbox, tmp_path, monkeypatch, capsys)


# What is restored


def test_every_client_holds_again_what_it_held(commands: Commands) -> None:
    """Changed fields get their old values, filled ones are emptied again, the others stay."""
    undone = commands.update()
    assert commands.clients() != list(CLIENTS)
    code, printed = commands("undo", undone)
    assert (code, commands.clients()) == (0, list(CLIENTS))
    assert "OK (SANDBOX): 1 file, 3 rows updated" in printed
    assert statuses(commands.results()) == ["SUCCESS"] * 3
    assert "phone: “+97466660002” → “”" in commands.results()[1]["update_changes"]


def test_an_undo_is_a_run_of_its_own(commands: Commands) -> None:
    """It has its folder, an input that people can read, and a manifest that names the other run."""
    undone = commands.update()
    commands("undo", undone)
    folder = commands.runs()[-1]
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["undoes"], manifest["compares"], manifest["rows"]) == (undone, True, 3)
    assert manifest["input"]["name"] == "undo of clients.csv"
    texts = [{key: str(text) for key, text in asdict(each).items()} for each in CLIENTS]
    assert read_csv(folder / "input.csv") == texts
    assert commands("verify", "--all")[0] == 0
    assert f"undoes {undone[:20]}" in commands("history")[1]
    assert f"undoes    {undone}" in commands("show", folder.name)[1]
    commands.prune()
    assert commands("verify", "--all")[0] == 0


def test_only_the_fields_of_the_run_are_sent(commands: Commands) -> None:
    """A field that the run neither sent nor changed is in no request of the undo."""
    undone = commands.update(rows=[("1", "sara@example.com", "", "+97466660001")])
    commands("undo", undone)
    with closing(sqlite3.connect(commands.runs()[-1] / "journal.sqlite3")) as journal:
        ((body,),) = journal.execute("SELECT body FROM rows")
    assert json.loads(body) == {"email": "sara@example.com", "phone": "+97455550001"}


def test_values_are_restored_that_no_row_could_have(commands: Commands) -> None:
    """Stored values are not validated: whatever the API held comes back, to the last character."""
    odd = Client(1, "=1+1", "call\0 Mei", "sara@", '="007"', "'\r\n x " + "n" * 40_000)
    commands.sandbox.store.put(odd)
    undone = commands.update(rows=[("1", "sara@example.org", "Sara", "+97466660001")])
    assert commands.clients(1) != [odd]
    assert commands("undo", undone)[0] == 0
    assert commands.clients(1) == [odd]
    assert commands("verify", "--all")[0] == 0


def test_an_email_that_was_blank_stays_and_the_results_say_so(commands: Commands) -> None:
    """Fatora takes no update without an e-mail, so the run's stays; other fields are restored."""
    commands.sandbox.store.put(replace(SARA, email=""))
    undone = commands.update(rows=ROWS[:1])
    assert commands("undo", undone)[0] == 0
    assert commands.clients(1) == [SARA]
    assert "Fatora takes no update without one" in commands.results()[0]["update_warning"]


def test_an_undo_of_an_undo_brings_the_first_state_back(commands: Commands) -> None:
    """It can be undone like any run; then the first run can be undone once more."""
    undone = commands.update()
    after = commands.clients()
    commands("undo", undone)
    assert commands("undo", commands.runs()[-1].name)[0] == 0
    assert commands.clients() == after
    assert commands("undo", undone)[0] == 0
    assert commands.clients() == list(CLIENTS)
    assert len(commands.runs()) == 4


@pytest.mark.parametrize("unsent", ["omit", "resend"])
def test_what_the_api_cleared_is_restored(
    unsent: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where an update clears what it leaves out, an undo and its own undo lose nothing."""
    with Sandbox(clients=CLIENTS, replaces=True) as sandbox:
        commands = commands_of(sandbox, tmp_path, monkeypatch, capsys)
        (tmp_path / "job.toml").write_text(f'[load]\nunsent = "{unsent}"\n')
        undone = commands.update("--workers", 1, "--config", "job.toml")
        after = commands.clients()
        assert (after[0].notes == "") == (unsent == "omit")
        assert commands("undo", undone)[0] == 0
        assert commands.clients() == list(CLIENTS)
        assert commands("undo", commands.runs()[-1].name)[0] == 0
        assert commands.clients() == after


def test_a_client_with_several_rows_is_restored_once(commands: Commands) -> None:
    """Rows of the same client and values are undone by one row."""
    undone = commands.update("--workers", 1, rows=[ROWS[0], ROWS[1], ROWS[0]])
    assert commands("undo", undone)[0] == 0
    assert (commands.clients(), len(commands.results())) == (list(CLIENTS), 2)


# What somebody changed since


def test_a_client_that_was_changed_since_keeps_its_values(commands: Commands) -> None:
    """It is a CONFLICT, named field by field, also when undone again; others are restored."""
    undone = commands.update()
    edited = commands.sandbox.store.edit(2, name="Zoe")
    for _ in range(2):
        code, printed = commands("undo", undone)
        assert (code, commands.clients()) == (1, [SARA, edited, LINA])
        assert "1 client was changed in Fatora since and keeps its values." in printed
        assert "again to send" not in printed
        assert statuses(commands.results()) == ["SUCCESS", "CONFLICT", "SUCCESS"]
        assert "name: “Omar” → “Zoe”" in commands.results()[1]["update_error"]
    commands.sandbox.store.edit(2, name="Omar")
    assert commands("undo", undone)[0] == 0
    assert commands.clients() == list(CLIENTS)
    assert len(commands.runs()) == 2


def test_a_client_that_has_its_old_values_is_unchanged(commands: Commands) -> None:
    """Nothing is sent for it, whatever else somebody changed in it."""
    undone = commands.update()
    commands.sandbox.store.put(replace(SARA, address="Al Khor"))
    before = commands.sandbox.requests_of("PUT")
    assert commands("undo", undone, "--client", 1)[0] == 0
    assert statuses(commands.results()) == ["UNCHANGED"]
    assert commands.sandbox.requests_of("PUT") == before
    assert commands.clients(1) == [replace(SARA, address="Al Khor")]


def test_a_client_that_is_gone_is_refused(commands: Commands) -> None:
    """A client that somebody removed is REJECTED, and the others are restored."""
    undone = commands.update()
    commands.sandbox.store.remove(1)
    assert commands("undo", undone)[0] == 1
    assert statuses(commands.results()) == ["REJECTED", "SUCCESS", "SUCCESS"]
    code, printed = commands("undo", undone)
    assert (code, len(commands.runs())) == (0, 2)
    assert "1 client could not be restored." in printed


# Going on


def test_a_plan_sends_nothing_and_undo_goes_on_in_it(commands: Commands) -> None:
    """With --plan every change is shown; the next undo sends them in the same run."""
    undone = commands.update()
    after, sent = commands.clients(), commands.sandbox.requests_of("PUT")
    code, printed = commands("undo", undone, "--plan")
    assert (code, commands.clients(), commands.sandbox.requests_of("PUT")) == (4, after, sent)
    assert f"Run fatora-clients undo {undone} to send exactly these changes." in printed
    assert all(row["update_changes"] for row in commands.results())
    assert commands("undo", undone)[0] == 0
    assert (commands.clients(), len(commands.runs())) == (list(CLIENTS), 2)


def test_update_goes_on_in_an_undo_too(commands: Commands) -> None:
    """The input of an undo is a file like any other: updating it resumes the undo."""
    undone = commands.update()
    commands("undo", undone, "--plan")
    assert commands("update", commands.runs()[-1] / "input.csv")[0] == 0
    assert (commands.clients(), len(commands.runs())) == (list(CLIENTS), 2)


@pytest.mark.parametrize("name", ["{}", "latest"])
def test_what_is_undone_is_not_undone_again(commands: Commands, name: str) -> None:
    """A finished undo says so, and sends nothing; ``latest`` does not mean the undo."""
    undone = commands.update()
    commands("undo", undone)
    sent = commands.sandbox.requests_seen
    code, printed = commands("undo", name.format(undone))
    assert (code, commands.sandbox.requests_seen, len(commands.runs())) == (0, sent, 2)
    assert f"by run {commands.runs()[-1].name}." in printed
    assert "Already undone on" in printed


def test_only_some_clients_can_be_undone_and_the_others_later(commands: Commands) -> None:
    """With --client, other clients keep the run's values until they are undone themselves."""
    undone = commands.update()
    after = commands.clients()
    assert commands("undo", undone, "--client", 3, "--client", 1)[0] == 0
    assert commands.clients() == [SARA, after[1], LINA]
    assert commands("undo", undone)[0] == 0
    assert commands.clients() == list(CLIENTS)
    assert statuses(commands.results()) == ["SUCCESS"]


def test_an_unfinished_undo_is_not_gone_on_with_for_some_clients_only(commands: Commands) -> None:
    """It would change clients that were not named, so nothing is sent."""
    undone = commands.update()
    commands("undo", undone, "--plan")
    seen = commands.sandbox.requests_seen
    code, printed = commands("undo", undone, "--client", 2)
    assert (code, commands.sandbox.requests_seen) == (2, seen)
    assert f"run fatora-clients undo {undone} without --client; nothing was sent" in printed


def test_the_guard_holds_an_undo_back(commands: Commands) -> None:
    """An undo that needs approval stops before its first update, and names its own run."""
    undone = commands.update()
    (commands.folder / "job.toml").write_text('[guard]\napproval = "always"\n')
    sent = commands.sandbox.requests_of("PUT")
    code, printed = commands("undo", undone, "--config", "job.toml")
    assert (code, commands.sandbox.requests_of("PUT")) == (4, sent)
    assert f"fatora-clients approve {commands.runs()[-1].name}" in printed


@pytest.mark.slow
def test_a_killed_undo_is_gone_on_with(tmp_path: Path) -> None:
    """Killed between its requests, it ends in the same run, with every client restored."""
    clients = [replace(SARA, id=number) for number in range(1, 41)]
    with Sandbox(clients=clients, behaviour=Behaviour(latency=0.05)) as sandbox:
        program = Program(
            tmp_path, {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        )
        rows = [(str(client.id), f"{client.id}@example.org") for client in clients]
        source = write_csv(tmp_path / "clients.csv", [("id", "email"), *rows])
        assert program.run("update", source, "--compare").returncode == 0
        undone, updated = program.only_run().name, sandbox.requests_of("PUT")
        for more in (0, 5, 15):  # while it reads, and twice while it sends
            process = program.start("undo", undone, "--workers", 2)
            reads = sandbox.requests_of("GET")
            while sandbox.requests_of("PUT") < updated + more or (
                sandbox.requests_of("GET") == reads and not more
            ):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert program.run("undo", undone).returncode == 0
        assert [sandbox.store.get(client.id) for client in clients] == clients
        assert len(program.runs()) == 2
        assert program.run("verify", "--all").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_no_kill_changes_what_is_restored(seed: int, tmp_path: Path) -> None:
    """A run and its undo, both killed again and again while answers get lost, cancel out."""
    moments = random.Random(seed)  # noqa: S311
    clients = [
        Client(number, f"Client {number}", "" if number % 3 else "55", f"c{number}@example.com")
        for number in range(1, 301)
    ]
    behaviour = Behaviour(latency=0.02, fail_share=0.02)
    with Sandbox(clients=clients, behaviour=behaviour) as sandbox:
        program = Program(
            tmp_path, {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        )

        def kill_until_done(*arguments: object) -> int:
            for kills in range(100):
                process, seen = program.start(*arguments), sandbox.requests_seen
                while sandbox.requests_seen == seen and process.poll() is None:
                    time.sleep(0.005)
                time.sleep(moments.random() * 0.3)
                process.kill()
                process.communicate()
                if process.returncode == 0:
                    return kills
            raise AssertionError("it never ends")

        rows = [(str(each.id), f"x{each.id}@example.org", "66", "new") for each in clients]
        source = write_csv(tmp_path / "clients.csv", [("id", "email", "phone", "notes"), *rows])
        assert kill_until_done("update", source, "--compare") > 3
        assert all(sandbox.store.get(each.id).notes == "new" for each in clients)
        assert kill_until_done("undo", program.only_run().name) > 3
        assert [sandbox.store.get(each.id) for each in clients] == clients
        assert len(program.runs()) == 2
        assert program.run("verify", "--all").returncode == 0


@pytest.mark.slow
def test_a_killed_run_can_be_undone_at_once(tmp_path: Path) -> None:
    """Rows that were under way when it was killed may have been updated: all are restored."""
    clients = [replace(SARA, id=number) for number in range(1, 41)]
    with Sandbox(clients=clients, behaviour=Behaviour(latency=0.05)) as sandbox:
        program = Program(
            tmp_path, {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
        )
        rows = [(str(client.id), f"{client.id}@example.org") for client in clients]
        source = write_csv(tmp_path / "clients.csv", [("id", "email"), *rows])
        process = program.start("update", source, "--compare")
        while sandbox.requests_of("PUT") < 12:
            time.sleep(0.01)
        process.kill()
        process.communicate()
        time.sleep(0.2)  # what was sent may still be carried out
        assert [sandbox.store.get(client.id) for client in clients] != clients
        assert program.run("undo", program.only_run().name).returncode == 0
        assert [sandbox.store.get(client.id) for client in clients] == clients


def test_updates_whose_answer_was_lost_are_undone_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of UNKNOWN rows some clients were updated and others not: all hold their old values again."""
    clients = [replace(SARA, id=number) for number in range(1, 31)]
    with Sandbox(clients=clients, behaviour=Behaviour(fail_share=0.3)) as sandbox:
        commands = commands_of(sandbox, tmp_path, monkeypatch, capsys)
        rows = [(str(client.id), f"{client.id}@example.org", "", "") for client in clients]
        (tmp_path / "job.toml").write_text("[api]\npause = 0.01\npause_max = 0.01\n")
        quick = ("--config", "job.toml", "--attempts")
        undone = commands.update(*quick, 1, rows=rows)
        results = statuses(commands.results())
        assert {"SUCCESS", "UNKNOWN"} <= {*results}
        assert commands("undo", undone, *quick, 9)[0] == 0
        assert commands.clients(*range(1, 31)) == clients
        assert len(commands.results()) == len(results) - results.count("FAILED")


# What cannot be undone


def test_a_run_without_compare_cannot_be_undone(commands: Commands) -> None:
    """Nobody knows what its clients held; the sentence says so, and nothing is sent."""
    commands("update", write_csv(commands.folder / "clients.csv", [HEADER, *ROWS]))
    seen = commands.sandbox.requests_seen
    code, printed = commands("undo", "latest")
    assert (code, commands.sandbox.requests_seen, len(commands.runs())) == (2, seen, 1)
    assert "was made without --compare, so it is not known what its clients held" in printed


def test_clients_that_were_not_read_before_are_named(commands: Commands) -> None:
    """A run whose first session did not compare is undone as far as that is known."""
    source = write_csv(commands.folder / "clients.csv", [HEADER, *ROWS])
    commands("update", source, "--limit", 1)
    commands("update", source, "--compare")
    after = commands.clients(1)
    code, printed = commands("undo", "latest")
    assert (code, commands.clients()) == (1, [*after, OMAR, LINA])
    assert "1 client keeps its values, since the run had not read them before: 1." in printed
    assert '"no_before_image"' in (commands.runs()[-1] / "run.log").read_text()
    assert " ACTION NEEDED (SANDBOX): 1 file, 1 row not restored, 2 rows updated\n" in printed


def test_what_is_not_known_does_not_hide_that_the_rest_was_undone(commands: Commands) -> None:
    """The same command, run again, names both."""
    source = write_csv(commands.folder / "clients.csv", [HEADER, *ROWS])
    commands("update", source, "--limit", 1)
    commands("update", source, "--compare")
    commands("undo", "latest")
    code, printed = commands("undo", "latest")
    assert (code, len(commands.runs())) == (1, 2)
    assert "Already undone on " in printed
    assert "1 client keeps its values, since the run had not read them before: 1." in printed


def test_a_pruned_run_cannot_be_undone(commands: Commands) -> None:
    """Its before-images are gone, and the sentence says so."""
    commands.update()
    commands.prune()
    code, printed = commands("undo", "latest")
    assert (code, len(commands.runs())) == (2, 1)
    assert "was pruned, so it is not known what its clients held before" in printed


def test_a_run_of_its_own_sandbox_cannot_be_undone(commands: Commands) -> None:
    """The sandbox ended with the run."""
    source = write_csv(commands.folder / "clients.csv", [HEADER, *ROWS])
    commands("update", source, "--compare", "--sandbox")
    code, printed = commands("undo", "latest")
    assert (code, "used a sandbox of its own, which is gone" in printed) == (2, True)


def test_another_account_is_refused(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another key, or another address, is not the run's: both are named, and nothing is sent."""
    undone = commands.update()
    seen = commands.sandbox.requests_seen
    monkeypatch.setenv("FATORA_API_KEY", "another-key-of-another-account")
    code, printed = commands("undo", undone)
    assert (code, commands.sandbox.requests_seen) == (2, seen)
    assert "clients of account sandbox at" in printed
    assert "but these settings are for account" in printed


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["latest", "--client", 9], "did not update client 9; nothing was sent"),
        (["2020"], "there is no run"),
        ([], "Missing argument 'RUN'"),
    ],
)
def test_wrong_usage_is_refused(commands: Commands, arguments: list[object], sentence: str) -> None:
    """What cannot be meant ends with 2, and nothing is sent."""
    commands.update()
    code, printed = commands("undo", *arguments)
    assert (code, sentence.lower() in printed.lower()) == (2, True)


def test_a_run_that_updated_nothing_leaves_nothing_to_undo(commands: Commands) -> None:
    """A run whose rows were all UNCHANGED has nothing to take back."""
    commands.update(rows=[("1", SARA.email, SARA.name, SARA.phone)])
    code, printed = commands("undo", "latest")
    assert (code, "updated no client: there is nothing to undo" in printed) == (2, True)


# Any state, any edits


def is_mix(client: Client, one: Client, other: Client) -> bool:
    """Whether each value of a client is that of one or the other: nobody set a third one."""
    values = zip(*(asdict(each).values() for each in (client, one, other)), strict=True)
    return all(value in rest for value, *rest in values)


TEXTS = st.text("aé ع٣'=+\n\"", max_size=4)
EMAILS = st.sampled_from(["a@example.com", "b@example.com", "c@example.org"])
IMAGES = st.builds(Client, st.just(0), TEXTS, TEXTS, EMAILS, TEXTS, TEXTS)
SHEET = ("id", "email", "name", "address", "notes")


@pytest.mark.slow
@settings(max_examples=30)
@given(
    images=st.lists(IMAGES, min_size=1, max_size=6),
    rows=st.lists(
        st.tuples(st.integers(1, 6), EMAILS, TEXTS, TEXTS, TEXTS), min_size=1, max_size=8
    ),
    edits=st.dictionaries(st.integers(1, 6), st.dictionaries(st.sampled_from(SHEET[1:]), TEXTS)),
    replaces=st.booleans(),
)
def test_every_client_that_nobody_else_touched_is_restored(
    images: list[Client],
    rows: list[tuple[int, str, str, str, str]],
    edits: dict[int, dict[str, str]],
    *,
    replaces: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Whatever clients held, a run sent and others changed meanwhile: undo overwrites no edit."""
    clients = {number: replace(image, id=number) for number, image in enumerate(images, 1)}
    folder = tmp_path_factory.mktemp("undo")
    cells = [(str(number), *texts) for number, *texts in rows]
    source = write_csv(folder / "clients.csv", [SHEET, *cells])
    with Sandbox(clients=clients.values(), replaces=replaces) as sandbox:
        chosen = etl.load_settings(
            None,
            {
                "api.url": sandbox.url,
                "runs.dir": folder / "runs",
                "load.compare": True,
                "load.unsent": "resend" if replaces else "omit",
            },
        )
        key = Credentials(SecretStr(sandbox.api_key), is_api_key=True)
        (done,) = etl.update([source], chosen, key)
        if not done.totals.updated:
            return
        edited = {}
        for number, changes in edits.items():
            if number in clients:
                held = sandbox.store.get(number)
                if sandbox.store.edit(number, **changes) != held:
                    edited[number] = (held, sandbox.store.get(number))
        undone = etl.undo(done.run or "", chosen, key)
        for number, before in clients.items():
            held = sandbox.store.get(number)
            if number not in edited or is_mix(edited[number][1], before, edited[number][0]):
                assert held == before
            else:
                assert held == edited[number][1]
        assert undone.totals.counts.get(Status.CONFLICT, 0) <= len(edited)
