"""A cell becomes the text that people see, with a mark or a change if that is uncertain."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.codes import Code
from etl.extract.cells import CellText, TypedCell, plain_text, to_text
from etl.extract.formats import shown_number
from etl.fields import Field


@pytest.mark.parametrize(
    "text", ["000123", "+97433123456", "NA", "None", "TRUE", "1e5", "#N/A", " a ", "'Abdulaziz", ""]
)
def test_text_is_not_changed(text: str) -> None:
    """Text that looks like a number, a missing value or an error is still text."""
    assert to_text(text, Field.NAME) == CellText(text)


@pytest.mark.parametrize("field", [Field.PHONE, Field.NOTES, None])
def test_guarded_text_loses_its_apostrophe(field: Field | None) -> None:
    """The apostrophe that keeps a spreadsheet program from running a cell is not text."""
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
    """In every column a number is written in full, with the 15 digits that Excel keeps."""
    assert to_text(TypedCell(value), field) == CellText(text)


@pytest.mark.parametrize("number_format", ["00000000", "+0", "#,##0.00", "0.00E+00"])
def test_number_in_the_id_ignores_its_format(number_format: str) -> None:
    """An id is the exact digits of the number, in any display format."""
    assert to_text(TypedCell(1024.0, number_format), Field.ID) == CellText("1024")


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (551234.0, "00000000", "00551234"),
        (551234.0, "000", "551234"),
        (7, "00", "07"),
        (551234.0, "000 0000-000", "0000551234"),
        (551234.0, "General", "551234"),
        (551234.0, "@", "551234"),
        (551234.0, "0", "551234"),
    ],
)
def test_phone_has_the_zeros_of_its_format(value: float, number_format: str, text: str) -> None:
    """Zeros that the display format of a phone adds are part of the number."""
    assert to_text(TypedCell(value, number_format), Field.PHONE) == CellText(text)


@pytest.mark.parametrize(
    "number_format",
    ["0.00", "#,##0.00", "00,000.00", "0.00E+00", "0%", "# ?/?", '"Tel "0', '0"x"', "[Red]0",
     "[<=999]0;000", "[$-409]0", "_(* 0_)"],
)  # fmt: skip
def test_phone_has_no_digit_that_only_the_look_of_a_number_needs(number_format: str) -> None:
    """Decimals, exponents and percentages of a display format are not dialled."""
    assert to_text(TypedCell(551234.0, number_format), Field.PHONE) == CellText("551234")


@pytest.mark.parametrize(
    ("number_format", "shown"),
    [
        ("+0", "+33123456"),
        ("+#;-#", "+33123456"),
        ('"+974 "00000000', "+974 33123456"),
        ("+974 0000 0000", "+974 3312 3456"),
        ('"+974"0', "+97433123456"),
        (r"\+\974\ 0", "+974 33123456"),
        ('"00"0', "0033123456"),
        ('"(974) "0000\\-0000', "(974) 3312-3456"),
        ("[$+974]0", "+97433123456"),
        ('0" ext 7"', "33123456 ext 7"),
    ],
)
def test_phone_is_what_a_format_with_digits_or_a_plus_shows(number_format: str, shown: str) -> None:
    """A country that only the display format has is sent, and a warning says so."""
    cell = to_text(TypedCell(33123456.0, number_format), Field.PHONE)
    assert (cell.text, cell.fault) == (shown, None)
    assert cell.change is not None
    assert cell.change.words.format(*cell.change.quoted) == (
        f"{shown} was used, as Excel shows it; the cell itself holds 33123456"
        f" (format {number_format})"
    )


@pytest.mark.parametrize("number_format", ['[<=99999999]"+974 "0;+0', '"+974 "# ?/?', '"+974 "0,'])
def test_phone_in_an_uncertain_format_with_digits_is_said(number_format: str) -> None:
    """Where the format adds digits that cannot be determined, a warning says so."""
    cell = to_text(TypedCell(33123456.0, number_format), Field.PHONE)
    assert (cell.text, cell.fault) == ("33123456", None)
    assert cell.change is not None
    assert cell.change.quoted == ("33123456", number_format)


@pytest.mark.parametrize("number_format", ["0", "+0", '"+974 "0'])
def test_phone_beyond_what_excel_keeps_is_damaged_in_any_format(number_format: str) -> None:
    """A format shows digits that may be lost as if they were exact."""
    assert to_text(TypedCell(2.0**60, number_format), Field.PHONE).fault is Code.TEXT_DAMAGED


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE])
@pytest.mark.parametrize("value", [2.0**53 + 2, -(2.0**53) - 2, 2**53 + 1, float("inf")])
def test_number_beyond_what_excel_keeps_is_damaged(field: Field, value: float) -> None:
    """An id or a phone whose last digits may be lost is never sent."""
    assert to_text(TypedCell(value), field).fault is Code.TEXT_DAMAGED


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE])
def test_largest_exact_number_is_kept(field: Field) -> None:
    """Up to 2^53 every digit is exact."""
    assert to_text(TypedCell(2.0**53), field) == CellText("9007199254740992")


@pytest.mark.parametrize("field", [Field.NAME, Field.NOTES, None])
def test_large_number_elsewhere_is_not_a_fault(field: Field | None) -> None:
    """In other columns a large number is written in full."""
    assert to_text(TypedCell(1e20), field) == CellText("1" + "0" * 20)


@pytest.mark.parametrize("field", [Field.ID, Field.PHONE, Field.NOTES])
def test_truth_value_is_the_word_that_excel_shows(field: Field) -> None:
    """TRUE and FALSE are words, not the numbers 1 and 0."""
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
def test_date_in_an_uncertain_format_is_written_out_with_a_change(
    value: date | time | timedelta, text: str
) -> None:
    """A date is written in ISO 8601, without a midnight that nobody typed."""
    cell = to_text(TypedCell(value), Field.NOTES)
    assert (cell.text, cell.fault) == (text, None)
    assert cell.change is not None
    assert cell.change.words.format(*cell.change.quoted) == (
        f"the value {text} was used; Excel may show it differently (format General)"
    )


@pytest.mark.parametrize(("value", "text"), MOMENTS)
def test_date_or_time_in_the_phone_is_damaged(value: date | time | timedelta, text: str) -> None:
    """Excel turned the phone number into a date, and the original is lost."""
    cell = to_text(TypedCell(value), Field.PHONE)
    assert (cell.text, cell.fault) == (text, Code.TEXT_DAMAGED)


@given(st.integers(0, 2**53), st.text('0#?-. (),/"\\x+19%E_;[]<=', max_size=12))
def test_phone_without_a_warning_has_the_digits_of_its_number(
    value: int, number_format: str
) -> None:
    """No display format makes another number of a phone, unless a warning says so."""
    cell = to_text(TypedCell(value, number_format), Field.PHONE)
    assert cell.change is not None or cell.text.lstrip("0") == str(value).lstrip("0")


@given(st.integers(0, 2**53), st.text("0#-/ ()", max_size=12))
def test_no_digit_is_lost_between_the_literals_of_a_format(value: int, number_format: str) -> None:
    """Digits without a place in the format are shown before the first one."""
    shown = shown_number(value, number_format)
    assert shown is None or re.sub(r"\D", "", shown).lstrip("0") == str(value).lstrip("0")


@pytest.mark.parametrize("field", [None, *Field])
@pytest.mark.parametrize(
    "value", [0, 7, 1024, -5, 10**14, 10**15, 2**53, 2**60, 0.5, 7.0, True, False]
)
@pytest.mark.parametrize("number_format", ["General", "@", "0.00", '"+974 "0', "yyyy"])
def test_plain_text_is_what_the_slow_way_returns(
    value: float, number_format: str, field: Field | None
) -> None:
    """A cell has a plain text only if it shows it in each column, without a fault or a change."""
    cell = TypedCell(value, number_format)
    text = plain_text(cell)
    assert text is None or to_text(cell, field) == CellText(text)
    assert plain_text(TypedCell(1024)) == "1024"
