"""Rework files hold only rows to fix, and rows that are still open are tracked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from etl.jobs.pipeline import update_file
from etl.manifest import Manifest
from etl.rows import OpenRows
from etl.runs.folder import RunsFolder
from etl.runs.listing import Run, entries
from etl.runs.rework import Reworks
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from jobs import job
from spreadsheets import read_csv, read_xlsx, statuses, write_csv, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.context import Context
    from etl.jobs.summary import Summary

HEADER = ("id", "email", "notes")
GOOD = ("1", "sara@example.com", "")
BAD = ("2", "no address", "")
WORSE = ("x", "lina@example.com", "")
REFUSED = ("4", "omar+409@example.com", "")


@pytest.fixture
def night(sandbox: Sandbox, tmp_path: Path) -> Context:
    """Return the job, against the sandbox."""
    return job(sandbox.url, tmp_path / "runs", sandbox.api_key)


def corrected(path: Path, summary: Summary, corrections: dict[str, str]) -> Path:
    """Write the rework as operations submit it, with some texts replaced."""
    assert summary.rework is not None
    text = summary.rework.read_text(encoding="utf-8-sig")
    for wrong, right in corrections.items():
        assert wrong in text
        text = text.replace(wrong, right)
    path.write_text(text, encoding="utf-8")
    return path


def open_rows(night: Context, summary: Summary) -> int:
    """Return how many rows of a run's file are still to be fixed."""
    assert summary.run is not None
    runs = RunsFolder(night.settings.runs.dir)
    found = (entry.manifest for entry in entries(runs) if isinstance(entry, Run))
    return Reworks(runs, {each.run: each for each in found}).open_rows(summary.run).to_fix


def test_rework_holds_only_rows_that_must_be_fixed(tmp_path: Path) -> None:
    """Rework leaves out rows that were not sent, which the original file sends later."""
    rows = [(str(number), f"c{number}@example.com", "") for number in range(10, 40)]
    source = write_xlsx(tmp_path / "clients.xlsx", [HEADER, BAD, REFUSED, *rows])
    with Sandbox(behaviour=Behaviour(fail_share=1)) as broken:
        # With one worker, whose first request is turned away: it is that of the row to refuse.
        night = job(broken.url, tmp_path / "runs", broken.api_key, api__attempts=1, load__workers=1)
        summary = update_file(source, night)
    assert summary.rework is not None
    assert summary.totals.left == 31
    assert statuses(read_xlsx(summary.rework)) == ["INVALID"]
    assert "Fix the row in" in summary.sentence
    assert "run the same file again to send the remaining 31 rows." in summary.sentence


def test_a_run_with_rows_left_but_none_to_fix_has_no_rework(night: Context, tmp_path: Path) -> None:
    """A run without rows to fix has no rework file."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, ("5", "noor@example.com", "")])
    assert update_file(source, replace(night, limit=1)).rework is None


def test_the_manifest_names_the_runs_that_are_reworked(night: Context, tmp_path: Path) -> None:
    """The manifest names the runs whose rows are corrected."""
    first = update_file(write_csv(tmp_path / "1.csv", [HEADER, GOOD, BAD]), night)
    second = update_file(write_csv(tmp_path / "2.csv", [HEADER, WORSE]), night)
    one = corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"})
    other = corrected(tmp_path / "s.csv", second, {})
    one.write_text(
        one.read_text("utf-8") + other.read_text("utf-8").splitlines()[1] + "\n", encoding="utf-8"
    )
    rework = update_file(tmp_path / "r.csv", night)
    assert rework.folder is not None
    manifest = json.loads((rework.folder / "manifest.json").read_bytes())
    assert manifest["reworks"] == [first.run, second.run]
    assert [(each.file, each.to_fix) for each in rework.reworked] == [("1.csv", 0), ("2.csv", 1)]


def test_what_is_open_shrinks_with_each_rework(night: Context, tmp_path: Path) -> None:
    """A row counts as open until a correction of it, or of its correction, was updated."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD, WORSE, REFUSED])
    first = update_file(source, night)
    assert open_rows(night, first) == 3
    addresses = {"no address": "a@example.com"}
    second = update_file(corrected(tmp_path / "r1.csv", first, addresses), night)
    assert open_rows(night, first) == 2
    third = update_file(corrected(tmp_path / "r2.csv", second, {'"x"': '"3"'}), night)
    assert third.reworked == [OpenRows(str(first.run), "clients.csv", to_fix=1, left=0)]
    update_file(corrected(tmp_path / "r3.csv", third, {"omar+409": "omar"}), night)
    assert open_rows(night, first) == 0


def test_deleting_all_but_one_of_a_client_s_rows_closes_them_all(
    night: Context, tmp_path: Path
) -> None:
    """Nothing is open once one of several duplicates was updated and the others were deleted."""
    rows = [("7", "one@example.com", ""), ("7", "two@example.com", "")]
    first = update_file(write_csv(tmp_path / "clients.csv", [HEADER, *rows]), night)
    second = update_file(corrected(tmp_path / "r1.csv", first, {}), night)
    assert open_rows(night, first) == 2
    deleted = '"7","one@example.com"'
    rework = corrected(tmp_path / "r2.csv", second, {})
    kept = [line for line in rework.read_text("utf-8").split("\n") if deleted not in line]
    rework.write_text("\n".join(kept), encoding="utf-8")
    assert update_file(rework, night).totals.updated == 1
    assert open_rows(night, first) == open_rows(night, second) == 0


