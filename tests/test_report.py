"""The results hold every row as it was and what became of it, in files that no program runs."""

from __future__ import annotations

import csv
import itertools
from typing import TYPE_CHECKING

import openpyxl
import pytest

from etl.codes import Code
from etl.errors import InconsistentError
from etl.fields import ResultColumn
from etl.report.sheets import write_table
from etl.report.tables import ReportTable, results_table, rework_table
from etl.rows import Fault, ReportRow, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = ["id", "email", "Branch"]
UPDATED = ReportRow(
    row=2,
    cells=["1024", "sara@example.com", "Doha"],
    client_id=1024,
    status=Status.SUCCESS,
    faults=(),
    warning="the API stored `a` where `b` was sent",
    http_status=200,
    attempts=2,
    time="2025-01-05T01:00:00.000+00:00",
    ms=51,
)
INVALID = ReportRow(
    row=4,
    cells=["x", "", ""],
    client_id=None,
    status=Status.INVALID,
    faults=(
        Fault(Code.ID_NOT_INTEGER, "id `x`: no"),
        Fault(Code.TEXT_DAMAGED, "name: no"),
        Fault(Code.TEXT_DAMAGED, "phone: no"),
    ),
    warning="",
    http_status=None,
    attempts=0,
    time="",
    ms=None,
)
FORMULAS = ["=1+1", "@SUM(A1)", "-1", "+974 33", "\t=1", "\uff1d1", "'=1"]


def columns(table: ReportTable) -> list[dict[str, str]]:
    """Returns the rows of a table by header."""
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def written(path: Path, header: Sequence[str], *rows: list[str]) -> Path:
    """Writes a table in the format of its path's ending."""
    assert write_table(path, ReportTable(header, iter(rows)), path.suffix) == len(rows)
    return path


def test_results_have_the_columns_of_the_input_and_then_their_own() -> None:
    """All columns stand as they were, in their order, and the job's follow."""
    table = results_table(NAMES, iter([]), "run")
    assert table.header == [*NAMES, *(column.header for column in ResultColumn)]


def test_results_tell_what_became_of_an_updated_row() -> None:
    """There is no error where there is success, but there may be a warning."""
    (row,) = columns(results_table(NAMES, iter([UPDATED]), "20250105T010000Z"))
    assert row == {
        "id": "1024",
        "email": "sara@example.com",
        "Branch": "Doha",
        "update_status": "SUCCESS",
        "update_error": "",
        "update_code": "",
        "update_fix": "",
        "update_warning": "the API stored `a` where `b` was sent",
        "update_http_status": "200",
        "update_attempts": "2",
        "update_time": "2025-01-05T01:00:00.000+00:00",
        "update_ms": "51",
        "update_row": "2",
        "update_run": "20250105T010000Z",
    }


def test_results_tell_all_that_is_wrong_with_a_row() -> None:
    """Every fault is told; a code and what to do about it stand there once."""
    (row,) = columns(results_table(NAMES, iter([INVALID]), "run"))
    assert row["update_error"] == "id `x`: no; name: no; phone: no"
    assert row["update_code"] == "ID_NOT_INTEGER; TEXT_DAMAGED"
    assert row["update_fix"] == f"{Code.ID_NOT_INTEGER.fix} {Code.TEXT_DAMAGED.fix}"
    assert (row["update_http_status"], row["update_attempts"], row["update_ms"]) == ("", "0", "")


def test_rework_has_the_columns_of_the_input_and_what_to_correct() -> None:
    """What operations feed back holds no more than they need, and can be dropped again."""
    (row,) = columns(rework_table(NAMES, iter([INVALID]), "run"))
    assert list(row)[:3] == NAMES
    assert list(row)[3:] == ["update_status", "update_error", "update_fix", "update_row"]
    assert (row["id"], row["update_status"], row["update_row"]) == ("x", "INVALID", "4")


