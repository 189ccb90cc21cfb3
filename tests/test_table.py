"""A spreadsheet becomes one table under one header, with every data row once, or is refused."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

from etl.codes import Code
from etl.errors import InputError
from etl.extract.table import Tally, open_table
from etl.fields import Field, ResultColumn
from etl.rows import Change, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Sheets = Mapping[str, Sequence[Sequence[object]]]
    SaveCsv = Callable[[str | bytes], Path]
    SaveXlsx = Callable[[Sheets], Path]

SARA = "sara@example.com"
CLIENTS = [["id", "email"], ["1", SARA]]
RECORD = Record(2, ("1", SARA))


@pytest.fixture
def csv(tmp_path: Path) -> SaveCsv:
    """Returns a function that saves a CSV."""

    def _save(content: str | bytes) -> Path:
        path = tmp_path / "clients.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _save


@pytest.fixture
def xlsx(tmp_path: Path) -> SaveXlsx:
    """Returns a function that saves a workbook with these rows in these sheets."""

    def _save(sheets: Sheets) -> Path:
        book = openpyxl.Workbook(write_only=True)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        path = tmp_path / "clients.xlsx"
        book.save(path)
        return path

    return _save


def records(path: Path, sheet: str | None = None) -> list[Record]:
    """Returns all data rows of a file."""
    with open_table(path, sheet=sheet) as table:
        return list(table.records)


def refusal(path: Path) -> str:
    """Returns the sentence with which a file is refused."""
    with pytest.raises(InputError) as refused:
        records(path)
    return str(refused.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_with_the_delimiter_that_finds_the_columns(
    csv: SaveCsv, delimiter: str
) -> None:
    """The delimiter is not sniffed: cells with many other delimiters do not matter."""
    path = csv(f'id{delimiter}email{delimiter}"a,b;c|d"\n1{delimiter}{SARA}{delimiter}",;|,;|"\n')
    with open_table(path) as table:
        assert (table.sheet, table.names) == (None, ("id", "email", "a,b;c|d"))
        assert list(table.records) == [Record(2, ("1", SARA, ",;|,;|"))]


@pytest.mark.parametrize("ending", [".xlsx", ".XLSX", ".xlsm"])
def test_workbook_is_recognised_by_its_ending(xlsx: SaveXlsx, ending: str) -> None:
    """A workbook may have macros, and its ending may be in upper case."""
    path = xlsx({"Clients": CLIENTS})
    assert records(path.rename(path.with_suffix(ending))) == [RECORD]


def test_header_may_be_below_title_lines(csv: SaveCsv) -> None:
    """Titles, dates and blank lines above the header count as lines but are not rows."""
    path = csv(f"Clients of Fatora\n\n;;\n2025;id\nid;email\n1;{SARA}\n")
    assert records(path) == [Record(6, ("1", SARA))]


def test_header_is_not_looked_for_far_down(csv: SaveCsv) -> None:
    """A header below the first 30 rows belongs to another table."""
    assert records(csv("\n" * 29 + f"id,email\n1,{SARA}\n")) == [Record(31, ("1", SARA))]
    assert refusal(csv("\n" * 30 + "id,email\n")).startswith("the first 30 rows are blank;")


def test_columns_keep_their_order_and_names(csv: SaveCsv) -> None:
    """Columns that are not sent are kept, even with a blank or repeated name."""
    with open_table(csv(f"Branch,E-MAIL,,Branch,رقم العميل,\nA,{SARA},x,B,1,\n")) as table:
        assert table.names == ("Branch", "E-MAIL", "", "Branch", "رقم العميل")
        assert table.columns == {Field.EMAIL: 1, Field.ID: 4}
        assert list(table.records) == [Record(2, ("A", SARA, "x", "B", "1"))]


def test_columns_of_a_previous_run_are_dropped(csv: SaveCsv) -> None:
    """A corrected results file is read like the spreadsheet that it came from."""
    own = ",".join(column.header for column in ResultColumn)
    filled = ",".join("x" for _ in ResultColumn)
    with open_table(csv(f"{own},id,UPDATE_FIX,email\n{filled},1,x,{SARA}\n")) as table:
        assert (table.names, table.columns) == (("id", "email"), {Field.ID: 0, Field.EMAIL: 1})
        assert list(table.records) == [RECORD]


def test_aliases_of_the_configuration_find_columns(csv: SaveCsv) -> None:
    """An alias from the configuration works like a built-in one."""
    with open_table(csv(f"KdNr,mail\n1,{SARA}\n"), aliases={Field.ID: ["kdnr"]}) as table:
        assert table.columns == {Field.ID: 0, Field.EMAIL: 1}


def test_named_encoding_is_used(csv: SaveCsv) -> None:
    """A CSV in the encoding of Arabic Windows is read if the encoding is named."""
    with open_table(csv(f"id,email\n1,{SARA}س\n".encode("cp1256")), encoding="cp1256") as table:
        assert list(table.records) == [Record(2, ("1", f"{SARA}س"))]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("id,name\n1,Sara\n", "no column for email among the headers in row 1: “id”, “name”;"),
        (
            'x\n"name, full";phone;y\n',
            "no column for id and email among the headers in row 2: “name, full”, ",
        ),
        ("id\n1\n", "no column for email among the headers in row 1: “id”;"),
        ("id;name\n1;Sara\n", "no column for email among the headers in row 1: “id”, “name”;"),
        ("\n  \n", "the first 30 rows are blank; put the column headers, at least id and email,"),
        ("id,email,E-Mail\n", "row 1 has two columns for email: “email” and “E-Mail”;"),
        ("id,name,name,email\n", "row 1 has two columns for name: “name” and “name”;"),
        ("id,email\n1,a,b\n", "line 2 has a value (“b”) beyond the last header; delete it"),
        (
            'id,email\n"1\n",a\n2,a,, ,b\n',
            "line 4 has a value (“b”) beyond the last header; delete it",
        ),
        ("id,email\n1,a\n2", "line 3, the last one, is incomplete: it has fewer cells"),
        ("id,email\n1,a\nTotal: 2 rows", "line 3, the last one, is incomplete: it has fewer cells"),
        ('id,email\n1,"a\n', "line 2 starts a record that cannot be read"),
        ('id,"email\n1,a\n', "line 1 starts a record that cannot be read"),
        ('"id,email\n1,a\n', "line 1 starts a record that cannot be read"),
        ("id,email\n1,a\0\n", "line 2 has a NUL character"),
    ],
)
def test_csv_that_is_not_certain_is_refused(csv: SaveCsv, content: str, sentence: str) -> None:
    """A file without the columns is refused in a sentence that lists its headers."""
    assert refusal(csv(content)).startswith(sentence)


def test_refused_csv_is_closed_at_once(csv: SaveCsv) -> None:
    """A file that is refused in the middle is not left open until Python collects its garbage."""
    path = csv('x\n"name, full";phone;y\n')
    gc.disable()
    try:
        refusal(path)
        opened = [each.resolve() for each in Path("/proc/self/fd").iterdir()]
    finally:
        gc.enable()
    assert path.resolve() not in opened


def test_later_header_is_named_where_it_comes_closer(csv: SaveCsv) -> None:
    """The message lists the headers of the row with the most fields."""
    assert "the headers in row 2: “id”, “phone”;" in refusal(csv("a,b,c\nid,phone\n1,2\n"))


def test_headers_in_a_message_keep_their_order(csv: SaveCsv) -> None:
    """If one header is Arabic, all are isolated: each stays between its quotation marks."""
    assert "row 1: “\u2068id\u2069”, “\u2068الاسم\u2069”;" in refusal(csv("id,الاسم\n1,سارة\n"))
    both = refusal(csv("id,البريد,email\n"))
    assert "email: “\u2068البريد\u2069” and “\u2068email\u2069”;" in both


def test_header_that_fits_two_delimiters_is_refused(csv: SaveCsv) -> None:
    """The message speaks of delimiters, since a CSV has no sheets."""
    assert refusal(csv("id;email;x,id,email\n")).startswith(
        "several delimiters lead to the required columns: “comma”, “semicolon”; put a line above"
    )


def test_columns_that_look_like_fields_are_found(csv: SaveCsv) -> None:
    """Once all records have been read, it is known which columns may be left out by mistake."""
    with open_table(
        csv(f"id,email,Nom,Kontakt,Branch\n1,{SARA},Sara,+97433123456,Doha\n")
    ) as table:
        assert len(list(table.records)) == 1
        assert table.lookalikes.found == {"Nom": Field.NAME, "Kontakt": Field.PHONE}


def test_formula_that_is_a_text_is_read_as_its_text(csv: SaveCsv) -> None:
    """`="text"` is text in every column, also in the header; in a sent one there is a warning."""
    path = csv(f'="id",email,phone,Branch\n="7",{SARA},"=""00974""","=""Doha, Qatar"""\n')
    with open_table(path) as table:
        assert table.names == ("id", "email", "phone", "Branch")
        (record,) = table.records
    assert record.cells == ("7", SARA, "00974", "Doha, Qatar")
    words = "the formula {} was read as its text"
    assert record.changes == {0: Change(words, ('="7"',)), 2: Change(words, ('="00974"',))}


