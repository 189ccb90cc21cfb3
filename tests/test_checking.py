"""Each record comes out with all that is wrong with it, and with a body only of what is sent."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from etl.codes import Code
from etl.fields import Field
from etl.rows import Record
from etl.validate.checking import ColumnRules, check_records

if TYPE_CHECKING:
    from etl.rows import CheckedRow

NAMES = ("Branch", "Client ID", "E-mail", "Name", "Phone", "Notes")
GOOD = ("Doha", "1024", "sara@example.com", "Sara", "+974331", "VIP")
RULES = ColumnRules(
    names=NAMES,
    columns={Field.ID: 1, Field.EMAIL: 2, Field.NAME: 3, Field.PHONE: 4, Field.NOTES: 5},
    max_lengths=dict.fromkeys(Field, 40),
)


def record(changes: dict[str, str], marks: dict[str, Code] | None = None, row: int = 2) -> Record:
    """Returns a good record with these changes and marks, by header."""
    cells = tuple(changes.get(name, cell) for name, cell in zip(NAMES, GOOD, strict=True))
    return Record(row, cells, {NAMES.index(name): code for name, code in (marks or {}).items()})


def checked(record: Record, rules: ColumnRules = RULES) -> CheckedRow:
    """Returns what comes of a record."""
    (row,) = check_records([record], rules)
    return row


def test_good_row_has_a_body_and_no_faults() -> None:
    """The body holds every field that is sent but the id, keyed as the API wants it."""
    good = record({})
    row = checked(good)
    assert (row.record, row.client_id, row.faults, row.warnings) == (good, 1024, (), ())
    assert row.body == {
        "email": "sara@example.com",
        "name": "Sara",
        "phone": "+974331",
        "notes": "VIP",
    }


def test_text_is_sent_as_written() -> None:
    """Of names and notes every character is sent, of an email all but its outer white space."""
    row = checked(
        record({"E-mail": " Sara@Example.com\t", "Name": " Sa\u0301ra ", "Notes": "a\nb"})
    )
    assert row.body["email"] == "Sara@Example.com"
    assert (row.body["name"], row.body["notes"]) == (" Sa\u0301ra ", "a\nb")
    assert row.warnings == ()


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\x0b"])
def test_blank_cell_leaves_the_stored_value_alone(blank: str) -> None:
    """An optional cell in which nothing is seen is not sent, and is no fault."""
    row = checked(record({"Name": blank, "Phone": blank, "Notes": blank}))
    assert (dict(row.body), row.faults) == ({"email": "sara@example.com"}, ())


def test_blank_cell_empties_the_stored_value_where_that_is_set() -> None:
    """Only the fields that the configuration says are cleared, and only those with a column."""
    cleared = frozenset({Field.NOTES, Field.ADDRESS})
    rules = ColumnRules(NAMES, RULES.columns, RULES.max_lengths, cleared)
    row = checked(record({"Name": "", "Notes": " "}), rules)
    assert row.body == {"email": "sara@example.com", "phone": "+974331", "notes": ""}


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        (
            {"Client ID": "1024.7 "},
            "ID_NOT_INTEGER",
            "Client ID `1024.7 `: the id is not a whole number",
        ),
        ({"Client ID": ""}, "ID_MISSING", "Client ID: the id is missing"),
        (
            {"E-mail": "sa\u200fra@example.com"},
            "EMAIL_INVALID",
            "E-mail `sa<U+200F>ra@example.com`: the e-mail address is not valid",
        ),
        ({"Notes": "x" * 41}, "TEXT_TOO_LONG", f"Notes `{'x' * 41}`: the text is too long"),
    ],
)
def test_fault_names_its_column_and_quotes_the_cell(
    changes: dict[str, str], code: str, text: str
) -> None:
    """The column is named as in the file, the value quoted as it stands there."""
    (fault,) = checked(record(changes)).faults
    assert (fault.code.name, fault.text) == (code, text)


def test_all_faults_of_a_row_are_reported_together() -> None:
    """Operations correct a row once."""
    faults = checked(
        record({"Client ID": "x", "E-mail": "", "Phone": "9E+11", "Name": "#N/A"})
    ).faults
    assert [fault.code for fault in faults] == [
        Code.ID_NOT_INTEGER,
        Code.EMAIL_MISSING,
        Code.CELL_ERROR,
        Code.TEXT_DAMAGED,
    ]


def test_column_that_is_not_sent_has_no_faults() -> None:
    """Errors and damage in the operator's own columns are kept as they are."""
    row = checked(record({"Branch": "#N/A\0"}, {"Branch": Code.CELL_MERGED}))
    assert row.faults == ()


