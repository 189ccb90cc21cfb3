"""Several nights with rows that the API never serves: they keep no other row from being sent."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import etl
from etl.codes import Code
from etl.errors import ExitCode
from etl.rows import Status
from etl.runs.reader import JournalReader
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etl.rows import ReportRow

HEALTHY, FORBIDDEN, BROKEN = "", "+403", "+500"  # the sandbox answers such addresses so


@pytest.fixture(scope="module")
def working() -> Iterator[Sandbox]:
    """An API that works, but for some rows."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def in_trouble() -> Iterator[Sandbox]:
    """An API that answers 503 to everything."""
    with Sandbox(behaviour=Behaviour(fail_share=1)) as sandbox:
        yield sandbox


def write_files(folder: Path, files: Sequence[Sequence[str]]) -> None:
    """Write a spreadsheet for each sequence of rows."""
    client = iter(range(1_001, 9_999))
    for number, rows in enumerate(files):
        lines = [(str(next(client)), f"sara{kind}@example.com") for kind in rows]
        write_csv(folder / f"{number}.csv", [("id", "email"), *lines])


def night(folder: Path, sandbox: Sandbox, **changes: object) -> list[etl.Summary]:
    """Send the files of a folder once."""
    options = {"api.attempts": 1, "api.pause": 0.01, "input.settle": 0, **changes}
    chosen = etl.load_settings(
        None, {"api.url": sandbox.url, "runs.dir": folder / "runs", **options}
    )
    key = etl.read_credentials({"FATORA_API_KEY": sandbox.api_key})
    return etl.update([folder], chosen, key)


def rows_of(summary: etl.Summary) -> list[ReportRow]:
    """The rows of a run."""
    assert summary.folder is not None
    with JournalReader(summary.folder / "journal.sqlite3") as journal:
        return list(journal.rows())


def statuses(summary: etl.Summary) -> list[Status]:
    """The status of each row of a run."""
    return [row.status for row in rows_of(summary)]


@pytest.mark.parametrize("poison", [FORBIDDEN, BROKEN])
def test_rows_that_are_never_served_block_no_later_file(
    tmp_path: Path, working: Sandbox, poison: str
) -> None:
    """Rows that fail every night stop neither their own file nor the next, and are reported."""
    rows = [poison if number % 5 == 0 else HEALTHY for number in range(60)]
    write_files(tmp_path, [rows, [HEALTHY] * 5])
    first, second = night(tmp_path, working)
    assert [first.exit_code, second.exit_code] == [ExitCode.NOT_ALL_UPDATED, ExitCode.DONE]
    for _ in range(4):
        write_files(tmp_path, [rows, [HEALTHY] * 5])
        first, second = night(tmp_path, working)
        assert first.stopped is None
    assert statuses(first).count(Status.SUCCESS) == 48
    assert first.totals.given_up == 12
    assert first.sentence.endswith(
        "Fatora could not serve 12 rows on several nights: ask its support about these clients."
    )
    left = [row for row in rows_of(first) if row.status is not Status.SUCCESS]
    assert all(row.error.endswith("Tried on 5 nights without success.") for row in left)
    assert all("FAILED_REPEATEDLY" in row.codes for row in left)
    assert {row.fix for row in left} == {Code.FAILED_REPEATEDLY.fix}


def test_after_trouble_each_file_gets_one_row(tmp_path: Path, in_trouble: Sandbox) -> None:
    """While the API is in trouble, each later file costs one attempt and no more."""
    write_files(tmp_path, [[HEALTHY] * 30] * 3)
    runs = night(tmp_path, in_trouble, **{"load.workers": 1})
    tried = [sum(row.attempts > 0 for row in rows_of(run)) for run in runs]
    assert tried == [10, 1, 1]
    assert {run.exit_code for run in runs} == {ExitCode.STOPPED}


FILES = st.lists(
    st.lists(st.sampled_from([HEALTHY, HEALTHY, FORBIDDEN, BROKEN]), min_size=1, max_size=14),
    min_size=1,
    max_size=3,
)


@pytest.mark.slow
@given(files=FILES, nights=st.lists(st.booleans(), max_size=4), workers=st.integers(1, 4))
@settings(max_examples=25)
def test_every_healthy_row_is_updated_by_the_first_night_on_which_the_api_works(
    working: Sandbox,
    in_trouble: Sandbox,
    files: list[list[str]],
    nights: list[bool],
    workers: int,
) -> None:
    """However bad rows, files and nights are mixed, a night that works updates all other rows."""
    folder = Path(tempfile.mkdtemp())
    try:
        write_files(folder, files)
        options = {"load.workers": workers, "load.stop_after": 3}
        for works in nights:
            night(folder, working if works else in_trouble, **options)
        runs = night(folder, working, **options)
        for rows, run in zip(files, runs, strict=True):
            for kind, status in zip(rows, statuses(run), strict=True):
                assert (kind == HEALTHY) == (status is Status.SUCCESS)
    finally:
        shutil.rmtree(folder)
