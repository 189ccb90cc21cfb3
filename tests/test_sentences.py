"""The exit code of a run and its sentences follow from its rows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ExitCode
from etl.fields import Field
from etl.jobs.summary import exit_code_of
from etl.manifest import Approval, Confirmation, Plan
from etl.report.sentences import (
    approval_in_words,
    columns_in_words,
    confirmation_in_words,
    rows_in_words,
    sentence_of,
)
from etl.rows import Status, Totals
from foreign import FOREIGN, is_readable

PLAN = Plan("0" * 64, 3, {Field.NAME: 1, Field.PHONE: 2}, emptying=1, emptied={Field.PHONE: 1})
WHY = "The run was interrupted (Ctrl-C)."


def counts(**rows: int) -> dict[Status, int]:
    """Return the number of rows of every status."""
    return {status: rows.get(status, 0) for status in Status}


def totals(stored_differently: int = 0, **rows: int) -> Totals:
    """Return the totals of a run with this many rows of each status."""
    return Totals(sum(rows.values()), counts=counts(**rows), stored_differently=stored_differently)


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
def test_exit_code_follows_from_the_rows(
    rows: dict[Status, int], stopped: str | None, code: ExitCode
) -> None:
    """Exit code 4 means that rows are still to send; a signal after the last changes nothing."""
    assert exit_code_of(rows, stopped) is code


@pytest.mark.parametrize(
    ("totals", "stopped", "sentence"),
    [
        (totals(), None, "The file contains no rows."),
        (totals(SUCCESS=1), WHY, "All rows were updated."),
        (
            totals(SUCCESS=2, UNCHANGED=3),
            None,
            "2 of 5 rows updated, 3 already had these values.",
        ),
        (
            totals(UNCHANGED=2_000),
            None,
            "None of 2,000 rows was sent: Fatora already had these values.",
        ),
        (totals(UNCHANGED=1), None, "The row was not sent: Fatora already had these values."),
        (
            totals(SUCCESS=1, UNCHANGED=1, CONFLICT=1),
            None,
            (
                "1 of 3 rows updated, 1 already had these values, 1 was not updated. 1 row was not"
                " sent, since its client was changed in Fatora meanwhile: check it. Run the same"
                " file again to send the remaining row."
            ),
        ),
        (
            totals(stored_differently=25, SUCCESS=25),
            None,
            (
                "All rows were updated. 25 updated, 25 of them stored differently from what was"
                " sent."
            ),
        ),
        (
            totals(stored_differently=1, SUCCESS=2_000, INVALID=1),
            None,
            (
                "1 of 2,001 rows was not updated. 2,000 updated, 1 of them stored differently from"
                " what was sent. Fix the row in rework.csv (see the update_fix column), then submit"
                " that file."
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
def test_sentence_says_what_to_do(totals: Totals, stopped: str | None, sentence: str) -> None:
    """The sentence has the result, the reason of a stop, and the steps that are needed."""
    assert sentence_of(totals, stopped, "rework.csv") == sentence


@pytest.mark.parametrize(
    ("totals", "words"),
    [
        (Totals(rows=2_000), "2,000 rows"),
        (Totals(rows=1, blank_rows=1), "1 row; 1 blank row was skipped"),
        (Totals(rows=1, hidden_rows=1), "1 row, hidden"),
        (
            Totals(rows=40, hidden_rows=3, blank_rows=200_000),
            "40 rows, 3 of them hidden; 200,000 blank rows were skipped",
        ),
    ],
)
def test_rows_are_counted_in_words(totals: Totals, words: str) -> None:
    """Hidden rows are read and blank rows are not, and both are counted."""
    assert rows_in_words(totals) == words


def test_columns_are_named_in_order_in_any_script() -> None:
    """Columns are named in the file's order, and all are isolated if one of them is Arabic."""
    sent = {Field.ID: "رقم العميل", Field.EMAIL: "Email"}
    assert columns_in_words(Totals(sent=sent, not_sent=["Branch"])) == (
        "Sent: id ← “\u2068رقم العميل\u2069”, email ← “\u2068Email\u2069”."
        " Not sent: “\u2068Branch\u2069”."
    )


