"""Rows that contradict one another about a client are told of one another."""

from __future__ import annotations

import pytest

from etl.codes import Code
from etl.validate.duplicates import duplicate_fault


@pytest.mark.parametrize(
    ("row", "rows", "named"),
    [
        (3, [3, 7], "see also row 7"),
        (7, [3, 7], "see also row 3"),
        (5, [3, 5, 7], "see also row 3, 7"),
        (2, range(2, 8), "see also row 3, 4, 5, 6, 7"),
        (2, range(2, 9), "see also row 3, 4, 5, 6, 7 and 1 more"),
        (900, range(2, 1002), "see also row 2, 3, 4, 5, 6 and 994 more"),
    ],
)
def test_fault_names_the_other_rows(row: int, rows: list[int], named: str) -> None:
    """A row is told where the others are, never of itself, and of very many only how many."""
    fault = duplicate_fault("Client ID", 1024, row, rows[:10], len(rows))
    assert fault.code is Code.ID_DUPLICATE
    assert fault.text == f"Client ID `1024`: {Code.ID_DUPLICATE.meaning}; {named}"
