"""The value that is sent is the cell's text; id, email and phone are cleaned at the ends."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fields import Field
from etl.rows import Change
from etl.validate.clean import change_of, clean_column

FREE = [Field.NAME, Field.ADDRESS, Field.NOTES]


def clean(text: str, field: Field) -> str:
    """Returns the value that is sent for one cell."""
    (value,) = clean_column([text], field)
    return value


@pytest.mark.parametrize("field", FREE)
@pytest.mark.parametrize("text", [" Sara\u00a0", "\u200fليلى\u200c", "١٠٢٤", "a\r\n b\t", "1024.0"])
def test_free_text_is_sent_unchanged(field: Field, text: str) -> None:
    """In names, addresses and notes nothing is trimmed, mapped or composed."""
    assert clean(text, field) == text
    assert change_of(text, field) is None


@pytest.mark.parametrize("field", Field)
@pytest.mark.parametrize("text", ["", "  ", "\u200b", "\x0b\x1f", "\u202b\u00a0\n"])
def test_blank_cell_is_an_empty_text(field: Field, text: str) -> None:
    """A cell that looks empty is an empty text, without a warning."""
    assert clean(text, field) == ""
    assert change_of(text, field) is None


@pytest.mark.parametrize("field", [Field.ID, Field.EMAIL, Field.PHONE])
def test_outer_white_space_is_removed_without_a_warning(field: Field) -> None:
    """Blanks around an id, email or phone are not part of it."""
    assert clean(" \t7\u00a0\n", field) == "7"
    assert change_of(" \t7\u00a0\n", field) is None


@pytest.mark.parametrize("field", [Field.ID, Field.EMAIL, Field.PHONE])
def test_invisible_marks_at_the_ends_are_removed_with_a_warning(field: Field) -> None:
    """Bidi and zero-width marks at the ends are removed; inside they stay and are a fault."""
    change = Change("invisible characters at the ends were removed")
    assert clean("\u200e1\u200b2\u202c ", field) == "1\u200b2"
    assert change_of("\u200e1\u200b2\u202c ", field) == change


@pytest.mark.parametrize("digits", ["٩٧٤", "۹۷۴", "\uff19\uff17\uff14", "9\u06f7٤"])
def test_digits_of_other_scripts_are_converted_with_a_warning(digits: str) -> None:
    """Arabic-Indic, Persian and full-width digits become ASCII digits."""
    change = Change("the digits in {} were converted to {}", (f"+{digits}", "+974"))
    assert clean(f"+{digits}", Field.PHONE) == "+974"
    assert change_of(f"+{digits}", Field.PHONE) == change


def test_digits_of_an_email_are_not_changed() -> None:
    """Digits of other scripts may be part of an address."""
    assert clean("a٢@example.com", Field.EMAIL) == "a٢@example.com"
    assert change_of("a٢@example.com", Field.EMAIL) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1024", "1024"),
        ("1024.0", "1024"),
        ("1024.000", "1024"),
        ("001024", "1024"),
        ("0", "0"),
        ("000.0", "0"),
        ("0" * 10_000 + "7", "7"),
    ],
)
def test_id_is_written_in_one_way(text: str, number: str) -> None:
    """All spellings of an id become the same digits, so that equal ids are equal texts."""
    assert clean(text, Field.ID) == number
    assert change_of(text, Field.ID) is None


@pytest.mark.parametrize(
    "text",
    ["1024.5", "1024.", ".0", "1,024", "1_024", "+7", "-07", "1e3", "0x10", "TRUE", "1024 .0"],
)
def test_text_that_is_not_an_id_is_left_for_validation(text: str) -> None:
    """Text that is not a whole number is not turned into one."""
    assert clean(text, Field.ID) == text
    assert change_of(text, Field.ID) is None


@pytest.mark.parametrize(
    "text",
    ["1.000", "12.000", "999.000", "1.000.000", "001.000", "1,000", "1024,0", "1234567890123456.0"],
)
def test_thousands_are_not_taken_for_decimals(text: str) -> None:
    """`1.000` is one or a thousand, and a float of 16 digits has lost some: neither is an id."""
    assert clean(text, Field.ID) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("97433123456.0", "97433123456"),
        ("+97433123456.00", "+97433123456"),
        ("97433123456,0", "97433123456"),
        ("00974.0", "00974"),
    ],
)
def test_phone_that_is_a_float_loses_its_decimals_with_a_warning(text: str, number: str) -> None:
    """Such phones come from pandas, where a cell of their column is blank."""
    change = Change("{} is the decimal form of {}, which was used", (text, number))
    assert clean(text, Field.PHONE) == number
    assert change_of(text, Field.PHONE) == change


def test_arabic_float_is_converted_and_loses_its_decimals() -> None:
    """The warning has the cell's digits and the value that was used."""
    change = Change("the digits in {} were converted to {}", ("٣٣١٢.٠", "3312"))
    assert clean("٣٣١٢.٠", Field.PHONE) == "3312"
    assert change_of("٣٣١٢.٠", Field.PHONE) == change


@pytest.mark.parametrize("text", ["00974", "33.000", "+974.000", "3312.5", "33.12.0", "974 331.0"])
def test_other_phone_is_sent_as_written(text: str) -> None:
    """A phone keeps its zeros, and a point that is not that of a float."""
    assert clean(text, Field.PHONE) == text
    assert change_of(text, Field.PHONE) is None


DIGITS = st.text("0123456789", min_size=1, max_size=18)
NUMBERS = st.builds(
    "{}{}{}{}".format, st.sampled_from(["", "+"]), DIGITS, st.sampled_from([".", ","]), DIGITS
)


@given(NUMBERS, st.sampled_from([Field.ID, Field.PHONE]))
def test_number_is_never_changed_into_another(text: str, field: Field) -> None:
    """What loses its decimals had only zeros there, and cannot have been thousands."""
    value = clean(text, field)
    if value != text:
        whole, decimals = re.split("[.,]", text)
        assert int(value) == int(whole) < 2**53
        assert set(decimals) == {"0"}
        assert len(decimals) != 3 or len(whole.lstrip("+")) > 3


CELLS = st.text(max_size=4) | st.sampled_from(
    ["1024", "007", "12.0", "1.000", "7,0", "٣", " 7", "", "\u200f", "²"]
)


@given(st.lists(CELLS, max_size=6), st.sampled_from(Field))
def test_value_does_not_depend_on_the_other_cells_of_its_column(
    texts: list[str], field: Field
) -> None:
    """A column is cleaned as a whole, and each of its cells as if it were alone."""
    assert clean_column(texts, field) == [clean(text, field) for text in texts]
