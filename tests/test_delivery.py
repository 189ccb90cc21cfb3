"""Results reach the people who work with them, and finished inputs leave their folder."""

from __future__ import annotations

import stat
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from etl.errors import ConfigError, ExitCode
from etl.files import sha256_of
from etl.jobs.context import Progress
from etl.jobs.delivery import Delivery, put_away
from etl.jobs.update import update_each
from etl.runs.folder import RunFolder
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from jobs import job, sent_to
from scripted import ScriptedServer
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.context import Context
    from etl.jobs.summary import Summary

HEADER = ("id", "email")
GOOD, BAD = ("1024", "sara@example.com"), ("1025", "no address")


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Return the folder in which operations put their files."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


@pytest.fixture
def outbox(tmp_path: Path) -> Path:
    """Return the folder in which operations look for results."""
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


def nightly(sandbox: Sandbox, inbox: Path, **settings: Any) -> Context:  # noqa: ANN401
    """Return the job that processes the files of a folder."""
    made = job(sandbox.url, inbox.parent / "runs", sandbox.api_key, **settings)
    return replace(made, folders=frozenset({inbox}))


def run(night: Context, inbox: Path) -> list[Summary]:
    """Process the files of the folder."""
    return list(update_each(sorted(path for path in inbox.iterdir() if path.is_file()), night))


