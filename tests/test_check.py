"""``fatora-clients check``: what would be wrong, without sending anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from spreadsheets import read_csv, statuses, write_csv

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    ("id", "email", "phone"),
    ("1", "a@example.com", ""),
    ("2.5", "b@example", "9.74E+11"),
    ("", "", ""),
    ("3", "", ""),
]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_problem_is_told_with_row_column_value_and_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All faults of all rows are printed, and what to do about each."""
    assert run(["check", str(write_csv(tmp_path / "c.csv", ROWS))]) == 1
    told = capsys.readouterr().out
    assert "c.csv: 3 rows, 1 blank row passed over; 2 to correct" in told
    assert (
        "ID_NOT_INTEGER, 1 row: the id is not a whole number\n  Write the client's number" in told
    )
    for problem in ("row 3: id `2.5`", "row 3: email `b@example`", "row 3: phone `9.74E+11`"):
        assert problem in told
    assert "row 5: email\n" in told


def test_good_file_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without faults is said to have nothing to correct."""
    assert run(["check", str(write_csv(tmp_path / "c.csv", ROWS[:2]))]) == 0
    assert "1 row; nothing to correct" in capsys.readouterr().out


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """There is no run folder, and nothing else either."""
    source = write_csv(tmp_path / "c.csv", ROWS)
    run(["check", str(source)])
    assert list(tmp_path.iterdir()) == [source]


def test_results_of_a_check_tell_what_would_be_sent(tmp_path: Path) -> None:
    """With --results good rows are NOT_SENT, with a reason, and the others INVALID."""
    source = write_csv(tmp_path / "c.csv", ROWS)
    run(["check", str(source), "--results", "out.csv"])
    results = read_csv(tmp_path / "out.csv")
    assert statuses(results) == ["NOT_SENT", "INVALID", "INVALID"]
    assert all(row["update_error"] for row in results)


def test_unusable_file_does_not_keep_others_from_being_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is checked by itself, and the worst exit code counts."""
    good = write_csv(tmp_path / "good.csv", ROWS)
    assert run(["check", str(tmp_path / "none.csv"), str(good)]) == 3
    told = capsys.readouterr()
    assert "none.csv: there is no such file" in told.err
    assert "2 to correct" in told.out


def test_equal_faults_stand_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file with 5,000 equal faults is readable, and says how many of what there are."""
    rows = [("id", "email"), *((str(row), "none") for row in range(2, 5002))]
    rows[100] = ("9999", "a@example.com")
    assert run(["check", str(write_csv(tmp_path / "c.csv", rows))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "    rows 2-100, 102-5001: email `none`" in lines
    assert "EMAIL_INVALID, 4999 rows: the e-mail address is not valid" in lines
    assert len(lines) == 5


def test_files_that_were_passed_over_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty output would look like a folder in which all is well."""
    folder = tmp_path / "in"
    folder.mkdir()
    assert run(["check", str(folder)]) == 0
    assert capsys.readouterr().out == "Nothing to do: there is no spreadsheet to read.\n"
    source = write_csv(folder / "new.csv", ROWS)
    assert run(["check", str(folder)]) == 0
    assert capsys.readouterr().out == f"{source}: passed over for now, it changed only just\n"
