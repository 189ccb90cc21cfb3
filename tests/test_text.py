"""Texts are trimmed, quoted and guarded so that nothing unseen gets past a reader."""

from __future__ import annotations

import time

import pytest

from etl.text import (
    guard_formula,
    is_blank,
    is_token,
    one_line,
    quote,
    strip_edges,
    unguard_formula,
    visible,
)

# A no-break space, an ideographic one, a zero-width one, a right-to-left mark, a bidi embedding, a
# bidi isolate, a byte order mark, a word joiner, a soft hyphen, an Arabic letter mark.
UNSEEN = ["\u00a0", "\u3000", "\u200b", "\u200f", "\u202b", "\u2067", "\ufeff", "\u2060", "\u00ad"]
UNSEEN += ["\u061c", "\t", "\r\n"]


@pytest.mark.parametrize("unseen", UNSEEN)
def test_unseen_characters_come_off_at_both_edges(unseen: str) -> None:
    """White space and marks without a width are taken off, however they are mixed."""
    assert strip_edges(f" {unseen} 10{unseen}24 {unseen}\n") == f"10{unseen}24"


def test_seen_characters_stay_at_the_edges() -> None:
    """Only what has no width is taken off: combining marks, signs and quotation marks stay."""
    assert strip_edges("'\u0651-\u06de\"") == "'\u0651-\u06de\""


def test_long_inner_white_space_costs_no_time() -> None:
    """Trimming takes time in proportion to the text, also where blanks fill a cell's middle."""
    text = "a" + " " * 32_765 + "b"
    begun = time.perf_counter()
    assert strip_edges(text) == text
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u200b", "\u00a0\u200f\ufeff"])
def test_cell_without_anything_to_see_is_blank(text: str) -> None:
    """A person sees nothing in it."""
    assert is_blank(text)


@pytest.mark.parametrize("text", ["0", "-", "\u200b0\u200b", "NA", "\0"])
def test_cell_with_anything_in_it_is_not_blank(text: str) -> None:
    """Zeros, dashes and words for nothing are values."""
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
def test_unseen_characters_are_written_out(text: str, shown: str) -> None:
    """What could hide or forge a line is named by its code point, letters stay letters."""
    assert visible(text) == shown


def test_quote_shows_what_is_in_a_cell() -> None:
    """A value is quoted in backticks, with what cannot be seen in it written out."""
    assert quote("1024\u200f ") == "`1024<U+200F> `"


def test_quote_cuts_long_values() -> None:
    """Of a value of more than 60 characters the first 60 are quoted, and that it goes on."""
    assert quote("x" * 60) == f"`{'x' * 60}`"
    assert quote("x" * 61) == f"`{'x' * 60}…`"


def test_text_from_outside_becomes_one_line() -> None:
    """No line break, tab or control character of an answer reaches a log or a cell."""
    assert one_line(" no\r\n such\tclient\x07\u2028 \n") == "no such client<U+0007>"


def test_long_text_from_outside_is_cut() -> None:
    """At most 500 characters are kept, however large the answer."""
    assert one_line("x" * 500) == "x" * 500
    assert one_line("x" * 1_000_000) == "x" * 500 + "…"


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+974 3312", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "+", "'=1", "''@x", "+٩٧٤"],
)
def test_formula_is_guarded(text: str) -> None:
    """What a spreadsheet program would run, or would run without its apostrophes, gets one."""
    assert guard_formula(text) == f"'{text}"


@pytest.mark.parametrize("text", ["+97433123456", "Sara", "'Abdulaziz", "1=1", "", " =1", "''"])
def test_what_is_no_formula_is_not_guarded(text: str) -> None:
    """Phone numbers, names and apostrophes before letters stay as they are."""
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
def test_guard_is_taken_off(text: str, meant: str) -> None:
    """Exactly one apostrophe comes off, and only before what begins like a formula."""
    assert unguard_formula(text) == meant


@pytest.mark.parametrize("text", ["abc", "eyJ0.eyJ1.c2ln", "a-b_c~d+e/f=="])
def test_token_can_be_sent(text: str) -> None:
    """The characters of RFC 6750 make a token."""
    assert is_token(text)


@pytest.mark.parametrize("text", ["", "a b", "abc\n", "a\r\nHost: x", "ab\u200f", "Bearer a", "é"])
def test_anything_else_is_no_token(text: str) -> None:
    """What would break or forge a header line is refused before it is sent."""
    assert not is_token(text)
