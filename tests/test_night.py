"""The first line of the nightly summary, for every outcome of the files."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.commands.night import Night
from etl.errors import ExitCode
from etl.fields import Field
from etl.jobs.summary import Summary
from etl.manifest import Plan
from etl.rows import OpenRows, Status, Totals

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDED = datetime(2026, 11, 28, 2, 15).astimezone()


def sent(code: ExitCode = ExitCode.DONE, **counts: int) -> Summary:
    """Return a file with this many rows of each status."""
    all_counts = {status: counts.get(status, 0) for status in Status}
    totals = Totals(sum(all_counts.values()), counts=all_counts)
    return Summary(Path("sent.csv"), code, "Sent.", run="run", totals=totals)


def planned(changed: int, **counts: int) -> Summary:
    """Return a file that was only planned, with so many rows that would change their client."""
    plan = Plan("0" * 64, changed, {Field.PHONE: changed}, 0, {})
    return replace(sent(ExitCode.STOPPED, **counts), plan=plan, planned=True)


def corrected(rows: int) -> Summary:
    """Return a resumed file with this many rows to fix, all of which later runs had corrected."""
    summary = sent(ExitCode.NOT_ALL_UPDATED, INVALID=rows, SUCCESS=2)
    return replace(summary, totals=replace(summary.totals, corrected=rows))


def processed_before(still_open: int = 0, run: str = "before") -> Summary:
    """Return a file that was processed in an earlier night."""
    return Summary(
        Path("before.csv"),
        ExitCode.DONE,
        "Already processed.",
        run=run,
        already_done=True,
        still_open=still_open,
    )


def reworked(original: str, to_fix: int) -> Summary:
    """Return a file that corrects another, which then has this many rows to fix."""
    return Summary(
        Path("rework.csv"),
        ExitCode.DONE,
        "Sent.",
        run="rework",
        totals=sent(SUCCESS=1).totals,
        reworked=[OpenRows(original, "before.csv", to_fix, 0)],
    )


UNUSABLE = Summary(Path("bad.csv"), ExitCode.INPUT_UNUSABLE, "The file is empty.")
NOT_SENT = Summary(Path("next.csv"), ExitCode.STOPPED, "Not started.", stopped="Why.")
BROKEN = Summary(Path("odd.csv"), ExitCode.INTERNAL, "internal error")


def night(summaries: Sequence[Summary], *, sandbox: bool = False) -> Night:
    """Return the night with these files."""
    made = [replace(each, totals=replace(each.totals, sandbox=sandbox)) for each in summaries]
    return Night([each.input for each in summaries], made, ENDED)


@pytest.mark.parametrize(
    ("summaries", "line"),
    [
        ([sent(SUCCESS=40)], "OK: 1 file, 40 rows updated"),
        ([sent()], "OK: 1 file"),
        ([], "OK: no files"),
        (
            [
                *[sent(ExitCode.NOT_ALL_UPDATED, INVALID=4, REJECTED=2)] * 3,
                *[UNUSABLE] * 9,
            ],
            "ACTION NEEDED: 12 files, 3 sent, 9 unusable, 18 rows to fix",
        ),
        (
            [sent(ExitCode.NOT_ALL_UPDATED, UNKNOWN=2, SUCCESS=1_000)],
            "ACTION NEEDED: 1 file, 2 rows to send, 1,000 rows updated",
        ),
        (
            [sent(ExitCode.STOPPED, NOT_SENT=1_715, SUCCESS=285), NOT_SENT],
            "STOPPED EARLY: 2 files, 1 sent, 1 not finished, 1,715 rows to send, 285 rows updated",
        ),
        ([BROKEN, sent(SUCCESS=1)], "INTERNAL ERROR: 2 files, 1 sent, 1 failed, 1 row updated"),
        ([processed_before()] * 2, "OK: 2 files, 2 already processed"),
        (
            [processed_before(still_open=3)],
            "ACTION NEEDED: 1 file, 1 already processed, 3 rows still open in earlier files",
        ),
        (
            [processed_before(still_open=3), reworked("before", to_fix=1)],
            (
                "ACTION NEEDED: 2 files, 1 sent, 1 already processed,"
                " 1 row still open in earlier files, 1 row updated"
            ),
        ),
        (
            [sent(ExitCode.NOT_ALL_UPDATED, INVALID=3), reworked("run", to_fix=1)],
            "ACTION NEEDED: 2 files, 1 row still open in earlier files, 1 row updated",
        ),
        (
            [replace(reworked("before", to_fix=2), totals=sent(INVALID=2).totals)],
            "ACTION NEEDED: 1 file, 2 rows still open in earlier files",
        ),
        ([corrected(3)], "OK: 1 file, 2 rows updated"),
        ([sent(SUCCESS=2, UNCHANGED=3)], "OK: 1 file, 2 rows updated, 3 rows unchanged"),
        ([sent(UNCHANGED=5)], "OK: 1 file, 5 rows unchanged"),
        (
            [planned(3, NOT_SENT=3, UNCHANGED=2)],
            "PLANNED: 1 file, 3 rows would change, 2 rows unchanged",
        ),
        (
            [planned(3, NOT_SENT=3, FAILED=1, INVALID=1), sent(UNCHANGED=5), UNUSABLE],
            (
                "ACTION NEEDED: 3 files, 2 planned, 1 unusable, 3 rows would change, 1 row to fix,"
                " 1 row to send, 5 rows unchanged"
            ),
        ),
        (
            [replace(planned(3, NOT_SENT=3), stopped="The run was interrupted (Ctrl-C).")],
            "STOPPED EARLY: 1 file, 3 rows to send",
        ),
        (
            [
                replace(sent(ExitCode.STOPPED, NOT_SENT=3), needs_approval=True),
                planned(2, NOT_SENT=2),
            ],
            "NEEDS APPROVAL: 2 files, 2 rows would change, 3 rows to send",
        ),
        (
            [replace(sent(ExitCode.STOPPED, NOT_SENT=3), needs_approval=True), NOT_SENT],
            "STOPPED EARLY: 2 files, 1 sent, 1 not finished, 3 rows to send",
        ),
        (
            [processed_before(still_open=3), reworked("before", to_fix=0)],
            "OK: 2 files, 1 sent, 1 already processed, 1 row updated",
        ),
    ],
)
def test_the_first_line_says_whether_somebody_must_act(
    summaries: Sequence[Summary], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line has the local time, a verdict, and the numbers, the most urgent first."""
    night(summaries).say()
    assert capsys.readouterr().out.splitlines()[0] == f"2026-11-28 02:15 {line}"


