"""What changes is said in one line, in which the difference can be seen."""

from __future__ import annotations

import pytest

from etl.fields import Field
from etl.images import FieldChange, changes_in_words

LONG = "the same words " * 20


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("55", "66", "notes: “55” → “66”"),
        ("", "Sara", "notes: “” → “Sara”"),
        (
            f"{LONG}old",
            f"{LONG}new",
            "notes: “…ords the same words old” → “…ords the same words new”",
        ),
        (LONG, "", "notes: “the same words the same words the same words the same words …” → “”"),
    ],
)
def test_the_difference_of_long_values_is_in_the_line(old: str, new: str, words: str) -> None:
    """A line quotes 60 characters of a value: those from shortly before the difference on."""
    assert changes_in_words([FieldChange(Field.NOTES, old, new)]) == words
