"""The results hold every row unchanged with its result, in files without formulas."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils import get_column_letter

from etl.codes import Code
from etl.errors import InconsistentError, InputError
from etl.extract.table import open_table
from etl.fields import Field, ResultColumn
from etl.images import FieldChange
from etl.manifest import InputFacts, Manifest
from etl.report.look import COLOURS, FAULTY, HEADER, OWN_HEADER, SANDBOX
from etl.report.sentences import columns_in_words
from etl.report.sheets import Sheet, write_table
from etl.report.summary import SummaryFacts
from etl.report.tables import Line, ReportTable, results_table, rework_table
from etl.rows import Fault, OpenRows, ReportRow, Status, Totals
from pages import APPROVAL, PLAN, session_of
from spreadsheets import read_csv, read_xlsx

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openpyxl.cell.cell import Cell, MergedCell
    from openpyxl.worksheet.dimensions import ColumnDimension
    from openpyxl.worksheet.worksheet import Worksheet

NAMES = ["id", "email", "Branch"]
OWN = [each.header for each in ResultColumn if each is not ResultColumn.UPDATE_CHANGES]
FIELDS = {Field.ID: 0, Field.EMAIL: 1}
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
        Fault(Code.ID_NOT_INTEGER, "The number is wrong (“x”).", Field.ID),
        Fault(Code.EMAIL_MISSING, "The address is missing.", Field.EMAIL),
        Fault(Code.TEXT_DAMAGED, "The name is damaged."),
        Fault(Code.TEXT_DAMAGED, "The phone is damaged."),
    ),
    warning="",
    http_status=None,
    attempts=0,
    time="",
    ms=None,
)
FACTS = SummaryFacts(
    file="=1+1\udc80.xlsx",
    manifest=Manifest(
        run="20250105T010000Z",
        api="https://api.fatora.io/v1",
        input=InputFacts("clients.xlsx", 1_234, "ab" * 32),
        rows=2,
        blank_rows=0,
        hidden_rows=1,
        sessions=(session_of("2025-01-05T01:00:00.000+00:00"),),
    ),
    totals=Totals(
        rows=2,
        hidden_rows=1,
        counts={**dict.fromkeys(Status, 0), Status.SUCCESS: 1, Status.INVALID: 1},
        sent={Field.ID: "رقم العميل", Field.EMAIL: "E-mail"},
        not_sent=["Branch"],
        stored_differently=1,
    ),
    verdict="1 of 2 rows was not updated.",
    codes=dict.fromkeys(Code, 1_000),
    advice=["Fix 1 row.", "The run stopped early: " + "a reason " * 40],
    reworked=[
        OpenRows("20250104T010000Z", "clients.xlsx", to_fix=1, left=1_200),
        OpenRows("20250103T010000Z", "older.xlsx", to_fix=0, left=0),
    ],
)
FORMULAS = ["=1+1", "@SUM(A1)", "-1", "+974 33", "\t=1", "\uff1d1", "'=1"]


def columns(table: ReportTable) -> list[dict[str, str]]:
    """Return the rows of a table by header."""
    return [dict(zip(table.header, row, strict=True)) for row in table.rows]


def table_of(header: Sequence[str], *rows: list[str]) -> ReportTable:
    """Return a table of columns that are not fields."""
    return ReportTable(header, [None] * len(header), map(Line, rows))


def written(path: Path, header: Sequence[str], *rows: list[str]) -> Path:
    """Write a table in the format of its path's ending."""
    assert write_table(path, table_of(header, *rows), path.suffix) == len(rows)
    return path


def styled(path: Path, *rows: ReportRow, right_to_left: bool = False) -> Worksheet:
    """Write results like a run, and return their sheet."""
    table = results_table(NAMES, iter(rows), "run", FIELDS)
    write_table(path, table, ".xlsx", Sheet("Results", right_to_left=right_to_left), FACTS)
    sheet: Worksheet = openpyxl.load_workbook(path)["Results"]
    return sheet


