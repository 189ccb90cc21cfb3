"""A cell becomes the text that a person sees in it, or says why that cannot be known."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest

from etl.codes import Code
from etl.extract.cells import CellText, TypedCell, to_text
from etl.fields import Field


@pytest.mark.parametrize(
    "text", ["000123", "+97433123456", "NA", "None", "TRUE", "1e5", "#N/A", " a ", "'Abdulaziz", ""]
)
def test_text_stays_as_it_is(text: str) -> None:
    """A text is no number, no missing value and no error, whatever it looks like."""
    assert to_text(text, Field.NAME) == CellText(text)


@pytest.mark.parametrize("field", [Field.PHONE, Field.NOTES, None])
def test_guarded_text_loses_its_apostrophe(field: Field | None) -> None:
    """The apostrophe that kept a spreadsheet program from running a cell is not part of it."""
    assert to_text("'+974 3312", field) == CellText("+974 3312")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (97433123456.0, "97433123456"),
        (1024, "1024"),
        (-3, "-3"),
        (-0.0, "0"),
        (0.1 + 0.2, "0.3"),
        (123456789.125, "123456789.125"),
        (1024.5, "1024.5"),
        (-0.5, "-0.5"),
    ],
)
@pytest.mark.parametrize("field", [*Field, None])
def test_number_is_its_digits(value: float, text: str, field: Field | None) -> None:
    """A number is written in full, to the 15 digits that Excel keeps, in every column."""
    assert to_text(TypedCell(value), field) == CellText(text)


@pytest.mark.parametrize("number_format", ["00000000", "+0", "#,##0.00", "0.00E+00"])
def test_number_in_the_id_ignores_its_format(number_format: str) -> None:
    """An id is its exact digits, whatever its cell shows around them."""
    assert to_text(TypedCell(1024.0, number_format), Field.ID) == CellText("1024")


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (551234.0, "00000000", "00551234"),
        (551234.0, "000", "551234"),
        (7, "00", "07"),
        (551234.0, "+0", "+551234"),
        (551234.0, "+#;-#", "+551234"),
        (551234.0, '"+"0', "+551234"),
        (551234.0, r"\+#", "+551234"),
        (551234.0, "General", "551234"),
        (551234.0, "@", "551234"),
        (551234.0, "0", "551234"),
    ],
)
def test_phone_has_the_zeros_and_the_plus_of_its_format(
    value: float, number_format: str, text: str
) -> None:
    """What the display format of a phone puts before its digits is dialled too."""
    assert to_text(TypedCell(value, number_format), Field.PHONE) == CellText(text)


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE])
@pytest.mark.parametrize("value", [2.0**53 + 2, -(2.0**53) - 2, 2**53 + 1, float("inf")])
def test_number_beyond_what_excel_keeps_is_damaged(field: Field, value: float) -> None:
    """An id or phone of which the last digits are lost for certain is never sent."""
    assert to_text(TypedCell(value), field).fault is Code.TEXT_DAMAGED


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE])
def test_largest_exact_number_is_kept(field: Field) -> None:
    """Up to 2^53 every digit is there."""
    assert to_text(TypedCell(2.0**53), field) == CellText("9007199254740992")


@pytest.mark.parametrize("field", [Field.NAME, Field.NOTES, None])
def test_large_number_elsewhere_is_no_fault(field: Field | None) -> None:
    """In other columns a large number is a text like any other."""
    assert to_text(TypedCell(1e20), field) == CellText("1" + "0" * 20)


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE, Field.NOTES])
def test_truth_value_is_the_word_that_excel_shows(field: Field) -> None:
    """TRUE is never the number 1."""
    assert to_text(TypedCell(value=True), field) == CellText("TRUE")
    assert to_text(TypedCell(value=False), field) == CellText("FALSE")


MOMENTS = [
    (datetime(2024, 1, 5), "2024-01-05"),  # noqa: DTZ001 - cells have no time zone
    (datetime(2024, 1, 5, 13, 30), "2024-01-05 13:30:00"),  # noqa: DTZ001 - the same
    (date(2024, 1, 5), "2024-01-05"),
    (time(13, 30), "13:30:00"),
    (timedelta(days=1, hours=12), "1 day, 12:00:00"),
]


@pytest.mark.parametrize(("value", "text"), MOMENTS)
def test_date_whose_look_cannot_be_told_is_written_out_and_flagged(
    value: date | time | timedelta, text: str
) -> None:
    """A date is written in ISO 8601, without a midnight that nobody typed."""
    found = to_text(TypedCell(value), Field.NOTES)
    assert (found.text, found.fault) == (text, None)
    assert found.change is not None


@pytest.mark.parametrize(("value", "text"), MOMENTS)
def test_date_or_time_in_the_phone_is_damaged(value: date | time | timedelta, text: str) -> None:
    """What was typed as a phone before Excel made a date of it cannot be told any more."""
    found = to_text(TypedCell(value), Field.PHONE)
    assert (found.text, found.fault) == (text, Code.TEXT_DAMAGED)
