"""Promises about every table and row, tested with generated ones."""

from __future__ import annotations

import csv
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.codes import Code
from etl.extract.header import header_key, known_names
from etl.extract.table import open_table
from etl.fields import Field, ResultColumn
from etl.report.sheets import write_table
from etl.report.tables import Line, ReportTable
from etl.rows import Record
from etl.text import guard_formula, is_blank, strip_edges, unguard_formula
from etl.validate.checking import ColumnRules, check_records

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# No read cell has a NUL, which a CSV may not contain, or half of a surrogate pair.
CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
# Characters with a meaning in a spreadsheet: quotes, delimiters, line ends, formulas, escapes.
TRICKY = st.text(st.sampled_from("'\"=+-@\t\r\n\x1a,;| _x000D<&>\uff1d\ufeff\u200b\u2028٩7aس"))
TEXTS = st.text(CHARACTERS, max_size=12) | TRICKY
OWN = {header_key(column.header) for column in ResultColumn}
KNOWN = known_names({})
UNSENT = TEXTS.filter(lambda name: header_key(name) not in OWN | KNOWN.keys())

NAMES = ("Client ID", "E-mail", "Name", "Phone", "Branch")
RULES = ColumnRules(
    names=NAMES,
    columns={Field.ID: 0, Field.EMAIL: 1, Field.NAME: 2, Field.PHONE: 3},
    max_lengths=dict.fromkeys(Field, 30),
)
GOOD = ("1024", "sara@example.com", "Sara", "+97433123456", "Doha")
BAD = {
    0: ["", "abc", "0", "1024.7", "-3", "1e3", "#N/A", "9" * 31],
    1: ["", "sara", "sa ra@example.com", "#REF!", "sara@example.com, a@example.com"],
    2: ["\ufffd", "\0", "#VALUE!", "x" * 31],
    3: ["9.74E+11", "97\u200b4", "\x07"],
}
FAULTY_CELLS = st.sampled_from([(column, text) for column, texts in BAD.items() for text in texts])
FAULTY_MARKS = st.sampled_from([(column, None) for column in BAD])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    """Draw headers, including the required ones, and rows with a cell for each."""
    header = ["id", *draw(st.lists(UNSENT, max_size=4)), "email"]
    row = st.lists(TEXTS, min_size=len(header), max_size=len(header))
    return header, draw(st.lists(row, max_size=6))


@st.composite
def records(draw: st.DrawFn) -> tuple[Record, set[int]]:
    """Draw a record, and the columns in it that were made invalid."""
    cells = [*GOOD[:4], draw(TEXTS)]
    marks = {}
    bad = draw(st.lists(FAULTY_CELLS | FAULTY_MARKS, max_size=3, unique_by=lambda each: each[0]))
    for column, text in bad:
        if text is None:
            marks[column] = Code.CELL_MERGED
        else:
            cells[column] = text
    return Record(2, tuple(cells), marks), {column for column, _ in bad}


def numbered(drawn: list[tuple[Record, set[int]]]) -> list[Record]:
    """Return the records with row numbers as a file has them."""
    return [
        Record(row, record.cells, record.marks) for row, (record, _) in enumerate(drawn, start=2)
    ]


@given(TEXTS)
@example("'=1")
@example("''+974")
def test_reading_removes_the_guard(text: str) -> None:
    """Text that is written as a CSV cell is read as the same text."""
    assert unguard_formula(guard_formula(text)) == text


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
@settings(UNHURRIED, max_examples=60)
@given(table=tables())
@example(table=(["id", "'=x", "email"], [["'=1", "''+974", "'+974"], ["_x000D_", "\r", "\r\n"]]))
def test_table_that_is_written_is_read_as_the_same_cells(
    ending: str, table: tuple[list[str], list[list[str]]]
) -> None:
    """A table that is written is read with the same headers, cells and row numbers."""
    header, rows = table
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"results{ending}"
        written = ReportTable(header, [None] * len(header), map(Line, rows))
        assert write_table(path, written, ending) == len(rows)
        with open_table(path) as read:
            cells = {record.row: list(record.cells) for record in read.records}
    assert list(read.names) == header
    assert cells == {
        number: row for number, row in enumerate(rows, 2) if not all(map(is_blank, row))
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
@settings(UNHURRIED, max_examples=15)
@given(table=tables(), end=st.sampled_from(["\n", "\r\n", "\r"]), declared=st.booleans())
def test_table_in_any_dialect_is_read_as_the_same_cells(
    delimiter: str,
    codec: str,
    table: tuple[list[str], list[list[str]]],
    end: str,
    declared: bool,  # noqa: FBT001 - Hypothesis passes it by name
) -> None:
    """Delimiter, encoding, line end and a ``sep=`` line change nothing in what is read."""
    header, rows = table
    guarded = [[guard_formula(cell) for cell in row] for row in (header, *rows)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clients.csv"
        with path.open("w", encoding=codec, newline="") as file:
            file.write(f"sep={delimiter}{end}" if declared else "")
            writer = csv.writer(
                file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL
            )
            writer.writerows(guarded)
        with open_table(path) as read:
            cells = {record.row: list(record.cells) for record in read.records}
    assert list(read.names) == header
    assert cells == {
        number: row for number, row in enumerate(rows, 2) if not all(map(is_blank, row))
    }


@settings(UNHURRIED, max_examples=25)
@given(drawn=st.lists(records(), max_size=20))
def test_every_record_comes_out_once_and_in_order(drawn: list[tuple[Record, set[int]]]) -> None:
    """Faults never lose, repeat or move a row."""
    given_records = numbered(drawn)
    assert [row.record for row in check_records(given_records, RULES)] == given_records


@settings(UNHURRIED, max_examples=25)
@given(drawn=st.lists(records(), min_size=1, max_size=20))
def test_rows_have_faults_exactly_where_a_sent_cell_is_bad(
    drawn: list[tuple[Record, set[int]]],
) -> None:
    """Rows have faults exactly for their invalid cells."""
    rows = list(check_records(numbered(drawn), RULES))
    wrong = [{RULES.columns[fault.field] for fault in row.faults if fault.field} for row in rows]
    assert wrong == [bad for _, bad in drawn]
    for fault in (fault for row in rows for fault in row.faults):
        assert fault.field
        assert f"(column “{NAMES[RULES.columns[fault.field]]}”" in fault.text


@settings(UNHURRIED, max_examples=25)
@given(ids=st.lists(st.text(st.sampled_from("0012٣۴\uff15.,-+_eE x\u200f")), max_size=20))
def test_accepted_id_is_the_number_in_its_cell(ids: list[str]) -> None:
    """An accepted id is the number in its cell, in any spelling."""
    rows = [Record(row, (text, *GOOD[1:])) for row, text in enumerate(ids, 2)]
    for checked, text in zip(check_records(rows, RULES), ids, strict=True):
        if checked.client_id is not None and not checked.faults:
            assert Decimal(strip_edges(text)) == checked.client_id > 0


@settings(UNHURRIED, max_examples=25)
@given(names=st.lists(TEXTS, max_size=20))
def test_accepted_name_is_sent_unchanged(names: list[str]) -> None:
    """No character of a name is lost, converted or composed on its way to the API."""
    rows = [Record(row, (*GOOD[:2], text, *GOOD[3:])) for row, text in enumerate(names, 2)]
    for checked, text in zip(check_records(rows, RULES), names, strict=True):
        if not checked.faults:
            assert checked.body.get("name", "") == ("" if is_blank(text) else text)
