"""What a run comes to, by its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from etl.errors import ExitCode
from etl.outcome import exit_code_of, sentence_of
from etl.rows import Status

REWORK = Path("rework.csv")
WHY = "stopped by SIGTERM"


def counts(**found: int) -> dict[Status, int]:
    """The rows of each status, of which most have none."""
    return {status: found.get(status, 0) for status in Status}


@pytest.mark.parametrize(
    ("rows", "stopped", "code"),
    [
        (counts(), None, ExitCode.DONE),
        (counts(SUCCESS=3), None, ExitCode.DONE),
        (counts(SUCCESS=3), WHY, ExitCode.DONE),
        (counts(SUCCESS=2, REJECTED=1), None, ExitCode.NOT_ALL_UPDATED),
        (counts(SUCCESS=2, INVALID=1), WHY, ExitCode.NOT_ALL_UPDATED),
        (counts(FAILED=1, UNKNOWN=1), None, ExitCode.NOT_ALL_UPDATED),
        (counts(SUCCESS=1, FAILED=1), WHY, ExitCode.STOPPED),
        (counts(SUCCESS=1, UNKNOWN=1), WHY, ExitCode.STOPPED),
        (counts(SUCCESS=2, NOT_SENT=1), None, ExitCode.STOPPED),
    ],
)
def test_the_exit_code_follows_from_the_rows(
    rows: dict[Status, int], stopped: str | None, code: ExitCode
) -> None:
    """4 says that rows are left: a signal that came after the last of them stopped nothing."""
    assert exit_code_of(rows, stopped) is code


@pytest.mark.parametrize(
    ("rows", "stopped", "rework", "sentence"),
    [
        (counts(), None, None, "There are no rows."),
        (counts(SUCCESS=1), WHY, None, "Everything was updated: 1 row."),
        (
            counts(SUCCESS=1, INVALID=1, REJECTED=1),
            None,
            REWORK,
            (
                "Not updated: 2 of 3 rows. Correct 2 rows in rework.csv, and send that file;"
                " the column update_fix says how."
            ),
        ),
        (
            counts(UNKNOWN=1, NOT_SENT=4),
            WHY,
            REWORK,
            (
                "Not updated: 5 of 5 rows. The run stopped early: stopped by SIGTERM."
                " Once that is settled, run the same file again for the 5 rows left."
            ),
        ),
    ],
)
def test_the_sentence_says_what_to_do(
    rows: dict[Status, int], stopped: str | None, rework: Path | None, sentence: str
) -> None:
    """No less than is needed, and nothing that is not."""
    assert sentence_of(rows, stopped, rework) == sentence