def column_of(sheet: Worksheet, name: str) -> str:
    """Return the letter of the column that has this header."""
    return next(cell.column_letter for cell in sheet[1] if cell.value == name)


def dimension(sheet: Worksheet, index: int) -> ColumnDimension:
    """Return the dimension of a column; equal neighbours share one."""
    dimensions = sheet.column_dimensions.values()
    return next(each for each in dimensions if (each.min or 0) <= index <= (each.max or 0))


def colours(cell: Cell | MergedCell) -> tuple[str, str]:
    """Return the fill and the text colour of a cell."""
    return f"#{cell.fill.fgColor.rgb[2:]}", f"#{cell.font.color.rgb[2:]}"


def luminance(colour: str) -> float:
    """Return how bright a colour is (WCAG 2.2, relative luminance)."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_results_have_the_columns_of_the_input_and_then_their_own() -> None:
    """The input's columns are unchanged and in order, followed by the job's."""
    table = results_table(NAMES, iter([]), "run")
    assert table.header == [*NAMES, *OWN]


def test_results_show_an_updated_row() -> None:
    """An updated row has no error, but may have a warning."""
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


def test_results_say_all_that_is_wrong_with_a_row() -> None:
    """Every fault has its sentence, and each code and fix appears once."""
    (row,) = columns(results_table(NAMES, iter([INVALID]), "run"))
    assert row["update_error"] == (
        "The number is wrong (“x”). The address is missing."
        " The name is damaged. The phone is damaged."
    )
    assert row["update_code"] == "ID_NOT_INTEGER; EMAIL_MISSING; TEXT_DAMAGED"
    fixes = (Code.ID_NOT_INTEGER.fix, Code.EMAIL_MISSING.fix, Code.TEXT_DAMAGED.fix)
    assert row["update_fix"] == " ".join(fixes)
    assert (row["update_http_status"], row["update_attempts"], row["update_ms"]) == ("", "0", "")


def test_rework_has_the_columns_of_the_input_and_what_to_correct() -> None:
    """The rework has the input's columns, and only the columns needed to fix the rows."""
    (row,) = columns(rework_table(NAMES, iter([INVALID]), "run"))
    assert list(row)[:3] == NAMES
    own = ["update_status", "update_error", "update_fix", "update_row", "update_run"]
    assert list(row)[3:] == own
    assert (row["id"], row["update_status"], row["update_row"]) == ("x", "INVALID", "4")


def test_rows_are_made_as_they_are_needed() -> None:
    """Rows are made one by one, so that a report of any length fits in memory."""
    assert next(results_table(NAMES, itertools.repeat(UPDATED), "run").rows)[0] == "1024"


def test_csv_is_what_excel_opens_without_questions(tmp_path: Path) -> None:
    """A CSV is UTF-8 with a byte order mark, with every cell quoted and RFC 4180's line ends."""
    path = written(tmp_path / "a.csv", ["الاسم", "b"], ['s"ara', ""], ["a\rb", "c\nd"])
    expected = '\ufeff"الاسم","b"\r\n"s""ara",""\r\n"a\rb","c\nd"\r\n'
    assert path.read_bytes() == expected.encode()


def test_csv_holds_no_formula(tmp_path: Path) -> None:
    """Formulas get an apostrophe, also in the header; phone numbers do not."""
    path = written(tmp_path / "a.csv", FORMULAS, FORMULAS, ["+97433123456"] * len(FORMULAS))
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, formulas, phones = csv.reader(file)
    assert header == formulas == [f"'{text}" for text in FORMULAS]
    assert phones == ["+97433123456"] * len(FORMULAS)


def test_workbook_has_only_text(tmp_path: Path) -> None:
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
    """An apostrophe before a formula is doubled, since reading removes one."""
    path = written(tmp_path / "a.xlsx", ["a", "b"], ["'=1", "'Abdulaziz"])
    (_, row) = openpyxl.load_workbook(path).worksheets[0].iter_rows(values_only=True)
    assert row == ("''=1", "'Abdulaziz")


