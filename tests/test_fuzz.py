"""Damaged spreadsheets are read or refused in one sentence; ``tests/fuzz.py`` reads many more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.errors import InputError
from fuzz import fuzz

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_damaged_file_is_read_or_refused(tmp_path: Path) -> None:
    """Random damage never leads to a traceback or endless reading."""
    outcomes = fuzz(300, 2, tmp_path)
    assert outcomes.total() == 300
    assert {"rows", "refused"} <= set(outcomes) <= {"rows", "no rows", "refused"}


def test_what_is_neither_rows_nor_a_sentence_is_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback, or a message of several lines, is a fault, and the first such files are kept."""

    def broken(path: Path, **_: object) -> None:
        if path.suffix == ".xlsx":
            raise KeyError
        raise InputError("line 1\nline 2")

    monkeypatch.setattr("fuzz.open_table", broken)
    outcomes = fuzz(50, 2, tmp_path)
    kinds = {outcome.split(" in ")[0] for outcome in outcomes}
    assert kinds == {"FAULT: KeyError", "FAULT: lines"}
    assert len(list(tmp_path.iterdir())) == 6
