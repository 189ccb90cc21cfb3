"""Runs killed at random moments, against what the API saw of them; see ``torture.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture import SCENARIOS, torture

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 300


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_killed_runs_lose_nothing_and_say_nothing_false(scenario: str, tmp_path: Path) -> None:
    """After many kills, no update is lost and no row has a wrong status.

    ``torture`` checks after each kill that every update is recorded, that only updated rows are
    SUCCESS, that only rows that were under way are sent again, and that what the clients held
    before is kept. The final results are complete.
    """
    kills = KILLS // len(SCENARIOS)
    tally = torture(kills, 1, tmp_path, scenario)
    assert tally.kills >= kills
    assert tally.under_way > 0
