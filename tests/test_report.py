"""The results hold every row as it was and what became of it, in files that no program runs."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import openpyxl
import pytest
from openpyxl.utils import get_column_letter

from etl.codes import Code
from etl.errors import InconsistentError, InputError
from etl.extract.table import open_table
from etl.fields import ResultColumn
from etl.outcome import Totals
from etl.report.look import COLOURS, HEADER, OWN_HEADER
from etl.report.sheets import Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import ReportTable, results_table, rework_table
from etl.rows import Fault, ReportRow, Status

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.worksheet import Worksheet

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
FACTS = SummaryFacts(
    file="=1+1\udc80.xlsx",
    run="20250105T010000Z",
    api="https://api.fatora.io/v1",
    started="2025-01-05T01:00:00.000+00:00",
    totals=Totals(
        rows=2,
        hidden_rows=1,
        counts={**dict.fromkeys(Status, 0), Status.SUCCESS: 1, Status.INVALID: 1},
    ),
    codes=dict.fromkeys(Code, 1),
    advice=["Correct 1 row.", "The run stopped early: " + "a reason " * 40],
)
FORMULAS = ["=1+1", "@SUM(A1)", "-1", "+974 33", "\t=1", "\uff1d1", "'=1"]


def columns(table: ReportTable) -> list[dict[str, str]]:
    """Returns the rows of a table by header."""
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def written(path: Path, header: Sequence[str], *rows: list[str]) -> Path:
    """Writes a table in the format of its path's ending."""
    assert write_table(path, ReportTable(header, iter(rows)), path.suffix) == len(rows)
    return path


def styled(path: Path, *rows: ReportRow, right_to_left: bool = False) -> Worksheet:
    """Writes results as a run does, and returns their sheet."""
    table = results_table(NAMES, iter(rows), "run")
    write_table(path, table, ".xlsx", Sheet("Results", right_to_left=right_to_left), FACTS)
    sheet: Worksheet = openpyxl.load_workbook(path)["Results"]
    return sheet


def colours(cell: Cell | MergedCell) -> tuple[str, str]:
    """Returns the fill and the letters of a cell."""
    return f"#{cell.fill.fgColor.rgb[2:]}", f"#{cell.font.color.rgb[2:]}"


def luminance(colour: str) -> float:
    """Returns how bright a colour is (WCAG 2.2, relative luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


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


def test_status_is_told_by_a_colour_and_a_word(tmp_path: Path) -> None:
    """Each status has its own colours; the word stands in the cell."""
    rows = [replace(INVALID, row=number, status=status) for number, status in enumerate(Status, 2)]
    sheet = styled(tmp_path / "a.xlsx", *rows)
    cells = [sheet.cell(number, len(NAMES) + 1) for number in range(2, len(rows) + 2)]
    assert [cell.value for cell in cells] == list(Status)
    assert [colours(cell) for cell in cells] == [COLOURS[status] for status in Status]
    assert len(set(COLOURS.values())) == len(Status)


@pytest.mark.parametrize("pair", [*COLOURS.values(), HEADER, OWN_HEADER])
def test_colours_are_easy_to_read(pair: tuple[str, str]) -> None:
    """Letters stand out from their fill as WCAG 2.2 asks for at its strictest (1.4.6)."""
    dark, light = sorted(map(luminance, pair))
    assert (light + 0.05) / (dark + 0.05) >= 7


def test_header_stays_in_view_and_can_be_filtered_by(tmp_path: Path) -> None:
    """It is frozen and styled, and the filter spans the whole table."""
    sheet = styled(tmp_path / "a.xlsx", UPDATED, INVALID)
    assert sheet.freeze_panes == "A2"
    assert sheet.auto_filter.ref == f"A1:{get_column_letter(len(NAMES) + len(ResultColumn))}3"
    assert colours(sheet.cell(1, 1)) == HEADER
    assert colours(sheet.cell(1, len(NAMES) + 1)) == OWN_HEADER


def test_columns_are_as_wide_as_what_they_hold(tmp_path: Path) -> None:
    """Within limits, by the first rows; the columns of sentences are wide in any case."""
    long = replace(UPDATED, cells=["1024", "x" * 30, "a line\n" * 500])
    sheet = styled(tmp_path / "a.xlsx", long, *[UPDATED] * 100, replace(long, cells=["9" * 99] * 3))
    widths = [
        sheet.column_dimensions[get_column_letter(column)].width
        for column in range(1, len(NAMES) + 5)
    ]
    assert [round(width) for width in widths] == [11, 33, 12, 19, 71, 17, 71]


def test_row_is_as_high_as_its_sentences(tmp_path: Path) -> None:
    """What is wrong can be read without clicking; other rows keep the height of a line."""
    wrong = replace(INVALID, faults=(Fault(Code.TEXT_DAMAGED, "no " * 60),))
    sheet = styled(tmp_path / "a.xlsx", UPDATED, wrong)
    assert (sheet.row_dimensions[2].height, sheet.row_dimensions[3].height) == (None, 45)
    assert sheet.cell(3, len(NAMES) + 2).alignment.wrap_text


def test_what_is_typed_into_a_blank_cell_stays_text(tmp_path: Path) -> None:
    """Where a phone is missing, +974 is typed in; a number it must not become."""
    path = tmp_path / "a.xlsx"
    write_table(path, rework_table(NAMES, iter([INVALID]), "run"), ".xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    columns = list(sheet.column_dimensions.values())
    assert {column.number_format for column in columns} == {"@"}
    assert (columns[0].min, columns[-1].max) == (1, len(NAMES) + 4)


@pytest.mark.parametrize("right_to_left", [False, True])
def test_workbook_reads_in_the_direction_of_its_input(tmp_path: Path, right_to_left: bool) -> None:  # noqa: FBT001
    """All of its sheets do, and the reader sees it again."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED, right_to_left=right_to_left)
    sheets = openpyxl.load_workbook(path).worksheets
    assert [bool(sheet.sheet_view.rightToLeft) for sheet in sheets] == [right_to_left] * 2
    with open_table(path) as table:
        assert table.right_to_left is right_to_left