def test_rows_are_made_as_they_are_needed() -> None:
    """A report of any length is never held in memory."""
    assert next(results_table(NAMES, itertools.repeat(UPDATED), "run").rows)[0] == "1024"


def test_csv_is_what_excel_opens_without_questions(tmp_path: Path) -> None:
    """UTF-8 with a byte order mark, every cell quoted, lines that end as RFC 4180 says."""
    path = written(tmp_path / "a.csv", ["الاسم", "b"], ['s"ara', ""], ["a\rb", "c\nd"])
    expected = '\ufeff"الاسم","b"\r\n"s""ara",""\r\n"a\rb","c\nd"\r\n'
    assert path.read_bytes() == expected.encode()


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    """What a spreadsheet program would run gets an apostrophe, in the header too; phones do not."""
    path = written(tmp_path / "a.csv", FORMULAS, FORMULAS, ["+97433123456"] * len(FORMULAS))
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, formulas, phones = csv.reader(file)
    assert header == formulas == [f"'{text}" for text in FORMULAS]
    assert phones == ["+97433123456"] * len(FORMULAS)


def test_workbook_holds_text_alone(tmp_path: Path) -> None:
    """No cell is a formula, a number, a link or an error, whatever its text looks like."""
    row = [*FORMULAS[:-1], "1024", "https://example.com", "#N/A", "TRUE", "{=1}", "+97433123456"]
    path = written(tmp_path / "a.xlsx", row, row)
    (sheet,) = openpyxl.load_workbook(path).worksheets
    cells = [cell for line in sheet.iter_rows() for cell in line]
    assert [cell.value for cell in cells] == row * 2
    assert {cell.data_type for cell in cells if cell.value != "#N/A"} == {"s"}
    assert {cell.hyperlink for cell in cells} == {None}
    assert {cell.number_format for cell in cells[len(row) :]} == {"@"}


def test_apostrophe_before_a_formula_is_doubled_in_a_workbook(tmp_path: Path) -> None:
    """Reading takes one off; a name that begins with one is left alone."""
    path = written(tmp_path / "a.xlsx", ["a", "b"], ["'=1", "'Abdulaziz"])
    (_, row) = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
    assert row == ("''=1", "'Abdulaziz")


def test_text_that_is_too_long_for_a_cell_says_that_it_was_cut(tmp_path: Path) -> None:
    """A workbook holds 32767 characters in a cell, and points to where the rest is."""
    path = written(tmp_path / "a.xlsx", ["a", "b"], ["x" * 32_767, "y" * 32_768])
    sheet = openpyxl.load_workbook(path).worksheets[0]
    whole, cut = (str(sheet.cell(2, column).value) for column in (1, 2))
    assert whole == "x" * 32_767
    assert len(cut) == 32_767
    assert cut.endswith("y … cut here; the whole text is in results.csv")


def test_csv_holds_the_whole_text(tmp_path: Path) -> None:
    """Nothing is cut where there is no limit."""
    path = written(tmp_path / "a.csv", ["a"], ["y" * 100_000])
    assert "y" * 100_000 in path.read_text(encoding="utf-8")


def test_table_that_does_not_fit_a_sheet_is_never_cut(tmp_path: Path) -> None:
    """A cell beyond the last one that a sheet has is an error, not left out."""
    table = ReportTable(["x"] * 16_385, iter([]))
    with pytest.raises(InconsistentError, match="row 1 of a workbook could not be written"):
        write_table(tmp_path / "a.xlsx", table, ".xlsx")


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_count_of_rows_is_without_the_header(tmp_path: Path, ending: str) -> None:
    """What is said to be written is what the run compares with the rows it read."""
    table = ReportTable(["id"], iter([["1"], [""], ["3"]]))
    assert write_table(tmp_path / f"a{ending}", table, ending) == 3
    assert write_table(tmp_path / f"b{ending}", ReportTable(["id"], iter([])), ending) == 0
