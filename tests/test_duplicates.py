"""Rows with the same id but different values name each other."""

from __future__ import annotations

import pytest

from etl.codes import Code
from etl.validate.duplicates import duplicate_fault


@pytest.mark.parametrize(
    ("row", "rows", "named"),
    [
        (3, [3, 7], "see also row 7"),
        (7, [3, 7], "see also row 3"),
        (5, [3, 5, 7], "see also rows 3, 7"),
        (2, range(2, 8), "see also rows 3, 4, 5, 6, 7"),
        (2, range(2, 9), "see also rows 3, 4, 5, 6, 7 and 1 more"),
        (900, range(2, 1002), "see also rows 2, 3, 4, 5, 6 and 994 more"),
    ],
)
def test_fault_names_the_other_rows(row: int, rows: list[int], named: str) -> None:
    """A fault names up to five other rows, never its own, and counts the rest."""
    fault = duplicate_fault("Client ID", 1024, row, rows[:10], len(rows))
    assert fault.code is Code.ID_DUPLICATE
    assert fault.text == f"{Code.ID_DUPLICATE.meaning} (column “Client ID”: “1024”, {named})."


def test_arabic_header_does_not_disorder_the_sentence() -> None:
    """The header and the id are isolated together; the row numbers are our own words."""
    text = duplicate_fault("رقم", 1024, 2, [2, 3], 2).text
    assert "(column “\u2068رقم\u2069”: “\u20681024\u2069”, see also row 3)." in text