def names_in(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def mode_of(path: Path) -> int:
    """Return a file's permissions."""
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_of_a_run_are_delivered(sandbox: Sandbox, inbox: Path, outbox: Path) -> None:
    """Operations find results, rework and report in a folder that is named after their file."""
    write_csv(inbox / "clients 1.csv", [HEADER, GOOD, BAD])
    (summary,) = run(nightly(sandbox, inbox, deliver__dir=outbox, deliver__mode="0644"), inbox)
    (place,) = outbox.iterdir()
    assert (place, place.name) == (summary.delivered, f"clients 1 {summary.run}")
    assert names_in(place) == ["report.html", "results.csv", "rework.csv"]
    assert {mode_of(path) for path in place.iterdir()} == {0o644}
    assert mode_of(place) == 0o755
    assert statuses(read_csv(place / "results.csv")) == ["SUCCESS", "INVALID"]


def test_nothing_but_a_run_writes_into_the_runs_folder(sandbox: Sandbox, inbox: Path) -> None:
    """Results are not delivered into it, and no input is moved around in it."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    inside = inbox.parent / "runs" / "delivered"
    inside.mkdir(parents=True)
    with pytest.raises(ConfigError, match=rf"^deliver.dir “{inside}” is inside the runs folder "):
        run(nightly(sandbox, inbox, deliver__dir=inside), inbox)
    moving = replace(nightly(sandbox, inbox, input__done="move"), folders=frozenset({inside}))
    with pytest.raises(ConfigError, match=rf"^the input folder “{inside}” is inside the runs "):
        run(moving, inbox)
    assert sandbox.requests_seen == 0


def test_a_resumed_run_is_delivered_again(sandbox: Sandbox, inbox: Path, outbox: Path) -> None:
    """After a resume, operations get the newest results."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD, ("1026", "omar@example.com")])
    night = nightly(sandbox, inbox, deliver__dir=outbox)
    delivered = []
    for limit in (1, None):
        run(replace(night, limit=limit), inbox)
        (place,) = outbox.iterdir()
        delivered.append(statuses(read_csv(place / "results.csv")))
    assert delivered == [["SUCCESS", "NOT_SENT"], ["SUCCESS", "SUCCESS"]]


def test_a_file_that_a_run_no_longer_has_is_not_left_behind(tmp_path: Path, outbox: Path) -> None:
    """A rework file that the run no longer has is removed from the delivery."""
    folder = RunFolder(tmp_path / "20260101T000000.000Z-abcdef")
    folder.path.mkdir()
    folder.rework(".csv").touch()
    delivery = Delivery(outbox, 0o640)
    place = delivery.deliver(folder, "clients.csv")
    assert names_in(place) == ["rework.csv"]
    folder.rework(".csv").unlink()
    delivery.deliver(folder, "clients.csv")
    assert names_in(place) == []


@pytest.mark.parametrize("name", ["../../clients.csv", ".hidden.csv", "a/b\n\u202ec.csv", ".csv"])
def test_a_delivery_stays_in_its_folder(outbox: Path, name: str) -> None:
    """A delivery stays in its folder, for any name of the input."""
    place = Delivery(outbox, 0o640).deliver(RunFolder(outbox / "run"), name)
    assert place.parent == outbox
    assert place.name.isprintable()
    assert not place.name.startswith(".")


def test_a_failed_delivery_is_repeated(sandbox: Sandbox, inbox: Path, outbox: Path) -> None:
    """A failed delivery ends with 4, and running the file again delivers the results."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    night = nightly(sandbox, inbox, deliver__dir=outbox)
    blocked = replace(night, progress=_Blocking(outbox))
    (summary,) = run(blocked, inbox)
    assert summary.exit_code is ExitCode.STOPPED
    assert f"could not be delivered to {outbox}" in summary.sentence
    outbox.unlink()
    outbox.mkdir()
    (summary,) = run(night, inbox)
    assert (summary.exit_code, summary.already_done) == (ExitCode.DONE, True)
    assert summary.delivered
    assert names_in(summary.delivered) == ["report.html", "results.csv"]


def test_a_file_whose_delivery_failed_stays(sandbox: Sandbox, inbox: Path, outbox: Path) -> None:
    """A file whose delivery failed stays where the next session finds it."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    night = nightly(sandbox, inbox, deliver__dir=outbox, input__done="move")
    run(replace(night, progress=_Blocking(outbox)), inbox)
    assert names_in(inbox) == ["clients.csv"]


class _Blocking(Progress):
    """Replaces the delivery folder with a file during a run."""

    def __init__(self, outbox: Path) -> None:
        self._outbox = outbox

    def sending(self, *_: object) -> None:
        """Replace the folder."""
        self._outbox.rmdir()
        self._outbox.touch()


@pytest.mark.parametrize("missing", ["nowhere", "file"])
def test_a_place_that_cannot_be_written_is_found_before_anything_is_sent(
    sandbox: Sandbox, inbox: Path, missing: str
) -> None:
    """A delivery folder that cannot be written ends with 2, and is named with its setting."""
    (inbox.parent / "file").touch()
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    night = nightly(sandbox, inbox, deliver__dir=inbox.parent / missing)
    with pytest.raises(ConfigError, match=rf"{missing}” .*nothing was sent: correct deliver\.dir"):
        run(night, inbox)
    assert sandbox.requests_seen == 0


def test_finished_files_are_moved(sandbox: Sandbox, inbox: Path) -> None:
    """A file whose rows are all final goes to done/, whether or not some need fixing."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD, BAD])
    run(nightly(sandbox, inbox, input__done="move"), inbox)
    assert names_in(inbox) == ["done"]
    assert names_in(inbox / "done") == ["clients.csv"]


def test_finished_files_stay_unless_they_are_to_be_moved(sandbox: Sandbox, inbox: Path) -> None:
    """By default, finished files stay in their folder."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    run(nightly(sandbox, inbox), inbox)
    assert names_in(inbox) == ["clients.csv"]


def test_files_that_only_the_sandbox_has_seen_stay(sandbox: Sandbox, inbox: Path) -> None:
    """A file that only the sandbox received stays, so that the next night sends it to Fatora."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    write_csv(inbox / "unusable.csv", [("Nom",), ("Sara",)])
    run(sent_to(nightly(sandbox, inbox, input__done="move"), sandbox=True), inbox)
    assert names_in(inbox) == ["clients.csv", "unusable.csv"]


def test_a_file_that_was_named_itself_stays(sandbox: Sandbox, inbox: Path) -> None:
    """A file that was named itself is not moved."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    night = replace(nightly(sandbox, inbox, input__done="move"), folders=frozenset())
    run(night, inbox)
    assert names_in(inbox) == ["clients.csv"]


def test_a_file_with_rows_left_stays(sandbox: Sandbox, inbox: Path) -> None:
    """A file with rows to send is not moved."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD, ("1026", "omar@example.com")])
    run(replace(nightly(sandbox, inbox, input__done="move"), limit=1), inbox)
    assert names_in(inbox) == ["clients.csv"]


def test_a_file_whose_run_ended_with_rows_to_send_stays(inbox: Path) -> None:
    """A file stays if its run ended with 1 and left rows that the next session can send."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD, ("1026", "omar@example.com")])
    with Sandbox(behaviour=Behaviour(fail_share=0.5)) as flaky:
        (summary,) = run(nightly(flaky, inbox, input__done="move", api__attempts=1), inbox)
    assert (summary.exit_code, summary.totals.left) == (ExitCode.NOT_ALL_UPDATED, 1)
    assert names_in(inbox) == ["clients.csv"]


def test_nothing_of_a_sandbox_run_is_delivered_or_moved(
    sandbox: Sandbox, inbox: Path, outbox: Path
) -> None:
    """A sandbox run delivers nothing, since operations would take its results for real ones."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    night = nightly(sandbox, inbox, deliver__dir=outbox, input__done="move")
    (summary,) = run(sent_to(night, sandbox=True), inbox)
    assert (summary.exit_code, summary.delivered) == (ExitCode.DONE, None)
    assert (names_in(inbox), names_in(outbox)) == (["clients.csv"], [])


def test_an_unusable_file_is_moved_with_its_sentence(sandbox: Sandbox, inbox: Path) -> None:
    """An unusable file is moved with a text beside it, for Notepad, that says what is wrong."""
    write_csv(inbox / "clients.csv", [("Nom", "Ville"), ("Sara", "Doha")])
    (summary,) = run(nightly(sandbox, inbox, input__done="move"), inbox)
    assert names_in(inbox / "refused") == ["clients.csv", "clients.csv.txt"]
    text = (inbox / "refused" / "clients.csv.txt").read_text(encoding="utf-8-sig")
    assert text == f"The file could not be used: {summary.sentence}.\n"


def test_a_file_that_cannot_be_moved_says_so(sandbox: Sandbox, inbox: Path) -> None:
    """A file that cannot be moved is reported and stays, and its run is unchanged."""
    write_csv(inbox / "clients.csv", [HEADER, GOOD])
    (inbox / "done").touch()
    night = nightly(sandbox, inbox, input__done="move")
    (summary,) = update_each([inbox / "clients.csv"], night)
    assert (summary.exit_code, summary.not_moved) == (ExitCode.DONE, "File exists")
    assert summary.sentence == "All rows were updated."
    assert names_in(inbox) == ["clients.csv", "done"]


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "clients.csv"])
def test_a_file_is_moved_where_its_sentence_has_no_place(inbox: Path, name: str) -> None:
    """A file is moved even if the name of its sentence's file is too long, or is taken."""
    (inbox / name).touch()
    (inbox / "refused").mkdir()
    (inbox / "refused" / "clients.csv.txt").write_text("an input", encoding="utf-8")
    put_away(inbox / name, "refused", sha256_of(inbox / name), "The file is empty.")
    assert names_in(inbox / "refused") == sorted(["clients.csv.txt", name])
    assert (inbox / "refused" / "clients.csv.txt").read_text(encoding="utf-8") == "an input"


def test_a_file_of_the_same_name_is_not_overwritten(inbox: Path) -> None:
    """A second file of the same name gets another name, since operations reuse names."""
    for content in ("monday", "tuesday", "wednesday"):
        file = inbox / "clients.csv"
        file.write_text(content, encoding="utf-8")
        put_away(file, "done", sha256_of(file))
    kept = {path.name: path.read_text(encoding="utf-8") for path in (inbox / "done").iterdir()}
    assert kept == {
        "clients.csv": "monday",
        "clients (2).csv": "tuesday",
        "clients (3).csv": "wednesday",
    }


def test_a_file_that_changed_meanwhile_stays(inbox: Path) -> None:
    """A file that changed during the run stays, since its new content was not read."""
    file = inbox / "clients.csv"
    file.write_text("new", encoding="utf-8")
    assert put_away(file, "done", "ab" * 32) is None
    assert file.read_text(encoding="utf-8") == "new"
    assert names_in(inbox / "done") == []


def test_a_stopped_night_moves_only_what_is_finished(inbox: Path) -> None:
    """A file that was not started is still there for the next night."""
    for name in ("1.csv", "2.csv"):
        write_csv(inbox / name, [HEADER, (name[0], "sara@example.com")])
    with ScriptedServer([], greeting=None) as gone:
        options: dict[str, Any] = {"api__attempts": 1, "load__stop_after": 1, "input__done": "move"}
        made = job(gone.url, inbox.parent / "runs", **options)
        night = replace(made, folders=frozenset({inbox}))
        summaries = run(night, inbox)
    assert [summary.exit_code for summary in summaries] == [ExitCode.STOPPED] * 2
    assert names_in(inbox) == ["1.csv", "2.csv"]