def test_a_duplicate_that_was_kept_stays_open_until_it_is_updated(
    night: Context, tmp_path: Path
) -> None:
    """A duplicate that a rework keeps is another client's row, and open until it is updated."""
    rows = [("7", "one@example.com", ""), ("7", "two@example.com", "")]
    first = update_file(write_csv(tmp_path / "clients.csv", [HEADER, *rows]), night)
    refused = {'"7","two@example.com"': '"8","two+409@example.com"'}
    assert update_file(corrected(tmp_path / "r.csv", first, refused), night).totals.updated == 1
    assert open_rows(night, first) == 1


def test_rows_corrected_between_two_sessions_are_not_to_be_fixed_again(
    night: Context, tmp_path: Path
) -> None:
    """A resumed run leaves out corrected rows, which a second rework would send with old values."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD, WORSE])
    first = update_file(source, replace(night, limit=0))
    update_file(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    resumed = update_file(source, night)
    assert (resumed.totals.to_fix, resumed.totals.still_to_fix) == (2, 1)
    assert resumed.sentence.startswith(
        "2 of 3 rows were not updated. Later runs corrected 1 row. Fix the row in"
    )
    assert resumed.rework is not None
    assert [row["id"] for row in read_csv(resumed.rework)] == ["x"]


def test_a_resumed_run_whose_rework_was_all_updated_asks_for_nothing(
    night: Context, tmp_path: Path
) -> None:
    """A resumed run whose rework was all updated has no rework file, and its mail says OK."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD])
    first = update_file(source, replace(night, limit=0))
    update_file(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    resumed = update_file(source, night)
    assert resumed.rework is None
    assert resumed.sentence == "1 of 2 rows was not updated. Later runs corrected 1 row."
    assert resumed.exit_code == 1


def test_rows_sent_from_corrected_results_are_not_left_to_send(
    night: Context, tmp_path: Path
) -> None:
    """Rows sent from corrected results do not count as left: the first file has old values."""
    first = update_file(
        write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD]), replace(night, limit=0)
    )
    assert first.results is not None
    text = first.results.read_text("utf-8-sig").replace("no address", "a@example.com")
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    assert update_file(tmp_path / "r.csv", night).reworked == [
        OpenRows(str(first.run), "clients.csv", to_fix=0, left=0)
    ]


def test_a_processed_file_says_how_many_rows_still_need_fixing(
    night: Context, tmp_path: Path
) -> None:
    """The sentence about a processed file counts only the rows that were not corrected yet."""
    source = write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD, WORSE])
    first = update_file(source, night)
    assert "2 rows still need fixing. Use --again" in update_file(source, night).sentence
    update_file(corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night)
    assert "1 row still needs fixing. Use --again" in update_file(source, night).sentence


def test_a_corrected_results_file_counts_as_rework(night: Context, tmp_path: Path) -> None:
    """A corrected results file counts as rework too."""
    first = update_file(write_csv(tmp_path / "clients.csv", [HEADER, GOOD, BAD]), night)
    assert first.results is not None
    text = first.results.read_text("utf-8-sig").replace("no address", "a@example.com")
    (tmp_path / "r.csv").write_text(text, encoding="utf-8")
    assert update_file(tmp_path / "r.csv", night).exit_code == 0
    assert open_rows(night, first) == 0


def test_columns_of_an_earlier_run_are_neither_sent_nor_kept(
    night: Context, tmp_path: Path
) -> None:
    """Columns of an earlier run are neither sent nor kept, and appear only once."""
    first = update_file(write_csv(tmp_path / "clients.csv", [HEADER, BAD]), night)
    again = update_file(
        corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night
    )
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
def test_an_unknown_origin_is_harmless(night: Context, tmp_path: Path, run: str, row: str) -> None:
    """Any content of the origin columns is harmless."""
    header = (*HEADER, "update_run", "update_row")
    source = write_csv(tmp_path / "clients.csv", [header, (*GOOD, run, row)])
    summary = update_file(source, night)
    assert (summary.exit_code, summary.reworked) == (0, [])
    assert summary.folder is not None
    named = Manifest.read(summary.folder / "manifest.json").reworks
    assert named == ((run,) if run.startswith("2020") and row == "2" else ())


def test_a_damaged_rework_closes_nothing(night: Context, tmp_path: Path) -> None:
    """A damaged rework closes no rows, and hides no other run."""
    first = update_file(write_csv(tmp_path / "clients.csv", [HEADER, BAD]), night)
    rework = update_file(
        corrected(tmp_path / "r.csv", first, {"no address": "a@example.com"}), night
    )
    assert open_rows(night, first) == 0
    assert rework.folder is not None
    (rework.folder / "journal.sqlite3").write_bytes(b"x" * 9_000)
    assert open_rows(night, first) == 1
