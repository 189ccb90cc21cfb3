"""A rework file invites no harm, and what is still open after it is known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from etl.outcome import OpenRows
from etl.pipeline import update
from etl.runs.folder import RunsFolder
from etl.runs.manifest import Manifest
from etl.runs.rework import Reworks
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from jobs import job
from spreadsheets import read_csv, read_xlsx, statuses, write_csv, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from etl.outcome import Summary
    from etl.pipeline import Job

HEADER = ("id", "email", "notes")
GOOD = ("1", "sara@example.com", "")
BAD = ("2", "no address", "")
WORSE = ("x", "lina@example.com", "")
REFUSED = ("4", "omar+409@example.com", "")


@pytest.fixture
def night(sandbox: Sandbox, tmp_path: Path) -> Job:
    """The job, against the sandbox."""
    return job(sandbox.url, tmp_path / "runs", sandbox.api_key)


def corrected(path: Path, summary: Summary, corrections: dict[str, str]) -> Path:
    """Write the rows to fix as operations feed them back: some texts replaced by others."""
    assert summary.rework is not None
    text = summary.rework.read_text(encoding="utf-8-sig")
    for wrong, right in corrections.items():
        assert wrong in text
        text = text.replace(wrong, right)
    path.write_text(text, encoding="utf-8")
    return path


def open_rows(night: Job, summary: Summary) -> int:
    """Return how many rows of a run's file are still to be fixed."""
    assert summary.run is not None
    return Reworks(RunsFolder(night.settings.runs.dir)).open_rows(summary.run).to_fix


def test_rework_holds_only_rows_that_must_be_fixed(tmp_path: Path) -> None:
    """After an outage the rows that were not sent stay out: the original file sends them."""
    rows = [(str(number), f"c{number}@example.com", "") for number in range(10, 40)]
    source = write_xlsx(tmp_path / "clients.xlsx", [HEADER, BAD, REFUSED, *rows])
    with Sandbox(behaviour=Behaviour(fail_share=1)) as broken:
        # One worker, so that REFUSED comes first: every second request fails after it was judged.
        options = {"api__attempts": 1, "load__workers": 1}
        night = job(broken.url, tmp_path / "runs", broken.api_key, **options)
        summary = update(source, night)
    assert summary.rework is not None
    assert summary.totals.left == 31
    assert statuses(read_xlsx(summary.rework)) == ["INVALID"]
    assert "Fix the row in" in summary.sentence
    assert "run the same file again to send the remaining 31 rows." in summary.sentence


def test_a_run_with_rows_left_but_none_to_fix_has_no_rework(night: Job, tmp_path: Path) -> None:
    """Nobody is asked to correct what is right."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, ("5", "noor@example.com", "")])
    assert update(source, replace(night, limit=1)).rework is None


def test_the_manifest_names_the_runs_that_are_reworked(night: Job, tmp_path: Path) -> None:
    """The auditor follows a corrected row back to the file in which it was wrong."""
    first = update(write_csv(tmp_path / "1.csv", [HEADER, GOOD, BAD]), night)
    second = update(write_csv(tmp_path / "2.csv", [HEADER, WORSE]), night)
    one = corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"})
    other = corrected(tmp_path / "s.csv", second, {})
    one.write_text(
        one.read_text("utf-8") + other.read_text("utf-8").splitlines()[1] + "\n", encoding="utf-8"
    )
    rework = update(tmp_path / "r.csv", night)
    assert rework.folder is not None
    manifest = json.loads((rework.folder / "manifest.json").read_bytes())
    assert manifest["reworks"] == [first.run, second.run]
    assert [(each.file, each.to_fix) for each in rework.reworked] == [("1.csv", 0), ("2.csv", 1)]


def test_what_is_open_shrinks_with_each_rework(night: Job, tmp_path: Path) -> None:
    """A row counts as open until a correction of it, or of its correction, was updated."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD, WORSE, REFUSED])
    first = update(source, night)
    assert open_rows(night, first) == 3
    addresses = {"no address": "a@example.com"}
    second = update(corrected(tmp_path / "r1.csv", first, addresses), night)
    assert open_rows(night, first) == 2
    third = update(corrected(tmp_path / "r2.csv", second, {'"x"': '"3"'}), night)
    assert third.reworked == [OpenRows(str(first.run), "clients.csv", to_fix=1, left=0)]
    update(corrected(tmp_path / "r3.csv", third, {"omar+409": "omar"}), night)
    assert open_rows(night, first) == 0


def test_a_processed_file_says_how_many_rows_still_need_fixing(night: Job, tmp_path: Path) -> None:
    """Rows whose rework was updated need nothing any more."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD, WORSE])
    first = update(source, night)
    assert "2 rows still need fixing. Use --again" in update(source, night).sentence
    update(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    assert "1 row still needs fixing. Use --again" in update(source, night).sentence


def test_a_corrected_results_file_counts_as_rework(night: Job, tmp_path: Path) -> None:
    """Whoever corrects all results instead of the rework is understood, too."""
    first = update(write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD]), night)
    assert first.results is not None
    text = first.results.read_text("utf-8-sig").replace("no address", "a@example.com")
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    assert update(tmp_path / "r.csv", night).exit_code == 0
    assert open_rows(night, first) == 0


def test_columns_of_an_earlier_run_are_neither_sent_nor_kept(night: Job, tmp_path: Path) -> None:
    """Each run writes its own, under names that stand there once."""
    first = update(write_csv(tmp_path / "clients.csv", [HEADER, BAD]), night)
    again = update(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    assert again.results is not None
    (row,) = read_csv(again.results)
    assert (row["update_run"], row["update_row"]) == (again.run, "2")
    assert [*row][:3] == [*HEADER]


@pytest.mark.parametrize(
    ("run", "row"),
    [
        ("20200101T000000.000Z-abcdef", "2"),
        ("../../etc", "2"),
        ("x" * 40_000, "2"),
        ("", "2"),
        ("20200101T000000.000Z-abcdef", "two"),
        ("20200101T000000.000Z-abcdef", "99999999999999999999"),
    ],
)
def test_an_origin_that_nobody_knows_does_no_harm(
    night: Job, tmp_path: Path, run: str, row: str
) -> None:
    """The cells come from outside: they may hold anything."""
    header = (*HEADER, "update_run", "update_row")
    source = write_csv(tmp_path / "clients.csv", [header, (*GOOD, run, row)])
    summary = update(source, night)
    assert (summary.exit_code, summary.reworked) == (0, [])
    assert summary.folder is not None
    named = Manifest.read(summary.folder / "manifest.json").reworks
    assert named == ((run,) if run.startswith("2020") and row == "2" else ())


def test_a_damaged_rework_closes_nothing(night: Job, tmp_path: Path) -> None:
    """Its original counts as open, and no other run is hidden."""
    first = update(write_csv(tmp_path / "clients.csv", [HEADER, BAD]), night)
    rework = update(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    assert open_rows(night, first) == 0
    assert rework.folder is not None
    (rework.folder / "journal.sqlite3").write_bytes(b"x" * 9_000)
    assert open_rows(night, first) == 1