def test_a_night_against_the_sandbox_is_known_from_its_first_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sandbox night says so in its first line, even if no file could be used."""
    night([UNUSABLE], sandbox=True).say()
    assert "02:15 ACTION NEEDED (SANDBOX): 1 file" in capsys.readouterr().out


def test_files_that_need_nothing_are_one_number(capsys: pytest.CaptureFixture[str]) -> None:
    """Files that need no action are counted, also if they were corrected in the same night."""
    before = [processed_before(run="a"), processed_before(still_open=2, run="b")]
    night([*before, reworked("b", to_fix=0)]).say()
    out = capsys.readouterr().out
    assert "\n2 files were already processed and need no action.\n" in out
    assert "Still open after this rework: before.csv (run b): nothing\n" in out
    assert "before.csv: Already processed." not in out


def test_rows_that_rework_left_open_are_named_with_the_rework(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rows that are still open after a rework are named with the rework."""
    night([processed_before(still_open=2, run="b"), reworked("b", to_fix=1)]).say()
    out = capsys.readouterr().out
    assert "Still open after this rework: before.csv (run b): 1 row to fix\n" in out
    assert "need" not in out.lower().partition("\n")[2]


@pytest.mark.parametrize("quiet", [False, True])
def test_a_file_that_could_not_be_moved_away_is_named(
    quiet: bool,  # noqa: FBT001
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A file that could not be moved away is named, even if it needs no other action."""
    summary = night([replace(processed_before(), not_moved="Permission denied"), UNUSABLE])
    (summary.complain(quiet=True) if quiet else summary.say())
    output = capsys.readouterr()
    assert "before.csv could not be moved away (Permission denied)." in output.out + output.err
    assert ("1 not moved away" in output.out) is not quiet


def test_a_single_file_is_named_even_if_it_needs_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A single file that was already processed is named with its run."""
    night([processed_before()]).say()
    assert "before.csv: Already processed.\n" in capsys.readouterr().out