def test_text_that_is_too_long_for_a_cell_says_that_it_was_cut(tmp_path: Path) -> None:
    """A text over 32,767 characters is cut, and says where the rest is."""
    path = written(tmp_path / "a.xlsx", ["a", "b"], ["x" * 32_767, "y" * 32_768])
    sheet = openpyxl.load_workbook(path).worksheets[0]
    whole, cut = (str(sheet.cell(2, column).value) for column in (1, 2))
    assert whole == "x" * 32_767
    assert len(cut) == 32_767
    assert cut.endswith("y … cut here; the whole text is in results.csv")


def test_csv_holds_the_whole_text(tmp_path: Path) -> None:
    """A CSV has the whole text."""
    path = written(tmp_path / "a.csv", ["a"], ["y" * 100_000])
    assert "y" * 100_000 in path.read_text(encoding="utf-8")


def test_table_that_does_not_fit_a_sheet_is_never_cut(tmp_path: Path) -> None:
    """A table that does not fit a sheet is an error, and is never cut."""
    table = table_of(["x"] * 16_385)
    with pytest.raises(InconsistentError, match="row 1 of a workbook could not be written"):
        write_table(tmp_path / "a.xlsx", table, ".xlsx")


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_count_of_rows_is_without_the_header(tmp_path: Path, ending: str) -> None:
    """The returned count is the number of rows without the header."""
    table = table_of(["id"], ["1"], [""], ["3"])
    assert write_table(tmp_path / f"a{ending}", table, ending) == 3
    assert write_table(tmp_path / f"b{ending}", table_of(["id"]), ending) == 0


def test_status_has_a_colour_and_a_word(tmp_path: Path) -> None:
    """Each status has its own colours, and its name in the cell."""
    rows = [replace(INVALID, row=number, status=status) for number, status in enumerate(Status, 2)]
    sheet = styled(tmp_path / "a.xlsx", *rows)
    cells = [sheet.cell(number, 2) for number in range(2, len(rows) + 2)]
    assert [cell.value for cell in cells] == list(Status)
    assert [colours(cell) for cell in cells] == [COLOURS[status] for status in Status]
    assert len(set(COLOURS.values())) == len(Status)


@pytest.mark.parametrize("pair", [*COLOURS.values(), FAULTY, HEADER, OWN_HEADER, SANDBOX])
def test_colours_are_easy_to_read(pair: tuple[str, str]) -> None:
    """All colours have the enhanced contrast of WCAG 2.2 (1.4.6)."""
    dark, light = sorted(map(luminance, pair))
    assert (light + 0.05) / (dark + 0.05) >= 7


def test_header_stays_in_view_and_can_be_filtered_by(tmp_path: Path) -> None:
    """The header is frozen with the id, and the filter covers the whole table."""
    sheet = styled(tmp_path / "a.xlsx", UPDATED, INVALID)
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == f"A1:{get_column_letter(len(NAMES) + len(OWN))}3"
    assert colours(sheet.cell(1, 1)) == HEADER
    assert colours(sheet.cell(1, 2)) == OWN_HEADER


def test_columns_are_as_wide_as_what_they_hold(tmp_path: Path) -> None:
    """Columns are as wide as their first rows, within limits; sentences have a fixed width."""
    long = replace(UPDATED, cells=["1024", "x" * 30, "a line\n" * 500])
    late = replace(INVALID, cells=["9" * 99] * 3)
    sheet = styled(tmp_path / "a.xlsx", long, *[UPDATED] * 100, late)
    widths = [
        sheet.column_dimensions[get_column_letter(column)].width
        for column in range(1, len(NAMES) + 4)
    ]
    assert [round(width) for width in widths] == [11, 19, 61, 51, 33, 12]


