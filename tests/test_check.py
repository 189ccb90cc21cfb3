"""``fatora-clients check`` finds every error without sending anything."""

from __future__ import annotations

import gc
import json
from typing import TYPE_CHECKING

import openpyxl
import pytest

from etl.cli import run
from etl.codes import Code
from etl.rows import OF_COMPARING, Status
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


def test_every_problem_is_printed_with_row_column_value_and_fix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All faults of all rows are printed, and what to do about each."""
    assert run(["check", str(write_csv(tmp_path / "c.csv", ROWS))]) == 1
    printed = capsys.readouterr().out
    assert "c.csv: 3 rows; 1 blank row was skipped; 2 to fix" in printed
    assert "ID_NOT_INTEGER, 1 row: The client number is not a whole number\n  Use digits" in printed
    for column, value in (("id", "2.5"), ("email", "b@example"), ("phone", "9.74E+11")):
        assert f"row 3: column “{column}”: “{value}”" in printed
    assert "row 5: column “email”\n" in printed


def test_good_file_ends_with_0(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file without faults has nothing to fix, and ends with 0."""
    assert run(["check", str(write_csv(tmp_path / "c.csv", ROWS[:2]))]) == 0
    assert "1 row; nothing to fix" in capsys.readouterr().out


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """A check creates neither a run folder nor any other file."""
    source = write_csv(tmp_path / "c.csv", ROWS)
    run(["check", str(source)])
    assert list(tmp_path.iterdir()) == [source]


def test_results_of_a_check_show_what_would_be_sent(tmp_path: Path) -> None:
    """--results writes good rows as NOT_SENT, and the others as INVALID with a reason."""
    source = write_csv(tmp_path / "c.csv", ROWS)
    run(["check", str(source), "--results", "out.csv"])
    results = read_csv(tmp_path / "out.csv")
    assert statuses(results) == ["NOT_SENT", "INVALID", "INVALID"]
    assert [bool(row["update_error"]) for row in results] == [False, True, True]


def test_unusable_file_does_not_keep_others_from_being_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each file is checked by itself, and the worst exit code counts."""
    good = write_csv(tmp_path / "good.csv", ROWS)
    assert run(["check", str(tmp_path / "none.csv"), str(good)]) == 3
    printed = capsys.readouterr()
    assert "none.csv: there is no such file" in printed.err
    assert "2 to fix" in printed.out


def test_equal_faults_are_on_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Equal faults are printed once, with the number of rows."""
    rows = [("id", "email"), *((str(row), "none") for row in range(2, 5002))]
    rows[100] = ("9999", "a@example.com")
    assert run(["check", str(write_csv(tmp_path / "c.csv", rows))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "    rows 2-100, 102-5001: column “email”: “none”" in lines
    assert "EMAIL_INVALID, 4,999 rows: The e-mail address is not valid" in lines
    assert len(lines) == 6


def test_rows_with_several_equal_codes_are_counted_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row with three errors of one kind is one row in the count, as in the files of a run."""
    rows = [("id", "email", "name", "phone"), ("1", "#N/A", "#REF!", "#N/A"), ("2", "#N/A", "", "")]
    source = write_csv(tmp_path / "c.csv", [*rows, ("x", "b@", "", ""), ("y", "b@", "", "")])
    assert run(["check", str(source), "--results", str(tmp_path / "c.xlsx")]) == 1
    output = capsys.readouterr().out
    summary = openpyxl.load_workbook(tmp_path / "c.xlsx")["Summary"]
    counts = {cells[0]: cells[1] for cells in summary.iter_rows(max_col=2, values_only=True)}
    for code in ("CELL_ERROR", "EMAIL_INVALID", "ID_NOT_INTEGER"):
        assert f"\n{code}, 2 rows: " in output
        assert counts[code] == 2


def test_skipped_files_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Skipped files are listed, and so is an empty folder."""
    folder = tmp_path / "in"
    folder.mkdir()
    assert run(["check", str(folder)]) == 0
    assert capsys.readouterr().out == "Nothing to do: the folder contains no spreadsheets.\n"
    source = write_csv(folder / "new.csv", ROWS)
    assert run(["check", str(folder)]) == 0
    assert capsys.readouterr().out == f"{source}: skipped for now, because it has just changed\n"


def test_json_has_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The JSON has every problem under the same names as for update."""
    source = write_csv(tmp_path / "c.csv", [*ROWS, ("6", "b@example", "")])
    assert run(["check", str(source), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    problems = facts.pop("problems")
    always = [status for status in Status if status not in OF_COMPARING]
    counts = {**dict.fromkeys(always, 0), Status.INVALID: 3, Status.NOT_SENT: 1}
    assert facts == {
        "input": str(source),
        "exit_code": 1,
        "sentence": "4 rows; 1 blank row was skipped; 3 to fix.",
        "rows": 4,
        "blank_rows": 1,
        "hidden_rows": 0,
        "counts": counts,
        "sent": {"id": "id", "email": "email", "phone": "phone"},
        "not_sent": [],
        "lookalikes": {},
    }
    assert problems[0] == {
        "code": "EMAIL_INVALID",
        "rows": [3, 6],
        "text": "The e-mail address is not valid (column “email”: “b@example”).",
        "fix": Code.EMAIL_INVALID.fix,
    }
    assert {each["code"] for each in problems[1:]} == {
        "ID_NOT_INTEGER",
        "TEXT_DAMAGED",
        "EMAIL_MISSING",
    }


def test_json_of_several_files_is_a_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Several files give a list, in which an unusable file has its sentence."""
    good = write_csv(tmp_path / "good.csv", ROWS[:2])
    assert run(["check", str(good), str(tmp_path / "none.csv"), "--json"]) == 3
    printed = capsys.readouterr()
    facts = json.loads(printed.out)
    assert facts["exit_code"] == 3
    assert [each["exit_code"] for each in facts["runs"]] == [0, 3]
    assert facts["runs"][0]["problems"] == facts["runs"][1]["problems"] == []
    assert facts["runs"][1]["sentence"] in printed.err


def test_json_of_an_empty_folder_is_empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty folder gives an empty list and nothing else."""
    write_csv(tmp_path / "new.csv", ROWS)
    assert run(["check", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"runs": [], "exit_code": 0}


def test_arabic_is_printed_without_marks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bidi marks are not printed, and invisible characters of a value are written out."""
    rows = [("رقم العميل", "البريد الإلكتروني", "ملاحظات أخرى"), ("١٢", "سا\u200fرة@", "")]
    source = write_csv(tmp_path / "c.csv", rows)
    for arguments in ([], ["--json"]):
        assert run(["check", str(source), *arguments]) == 1
        printed = capsys.readouterr().out
        assert "“البريد الإلكتروني”: “سا<U+200F>رة@”" in printed
        assert not set(printed) & set("\u2068\u2069\u200f")


def test_garbage_collector_is_left_as_it_was(tmp_path: Path) -> None:
    """Nothing stays frozen after a check, neither a good one nor that of an unusable file."""
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b"id,email\n1,\xff\n")
    for source, code in ((write_csv(tmp_path / "c.csv", ROWS[:2]), 0), (bad, 3)):
        before = gc.get_freeze_count()
        assert run(["check", str(source)]) == code
        assert gc.get_freeze_count() == before
