"""Runs killed at random moments, against what the API saw of them; see ``torture.py``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from torture import torture

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_runs_lose_nothing_and_say_nothing_false(seed: int, tmp_path: Path) -> None:
    """A hundred kills of each seed; ``torture`` asserts what must hold after each, and at the end.

    An update that was made is on record, SUCCESS is said of nothing else, no more is sent again
    than was under way, and the results are as if nothing had happened.
    """
    tally = torture(100, seed, tmp_path)
    assert tally.kills >= 100
    assert tally.under_way > 0