def test_empty_columns_of_sentences_are_narrow(tmp_path: Path) -> None:
    """Columns of sentences are narrow if they are empty."""
    sheet = styled(tmp_path / "a.xlsx", *[UPDATED] * 3)
    assert sheet.column_dimensions[column_of(sheet, "update_error")].width < 20
    assert sheet.column_dimensions[column_of(sheet, "update_warning")].width > 40


def test_row_is_as_high_as_its_sentences(tmp_path: Path) -> None:
    """A row is as high as its sentences need."""
    wrong = replace(INVALID, faults=(Fault(Code.TEXT_DAMAGED, "no " * 50),))
    sheet = styled(tmp_path / "a.xlsx", UPDATED, wrong)
    assert (sheet.row_dimensions[2].height, sheet.row_dimensions[3].height) == (None, 45)
    assert sheet.cell(3, 3).alignment.wrap_text


def test_what_is_typed_into_a_blank_cell_stays_text(tmp_path: Path) -> None:
    """A value that is typed into a blank cell stays text."""
    path = tmp_path / "a.xlsx"
    write_table(path, rework_table(NAMES, iter([INVALID]), "run", FIELDS), ".xlsx")
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert {dimension(sheet, index).number_format for index in range(1, 9)} == {"@"}
    assert sheet.cell(2, 5).value is None  # the missing e-mail address, which has a colour
    assert sheet.cell(2, 5).number_format == "@"


@pytest.mark.parametrize("right_to_left", [False, True])
def test_workbook_reads_in_the_direction_of_its_input(tmp_path: Path, right_to_left: bool) -> None:  # noqa: FBT001
    """The rows have the input's direction; the summary is left-to-right."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED, right_to_left=right_to_left)
    sheets = openpyxl.load_workbook(path).worksheets
    assert [bool(sheet.sheet_view.rightToLeft) for sheet in sheets] == [right_to_left, False]
    with open_table(path) as table:
        assert table.right_to_left is right_to_left


def lines_of(path: Path) -> list[list[object]]:
    """Return what each line of the summary holds."""
    sheet = openpyxl.load_workbook(path)["Summary"]
    return [[cell for cell in line if cell] for line in sheet.iter_rows(values_only=True)]


def test_rows_are_the_first_sheet_and_the_summary_is_shown_first(tmp_path: Path) -> None:
    """The rows are the first sheet, and the summary is shown first."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED, INVALID)
    workbook = openpyxl.load_workbook(path)
    assert workbook.sheetnames == ["Results", "Summary"]
    assert workbook.active is workbook["Summary"]
    selected = [sheet.sheet_view.tabSelected for sheet in workbook.worksheets]
    assert list(map(bool, selected)) == [False, True]
    assert list(pd.read_excel(path, dtype=str)["update_status"]) == ["SUCCESS", "INVALID"]


def test_summary_says_what_ran_and_what_to_do(tmp_path: Path) -> None:
    """The summary has the outcome, date, file, API, columns, advice and open rows."""
    path = tmp_path / "a.xlsx"
    styled(path, UPDATED)
    lines = lines_of(path)
    assert lines[:17] == [
        ["Results"],
        ["Result", "1 of 2 rows was not updated."],
        ["File", "=1+1<U+DC80>.xlsx"],
        ["Started", "2025-01-05 01:00:00 UTC"],
        ["Run", "20250105T010000Z"],
        ["Fatora API", "https://api.fatora.io/v1"],
        ["Rows", "2 rows, 1 of them hidden"],
        ["Updated", "1 updated, 1 of them stored differently from what was sent"],
        ["Columns", columns_in_words(FACTS.totals)],
        [],
        ["What to do", "Fix 1 row."],
        [FACTS.advice[1]],
        [],
        [
            "Still open after this rework",
            "clients.xlsx (run 20250104T010000Z): 1 row to fix, 1,200 rows to send",
        ],
        ["older.xlsx (run 20250103T010000Z): nothing"],
        [],
        ["Status", "Rows", "Meaning"],
    ]
    assert ["SUCCESS", 1, Status.SUCCESS.meaning] in lines
    assert ["Total", 2] in lines
    assert lines[-len(Code) :] == [[code.name, 1_000, code.meaning, code.fix] for code in Code]