def test_summary_is_the_first_sheet(tmp_path: Path) -> None:
    """It tells what ran, what became of the rows, each reason, and what to do."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED)
    workbook = openpyxl.load_workbook(path)
    assert workbook.sheetnames == ["Summary", "Results"]
    assert workbook.active is workbook["Summary"]
    lines = [[cell for cell in line if cell] for line in workbook["Summary"].values]
    assert lines[2:8] == [
        ["File", "=1+1<U+DC80>.xlsx"],
        ["Run", "20250105T010000Z"],
        ["Rows", "2 rows, 1 of them hidden"],
        [],
        ["What to do", "Correct 1 row."],
        [FACTS.advice[1].strip()],
    ]
    assert ["SUCCESS", "1", Status.SUCCESS.meaning] in lines
    assert ["UNKNOWN", "0", Status.UNKNOWN.meaning] in lines
    assert lines[-len(Code) :] == [[code.name, "1", code.meaning, code.fix] for code in Code]
    cells = [cell for line in workbook["Summary"].iter_rows() for cell in line if cell.value]
    assert {cell.data_type for cell in cells} == {"s"}


@pytest.mark.parametrize(
    ("name", "used"),
    [("عملاء", "عملاء"), ("summary", "Results"), ("a" * 32, "Results"), ("a/b", "Results")],
)
def test_sheet_has_the_name_that_it_is_to_have(tmp_path: Path, name: str, used: str) -> None:
    """Other programs name their sheets as Excel does not; that is no reason for no results."""
    path = tmp_path / "a.xlsx"
    write_table(path, ReportTable(["id"], iter([["7"]])), ".xlsx", Sheet(name), FACTS)
    assert openpyxl.load_workbook(path).sheetnames == ["Summary", used]


def test_summary_is_never_read_as_rows(tmp_path: Path) -> None:
    """Whatever it tells, the sheet that has the columns is the other one."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED)
    with open_table(path) as table:
        assert table.sheet == "Results"
        assert [record.cells for record in table.records] == [tuple(UPDATED.cells)]
    with (
        pytest.raises(InputError, match="no column for id and email"),
        open_table(path, sheet="Summary"),
    ):
        pass


def test_summary_of_what_went_well_has_no_reasons(tmp_path: Path) -> None:
    """There is no table without lines, and a check has no run."""
    path = tmp_path / "a.xlsx"
    facts = replace(FACTS, codes={}, run="")
    write_table(path, ReportTable(["id"], iter([])), ".xlsx", summary=facts)
    told = [cell for line in openpyxl.load_workbook(path)["Summary"].values for cell in line]
    assert "Reason" not in told
    assert "none" in told
