"""What a journal knows of each client from before it was updated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.codes import Code
from etl.images import KEYS
from etl.rows import CheckedRow, Fault, Method, PendingRow, Record, RowResult, Status
from etl.runs.journal import Journal
from etl.runs.reader import JournalReader, Staged
from etl.runs.staging import StagingJournal
from etl.runs.undoing import Updated

if TYPE_CHECKING:
    from pathlib import Path

    from etl.images import Image

NOW = "2026-01-01T00:00:00.000+00:00"
BLANK = dict.fromkeys(KEYS, "")
OLD = {**BLANK, "email": "sara@example.com", "phone": "1"}
EDITED = {**OLD, "phone": "2"}
BODY = {"email": "sara@example.com", "phone": "3"}
NEW = {**OLD, **BODY}
UNREACHABLE = Fault(Code.NETWORK_UNREACHABLE, "Fatora could not be reached.")
CHANGED = Fault(Code.CHANGED_MEANWHILE, "Somebody changed it.")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with one row, 2, of client 7."""
    path = tmp_path / "journal.sqlite3"
    with StagingJournal(path) as journal:
        list(journal.add([CheckedRow(Record(2, ("7",)), 7, BODY)]))
        journal.seal(Staged(("id",), {}, None, 1, 0, 0))
    return path


def read(path: Path, client: Image | None, status: Status = Status.NOT_SENT) -> None:
    """Let a session read the client, and plan its row."""
    faults = {Status.CONFLICT: (CHANGED,), Status.FAILED: (UNREACHABLE,)}.get(status, ())
    with Journal(path) as journal:
        journal.recover(NOW)
        (row,) = journal.pending()
        so_far = Status.UNKNOWN if row.status is Status.UNKNOWN else status
        result = RowResult(
            2, 7, so_far, row.attempts, NOW, 1, faults, method=Method.GET, client=client
        )
        journal.record([result], [], NOW)
        journal.plan_rows(lambda _: [])


def send(path: Path, status: Status | None) -> None:
    """Let a session send the row; None kills it meanwhile."""
    with Journal(path) as journal:
        journal.recover(NOW)
        (row,) = journal.pending()
        journal.record([], [row], NOW)
        if status:
            attempt, stored = row.attempts + 1, NEW if status is Status.SUCCESS else None
            faults = () if status is Status.SUCCESS else (UNREACHABLE,)
            result = RowResult(2, 7, status, attempt, NOW, 1, faults, client=stored)
            journal.record([result], [], NOW)


def updated(path: Path) -> list[Updated]:
    """Return the clients that the run updated, or may have updated."""
    with JournalReader(path) as journal:
        return list(journal.updated_clients())


def planned(path: Path) -> list[PendingRow]:
    """Return the rows that a new session may send without reading their clients."""
    with Journal(path) as journal:
        return list(journal.planned())


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.UNKNOWN, None])
def test_a_client_that_may_have_been_updated_has_its_before_image(
    path: Path, status: Status | None
) -> None:
    """It is what was read before the row was sent; the after-image is known from an answer."""
    read(path, OLD)
    send(path, status)
    assert updated(path) == [Updated(7, BODY, OLD, NEW if status is Status.SUCCESS else None)]


@pytest.mark.parametrize("status", [Status.FAILED, Status.REJECTED])
def test_a_client_that_was_not_updated_is_left_out(path: Path, status: Status) -> None:
    """What had no effect leaves nothing to undo."""
    read(path, OLD)
    send(path, status)
    assert updated(path) == []


@pytest.mark.parametrize("first", [Status.UNKNOWN, None])
def test_what_was_read_after_a_first_update_is_no_before_image(
    path: Path, first: Status | None
) -> None:
    """A session without comparing may have updated the client before it was ever read."""
    send(path, first)
    read(path, NEW)
    send(path, Status.SUCCESS)
    assert updated(path) == [Updated(7, BODY, None, NEW)]


def test_an_attempt_without_effect_does_not_fix_the_before_image(path: Path) -> None:
    """If somebody edits the client after an attempt that failed, undo restores their edit."""
    read(path, OLD)
    send(path, Status.FAILED)
    read(path, EDITED, Status.CONFLICT)
    read(path, EDITED)
    send(path, Status.SUCCESS)
    assert updated(path) == [Updated(7, BODY, EDITED, NEW)]


def test_a_later_reading_does_not_replace_the_before_image(path: Path) -> None:
    """Once the client may have been updated, what it held before stays on record."""
    read(path, OLD)
    send(path, None)
    read(path, EDITED, Status.CONFLICT)
    read(path, EDITED)
    send(path, Status.SUCCESS)
    assert updated(path) == [Updated(7, BODY, OLD, NEW)]


def test_a_conflict_is_read_again_even_after_a_reading_that_failed(path: Path) -> None:
    """Until the client could be read again, its row is not sent; then it is planned anew."""
    read(path, OLD)
    read(path, EDITED, Status.CONFLICT)
    read(path, None, Status.FAILED)
    assert planned(path) == []
    with Journal(path) as journal:
        assert [row.row for row in journal.unread()] == [2]
    read(path, EDITED)
    assert [row.expected for row in planned(path)] == [EDITED]


def test_a_row_that_expects_something_is_read_with_it(tmp_path: Path) -> None:
    """The precondition of a row is what its reading is judged by."""
    path = tmp_path / "journal.sqlite3"
    with StagingJournal(path) as journal:
        list(journal.add([CheckedRow(Record(2, ("7",)), 7, BODY)]))
        journal.expect([(2, OLD)])
        journal.seal(Staged(("id",), {}, None, 1, 0, 0, undoes="20260101T000000.000Z-abcdef"))
    with Journal(path) as again:
        assert [row.expected for row in again.unread()] == [OLD]
        assert again.totals().undoes == "20260101T000000.000Z-abcdef"


def test_a_reversal_restores_what_changed_and_sends_what_was_sent() -> None:
    """Its body has the old values, of all fields if the API may clear what is left out."""
    before = {**OLD, "name": "Sara", "notes": "VIP"}
    after = {**before, "phone": "3", "notes": ""}
    client = Updated(7, BODY, before, after)
    part, whole = client.reversal(whole=False), client.reversal(whole=True)
    assert part
    assert whole
    assert part.body == {"email": "sara@example.com", "phone": "1", "notes": "VIP"}
    assert (whole.body, part.restored, whole.restored) == (before, before, before)
    assert (part.expected, part.warning) == (after, "")
    assert Updated(7, BODY, None, after).reversal(whole=True) is None


def test_without_an_answer_the_client_is_expected_to_hold_what_was_sent() -> None:
    """The after-image of an UNKNOWN row is what it held before, with what was sent."""
    reversal = Updated(7, BODY, OLD, None).reversal(whole=False)
    assert reversal
    assert (reversal.expected, reversal.restored) == (NEW, OLD)


def test_an_email_cannot_be_emptied_again() -> None:
    """Every update must have one, so the run's stays, and the warning says so."""
    reversal = Updated(7, BODY, {**OLD, "email": ""}, NEW).reversal(whole=False)
    assert reversal
    assert reversal.body == {"email": "sara@example.com", "phone": "1"}
    assert "this one stays" in reversal.warning