def test_row_of_empty_formulas_is_blank(csv: SaveCsv) -> None:
    """`=""` shows nothing, within the header and beyond it."""
    assert records(csv(f'id,email\n1,{SARA},="",\n="",=""\n')) == [RECORD]


def test_formula_in_a_workbook_is_text_as_shown(xlsx: SaveXlsx) -> None:
    """A text that Excel shows with its equals sign keeps it."""
    path = xlsx({"Clients": [["id", "email", "name"], ["1", SARA, '\'="x"']]})
    assert records(path) == [Record(2, ("1", SARA, '="x"'))]


def test_blank_cells_beyond_the_header_are_no_fault(csv: SaveCsv) -> None:
    """Commas at the end of a line, with or without blanks, are ignored."""
    assert records(csv(f"id,email,,\n1,{SARA},,, ,\u200b\n")) == [RECORD]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\x1a"])
def test_last_record_that_is_whole_needs_no_line_end(csv: SaveCsv, end: str) -> None:
    """A file without a last line end is fine if its last record has all its cells."""
    assert records(csv(f"id,email\n1,{SARA}" + end.replace("\x1a", "\n\x1a"))) == [RECORD]


def test_short_record_is_malformed_where_a_required_column_is_cut_off(csv: SaveCsv) -> None:
    """The missing cells are blank; only a missing required cell is a fault."""
    assert records(csv(f"id,name,email,notes\n1,Sara\n2,Omar,{SARA}\n")) == [
        Record(2, ("1", "Sara", "", ""), {2: Code.ROW_MALFORMED}),
        Record(3, ("2", "Omar", SARA, "")),
    ]


