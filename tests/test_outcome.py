"""What a run comes to, by its rows."""

from __future__ import annotations

import pytest

from etl.errors import ExitCode
from etl.outcome import Totals, exit_code_of, sentence_of
from etl.rows import Status

WHY = "The run was interrupted (Ctrl-C)."


def counts(**found: int) -> dict[Status, int]:
    """The rows of each status, of which most have none."""
    return {status: found.get(status, 0) for status in Status}


def totals(stored_differently: int = 0, **found: int) -> Totals:
    """The totals of a run with so many rows of each status."""
    rows = sum(found.values())
    return Totals(rows, counts=counts(**found), stored_differently=stored_differently)


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
    ("totals", "stopped", "sentence"),
    [
        (totals(), None, "The file contains no rows."),
        (totals(SUCCESS=1), WHY, "All rows were updated: 1 updated."),
        (
            totals(stored_differently=25, SUCCESS=25),
            None,
            (
                "All rows were updated: 25 updated, 25 of them stored differently from what was"
                " sent."
            ),
        ),
        (
            totals(stored_differently=1, SUCCESS=2_000, INVALID=1),
            None,
            (
                "1 of 2,001 rows was not updated. 2,000 updated, 1 of them stored differently from"
                " what was sent. Fix the 1 row in rework.csv (see the update_fix column), then"
                " submit that file."
            ),
        ),
        (
            totals(SUCCESS=1, INVALID=1, REJECTED=1),
            None,
            (
                "2 of 3 rows were not updated. Fix the 2 rows in rework.csv (see the update_fix"
                " column), then submit that file."
            ),
        ),
        (
            totals(UNKNOWN=1, NOT_SENT=4),
            WHY,
            (
                "5 of 5 rows were not updated. The run was interrupted (Ctrl-C). When this is"
                " resolved, run the same file again to send the remaining 5 rows."
            ),
        ),
        (
            totals(FAILED=1, SUCCESS=1),
            None,
            "1 of 2 rows was not updated. Run the same file again to send the remaining row.",
        ),
    ],
)
def test_the_sentence_says_what_to_do(totals: Totals, stopped: str | None, sentence: str) -> None:
    """No less than is needed, and nothing that is not."""
    assert sentence_of(totals, stopped, "rework.csv") == sentence
