"""The value that is sent is the cell's text; id, email and phone are cleaned at the ends."""

from __future__ import annotations

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


def test_phone_keeps_its_zeros_and_its_decimal_point() -> None:
    """A phone is not a number: its leading zeros and its end are not changed."""
    assert clean("00974.0", Field.PHONE) == "00974.0"
    assert change_of("00974.0", Field.PHONE) is None


CELLS = st.text(max_size=4) | st.sampled_from(["1024", "007", "12.0", "٣", " 7", "", "\u200f", "²"])


@given(st.lists(CELLS, max_size=6), st.sampled_from(Field))
def test_value_does_not_depend_on_the_other_cells_of_its_column(
    texts: list[str], field: Field
) -> None:
    """A column is cleaned as a whole, and each of its cells as if it were alone."""
    assert clean_column(texts, field) == [clean(text, field) for text in texts]
