"""Damaged spreadsheets are read or refused in one sentence; ``tests/fuzz.py`` reads many more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fuzz import fuzz

if TYPE_CHECKING:
    from pathlib import Path


def test_damaged_file_is_read_or_refused(tmp_path: Path) -> None:
    """Whatever chance does to a file, no traceback and no endless reading comes of it."""
    outcomes = fuzz(300, 2, tmp_path)
    assert outcomes.total() == 300
    assert {"rows", "refused"} <= set(outcomes) <= {"rows", "no rows", "refused"}