def test_columns_that_look_like_fields_are_named_with_what_to_do() -> None:
    """A column that is perhaps left out by mistake is a warning that names the setting."""
    sent = {Field.ID: "ID", Field.EMAIL: "E-mail"}
    looks = {"Kontakt": Field.PHONE, "Nom": Field.NAME}
    assert columns_in_words(Totals(sent=sent, not_sent=["Nom", "Kontakt"], lookalikes=looks)) == (
        "Sent: id ← “ID”, email ← “E-mail”. Not sent: “Nom”, “Kontakt”."
        " “Kontakt” looks like phone; add it to columns.phone.aliases if it is."
        " “Nom” looks like name; add it to columns.name.aliases if it is."
    )


@settings(max_examples=50)
@given(headers=st.lists(FOREIGN, min_size=2, max_size=4), rework=FOREIGN)
def test_sentences_are_readable_whatever_they_quote(headers: list[str], rework: str) -> None:
    """Headers and file names cannot disorder a sentence."""
    invalid = Totals(2, counts=counts(INVALID=2), sent={Field.ID: headers[0]}, not_sent=headers[1:])
    assert is_readable(columns_in_words(invalid))
    assert is_readable(sentence_of(invalid, None, rework))


@pytest.mark.parametrize(
    ("totals", "stopped", "sentence"),
    [
        (
            totals(NOT_SENT=3, UNCHANGED=2),
            None,
            (
                "3 of 5 rows would change: phone 2 (1 emptied), name 1. Nothing was sent. Run"
                " fatora-clients update with the same file to send exactly these changes."
            ),
        ),
        (
            totals(NOT_SENT=3, FAILED=1, CONFLICT=2),
            None,
            (
                "3 of 6 rows would change: phone 2 (1 emptied), name 1. Nothing was sent. 2 rows"
                " were not sent, since their clients were changed in Fatora meanwhile: check them."
                " Run fatora-clients update with the same file to send these changes. 1 row could"
                " not be compared yet and would be sent unseen: run fatora-clients plan with the"
                " same file again."
            ),
        ),
        (
            totals(NOT_SENT=3),
            "3 of 3 rows would change their client; at most 1 may.",
            (
                "3 of 3 rows would change: phone 2 (1 emptied), name 1. Nothing was sent. 3 of 3"
                " rows would change their client; at most 1 may. When this is resolved, run"
                " fatora-clients update with the same file to send exactly these changes."
            ),
        ),
    ],
)
def test_a_plan_says_what_it_would_change(
    totals: Totals, stopped: str | None, sentence: str
) -> None:
    """A run that was only planned says what it would change, and how to send it."""
    assert sentence_of(totals, stopped, "", PLAN) == sentence


def test_an_approval_says_who_when_and_how() -> None:
    """An approval is a line with the time, the person, the signer, the plan and the note."""
    approval = Approval(
        "2026-11-28T02:15:00.000+00:00", "mona", "desk", "5e" * 32, "Checked", "mona@example.com"
    )
    assert approval_in_words(approval) == (
        "2026-11-28 02:15 UTC by mona on desk, signed by mona@example.com,"
        " for the plan 5e5e5e5e5e5e…. Note: “Checked”."
    )


def test_a_confirmation_says_what_was_found() -> None:
    """A confirmation is a line with the time, the person and the numbers that are not zero."""
    confirmation = Confirmation("2026-11-28T02:15:00.000+00:00", "mona", "desk", 30, 28, 2, 0, 1)
    assert confirmation_in_words(confirmation) == (
        "2026-11-28 02:15 UTC by mona on desk: 30 clients read, 28 still so, 2 changed since."
        " 1 unconfirmed row was settled."
    )