@pytest.mark.parametrize("name", ["Client ID", "E-mail", "Name", "Phone", "Notes"])
def test_mark_of_a_sent_cell_is_a_fault(name: str) -> None:
    """What was wrong with a cell before it became text is not forgotten."""
    (fault,) = checked(record({}, {name: Code.CELL_MERGED})).faults
    assert fault.code is Code.CELL_MERGED
    assert fault.text.startswith(f"{name} `")


def test_mark_comes_before_what_its_text_tells() -> None:
    """A cell that is cut off is malformed, not missing."""
    (fault,) = checked(record({"E-mail": ""}, {"E-mail": Code.ROW_MALFORMED})).faults
    assert fault.code is Code.ROW_MALFORMED


@pytest.mark.parametrize(
    ("changes", "marks"),
    [({"Client ID": "x"}, {}), ({"Client ID": ""}, {}), ({}, {"Client ID": Code.TEXT_DAMAGED})],
)
def test_unusable_id_is_no_client(changes: dict[str, str], marks: dict[str, Code]) -> None:
    """Nobody is looked up by an id that is damaged or is none."""
    assert checked(record(changes, marks)).client_id is None


def test_row_that_is_invalid_besides_keeps_its_client() -> None:
    """So that it is compared with the other rows of that id."""
    assert checked(record({"E-mail": "x"}, {"Name": Code.CELL_MERGED})).client_id == 1024


@pytest.mark.parametrize("text", [" 1024 ", "1024.0", "01024", "١٠٢٤", "\u200f1024"])
def test_id_is_the_same_however_it_is_spelt(text: str) -> None:
    """Blanks, zeros, marks and digits of other scripts do not make another client."""
    assert checked(record({"Client ID": text})).client_id == 1024


def test_change_of_a_value_is_warned_of() -> None:
    """Each warning names the column and what was done to its cell."""
    row = checked(record({"Phone": "٩٧٤", "E-mail": "\u200esara@example.com"}))
    assert row.body["phone"] == "974"
    assert row.warnings == (
        "E-mail: unseen characters at the ends were taken off",
        "Phone: the digits of `٩٧٤` were mapped to `974`",
    )


def test_rows_keep_their_order_over_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are validated in chunks, and each has its own faults still, the last chunk's too."""
    monkeypatch.setattr("etl.validate.checking._MOST_ROWS", 3)
    ids = ["1", "x", "3", "4", "", "6", "y"]
    records = [record({"Client ID": text}, row=10 * place) for place, text in enumerate(ids, 1)]
    rows = list(check_records(records, RULES))
    assert [row.record for row in rows] == records
    assert [row.client_id for row in rows] == [1, None, 3, 4, None, 6, None]
    assert [len(row.faults) for row in rows] == [0, 1, 0, 0, 1, 0, 1]


def test_records_are_read_no_further_than_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with the file: a chunk is validated before the next is read."""
    monkeypatch.setattr("etl.validate.checking._MOST_ROWS", 3)
    endless = (record({}, row=row) for row in itertools.count(2))
    rows = check_records(endless, RULES)
    assert [row.record.row for row in itertools.islice(rows, 4)] == [2, 3, 4, 5]
    assert next(endless).row == 8


def test_no_records_are_no_rows() -> None:
    """A file with a header alone is validated too."""
    assert list(check_records([], RULES)) == []
