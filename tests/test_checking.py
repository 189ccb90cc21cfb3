"""Each record gets all its faults, and a body of only the values to send."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.codes import Code
from etl.fields import Field
from etl.rows import Change, Record
from etl.text import quote, without_isolates
from etl.validate.checking import ColumnRules, check_records
from etl.validate.duplicates import duplicate_fault
from foreign import FOREIGN, is_readable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    """Returns a record after validation."""
    (row,) = check_records([record], rules)
    return row


def test_good_row_has_a_body_and_no_faults() -> None:
    """The body has every field except the id, with the API's keys."""
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
    """Names and notes are sent unchanged, an email without outer white space."""
    row = checked(
        record({"E-mail": " Sara@Example.com\t", "Name": " Sa\u0301ra ", "Notes": "a\nb"})
    )
    assert row.body["email"] == "Sara@Example.com"
    assert (row.body["name"], row.body["notes"]) == (" Sa\u0301ra ", "a\nb")
    assert row.warnings == ()


@pytest.mark.parametrize("blank", ["", " ", "\u200b", "\x0b"])
def test_blank_cell_leaves_the_stored_value_alone(blank: str) -> None:
    """An optional cell that looks empty is not sent, and is not a fault."""
    row = checked(record({"Name": blank, "Phone": blank, "Notes": blank}))
    assert (dict(row.body), row.faults) == ({"email": "sara@example.com"}, ())


def test_blank_cell_empties_the_stored_value_if_that_is_set() -> None:
    """Only the configured fields are cleared, and only if they have a column."""
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
            "The client number is not a whole number (column “Client ID”: “1024.7 ”).",
        ),
        (
            {"Client ID": ""},
            "ID_MISSING",
            "The client number is missing (column “Client ID”).",
        ),
        (
            {"E-mail": "sa\u200fra@example.com"},
            "EMAIL_INVALID",
            "The e-mail address is not valid (column “E-mail”: “sa<U+200F>ra@example.com”).",
        ),
        (
            {"Notes": "x" * 41},
            "TEXT_TOO_LONG",
            f"The text is too long (column “Notes”: “{'x' * 41}”).",
        ),
    ],
)
def test_fault_names_its_column_and_quotes_the_cell(
    changes: dict[str, str], code: str, text: str
) -> None:
    """A fault has the header and the value as they are in the file."""
    (fault,) = checked(record(changes)).faults
    assert (fault.code.name, fault.text) == (code, text)


def test_all_faults_of_a_row_are_reported_together() -> None:
    """Operations see all faults at once, so that they correct a row only once."""
    faults = checked(
        record({"Client ID": "x", "E-mail": "", "Phone": "9E+11", "Name": "#N/A"})
    ).faults
    assert [fault.code for fault in faults] == [
        Code.ID_NOT_INTEGER,
        Code.EMAIL_MISSING,
        Code.CELL_ERROR,
        Code.TEXT_DAMAGED,
    ]
    assert " ".join(fault.text for fault in faults) == (
        "The client number is not a whole number (column “Client ID”: “x”)."
        " The e-mail address is missing (column “E-mail”)."
        " The cell contains an Excel error (such as #N/A) (column “Name”: “#N/A”)."
        " Excel changed this value and the original is lost (column “Phone”: “9E+11”)."
    )


def test_arabic_header_and_value_are_isolated_together() -> None:
    """An Arabic header does not change the order of the sentence and of the value after it."""
    rules = ColumnRules(("رقم العميل", "e"), {Field.ID: 0, Field.EMAIL: 1}, {})
    (fault,) = checked(Record(2, ("1024.5", "a@example.com")), rules).faults
    assert fault.text == (
        "The client number is not a whole number"
        " (column “\u2068رقم العميل\u2069”: “\u20681024.5\u2069”)."
    )


def test_column_that_is_not_sent_has_no_faults() -> None:
    """Errors and damage in the operator's own columns do not matter."""
    row = checked(record({"Branch": "#N/A\0"}, {"Branch": Code.CELL_MERGED}))
    assert row.faults == ()