def test_row_of_a_workbook_is_never_cut_off(xlsx: SaveXlsx) -> None:
    """A workbook omits blank cells: a missing email is missing, not malformed."""
    path = xlsx({"Clients": [["id", "name", "email"], ["1", "Sara"], [None, "Omar"]]})
    assert records(path) == [Record(2, ("1", "Sara", "")), Record(3, ("", "Omar", ""))]


def test_blank_rows_are_counted_and_skipped(csv: SaveCsv) -> None:
    """Rows that look empty are not data, and the other rows keep their numbers."""
    with open_table(csv(f"id,email,notes\n\n,,\n1,{SARA},\n \t,\u200b,\n2,,\n")) as table:
        rows = [(record.row, record.cells[0]) for record in table.records]
        assert rows == [(4, "1"), (6, "2")]
        assert table.tally == Tally(blank_rows=3)


def test_blank_rows_that_a_workbook_omits_are_counted(tmp_path: Path) -> None:
    """Only the blank rows between the header and the last row count."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for cell in ("A3", "A6", "A9", "A10"):
        sheet[cell] = {"A3": "id"}.get(cell, "1")
    sheet["B3"], sheet["A1"], sheet["A40"] = "email", "Clients", " "
    book.save(tmp_path / "clients.xlsx")
    with open_table(tmp_path / "clients.xlsx") as table:
        assert [record.row for record in table.records] == [6, 9, 10]
        assert table.tally == Tally(blank_rows=2 + 2 + 1)


def test_row_with_only_results_is_blank(csv: SaveCsv) -> None:
    """The columns of a previous run do not turn an empty row into a client."""
    with open_table(csv("id,email,update_row\n,,7\n")) as table:
        assert list(table.records) == []
        assert table.tally.blank_rows == 1


def test_long_cell_is_a_fault_of_its_row_alone(csv: SaveCsv) -> None:
    """A cell longer than the default limit of Python's ``csv`` is read."""
    with open_table(csv(f'id,email,notes\n1,{SARA},"{"x" * 200_000}"\n')) as table:
        assert [len(record.cells[2]) for record in table.records] == [200_000]


