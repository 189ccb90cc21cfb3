"""Housekeeping takes a time in proportion to the number of runs, and not to its square."""

from __future__ import annotations

import gc
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

import etl
from etl.jobs.prune import older_than, prune
from etl.jobs.verify import verify_all
from etl.runs.listing import entries
from many import ManyRuns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

SIZES = (250, 500, 1_000)
LINEAR, SLACK = SIZES[-1] / SIZES[0], 1.5  # the square would be another factor of 4
AGE = timedelta(days=400)
OPENING = {"open", "sqlite3.connect", "os.scandir", "os.listdir"}


@dataclass
class Cost:
    """How many files and folders were opened, and the CPU time in seconds."""

    opened: int = 0
    seconds: float = 0


counting: list[Cost] = []


def _count(event: str, _arguments: object) -> None:
    if counting and event in OPENING:
        counting[-1].opened += 1


sys.addaudithook(_count)  # which cannot be removed


@contextmanager
def measured() -> Iterator[Cost]:
    """Measure the block."""
    cost = Cost()
    counting.append(cost)
    gc.disable()  # it looks at all that earlier tests have left, and at any moment
    since = time.process_time()
    try:
        yield cost
    finally:
        cost.seconds = time.process_time() - since
        gc.enable()
        counting.pop()


def costs(folder: Path, work: Callable[[ManyRuns], None]) -> list[Cost]:
    """Return what the work costs with each number of runs."""
    many, found = ManyRuns(folder), []
    for size in SIZES:
        many.add(size - len(many.made))
        time.sleep(2.1)  # the index trusts no file that changed in the last 2 s
        with measured() as cost:
            work(many)
        found.append(cost)
    return found


def night(many: ManyRuns) -> None:
    """Send all files, which were all processed before."""
    settings = etl.load_settings(None, {"runs.dir": many.runs.path, "input.settle": 0})
    summaries = etl.update([many.inputs], settings, None, sandbox=True)
    assert len(summaries) == len(many.made)
    assert all(each.already_done and each.still_open == 1 for each in summaries)


def test_a_night_with_nothing_new_grows_with_the_files(tmp_path: Path) -> None:
    """Without an index, a night over four times the files and runs opens four times as much."""

    def without_index(many: ManyRuns) -> None:
        many.runs.index.unlink(missing_ok=True)
        night(many)

    small, _, large = costs(tmp_path, without_index)
    assert large.opened < small.opened * LINEAR * SLACK
    assert large.seconds < small.seconds * LINEAR * SLACK


def test_a_second_night_opens_no_run(tmp_path: Path) -> None:
    """With an index, a night opens each input once, to see whether it is being written."""
    many = ManyRuns(tmp_path)
    many.add(SIZES[0])
    time.sleep(2.1)
    night(many)
    with measured() as cost:
        night(many)
    assert cost.opened < SIZES[0] + 100


def test_pruning_grows_with_the_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pruning four times the runs opens four times as much, and the chain still verifies."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)  # the disk's time tells nothing

    def prune_all(many: ManyRuns) -> None:
        assert not any(prune(older_than(AGE, entries(many.runs)), many.runs))

    found = []
    for size in SIZES:
        many = ManyRuns(tmp_path / str(size))
        many.add(size)
        with measured() as cost:
            prune_all(many)
        found.append(cost)
    small, _, large = found
    assert large.opened < small.opened * LINEAR * SLACK
    assert large.seconds < small.seconds * LINEAR * SLACK
    assert verify_all(many.runs).problems == []