def test_summary_says_what_a_run_changes_and_who_approved_it(tmp_path: Path) -> None:
    """The summary of a run that compares has its plan, its approvals and the run that it undoes."""
    assert FACTS.manifest is not None
    run = replace(FACTS.manifest, undoes="run-1", plan=PLAN, approvals=(APPROVAL,))
    table = results_table(NAMES, iter([UPDATED]), "run", FIELDS, compares=True)
    write_table(tmp_path / "a.xlsx", table, ".xlsx", summary=replace(FACTS, manifest=run))
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Summary"]
    lines = {row[0]: row[1] for row in sheet.iter_rows(values_only=True)}
    assert lines["Undoes"] == "Run run-1"
    assert lines["Changes"] == f"1 of {run.rows} rows change: phone 1, notes 1 (1 emptied), name 1."
    assert str(lines["Approved"]).startswith("2026-11-28 02:15 UTC by mona on desk")


def test_counts_of_the_summary_are_numbers(tmp_path: Path) -> None:
    """The counts are numbers, and every other cell is text."""
    styled(tmp_path / "a.xlsx", UPDATED)
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx")["Summary"]
    cells = [cell for line in sheet.iter_rows() for cell in line if cell.value is not None]
    numbers = [cell for cell in cells if cell.data_type == "n"]
    assert {cell.column_letter for cell in numbers} == {"B"}
    assert len(numbers) == len(Status) + 1 + len(Code)
    assert {cell.number_format for cell in numbers} == {"#,##0"}
    assert {cell.data_type for cell in cells if cell not in numbers} == {"s"}


def on_paper(sheet: Worksheet) -> str:
    """Return the header of each printed page."""
    return str(sheet.oddHeader and sheet.oddHeader.center.text)


def test_every_sheet_of_a_sandbox_run_says_so(tmp_path: Path) -> None:
    """The summary begins with SANDBOX, and each printed page has it."""
    path = tmp_path / "a.xlsx"
    facts = replace(FACTS, totals=replace(FACTS.totals, sandbox=True))
    table = results_table(NAMES, iter([UPDATED]), "run", FIELDS)
    write_table(path, table, ".xlsx", Sheet("Results", sandbox=True), facts)
    rows, summary = openpyxl.load_workbook(path).worksheets
    assert str(summary["A1"].value).startswith("SANDBOX: ")
    assert colours(summary["A1"]) == SANDBOX
    assert "SANDBOX" in on_paper(rows)
    assert rows.sheet_properties.tabColor is not None
    assert rows.sheet_properties.tabColor.rgb == f"FF{SANDBOX[0][1:]}"
    styled(path, UPDATED)
    rows, summary = openpyxl.load_workbook(path).worksheets
    assert "SANDBOX" not in f"{summary['A1'].value}{on_paper(rows)}"


@pytest.mark.parametrize(
    ("name", "used"),
    [("عملاء", "عملاء"), ("summary", "Results"), ("a" * 32, "Results"), ("a/b", "Results")],
)
def test_sheet_keeps_its_name_if_excel_allows_it(tmp_path: Path, name: str, used: str) -> None:
    """A sheet keeps its name, or gets another if Excel does not allow it."""
    path = tmp_path / "a.xlsx"
    write_table(path, table_of(["id"], ["7"]), ".xlsx", Sheet(name), FACTS)
    assert openpyxl.load_workbook(path).sheetnames == [used, "Summary"]