@pytest.mark.parametrize("name", ["Client ID", "E-mail", "Name", "Phone", "Notes"])
def test_mark_of_a_sent_cell_is_a_fault(name: str) -> None:
    """A fault from reading the cell is reported like one from validation."""
    (fault,) = checked(record({}, {name: Code.CELL_MERGED})).faults
    assert fault.code is Code.CELL_MERGED
    assert fault.text.startswith(f"{Code.CELL_MERGED.meaning} (column “{name}”: “")


def test_mark_comes_before_the_fault_of_the_text() -> None:
    """A cell that is cut off is malformed, not missing."""
    (fault,) = checked(record({"E-mail": ""}, {"E-mail": Code.ROW_MALFORMED})).faults
    assert fault.code is Code.ROW_MALFORMED


@pytest.mark.parametrize(
    ("changes", "marks"),
    [({"Client ID": "x"}, {}), ({"Client ID": ""}, {}), ({}, {"Client ID": Code.TEXT_DAMAGED})],
)
def test_row_with_an_unusable_id_has_no_client(
    changes: dict[str, str], marks: dict[str, Code]
) -> None:
    """A row whose id is damaged or not a number belongs to no client."""
    assert checked(record(changes, marks)).client_id is None


def test_row_with_other_faults_keeps_its_client() -> None:
    """The row can be compared with the other rows of that id."""
    assert checked(record({"E-mail": "x"}, {"Name": Code.CELL_MERGED})).client_id == 1024


@pytest.mark.parametrize("text", [" 1024 ", "1024.0", "01024", "١٠٢٤", "\u200f1024"])
def test_id_is_the_same_in_any_spelling(text: str) -> None:
    """Blanks, leading zeros, marks and digits of other scripts do not change the id."""
    assert checked(record({"Client ID": text})).client_id == 1024


def test_change_of_a_value_is_a_warning() -> None:
    """Each warning names the column and says what was changed."""
    row = checked(record({"Phone": "٩٧٤", "E-mail": "\u200esara@example.com"}))
    assert row.body["phone"] == "974"
    assert row.warnings == (
        "Column “E-mail”: invisible characters at the ends were removed",
        (
            "Column “\u2068Phone\u2069”: the digits in “\u2068٩٧٤\u2069” were converted to"
            " “\u2068974\u2069”"
        ),
    )


def test_change_by_reading_is_a_warning_too() -> None:
    """Braces in a header or a value are text."""
    change = Change("the value {} was used", ("{0} {",))
    read = Record(2, ("7", "a@example.com", "{0} {"), changes={2: change})
    rules = ColumnRules(("i", "e", "{n}"), {Field.ID: 0, Field.EMAIL: 1, Field.NOTES: 2}, {})
    assert checked(read, rules).warnings == ("Column “{n}”: the value “{0} {” was used",)


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(header=FOREIGN, value=FOREIGN)
def test_fault_is_an_english_sentence_whatever_it_quotes(header: str, value: str) -> None:
    """Our words come first, isolates are balanced, and without them the sentence is the same."""
    rules = ColumnRules((header, "e"), {Field.ID: 0, Field.EMAIL: 1}, {})
    row = checked(Record(2, (value, "a@example.com"), {0: Code.CELL_MERGED}), rules)
    texts = [fault.text for fault in row.faults]
    texts += [*row.warnings, duplicate_fault(header, 7, 2, [2, 3], 2).text]
    for text in texts:
        assert is_readable(text)
    name, quoted = without_isolates(quote(header)), without_isolates(quote(value))
    cell = f"{name}: {quoted}" if value else name
    assert without_isolates(texts[0]) == f"{Code.CELL_MERGED.meaning} (column {cell})."


def checked_cells(name: str, texts: Sequence[str]) -> list[CheckedRow]:
    """Returns good records with these texts in one of their columns, after validation."""
    records = [record({name: text}, row=row) for row, text in enumerate(texts, 2)]
    return list(check_records(records, RULES))


