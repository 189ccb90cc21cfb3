"""Differences inside a value are marked so that they can be seen, at a bounded cost."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from etl.report.differences import differences
from etl.report.words import visible_lines

FILLER = "word " * 1_000


@pytest.mark.parametrize(
    ("old", "new", "marked"),
    [
        ("+97455551000", "+97455551037", (["+974555510", "00"], ["+974555510", "37"])),
        ("", "Sara", ([""], ["Sara"])),
        ("Sara", "", (["Sara"], [""])),
        ("Doha", "Al Sadd", (["Doha"], ["Al Sadd"])),
        (
            "Prefers e-mail. Call in the evening.",
            "Prefers phone. Call in the evening.",
            (
                ["Prefers ", "e-mail", ". Call in the evening."],
                ["Prefers ", "phone", ". Call in the evening."],
            ),
        ),
        (
            "عميل قديم يفضل الاتصال",
            "عميل جديد يفضل الاتصال",
            (["عميل ", "قديم", " يفضل الاتصال"], ["عميل ", "جديد", " يفضل الاتصال"]),
        ),
        ("Al Sadd", "Al\u200f Sadd", (["Al Sadd"], ["Al", "<U+200F>", " Sadd"])),
    ],
)
def test_what_differs_is_at_every_second_place(
    old: str, new: str, marked: tuple[list[str], list[str]]
) -> None:
    """Words are marked whole, unless a short value has none; what has little in common is not."""
    assert differences(old, new) == marked


def test_difference_deep_inside_a_long_text_is_shown() -> None:
    """Of a long text, only what surrounds a difference is shown."""
    old, new = differences(f"{FILLER}old{FILLER}", f"{FILLER}new{FILLER}")
    assert (old[1], new[1]) == ("oldword", "newword")
    assert old[0].startswith("…")
    assert old[2].endswith("…")
    assert sum(map(len, old)) < 200


@given(st.text(max_size=80), st.text(max_size=80))
def test_parts_are_the_whole_of_a_short_text(old: str, new: str) -> None:
    """No character of a short value is lost or moved, whatever it is compared with."""
    assume(max(len(visible_lines(text)) for text in (old, new)) <= 160)
    shown = ["".join(parts) for parts in differences(old, new)]
    assert shown == ["".join(parts) for parts in (differences(old, "")[0], differences("", new)[1])]


@given(st.text("ab ", max_size=300), st.text("ab ", max_size=300))
def test_unmarked_parts_are_the_same_in_both(old: str, new: str) -> None:
    """What is not marked is the same text in both values, if anything is marked."""
    ours, theirs = differences(old, new)
    if len(ours) > 1 or len(theirs) > 1:
        assert "".join(ours[::2]).replace("…", "") == "".join(theirs[::2]).replace("…", "")


def test_very_different_texts_are_compared_quickly() -> None:
    """Two long texts with many differences take little time."""
    old = " ".join(f"{number * 7 % 1000}" for number in range(5_000))
    new = " ".join(f"{number * 11 % 1000}" for number in range(5_000))
    started = time.process_time()
    for _ in range(10):
        differences(old, new)
    assert time.process_time() - started < 0.5
