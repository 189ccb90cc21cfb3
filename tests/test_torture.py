"""Runs killed at random moments, against what the API saw of them; see ``torture.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture import torture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kills", "seed"),
    [(12, 0), *(pytest.param(100, seed, marks=pytest.mark.slow) for seed in (1, 2, 3))],
)
def test_killed_runs_lose_nothing_and_say_nothing_false(
    kills: int, seed: int, tmp_path: Path
) -> None:
    """After many kills, no update is lost and no row has a wrong status.

    ``torture`` checks after each kill that every update is recorded, that only updated rows are
    SUCCESS, and that only rows that were under way are sent again. The final results are complete.
    """
    tally = torture(kills, seed, tmp_path)
    assert tally.kills >= kills
    assert tally.under_way > 0
