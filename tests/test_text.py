"""Texts are trimmed, quoted and guarded so that nothing invisible misleads a reader."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from etl.text import (
    guard_formula,
    is_blank,
    is_token,
    isolated,
    one_line,
    quote,
    quoted_path,
    quoted_together,
    strip_edges,
    unguard_formula,
    visible,
    without_isolates,
)
from foreign import FOREIGN, is_readable

# A no-break space, an ideographic one, a zero-width one, a right-to-left mark, a bidi embedding, a
# bidi isolate, a byte order mark, a word joiner, a soft hyphen, an Arabic letter mark.
INVISIBLE = [
    "\u00a0",
    "\u3000",
    "\u200b",
    "\u200f",
    "\u202b",
    "\u2067",
    "\ufeff",
    "\u2060",
    "\u00ad",
]
INVISIBLE += ["\u061c", "\t", "\r\n"]


@pytest.mark.parametrize("char", INVISIBLE)
def test_invisible_characters_at_both_ends_are_removed(char: str) -> None:
    """White space and marks without a width are removed in any order."""
    assert strip_edges(f" {char} 10{char}24 {char}\n") == f"10{char}24"


def test_visible_characters_at_the_ends_stay() -> None:
    """Combining marks, signs and quotation marks are not removed."""
    assert strip_edges("'\u0651-\u06de\"") == "'\u0651-\u06de\""


def test_long_inner_white_space_is_trimmed_fast() -> None:
    """Trimming takes linear time, even if blanks fill the middle of a cell."""
    text = "a" + " " * 32_765 + "b"
    start = time.perf_counter()
    assert strip_edges(text) == text
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u200b", "\u00a0\u200f\ufeff"])
def test_cell_that_looks_empty_is_blank(text: str) -> None:
    """Invisible characters do not fill a cell."""
    assert is_blank(text)


@pytest.mark.parametrize("text", ["0", "-", "\u200b0\u200b", "NA", "\0"])
def test_cell_with_a_value_is_not_blank(text: str) -> None:
    """Zeros, dashes and words such as NA are values."""
    assert not is_blank(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\u200fb", "a<U+200F>b"),
        ("a\nb\x1b[31m", "a<U+000A>b<U+001B>[31m"),
        ("\ud800", "<U+D800>"),
        ("\u2028\u2029", "<U+2028><U+2029>"),
        ("سارة Sara", "سارة Sara"),
    ],
)
def test_invisible_characters_are_written_out(text: str, shown: str) -> None:
    """Characters that could hide or forge a line appear as code points, letters as letters."""
    assert visible(text) == shown


def test_quote_shows_what_is_in_a_cell() -> None:
    """A value is quoted with its invisible characters written out."""
    assert quote("1024\u200f ") == "“1024<U+200F> ”"


def test_quote_cuts_long_values() -> None:
    """A value is cut after 60 characters, and an ellipsis marks the cut."""
    assert quote("x" * 60) == f"“{'x' * 60}”"
    assert quote("x" * 61) == f"“{'x' * 60}…”"


def test_paths_are_quoted_whole() -> None:
    """A long path is quoted to its end, with invisible characters written out."""
    path = Path("/srv") / ("x" * 80) / "عملاء\u200f.csv"
    assert quoted_path(path) == f"“\u2068/srv/{'x' * 80}/عملاء<U+200F>.csv\u2069”"


def test_values_of_a_sentence_are_isolated_together() -> None:
    """If one of several values is Arabic, all of them are isolated, and otherwise none."""
    assert quoted_together("Name", "1024") == ("“Name”", "“1024”")
    assert quoted_together("الاسم", "1024") == ("“\u2068الاسم\u2069”", "“\u20681024\u2069”")


@given(values=st.lists(FOREIGN))
@example(values=["\u2069س\u2067", "\u202e"])
def test_no_value_leaves_its_isolate(values: list[str]) -> None:
    """A value has no way to end its isolate, and without isolates the quotation is the same."""
    quoted = quoted_together(*values)
    assert is_readable(f"Values: {', '.join(quoted)}.")
    assert [*map(without_isolates, quoted)] == [without_isolates(quote(each)) for each in values]


@given(text=FOREIGN)
@example(text="\u2069س\u2067")
def test_text_from_outside_leaves_a_sentence_in_order(text: str) -> None:
    """An answer in Arabic is isolated, and cannot end its isolate."""
    assert is_readable(f"Fatora answered: {isolated(text)}.")
    assert without_isolates(isolated(text)) == visible(text)


@pytest.mark.parametrize("text", ["no such client", "", "İstanbul 3 €"])
def test_text_that_runs_from_left_to_right_is_not_isolated(text: str) -> None:
    """Sentences without right-to-left text have no isolates."""
    assert isolated(text) == text


def test_text_from_outside_becomes_one_line() -> None:
    """A log or a cell gets no line break, tab or control character of an answer."""
    assert one_line(" no\r\n such\tclient\x07\u2028 \n") == "no such client<U+0007>"


def test_long_text_from_outside_is_cut() -> None:
    """At most 500 characters of an answer are kept."""
    assert one_line("x" * 500) == "x" * 500
    assert one_line("x" * 1_000_000) == "x" * 500 + "…"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+974 3312", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "+", "'=1", "''@x", "+٩٧٤"],
)
def test_formula_is_guarded(text: str) -> None:
    """Text that a spreadsheet program would run, with or without apostrophes, gets one more."""
    assert guard_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+97433123456", "Sara", "'Abdulaziz", "1=1", "", " =1", "''"])
def test_other_text_is_not_guarded(text: str) -> None:
    """Phone numbers, names and apostrophes before letters are not changed."""
    assert guard_formula(text) == text


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("'+97433123456", "+97433123456"),
        ("'=1+1", "=1+1"),
        ("''=1+1", "'=1+1"),
        ("'Abdulaziz", "'Abdulaziz"),
        ("''", "''"),
        ("=1+1", "=1+1"),
    ],
)
def test_guard_is_removed(text: str, meant: str) -> None:
    """Exactly one apostrophe is removed, and only before text that begins like a formula."""
    assert unguard_formula(text) == meant


@pytest.mark.parametrize("text", ["abc", "eyJ0.eyJ1.c2ln", "a-b_c~d+e/f=="])
def test_token_is_recognised(text: str) -> None:
    """The characters of RFC 6750 make a token."""
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "abc\n", "a\r\nHost: x", "ab\u200f", "Bearer a", "é"])
def test_anything_else_is_not_a_token(text: str) -> None:
    """Text that would break or forge a header line is refused before it is sent."""
    assert not is_token(text)