def test_summary_is_never_read_as_rows(tmp_path: Path) -> None:
    """The summary is never taken for the sheet with the rows."""
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
    """The summary of a good run has no reasons, and that of a check has no run."""
    path = tmp_path / "a.xlsx"
    facts = replace(FACTS, codes={}, manifest=None, verdict="No errors found.", reworked=())
    write_table(path, table_of(["id"]), ".xlsx", summary=facts)
    labels = [line[0] for line in lines_of(path) if line]
    assert labels[:5] == ["Check", "Result", "File", "Rows", "Columns"]
    assert not {"Reason", "Run", "Started", "Still open after this rework"} & {*labels}


def test_result_is_beside_the_id_only_in_a_workbook(tmp_path: Path) -> None:
    """A workbook has the result beside the id; the order of a CSV is unchanged."""
    names = ["Branch", "id", "email", "Note"]
    row = replace(UPDATED, cells=["Doha", "1024", "sara@example.com", ""])
    fields = {Field.ID: 1, Field.EMAIL: 2}
    for ending in (".csv", ".xlsx"):
        table = results_table(names, iter([row]), "run", fields)
        write_table(tmp_path / f"a{ending}", table, ending)
    assert list(read_csv(tmp_path / "a.csv")[0]) == [*names, *OWN]
    (cells,) = read_xlsx(tmp_path / "a.xlsx")
    first = ["update_status", "update_error", "update_fix"]
    assert list(cells)[:7] == ["Branch", "id", *first, "email", "Note"]
    assert list(cells)[7:10] == ["update_code", "update_warning", "update_row"]
    assert sorted(cells) == sorted([*names, *OWN])
    assert (cells["Branch"], cells["update_status"], cells["update_run"]) == (
        "Doha",
        "SUCCESS",
        "run",
    )


def test_what_changes_is_beside_the_id_in_the_workbook_of_a_run_that_compares(
    tmp_path: Path,
) -> None:
    """The column of changes exists only if a run compares; it is wide, and it wraps."""
    change = FieldChange(Field.EMAIL, "sara@example.org", "sara@example.com")
    row = replace(UPDATED, changes=[change] * 3)
    table = results_table(NAMES, iter([row]), "run", FIELDS, compares=True)
    write_table(tmp_path / "a.xlsx", table, ".xlsx")
    (cells,) = read_xlsx(tmp_path / "a.xlsx")
    first = ["update_status", "update_error", "update_fix", "update_changes"]
    assert list(cells)[1:5] == first
    assert str(cells["update_changes"]).startswith(
        "email: “sara@example.org” → “sara@example.com”;"
    )
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert dimension(sheet, 5).width > 55
    assert sheet.cell(2, 5).alignment.wrap_text
    assert sheet.row_dimensions[2].height == 45


def test_details_are_folded_away(tmp_path: Path) -> None:
    """The details are a collapsed group at the end."""
    sheet = styled(tmp_path / "a.xlsx", UPDATED)
    names = [str(cell.value) for cell in sheet[1]]
    hidden = [name for index, name in enumerate(names, 1) if dimension(sheet, index).hidden]
    details = ["http_status", "attempts", "time", "ms", "run"]
    assert hidden == [f"update_{name}" for name in details] == names[-len(details) :]
    assert dimension(sheet, len(names)).outlineLevel == 1
    assert dimension(sheet, len(names) + 1).collapsed


def test_only_the_header_is_frozen_where_the_id_is_far_to_the_right(tmp_path: Path) -> None:
    """If the id is far to the right, only the header is frozen."""
    names = [*map("a column {}".format, range(9)), "id"]
    row = replace(UPDATED, cells=["x" * 30] * 9 + ["1024"])
    write_table(
        tmp_path / "a.xlsx", results_table(names, iter([row]), "run", {Field.ID: 9}), ".xlsx"
    )
    assert openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0].freeze_panes == "A2"