ID_TEXTS = st.one_of(
    st.text("0123456789٣.,eE+-_ \u066b\u066c\u00a0'", max_size=12),
    st.from_regex(r"[0-9]{1,4}([.,]0{1,4}){0,3}", fullmatch=True),
)


@settings(max_examples=20, deadline=None)
@given(st.lists(ID_TEXTS, min_size=1, max_size=200))
def test_id_that_passes_is_the_number_that_its_digits_say(texts: list[str]) -> None:
    """Whatever the text, it is a whole number, or one with zeros that cannot be thousands."""
    for row, text in zip(checked_cells("Client ID", texts), texts, strict=True):
        if row.client_id is not None:
            whole, point, zeros = text.strip().partition(".")
            assert int(whole) == row.client_id
            assert set(zeros) == ({"0"} if point else set())
            assert len(zeros) != 3 or len(whole) > 3


SPELLINGS = [
    *("{}", "+{}", "{}.0", "{},0", "{:e}", "{:E}", "{:.2e}", "{:.2E}", "{:.1f}", "{:,}"),
    *("{:.0E}", "{}e3", "{}E0", "0{}", "{:.15g}", "{:.6g}", "{:.17g}", "+{:.2E}", " {:.2E} "),
]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 10**18), st.sampled_from(SPELLINGS), st.booleans()),
        min_size=1,
        max_size=200,
    )
)
def test_phone_that_passes_has_the_digits_of_the_number(
    phones: list[tuple[int, str, bool]],
) -> None:
    """However a program spells a number, its digits are sent, or the row has a fault."""
    texts = [spelling.format(number) for number, spelling, _ in phones]
    texts = [
        text.replace(".", ",") if comma else text
        for text, (_, _, comma) in zip(texts, phones, strict=True)
    ]
    for row, text, (number, _, _) in zip(checked_cells("Phone", texts), texts, phones, strict=True):
        if not row.faults:
            digits = re.sub(r"[^0-9]", "", row.body["phone"])
            assert digits.lstrip("0") == str(number), text


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(" \t\n\u00a0\u3000", max_size=3),
            st.sampled_from(["#N/A", "#NV", "Err:502", "Err :522", "Loading...", "#ERROR!", "###"]),
            st.sampled_from([str, str.lower, str.upper, str.title]),
            st.text(" \t\n\u00a0\u3000", max_size=3),
        ),
        min_size=1,
        max_size=200,
    )
)
def test_error_text_is_never_sent(errors: list[tuple[str, str, Callable[[str], str], str]]) -> None:
    """Neither white space around it nor another case makes an error a name."""
    texts = [before + change(error) + after for before, error, change, after in errors]
    for row in checked_cells("Name", texts):
        assert [fault.code for fault in row.faults] == [Code.CELL_ERROR]


def test_rows_keep_their_order_across_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are validated in chunks, but each gets its own faults, in the last chunk too."""
    monkeypatch.setattr("etl.validate.checking._MOST_ROWS", 3)
    ids = ["1", "x", "3", "4", "", "6", "y"]
    records = [record({"Client ID": text}, row=10 * place) for place, text in enumerate(ids, 1)]
    rows = list(check_records(records, RULES))
    assert [row.record for row in rows] == records
    assert [row.client_id for row in rows] == [1, None, 3, 4, None, 6, None]
    assert [len(row.faults) for row in rows] == [0, 1, 0, 0, 1, 0, 1]


def test_records_are_read_only_as_far_as_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk is validated before the next is read, so that memory does not grow."""
    monkeypatch.setattr("etl.validate.checking._MOST_ROWS", 3)
    endless = (record({}, row=row) for row in itertools.count(2))
    rows = check_records(endless, RULES)
    assert [row.record.row for row in itertools.islice(rows, 4)] == [2, 3, 4, 5]
    assert next(endless).row == 8


def test_no_records_are_no_rows() -> None:
    """A file with only a header has nothing to validate."""
    assert list(check_records([], RULES)) == []
