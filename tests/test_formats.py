"""A number or a date becomes the text that its cell shows, or None if that is uncertain."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.extract.formats import plain_number, shown_duration, shown_moment, shown_number

# The pieces that formats are made of, in any order, and texts that are not formats.
PIECES = st.sampled_from(
    [
        *'0#?.,;%"\\_*[]$-()/ +@ymdhse\n',
        "General",
        "AM/PM",
        "yyyy",
        "mmmm",
        '"x"',
        "[h]",
        "[Red]",
        "[$€-407]",
        "[$-409]",
        "[$-F800]",
        "hh",
        "mm",
        "ss",
        "0.00",
        "0" * 300,
    ]
)
FORMATS = st.text(max_size=20) | st.lists(PIECES, max_size=12).map("".join)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**4299), 10**4299)
MOMENT = datetime(2024, 3, 5, 15, 4, 9)  # noqa: DTZ001 - cells have no time zone


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (1234.5, "General", "1234.5"),
        (1234.5, "@", "1234.5"),
        (1234.5, "0", "1235"),
        (2.5, "0", "3"),
        (0.5, "0", "1"),
        (1.005, "0.00", "1.01"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (12, "#,##0", "12"),
        (0, "#", ""),
        (7, "00000", "00007"),
        (5, "0.##", "5."),
        (5.25, "0.0##", "5.25"),
        (5.1, "0.??", "5.1"),
        (0.125, "0.0%", "12.5%"),
        (5, '0"%"', "5%"),
        (5, r"0\%", "5%"),
        (0.07, '0%" of all"', "7% of all"),
        (1024, '"QAR "#,##0', "QAR 1,024"),
        (1024, "[$€-407] 0", "€ 1024"),
        (1024, "[$QAR] 0", "QAR 1024"),
        (1024, "[Red]0", "1024"),
        (1024, "0_)", "1024"),
        (1024, "* 0", "1024"),
        (97433123456, "+000 0000 0000", "+974 3312 3456"),
        (33123456, '"+974 "00000000', "+974 33123456"),
        (33123456, "+974 0000 0000", "+974 3312 3456"),
        (33123456, r"\+\974\ 0", "+974 33123456"),
        (33123456, '"(974) "0000\\-0000', "(974) 3312-3456"),
        (33123456, "[$+974] 0", "+974 33123456"),
        (33123456, '00"-"0', "3312345-6"),
        (5, "000-0000", "000-0005"),
        (5, "##-##", "-5"),
        (5, "#0-##", "0-05"),
        (0, "##-##", "-"),
        (-5, "0-00", "-0-05"),
        (4, "0 9", "4 9"),
        (1e300, "0", "1" + "0" * 300),
    ],
)
def test_number_is_shown_as_its_format_says(
    value: float, number_format: str, text: str | None
) -> None:
    """Zeros, groups, rounding, percent signs, currencies and literal texts are as in the cell."""
    assert shown_number(value, number_format) == text


@pytest.mark.parametrize(
    ("value", "text"), [(5, "5.0"), (-5, "(5.0)"), (0, "nil 0"), (-0.0, "nil 0")]
)
def test_sign_chooses_the_section(value: float, text: str) -> None:
    """Negative numbers and zero may have formats of their own."""
    assert shown_number(value, '0.0;(0.0);"nil "0') == text


def test_one_section_shows_the_minus_sign() -> None:
    """Only a section for negative numbers removes their sign."""
    assert (shown_number(-5, "0.0"), shown_number(-5, "0.0;0.0")) == ("-5.0", "5.0")


def test_semicolon_in_quotation_marks_does_not_end_a_section() -> None:
    """Text between quotation marks is literal."""
    assert shown_number(-5, '0";"') == "-5;"


@pytest.mark.parametrize(
    "number_format",
    [
        "",
        "# ?/?",
        "# #/#",
        "0/0",
        "0-0.0",
        "0,0 0",
        "[>100]0",
        "0,",
        "0,,",
        "0 x",
        '0"',
        "0\\",
        "yyyy",
        "[$-2000401]0",
        "[DBNum1]0",
        '"none"',
        "0" * 256,
    ],
)
def test_number_in_an_unsupported_format_is_none(number_format: str) -> None:
    """Hidden, scaled, conditional, foreign and damaged formats give no text."""
    assert shown_number(-1024.5, number_format) is None


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_infinity_and_nan_are_none(value: float) -> None:
    """Infinity and nan, which only a manipulated workbook contains, are not shown."""
    assert shown_number(value, "0.00") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0, "0"), (1e20, "1" + "0" * 20), (0.1 + 0.2, "0.3"), (1e-7, "1E-07"), (-1.5, "-1.5")],
)
def test_plain_number_has_15_digits(value: float, text: str) -> None:
    """Rounding errors after the 15th digit are not shown."""
    assert plain_number(value) == text


@pytest.mark.parametrize(
    ("number_format", "text"),
    [
        ("yyyy-mm-dd", "2024-03-05"),
        ("dd/mm/yyyy", "05/03/2024"),
        ("d-mmm-yy", "5-Mar-24"),
        ("dddd, d mmmm yyyy", "Tuesday, 5 March 2024"),
        ("ddd", "Tue"),
        ("DD.MM.YYYY", "05.03.2024"),
        ("[$-409]d-mmm", "5-Mar"),
        ("[$-809]dd mmmm", "05 March"),
        ("h:mm:ss", "15:04:09"),
        ("h:mm AM/PM", "3:04 PM"),
        ("hh:mm", "15:04"),
        ("mm:ss", "04:09"),
        ("mm", "03"),
        ("d/m h:m", "5/3 15:4"),
        ('d" of "mmmm', "5 of March"),
        (r"yyyy\-mm", "2024-03"),
        ("yyyy;@", "2024"),
    ],
)
def test_moment_is_shown_as_its_format_says(number_format: str, text: str) -> None:
    """An m means months or minutes by its neighbours, and names are English."""
    assert shown_moment(MOMENT, number_format) == text


@pytest.mark.parametrize(
    "number_format",
    [
        "",
        ";",
        "mm-dd-yy",
        "m/d/yy h:mm",
        "[$-F800]dddd, mmmm dd, yyyy",
        "[$-F400]h:mm:ss AM/PM",
        "General",
        "0",
        "mmmmm",
        "yyy",
        "ddddd",
        "hhh",
        "sss",
        "[h]:mm",
        "ss.00",
        "e",
        'd"',
        "d\\",
        "[$-401]dddd",
        "[$-1170000]dd/mm/yyyy",
        "[$-2000409]dd/mm/yyyy",
        " " * 256,
    ],
)
def test_moment_in_an_unsupported_format_is_none(number_format: str) -> None:
    """The reader's settings, other languages, calendars and digits give no text."""
    assert shown_moment(MOMENT, number_format) is None