def test_faulty_cell_has_a_colour_and_a_note(tmp_path: Path) -> None:
    """A faulty cell, also a blank one, has a colour and a note that says how to fix it."""
    unknown = Fault(Code.API_NOT_FOUND, "Fatora has no such client.")
    refused = replace(INVALID, status=Status.REJECTED, faults=(unknown,))
    sheet = styled(tmp_path / "a.xlsx", UPDATED, INVALID, refused)
    email = column_of(sheet, "email")
    for cell, fault in (
        ("A3", INVALID.faults[0]),
        (f"{email}3", INVALID.faults[1]),
        ("A4", unknown),
    ):
        assert colours(sheet[cell]) == FAULTY
        note = sheet[cell].comment
        assert note is not None
        assert note.text == f"{fault.text}\nHow to fix it: {fault.code.fix}"
    noted = [cell.coordinate for line in sheet.iter_rows() for cell in line if cell.comment]
    assert sorted(noted) == sorted(["A3", f"{email}3", "A4"])
    red = [
        cell.coordinate
        for line in sheet["A2:Z4"]
        for cell in line
        if cell.fill.fgColor.rgb[2:] == FAULTY[0][1:]
    ]
    assert sorted(red) == sorted(noted)


def test_one_cell_with_two_faults_has_one_note(tmp_path: Path) -> None:
    """A cell with two faults has one note with both."""
    twice = replace(
        INVALID,
        faults=tuple(
            Fault(code, f"{code.name}.", Field.ID) for code in (Code.ID_DUPLICATE, Code.CELL_MERGED)
        ),
    )
    note = styled(tmp_path / "a.xlsx", twice)["A2"].comment
    assert note is not None
    assert [line for line in note.text.splitlines() if line.isupper()] == [
        "ID_DUPLICATE.",
        "CELL_MERGED.",
    ]


def test_notes_are_bounded_and_colours_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of notes is limited, to save memory; colours are not."""
    monkeypatch.setattr("etl.report.sheets._NOTED", 3)
    sheet = styled(tmp_path / "a.xlsx", *[INVALID] * 4)
    notes = [cell for line in sheet.iter_rows() for cell in line if cell.comment]
    assert len(notes) == 3
    assert colours(sheet["A5"]) == FAULTY


def test_workbook_prints_legibly_on_a4(tmp_path: Path) -> None:
    """A workbook prints on A4 landscape, as wide as the page, with its header on every page."""
    names = ["id", "email", *map("Column {}".format, range(30))]
    row = replace(INVALID, cells=["x", *["a value of some length"] * 31])
    write_table(tmp_path / "a.xlsx", results_table(names, iter([row]), "run", FIELDS), ".xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "a.xlsx").worksheets[0]
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)
    assert (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight) == (1, 0)
    assert sheet.print_title_rows == "$1:$1"
    printed = sheet[sheet.print_area.split("!")[-1].replace("$", "")][0]
    widths = [dimension(sheet, cell.column).width for cell in printed]
    assert [cell.value for cell in printed][:5] == [
        "id",
        "update_status",
        "update_error",
        "update_fix",
        "email",
    ]
    assert 180 < sum(widths) < 225  # characters: 8 points or so on this paper


def test_paper_shows_no_details(tmp_path: Path) -> None:
    """The collapsed details are not printed."""
    sheet = styled(tmp_path / "a.xlsx", UPDATED)
    assert sheet.print_area.endswith(f"${column_of(sheet, 'update_row')}$2")


@pytest.mark.parametrize("name", ["id", "email", "update_status", "update_error", "update_fix"])
def test_english_is_read_from_left_to_right(tmp_path: Path, name: str) -> None:
    """English and phone numbers are left-to-right, also in a right-to-left sheet."""
    sheet = styled(tmp_path / "a.xlsx", UPDATED, INVALID, right_to_left=True)
    letter = column_of(sheet, name)
    cells = [cell for cell in (sheet[f"{letter}2"], sheet[f"{letter}3"]) if cell.has_style]
    assert {cell.alignment.readingOrder for cell in cells} <= {1}
    assert sheet[f"{column_of(sheet, 'Branch')}2"].alignment.readingOrder == 0