def test_file_with_only_a_header_has_no_records(csv: SaveCsv) -> None:
    """A file with only a header can be used and has no rows."""
    assert records(csv("id,email\n")) == []


def test_cells_are_read_for_the_field_of_their_column(xlsx: SaveXlsx) -> None:
    """A mark has the index among the kept columns, and only sent columns have marks."""
    large = 2**60
    header = ["update_row", "Branch", "phone", "id", "email"]
    path = xlsx({"Clients": [header, [1, large, large, 1024.0, SARA]]})
    assert records(path) == [
        Record(2, (str(large), str(large), "1024", SARA), {1: Code.TEXT_DAMAGED})
    ]


@pytest.mark.parametrize("sheet", [None, "Clients"])
def test_sheet_with_the_columns_is_read(xlsx: SaveXlsx, sheet: str | None) -> None:
    """The one sheet with the columns is read, whether or not it is named."""
    path = xlsx({"Legend": [["Code", "Meaning"], ["A", "b"]], "Clients": CLIENTS, "Empty": []})
    assert records(path, sheet) == [RECORD]


@pytest.mark.parametrize("second", [CLIENTS, [["id", "email", "mail"]]])
def test_several_sheets_with_the_columns_are_refused(
    xlsx: SaveXlsx, second: list[list[str]]
) -> None:
    """If several sheets have the columns, `--sheet` must choose one of them."""
    path = xlsx({"2024": CLIENTS, "2025": second})
    assert refusal(path) == (
        "several sheets have the required columns: “2024”, “2025”; hide the ones that should not be"
        " sent, or choose one with --sheet"
    )
    assert records(path, "2024") == [RECORD]


def test_two_columns_for_one_field_are_named_whatever_else_a_workbook_holds(xlsx: SaveXlsx) -> None:
    """Another sheet does not hide the error in the one with the columns."""
    path = xlsx({"Legend": [["Code", "Meaning"]], "Clients": [["id", "email", "mail"]]})
    assert refusal(path).startswith("row 1 has two columns for email: “email” and “mail”;")


def test_value_without_a_header_in_a_workbook_is_refused(xlsx: SaveXlsx) -> None:
    """The sentence has the row number that Excel shows."""
    path = xlsx({"Clients": [["Clients"], [], *CLIENTS, ["2", SARA, None, "x"]]})
    assert refusal(path).startswith("row 5 has a value (“x”) beyond the last header;")