def test_noon_and_midnight_are_12() -> None:
    """A clock with AM and PM has no hour 0."""
    shown = [shown_moment(time(hour), "h AM/PM") for hour in (0, 12)]
    assert shown == ["12 AM", "12 PM"]


def test_date_has_midnight_and_time_has_day_0() -> None:
    """A date is shown at midnight, and a time on the day that Excel counts as 0."""
    assert shown_moment(date(2024, 3, 5), "hh:mm") == "00:00"
    assert shown_moment(time(13, 30), "yyyy-mm-dd hh:mm") == "1899-12-31 13:30"


@given(value=NUMBERS, number_format=FORMATS)
@example(value=1e308, number_format="0." + "0" * 250 + "%%%")
@example(value=10**4299, number_format="0." + "0" * 100 + "%" * 150)
def test_no_format_of_a_number_raises(value: float, number_format: str) -> None:
    """A number in any format becomes a text or None."""
    assert isinstance(shown_number(value, number_format), str | None)


@given(value=st.datetimes() | st.dates() | st.times(), number_format=FORMATS)
def test_no_format_of_a_moment_raises(value: datetime | date | time, number_format: str) -> None:
    """A date or a time in any format becomes a text or None."""
    assert isinstance(shown_moment(value, number_format), str | None)


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (100_000, "0.00E+00", "1.00E+05"),
        (-1024.5, "0.0E+0", "-1.0E+3"),
        (5, ";;;", ""),
        (0, "0;-0;;@", ""),
        (-5, "0;;", ""),
    ],
)
def test_exponents_and_hidden_numbers_are_shown_as_they_look(
    value: float, number_format: str, shown: str
) -> None:
    """An exponent has the digits of its format, and an empty section shows nothing."""
    assert shown_number(value, number_format) == shown


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (timedelta(hours=36), "[h]:mm:ss", "36:00:00"),
        (timedelta(minutes=75), "[hh]:mm", "1:15"),
        (timedelta(hours=1), "h:mm", None),
        (-timedelta(hours=1), "[h]:mm", None),
    ],
)
def test_duration_is_shown_in_hours(
    value: timedelta, number_format: str, shown: str | None
) -> None:
    """Hours in brackets may exceed a day; other formats of a duration give no text."""
    assert shown_duration(value, number_format) == shown
