"""The folder of a run, and the folder of all runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.errors import ConfigError, InconsistentError, InputError
from etl.manifest import InputFacts, Manifest
from etl.runs.folder import RunFolder, RunsFolder
from etl.runs.known import KnownRuns

if TYPE_CHECKING:
    from etl.runs.listing import Run

NOON = datetime(2026, 1, 1, 12, 0, 0, 123_456, tzinfo=UTC)
ACCOUNT = "shop@example.com"
API = "https://api.example.com/v1"
SANDBOX = "http://127.0.0.1/v1"
FACTS = InputFacts("clients.csv", 10, "ab" * 32)


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    """Return the folder of all runs, ready for use."""
    folder = RunsFolder(tmp_path / "data" / "runs")
    folder.prepare()
    return folder


def publish(
    runs: RunsFolder, started: datetime = NOON, facts: InputFacts = FACTS, api: str = API
) -> RunFolder:
    """Stage and publish a run, and return its folder."""
    with runs.staging(started) as staged:
        Manifest(staged.run, api, facts, 1, 0, 0, ACCOUNT).write(staged.manifest)
        return runs.publish(staged)


def same(runs: RunsFolder, facts: InputFacts, api: str, account: str) -> list[Run]:
    """Return the runs of the same bytes and sheet, API and account."""
    return KnownRuns(runs).of_same(facts, api, account)


def mode_of(path: Path) -> int:
    """Return a file's permissions."""
    return path.stat().st_mode & 0o777


# The folder of all runs


def test_the_runs_folder_is_made_and_private(runs: RunsFolder) -> None:
    """The runs folder and its parents are created, are private, and hold no leftover probe."""
    assert mode_of(runs.path) == 0o700
    assert list(runs.path.iterdir()) == []


def test_preparing_again_leaves_everything(runs: RunsFolder) -> None:
    """Preparing a runs folder again changes nothing."""
    run = publish(runs)
    runs.prepare()
    assert [each.run for each in runs.all()] == [run.run]


def test_a_runs_folder_that_cannot_be_written_is_wrong_usage(tmp_path: Path) -> None:
    """A runs folder that cannot be written is an error before anything is sent."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be written .* nothing was sent: .*--runs-dir"):
        RunsFolder(tmp_path / "file" / "runs").prepare()


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_missing_runs_folder_has_no_runs(tmp_path: Path, name: str) -> None:
    """A missing runs folder has no runs, and is not created."""
    (tmp_path / "file").touch()
    runs = RunsFolder(tmp_path / name)
    assert runs.all() == []
    with pytest.raises(ConfigError, match="there is no run “latest”"):
        runs.find("latest")
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_runs_are_listed_the_newest_first(runs: RunsFolder) -> None:
    """The newest run comes first, also across a month's end and within a second."""
    times = [NOON + timedelta(milliseconds=n) for n in (0, 1, 999, 1_000, 31 * 86_400_000)]
    made = [publish(runs, started).run for started in times]
    assert [each.run for each in runs.all()] == made[::-1] == sorted(made, reverse=True)


def test_only_folders_of_runs_are_listed(runs: RunsFolder) -> None:
    """The lock, other folders and staged runs are not listed."""
    run = publish(runs)
    (runs.path / ".lock").touch()
    (runs.path / "notes.txt").touch()
    (runs.path / "old").mkdir()
    with runs.staging(NOON) as staged:
        Manifest(staged.run, API, FACTS, 1, 0, 0, ACCOUNT).write(staged.manifest)
        assert [each.run for each in runs.all()] == [run.run]


# Staging


def test_ids_differ_within_a_millisecond(runs: RunsFolder) -> None:
    """Each id begins with the UTC time of its start and ends with random digits."""
    ids = {publish(runs, NOON).run for _ in range(5)}
    assert len(ids) == 5
    assert all(re.fullmatch(r"20260101T120000\.123Z-[0-9a-f]{6}", each) for each in ids)


def test_a_staged_run_becomes_a_run_as_a_whole(runs: RunsFolder) -> None:
    """Publishing keeps the id, the private mode and all files."""
    with runs.staging(NOON) as staged:
        (staged.path / "input.csv").write_bytes(b"id,email\n")
        Manifest(staged.run, API, FACTS, 1, 0, 0, ACCOUNT).write(staged.manifest)
        assert runs.all() == []
        run = runs.publish(staged)
    assert (run.run, run.path.name) == (staged.run, staged.run)
    assert (run.path / "input.csv").read_bytes() == b"id,email\n"
    assert mode_of(run.path) == 0o700
    assert list(runs.path.iterdir()) == [run.path]


def test_a_run_is_flushed_to_the_disk_before_it_is_seen(
    runs: RunsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The input and both folders are flushed in the right order."""
    flushed: list[str] = []

    def noted(descriptor: int) -> None:
        flushed.append(Path(f"/dev/fd/{descriptor}").resolve().name)

    monkeypatch.setattr(os, "fsync", noted)
    (tmp_path / "clients.csv").touch()
    with runs.staging(NOON) as staged:
        staged.take_input(tmp_path / "clients.csv")
        runs.publish(staged)
    assert flushed == ["input.csv", staged.path.name, runs.path.name]


@pytest.mark.parametrize("error", [InputError("unusable"), KeyboardInterrupt(), None])
def test_a_run_that_is_not_published_leaves_nothing(
    runs: RunsFolder, error: BaseException | None
) -> None:
    """A file that cannot be used leaves no run."""

    def stage() -> None:
        with runs.staging(NOON) as staged:
            (staged.path / "input.csv").touch()
            if error:
                raise error

    if error:
        with pytest.raises(type(error)):
            stage()
    else:
        stage()
    assert list(runs.path.iterdir()) == []


def test_what_a_killed_program_staged_is_cleared_away(runs: RunsFolder) -> None:
    """Leftovers of a killed program are removed, and runs are not."""
    run = publish(runs)
    left = runs.path / ".staging-20251231T120000.000Z-abcdef"
    left.mkdir()
    (left / "input.csv").touch()
    runs.clear_staging()
    assert not left.exists()
    assert [each.run for each in runs.all()] == [run.run]


# Finding


def test_a_run_is_found_by_its_id_a_beginning_of_it_or_as_the_latest(runs: RunsFolder) -> None:
    """A run is found by its id, a unique beginning of it, or as the latest."""
    first = publish(runs, NOON)
    second = publish(runs, NOON + timedelta(days=1))
    assert runs.find(first.run) == runs.find("20260101") == first
    assert runs.find(second.run) == runs.find("20260102") == runs.find("latest") == second


def test_a_run_whose_id_begins_another_is_found(runs: RunsFolder) -> None:
    """A complete id is never ambiguous."""
    run = publish(runs)
    longer = runs.path / f"{run.run}-copy"
    longer.mkdir()
    (longer / "manifest.json").write_bytes(run.manifest.read_bytes())
    assert runs.find(run.run) == run


@pytest.mark.parametrize(
    ("name", "problem"),
    [("2026", "2 runs begin with “2026”"), ("2025", "there is no run “2025”"), ("x", "no run “x”")],
)
def test_a_run_that_is_not_found_or_ambiguous_is_wrong_usage(
    runs: RunsFolder, name: str, problem: str
) -> None:
    """No match, or several, is an error that says where to look."""
    publish(runs, NOON)
    publish(runs, NOON + timedelta(days=1))
    with pytest.raises(ConfigError, match=f"{problem} in .*; see fatora-clients history"):
        runs.find(name)


def test_the_latest_run_of_the_same_bytes_is_found(runs: RunsFolder) -> None:
    """A run is found by the bytes of its file, not by the name."""
    publish(runs, NOON)
    latest = publish(runs, NOON + timedelta(days=1))
    publish(runs, NOON + timedelta(days=2), InputFacts("clients.csv", 10, "cd" * 32))
    match = next(iter(same(runs, InputFacts("renamed.csv", 10, FACTS.sha256), API, ACCOUNT)), None)
    assert match is not None
    assert match.folder == latest
    assert match.manifest.run == latest.run


def test_another_sheet_of_the_same_bytes_is_another_input(runs: RunsFolder) -> None:
    """Each sheet of a workbook is sent on its own."""
    publish(runs, NOON, InputFacts("clients.xlsx", 10, FACTS.sha256, "North"))
    assert (
        list(same(runs, InputFacts("clients.xlsx", 10, FACTS.sha256, "South"), API, ACCOUNT)) == []
    )
    assert list(same(runs, InputFacts("clients.xlsx", 10, FACTS.sha256, None), API, ACCOUNT)) == []
    assert (
        list(same(runs, InputFacts("clients.xlsx", 10, FACTS.sha256, "North"), API, ACCOUNT)) != []
    )


@pytest.mark.parametrize(("made", "asked"), [(API, SANDBOX), (SANDBOX, API)])
def test_a_sandbox_run_does_not_count_for_the_api(runs: RunsFolder, made: str, asked: str) -> None:
    """A sandbox run does not prevent the file from being sent to Fatora."""
    publish(runs, api=made)
    assert list(same(runs, FACTS, asked, ACCOUNT)) == []
    assert list(same(runs, FACTS, made, ACCOUNT)) != []


def test_a_run_against_another_api_does_not_count(runs: RunsFolder) -> None:
    """Runs against another API do not count, but all ports of this machine are one API."""
    publish(runs, api="https://staging.example.com/v1")
    assert list(same(runs, FACTS, API, ACCOUNT)) == []
    publish(runs, NOON + timedelta(days=1), api=SANDBOX)
    assert list(same(runs, FACTS, "http://localhost:8042/v1", ACCOUNT)) != []


@pytest.mark.parametrize(
    ("content", "raises"), [(b"1", True), (b"2", False)], ids=["same", "other"]
)
def test_a_damaged_manifest_is_an_error_for_its_own_file(
    runs: RunsFolder,
    tmp_path: Path,
    content: bytes,
    raises: bool,  # noqa: FBT001
) -> None:
    """A damaged manifest is an error for its own file, and for no other."""
    (tmp_path / "clients.csv").write_bytes(b"1")
    with runs.staging(NOON) as staged:
        staged.take_input(tmp_path / "clients.csv")
        staged.manifest.write_text("{", encoding="utf-8")
        runs.publish(staged)
    facts = replace(FACTS, sha256=hashlib.sha256(content).hexdigest())
    with pytest.raises(InconsistentError) if raises else contextlib.nullcontext():
        assert list(same(runs, facts, API, ACCOUNT)) == []


def test_a_damaged_manifest_without_an_input_is_skipped(runs: RunsFolder) -> None:
    """A damaged manifest without an input, as after pruning, does not stop the search."""
    with runs.staging(NOON) as staged:
        staged.manifest.write_text("{", encoding="utf-8")
        runs.publish(staged)
    assert list(same(runs, FACTS, API, ACCOUNT)) == []


# The folder of one run


@pytest.mark.parametrize("name", ["clients.csv", "CLIENTS.XLSX", "عملاء 2026.xlsm", "a.b.tsv"])
def test_the_input_is_copied_byte_by_byte(runs: RunsFolder, tmp_path: Path, name: str) -> None:
    """The copy keeps the ending, and its size and hash are those of the copied bytes."""
    content = bytes(range(256)) * 9_000
    source = tmp_path / name
    source.write_bytes(content)
    with runs.staging(NOON) as staged:
        facts = staged.take_input(source)
        assert staged.input.read_bytes() == content
        assert staged.input.name == f"input{source.suffix.lower()}"
        assert mode_of(staged.input) == 0o600
    assert facts == InputFacts(name, len(content), hashlib.sha256(content).hexdigest())
    assert source.read_bytes() == content


def test_an_input_that_is_gone_cannot_be_used(runs: RunsFolder, tmp_path: Path) -> None:
    """A file that vanished cannot be used, and the next file is sent."""
    with runs.staging(NOON) as staged, pytest.raises(InputError):
        staged.take_input(tmp_path / "gone.csv")


def test_an_input_that_may_not_be_read_cannot_be_used(
    runs: RunsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without read permission cannot be used; simulated, since root may read anything."""
    source = tmp_path / "clients.csv"
    source.touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with runs.staging(NOON) as staged:
        monkeypatch.setattr(type(source), "open", refuse)
        with pytest.raises(InputError, match="permission denied"):
            staged.take_input(source)


def test_the_files_of_a_run_have_the_names_of_the_contract(tmp_path: Path) -> None:
    """The files of a run have the documented names."""
    run = RunFolder(tmp_path / "20260101T120000.123Z-abcdef")
    files = [run.journal, run.log, run.manifest, run.results(".csv"), run.rework(".xlsx")]
    assert [file.name for file in files] == [
        "journal.sqlite3",
        "run.log",
        "manifest.json",
        "results.csv",
        "rework.xlsx",
    ]
    assert {file.parent for file in files} == {run.path}


def test_every_file_but_the_manifest_is_hashed(runs: RunsFolder) -> None:
    """Every file except the manifest is hashed, in the order of the names."""
    run = publish(runs)
    for name in ("results.csv", "input.csv", "run.log"):
        (run.path / name).write_text(name, encoding="utf-8")
    assert list(run.hashes().items()) == [
        (name, hashlib.sha256(name.encode()).hexdigest())
        for name in ("input.csv", "results.csv", "run.log")
    ]
