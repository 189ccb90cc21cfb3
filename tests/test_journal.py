"""The journal in real SQLite files: what was recorded is never lost."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from etl.codes import Code
from etl.errors import InconsistentError, StoppedError
from etl.fields import Field
from etl.images import KEYS
from etl.rows import (
    NOT_UPDATED,
    OF_COMPARING,
    CheckedRow,
    Fault,
    Method,
    PendingRow,
    Record,
    RowResult,
    Status,
)
from etl.runs.journal import Journal
from etl.runs.reader import JournalReader, Staged
from etl.runs.staging import StagingJournal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

NOW = "2026-01-01T00:00:00.000+00:00"
LATER = "2026-01-01T00:00:05.000+00:00"
NAMES = ("id", "email", "name", "notes")
COLUMNS = {Field.ID: 0, Field.EMAIL: 1, Field.NAME: 2, Field.NOTES: 3}
BODY = {"email": "sara@example.com", "name": "سارة"}
BAD_EMAIL = Fault(Code.EMAIL_INVALID, "email `sara@`: the e-mail address is not valid")
BAD_ID = Fault(Code.ID_NOT_INTEGER, "id `1.5`: the id is not a whole number")


def checked(
    row: int, *faults: Fault, client_id: int | None = None, body: dict[str, str] = BODY
) -> CheckedRow:
    """A validated row, with its own client unless one is given."""
    cells = (str(row), "sara@example.com", " سارة ", "")
    return CheckedRow(Record(row, cells), client_id or row + 1_000, body, faults)


def staged_journal(path: Path, rows: Iterable[CheckedRow]) -> Path:
    """A journal with these rows staged, as at the start of a run."""
    with StagingJournal(path) as journal:
        *_, count = [0, *journal.add(rows)]
        journal.seal(Staged(NAMES, COLUMNS, ",", count, 3, 1))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path for a journal."""
    return tmp_path / "journal.sqlite3"


def result(row: int, status: Status, attempts: int = 1, fault: Fault | None = None) -> RowResult:
    """The result of an attempt."""
    faults = (fault,) if fault else ()
    return RowResult(row, row + 1_000, status, attempts, LATER, 120, faults, http_status=200)


def a_reading(row: int) -> RowResult:
    """The result of reading a client that has another name."""
    read = result(row, Status.NOT_SENT, attempts=0)
    return replace(read, method=Method.GET, client={**dict.fromkeys(KEYS, ""), **BODY, "name": ""})


def statuses(path: Path) -> dict[int, Status]:
    """The status of every row."""
    with JournalReader(path) as journal:
        return {row.row: row.status for row in journal.rows()}


# Staging


def test_a_staged_row_reads_back_as_it_was(path: Path) -> None:
    """Cells read back to the last blank, with Arabic letters and line breaks."""
    cells = ("7", 'a "quoted" cell', "سطر\r\nآخر\u200f", " ", "", "0")
    row = CheckedRow(Record(2, cells), 7, BODY, (), ("phone: digits were mapped",))
    staged_journal(path, [row])
    with JournalReader(path) as journal:
        (read,) = journal.rows()
    assert tuple(read.cells) == cells
    assert (read.row, read.client_id, read.status) == (2, 7, Status.NOT_SENT)
    assert (read.faults, read.warning) == ((), "phone: digits were mapped")
    assert (read.http_status, read.attempts, read.time, read.ms) == (None, 0, "", None)


def test_a_row_with_faults_is_invalid_and_keeps_them_all(path: Path) -> None:
    """A row keeps all its faults in order, each with its code."""
    staged_journal(path, [checked(2, BAD_ID, BAD_EMAIL)])
    with JournalReader(path) as journal:
        (read,) = journal.rows()
    assert (read.status, read.faults) == (Status.INVALID, (BAD_ID, BAD_EMAIL))


@pytest.mark.parametrize("client_id", [None, 1, 9_223_372_036_854_775_807])
def test_any_usable_id_and_none_at_all_can_be_staged(path: Path, client_id: int | None) -> None:
    """Any usable id can be staged exactly, and so can a row without one."""
    staged_journal(path, [checked(2)._replace(client_id=client_id)])
    with JournalReader(path) as journal:
        assert [row.client_id for row in journal.rows()] == [client_id]


def test_what_is_known_of_the_input_reads_back(path: Path) -> None:
    """The facts about the input read back: columns, sheet and counts."""
    staged_journal(path, map(checked, range(2, 7)))
    with JournalReader(path) as journal:
        assert journal.staged() == Staged(NAMES, COLUMNS, ",", 5, 3, 1)


def test_staging_tells_how_far_it_is(path: Path) -> None:
    """Staging reports its progress, and the number of rows at the end."""
    with StagingJournal(path) as journal:
        assert list(journal.add(map(checked, range(2, 2_502)))) == [1_000, 2_000, 2_500]


def test_rows_are_taken_as_they_are_written(path: Path) -> None:
    """Rows are read as they are written, so that memory does not grow."""
    taken = []

    def rows() -> Iterable[CheckedRow]:
        for number in range(2, 5_002):
            taken.append(number)
            yield checked(number)

    with StagingJournal(path) as journal:
        assert next(iter(journal.add(rows()))) == len(taken) == 1_000


def test_a_staged_journal_is_flushed_to_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A staged journal is flushed once, at its end."""
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    staged_journal(path, map(checked, range(2, 5)))
    assert flushed == [path.stat().st_ino]


def test_an_existing_journal_is_never_staged_over(path: Path) -> None:
    """Staging never overwrites an existing journal."""
    staged_journal(path, [checked(2)])
    with pytest.raises(FileExistsError):
        StagingJournal(path)
    assert statuses(path) == {2: Status.NOT_SENT}


def test_a_journal_is_private(path: Path) -> None:
    """The journal and SQLite's files beside it are private."""
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending()), NOW)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert len(modes) > 1
    assert set(modes.values()) == {0o600}


# Rows that contradict one another


def test_rows_of_one_client_that_differ_are_conflicts(path: Path) -> None:
    """If rows of a client differ, all rows of that client are conflicts."""
    other = {**BODY, "name": "Sara"}
    with StagingJournal(path) as journal:
        rows = [
            checked(2, client_id=7),
            checked(3, client_id=8),
            checked(4, client_id=7, body=other),
            checked(5, client_id=7),
            checked(6, client_id=9),
        ]
        list(journal.add(rows))
        assert list(journal.conflicts()) == [(7, row, [2, 4, 5], 3) for row in (2, 4, 5)]


def test_rows_of_one_client_that_agree_are_no_conflict(path: Path) -> None:
    """Sending the same values twice is harmless."""
    with StagingJournal(path) as journal:
        list(journal.add(checked(row, client_id=7) for row in range(2, 5)))
        assert list(journal.conflicts()) == []


def test_rows_without_a_usable_id_are_no_conflict(path: Path) -> None:
    """Rows without a usable id never conflict."""
    with StagingJournal(path) as journal:
        rows = [checked(row, BAD_ID, body={"email": f"{row}@example.com"}) for row in range(2, 5)]
        list(journal.add(row._replace(client_id=None) for row in rows))
        assert list(journal.conflicts()) == []


def test_faults_found_late_are_added_to_those_of_the_row(path: Path) -> None:
    """Faults can be added while conflicts are being read."""
    fault = Fault(Code.ID_DUPLICATE, 'id `7`: see also row "3"\n')
    with StagingJournal(path) as journal:
        rows = [checked(2, BAD_EMAIL, client_id=7, body={}), checked(3, client_id=7), checked(4)]
        list(journal.add(rows))
        journal.add_faults((each.row, fault) for each in journal.conflicts())
        journal.seal(Staged((), {}, "", 3, 0, 0))
    with JournalReader(path) as reader:
        faults = {row.row: (row.status, row.faults) for row in reader.rows()}
    assert faults == {
        2: (Status.INVALID, (BAD_EMAIL, fault)),
        3: (Status.INVALID, (fault,)),
        4: (Status.NOT_SENT, ()),
    }


# What is pending


def test_rows_that_are_not_final_are_pending_with_those_tried_before_last(path: Path) -> None:
    """Rows that are not final are pending in order, those that were tried before at the end."""
    staged_journal(path, [*map(checked, range(2, 7)), checked(7, BAD_ID)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending(4)), NOW)
        outcomes = [Status.SUCCESS, Status.REJECTED, Status.FAILED, Status.UNKNOWN]
        journal.record([result(row, each) for row, each in enumerate(outcomes, 2)], [], LATER)
        assert list(journal.pending()) == [PendingRow(6, 1_006, BODY)]
    with Journal(path) as journal:
        assert list(journal.pending()) == [
            PendingRow(6, 1_006, BODY, Status.NOT_SENT, 0),
            PendingRow(4, 1_004, BODY, Status.FAILED, 1, sessions=1),
            PendingRow(5, 1_005, BODY, Status.UNKNOWN, 1, sessions=1),
        ]


def test_rows_that_were_tried_in_most_sessions_come_last(path: Path) -> None:
    """A row that failed in every session comes after those that failed less often."""
    staged_journal(path, map(checked, range(2, 5)))
    for tried in ([2], [2, 4]):
        with Journal(path) as journal:
            rows = [row for row in journal.pending() if row.row in tried]
            journal.record([], rows, NOW)
            failed = [
                replace(result(row.row, Status.FAILED), attempts=row.attempts + 1) for row in rows
            ]
            journal.record(failed, [], LATER)
    with Journal(path) as journal:
        pending = [(row.row, row.sessions) for row in journal.pending()]
        assert pending == [(3, 0), (4, 1), (2, 2)]
        assert [row.row for row in journal.pending(2)] == [3, 4]


def test_a_journal_of_an_earlier_version_is_resumed(path: Path) -> None:
    """A journal whose attempts have no session is resumed: they count as one session."""
    staged_journal(path, map(checked, range(2, 4)))
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE attempts DROP COLUMN session")
        for attempt in (1, 2):
            db.execute(
                "INSERT INTO attempts VALUES (2, ?, ?, ?, 'FAILED', NULL, NULL, 5)",
                (attempt, NOW, LATER),
            )
        db.execute("UPDATE rows SET status = 'FAILED', attempts = 2 WHERE row = 2")
        db.commit()
    with Journal(path) as journal:
        assert [(row.row, row.sessions) for row in journal.pending()] == [(3, 0), (2, 1)]


@pytest.mark.parametrize("rows", [0, 1, 999, 1_000, 1_001, 2_000, 2_345])
def test_pending_rows_come_once_each_over_all_pages(path: Path, rows: int) -> None:
    """Pending rows come once each, across pages."""
    staged_journal(path, map(checked, range(2, rows + 2)))
    with Journal(path) as journal:
        assert [row.row for row in journal.pending()] == list(range(2, rows + 2))


@pytest.mark.parametrize("limit", [1, 999, 1_000, 1_001, 1_500, 9_999])
def test_a_limit_is_the_most_that_are_pending(path: Path, limit: int) -> None:
    """A limit counts pending rows only, also across pages."""
    staged_journal(path, [checked(row, *[BAD_ID] * (row % 2)) for row in range(2, 3_002)])
    with Journal(path) as journal:
        found = [row.row for row in journal.pending(limit)]
    assert found == list(range(2, 3_002, 2))[:limit]


def test_what_is_done_meanwhile_does_not_disturb_what_is_pending(path: Path) -> None:
    """Recording outcomes while rows are read neither repeats nor skips a row."""
    staged_journal(path, map(checked, range(2, 2_502)))
    seen = []
    with Journal(path) as journal:
        for row in journal.pending():
            seen.append(row)
            if len(seen) % 250 == 0:
                ended = [result(each.row, Status.FAILED) for each in seen[-250:]]
                ended[::3] = [replace(each, status=Status.SUCCESS) for each in ended[::3]]
                journal.record([], seen[-250:], NOW)
                journal.record(ended, [], LATER)
    assert [row.row for row in seen] == list(range(2, 2_502))


def test_clients_that_are_to_be_updated_are_listed_once(path: Path) -> None:
    """Each client to be updated is listed once."""
    rows = [checked(2, client_id=7), checked(3, client_id=7), checked(4, BAD_EMAIL), checked(5)]
    staged_journal(path, rows)
    with Journal(path) as journal:
        assert sorted(journal.client_ids()) == [7, 1_005]


# What is recorded


def test_a_row_under_way_may_have_been_updated(path: Path) -> None:
    """A row under way counts as UNKNOWN, not as NOT_SENT."""
    staged_journal(path, map(checked, range(2, 6)))
    with Journal(path) as journal:
        journal.record([], list(journal.pending(3)), NOW)
        journal.record([result(2, Status.SUCCESS), result(3, Status.FAILED)], [], LATER)
        journal.record([], [replace(next(journal.pending()), row=3, attempts=1)], LATER)
    with JournalReader(path) as journal:
        assert [(row.status, row.attempts) for row in journal.rows()] == [
            (Status.SUCCESS, 1),
            (Status.UNKNOWN, 2),
            (Status.UNKNOWN, 1),
            (Status.NOT_SENT, 0),
        ]
        assert [row.row for row in journal.rows(client_id=1_004)] == [4]
        counts = journal.counts()
    assert {status: count for status, count in counts.items() if count} == {
        Status.SUCCESS: 1,
        Status.UNKNOWN: 2,
        Status.NOT_SENT: 1,
    }


def test_an_outcome_reads_back(path: Path) -> None:
    """Everything in the results file reads back."""
    fault = Fault(Code.API_CONFLICT, "the API answered 409: البريد مستخدم")
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending()), NOW)
        outcome = RowResult(2, 1_002, Status.REJECTED, 1, LATER, 120, (fault,), "", 409)
        journal.record([outcome], [], LATER)
        (read,) = journal.rows()
    assert (read.status, read.faults, read.warning) == (Status.REJECTED, (fault,), "")
    assert (read.http_status, read.attempts, read.time, read.ms) == (409, 1, LATER, 120)


@pytest.mark.parametrize(
    ("staged", "stored", "shown"),
    [
        ((), "", ""),
        (("phone: mapped",), "", "phone: mapped"),
        ((), "name: the API stored `a`", "name: the API stored `a`"),
        (("phone: mapped",), "name: `a`", "phone: mapped; name: `a`"),
        (("; phone: mapped",), "", "; phone: mapped"),
    ],
)
def test_warnings_add_up(path: Path, staged: tuple[str, ...], stored: str, shown: str) -> None:
    """Warnings of validation and of sending are joined."""
    staged_journal(path, [checked(2)._replace(warnings=staged)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending()), NOW)
        journal.record([replace(result(2, Status.SUCCESS), warning=stored)], [], LATER)
        assert [row.warning for row in journal.rows()] == [shown]


def test_a_fault_is_gone_once_the_row_is_updated(path: Path) -> None:
    """An update removes the fault of an earlier attempt."""
    staged_journal(path, [checked(2)])
    fault = Fault(Code.API_UNAVAILABLE, "the API answered 503")
    with Journal(path) as journal:
        for outcome in (
            result(2, Status.UNKNOWN, 1, fault),
            result(2, Status.SUCCESS, 2),
        ):
            journal.record([], list(journal.pending()), NOW)
            journal.record([outcome], [], LATER)
        (read,) = journal.rows()
    assert (read.status, read.faults, read.attempts) == (Status.SUCCESS, (), 2)


def test_every_attempt_stays_on_record(path: Path) -> None:
    """Each attempt is recorded with its start, end and result."""
    staged_journal(path, [checked(2)])
    fault = Fault(Code.API_UNAVAILABLE, "the API answered 503")
    with Journal(path) as journal:
        (row,) = journal.pending()
        journal.record([], [row], NOW)
        journal.record([result(2, Status.UNKNOWN, 1, fault)], [replace(row, attempts=1)], LATER)
    with sqlite3.connect(path) as db:
        attempts = db.execute("SELECT attempt, begun, ended, status, code FROM attempts").fetchall()
    db.close()
    assert attempts == [
        (1, NOW, LATER, "UNKNOWN", "API_UNAVAILABLE"),
        (2, LATER, None, None, None),
    ]


def test_a_withdrawn_intent_leaves_no_trace(path: Path) -> None:
    """A withdrawn intent leaves no record, and the row can start again."""
    staged_journal(path, [checked(2), checked(3), checked(4)])
    fault = Fault(Code.API_THROTTLED, "the API asked for patience (429)")
    with Journal(path) as journal:
        first, second, third = journal.pending()
        journal.record([], [first, second, third], NOW)
        failed = result(2, Status.FAILED, 1, fault)
        journal.record([failed], [third], LATER, withdrawn=[second, third])
        assert journal.attempts_made() == 2
        assert journal.recover(LATER) == 1
        assert [(row.status, row.attempts) for row in journal.rows()] == [
            (Status.FAILED, 1),
            (Status.NOT_SENT, 0),
            (Status.UNKNOWN, 1),
        ]


def test_an_intent_is_on_record_for_others_when_record_returns(path: Path) -> None:
    """Other programs see an intent as soon as record returns."""
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending()), NOW)
        copy = path.with_name("copy.sqlite3")
        for ending in ("", "-wal"):
            copy.with_name(copy.name + ending).write_bytes(
                path.with_name(path.name + ending).read_bytes()
            )
    with Journal(copy) as journal:
        assert journal.recover(LATER) == 1


def test_the_journal_is_flushed_to_the_disk_with_each_record(path: Path) -> None:
    """Every commit is flushed, because WAL alone could lose the last rows in a power cut."""
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        pragmas = [
            journal._db.execute(f"PRAGMA {name}").fetchone()[0]  # noqa: SLF001
            for name in ("journal_mode", "synchronous")
        ]
    assert pragmas == ["wal", 2]


@pytest.mark.parametrize("taken", [Journal.pending, Journal.unread, Journal.planned])
def test_rows_come_page_by_page(
    taken: Callable[[Journal], Iterable[PendingRow]], path: Path
) -> None:
    """No row has a query of its own, which would wait for the threads that send."""
    staged_journal(path, [checked(row) for row in range(2, 102)])
    statements: list[str] = []
    with Journal(path) as journal:
        if taken is Journal.planned:
            journal.record([a_reading(row) for row in range(2, 102)], [], NOW)
            journal.plan_rows(lambda _: [])
        journal._db.set_trace_callback(statements.append)  # noqa: SLF001
        assert len([*taken(journal)]) == 100
    assert len(statements) < 10


def test_a_record_is_all_or_nothing(path: Path) -> None:
    """One transaction records everything or nothing."""
    staged_journal(path, [checked(2), checked(3)])
    with Journal(path) as journal:
        first, second = journal.pending()
        journal.record([], [first], NOW)
        with pytest.raises(sqlite3.IntegrityError):
            journal.record([result(2, Status.SUCCESS)], [second, second], LATER)
        assert journal.counts()[Status.SUCCESS] == 0
        journal.record([result(2, Status.SUCCESS)], [second], LATER)
        assert journal.counts()[Status.SUCCESS] == 1


# After a crash


def test_a_row_that_was_under_way_when_the_program_died_is_unknown(path: Path) -> None:
    """A row that was under way in a crash is UNKNOWN; the others are unchanged."""
    staged_journal(path, map(checked, range(2, 6)))
    with Journal(path) as journal:
        rows = list(journal.pending())
        journal.record([], rows[:3], NOW)
        journal.record([result(2, Status.SUCCESS)], [], LATER)
    with Journal(path) as journal:
        assert journal.recover(LATER) == 2
        unknown = list(journal.rows())[1]
    assert list(statuses(path).values()) == ["SUCCESS", "UNKNOWN", "UNKNOWN", "NOT_SENT"]
    assert (unknown.codes, unknown.attempts, unknown.time) == ("NETWORK_INTERRUPTED", 1, LATER)
    assert "interrupted" in unknown.error


def test_attempts_count_on_after_a_crash(path: Path) -> None:
    """Attempts are numbered on after a crash."""
    staged_journal(path, [checked(2)])
    fault = Fault(Code.API_UNAVAILABLE, "the API answered 503")
    with Journal(path) as journal:
        (row,) = journal.pending()
        journal.record([], [row], NOW)
        journal.record([result(2, Status.UNKNOWN, 1, fault)], [replace(row, attempts=1)], NOW)
    with Journal(path) as journal:
        journal.recover(LATER)
        assert [row.attempts for row in journal.pending()] == [2]
        journal.record([], list(journal.pending()), LATER)
        journal.record([result(2, Status.SUCCESS, 3)], [], LATER)
        assert [row.attempts for row in journal.rows()] == [3]


def test_recovering_twice_is_recovering_once(path: Path) -> None:
    """Recovering again changes nothing."""
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        assert journal.recover(NOW) == 0
        journal.record([], list(journal.pending()), NOW)
        assert [journal.recover(LATER), journal.recover(LATER)] == [1, 0]


# Counts and reports


def test_counts_are_of_every_status_and_add_up(path: Path) -> None:
    """Every status is counted, also with zero."""
    staged_journal(path, [*map(checked, range(2, 5)), checked(5, BAD_ID)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending(1)), NOW)
        journal.record([result(2, Status.SUCCESS)], [], LATER)
        counts = journal.counts()
    always = [status for status in Status if status not in OF_COMPARING]
    assert counts == dict.fromkeys(always, 0) | {
        Status.SUCCESS: 1,
        Status.INVALID: 1,
        Status.NOT_SENT: 2,
    }


def test_rows_can_be_read_without_those_that_were_updated(path: Path) -> None:
    """Rows that were not updated are read in the order of the input."""
    staged_journal(path, [checked(2), checked(3), checked(4), checked(5, BAD_ID)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending(2)), NOW)
        journal.record([result(3, Status.REJECTED), result(2, Status.SUCCESS)], [], LATER)
        assert [row.row for row in journal.rows(statuses=NOT_UPDATED)] == [3, 4, 5]
        assert [row.row for row in journal.rows()] == [2, 3, 4, 5]


def test_the_rows_of_one_client_can_be_read(path: Path) -> None:
    """The rows of one client can be read, with any status."""
    rows = [checked(2, client_id=7), checked(3), checked(4, BAD_EMAIL, client_id=7)]
    staged_journal(path, rows)
    with JournalReader(path) as journal:
        assert [row.row for row in journal.rows(client_id=7)] == [2, 4]
        assert list(journal.rows(client_id=8)) == []


def test_rows_that_were_not_sent_have_the_reason(path: Path) -> None:
    """Only rows that were not sent get the reason."""
    staged_journal(path, [checked(2), checked(3), checked(4, BAD_ID)])
    fault = Fault(Code.API_THROTTLED, "the API answered 429")
    with Journal(path) as journal:
        journal.record([], list(journal.pending(1)), NOW)
        journal.record([result(2, Status.FAILED, 1, fault)], [], LATER)
        journal.explain_unsent("stopped by SIGTERM")
        faults = [row.faults for row in journal.rows()]
    assert faults == [(fault,), (Fault(Code.RUN_STOPPED, "stopped by SIGTERM"),), (BAD_ID,)]


# Reading


def digest_of(folder: Path) -> dict[str, str]:
    """The contents of every file of a folder."""
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_a_finished_journal_is_one_file_and_reading_leaves_it_so(path: Path) -> None:
    """Reading a finished journal changes no byte and creates no file."""
    staged_journal(path, [checked(2), checked(3)])
    with Journal(path) as journal:
        journal.record([], list(journal.pending(1)), NOW)
        journal.record([result(2, Status.SUCCESS)], [], LATER)
        journal.finish()
    before = digest_of(path.parent)
    with JournalReader(path) as reader:
        assert len(list(reader.rows())) == sum(reader.counts().values()) == 2
        assert reader.staged().rows == 2
        during = digest_of(path.parent)
    assert list(before) == ["journal.sqlite3"]
    assert before == during == digest_of(path.parent)


def test_a_journal_that_was_never_finished_can_be_read(path: Path) -> None:
    """The journal of a killed run can be read without changing it."""
    staged_journal(path, [checked(2)])
    journal = Journal(path)
    journal.record([], list(journal.pending()), NOW)
    journal.record([result(2, Status.SUCCESS)], [], LATER)
    before = {name: digest for name, digest in digest_of(path.parent).items() if "shm" not in name}
    assert statuses(path) == {2: Status.SUCCESS}
    assert before.items() <= digest_of(path.parent).items()
    journal.__exit__()


def test_reading_needs_a_journal(path: Path) -> None:
    """A missing journal is an error and is not created."""
    with pytest.raises(InconsistentError, match="is damaged"):
        JournalReader(path)
    assert not path.exists()


@pytest.mark.parametrize("size", [3, 5_000])
def test_a_damaged_journal_is_reported_as_such(path: Path, size: int) -> None:
    """A damaged journal is reported as such, not as an internal error."""
    staged_journal(path, map(checked, range(2, 200)))
    whole = path.read_bytes()
    path.write_bytes(whole[:size] + b"x" * (len(whole) - size))
    with pytest.raises(InconsistentError, match="is damaged"), JournalReader(path) as journal:
        list(journal.rows())


def open_and_finish(path: Path) -> None:
    """Open the journal, as a run does, and close it again."""
    with Journal(path) as journal:
        journal.finish()


def record(path: Path) -> None:
    """Record an intent, as a run does."""
    with Journal(path) as journal:
        journal.record([], list(journal.pending()), NOW)
        journal.finish()


Lock = Callable[[sqlite3.Connection], object]
LOCKS: dict[str, Lock] = {
    "reader": lambda other: other.execute("SELECT * FROM rows").fetchone(),
    "writer": lambda other: other.execute("BEGIN IMMEDIATE"),
    "backup": lambda other: other.executescript(
        "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"
    ),
}
USES: dict[str, Callable[[Path], object]] = {
    "open": open_and_finish,
    "read": statuses,
    "record": record,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("lock", ["writer", "backup"])
@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_program_that_locks_the_journal_is_waited_for(
    path: Path, use: str, lock: str, mode: str
) -> None:
    """Whatever the statement and the journal mode, it succeeds once the lock is released."""
    staged_journal(path, [checked(2)])
    with closing(sqlite3.connect(path, check_same_thread=False, isolation_level=None)) as other:
        other.execute(f"PRAGMA journal_mode = {mode}")
        LOCKS[lock](other)
        release = threading.Timer(0.3, other.close)
        release.start()
        USES[use](path)
        release.join()


@pytest.mark.parametrize("use", USES)
def test_a_program_that_keeps_the_journal_locked_is_named(
    path: Path, use: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the time to wait, the run stops with the path and what to do."""
    monkeypatch.setattr("etl.runs.database.PATIENCE", 0.2)
    staged_journal(path, [checked(2)])
    with closing(sqlite3.connect(path)) as other:
        LOCKS["backup"](other)
        with pytest.raises(StoppedError, match=rf"keeps {path} locked\. Wait until it ends, then"):
            USES[use](path)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_that_comes_during_a_run_is_waited_for(path: Path, lock: str) -> None:
    """Recording goes on, and the finished journal is one file, once the lock is released."""
    staged_journal(path, [checked(2)])
    with Journal(path) as journal:
        rows = list(journal.pending())
        other = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        if lock != "backup":  # which cannot begin while the journal is open
            LOCKS[lock](other)
        threading.Timer(0.3, other.close).start()
        journal.record([], rows, NOW)
        journal.finish()
    assert path.with_name(f"{path.name}-wal").exists() is False


def test_a_lock_that_stays_stops_a_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement in the middle of a run stops it, with the path of the journal."""
    monkeypatch.setattr("etl.runs.database.PATIENCE", 0.2)
    staged_journal(path, [checked(2)])

    def lock_and_record() -> None:
        with Journal(path) as journal, closing(sqlite3.connect(path)) as other:
            rows = list(journal.pending())
            LOCKS["writer"](other)
            journal.record([], rows, NOW)

    with pytest.raises(StoppedError, match=f"keeps {path} locked"):
        lock_and_record()


def test_a_signal_is_handled_while_the_journal_is_locked(path: Path) -> None:
    """Ctrl-C does not wait for the other program; here its handler makes the program let go."""
    staged_journal(path, [checked(2)])
    with closing(sqlite3.connect(path)) as other:
        LOCKS["backup"](other)
        before = signal.signal(signal.SIGALRM, lambda *_: other.close())
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        try:
            assert statuses(path) == {2: Status.NOT_SENT}
        finally:
            signal.signal(signal.SIGALRM, before)


def test_nobody_delays_a_journal_that_is_being_filled(path: Path) -> None:
    """Another program cannot lock a journal that is being filled."""
    with StagingJournal(path) as journal, closing(sqlite3.connect(path, timeout=0)) as other:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("SELECT * FROM rows")
        assert list(journal.add([checked(2)])) == [1]


def test_a_journal_with_other_tables_is_of_another_version(path: Path) -> None:
    """A column that is missing is not a fault of the program."""
    staged_journal(path, [checked(2)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("DROP VIEW rows_now")
    with pytest.raises(InconsistentError, match="was written by another version"):
        statuses(path)


def test_a_journal_is_closed_with_its_context(path: Path) -> None:
    """Leaving the context closes the journal."""
    with StagingJournal(path) as staging:
        staging.seal(Staged((), {}, "", 0, 0, 0))
    with Journal(path) as journal:
        journal.finish()
    for closed in (lambda: staging.seal(Staged((), {}, "", 0, 0, 0)), journal.counts):
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            closed()


def test_a_path_may_have_any_characters(tmp_path: Path) -> None:
    """A path may have any characters, also those with a meaning in URIs."""
    folder = tmp_path / "a b%20?mode=rw#س"
    folder.mkdir()
    assert statuses(staged_journal(folder / "journal.sqlite3", [checked(2)])) == {
        2: Status.NOT_SENT
    }


def test_cells_and_bodies_are_stored_as_readable_json(path: Path) -> None:
    """JSON in the journal has readable letters, not escapes."""
    staged_journal(path, [checked(2)])
    with sqlite3.connect(path) as db:
        ((cells, body),) = db.execute("SELECT cells, body FROM rows")
    db.close()
    assert " سارة " in json.loads(cells)
    assert "سارة" in cells
    assert "سارة" in body


# What the report counts


def sent(journal: Journal, row: int, begun: str, ended: str, outcome: RowResult) -> None:
    """Record an attempt from its beginning to its end."""
    pending = PendingRow(row, row + 1_000, BODY, attempts=outcome.attempts - 1)
    journal.record([], [pending], begun)
    journal.record([replace(outcome, time=ended)], [], ended)


def at(seconds: float, day: int = 1) -> str:
    """Return a time so long after midnight."""
    return f"2026-01-{day:02d}T00:00:{seconds:06.3f}+00:00"


def test_rows_are_counted_once_for_each_reason(path: Path) -> None:
    """A row counts once for each reason, and the most frequent reason is first."""
    damaged = Fault(Code.TEXT_DAMAGED, "a"), Fault(Code.TEXT_DAMAGED, "b")
    staged_journal(path, [checked(2, BAD_ID, *damaged), checked(3, BAD_ID), checked(4), checked(5)])
    with Journal(path) as journal:
        sent(journal, 4, NOW, LATER, result(4, Status.SUCCESS))
        journal.explain_unsent("stopped")
        found = list(journal.code_counts().items())
    assert found == [(Code.ID_NOT_INTEGER, 2), (Code.RUN_STOPPED, 1), (Code.TEXT_DAMAGED, 1)]


def test_attempts_are_counted_by_row_and_by_length(path: Path) -> None:
    """Attempts are counted by row and by duration."""
    staged_journal(path, [checked(row) for row in range(2, 6)])
    with Journal(path) as journal:
        sent(journal, 2, NOW, LATER, replace(result(2, Status.FAILED), ms=7))
        sent(journal, 2, NOW, LATER, replace(result(2, Status.SUCCESS, 2), ms=30))
        sent(journal, 3, NOW, LATER, replace(result(3, Status.SUCCESS), ms=7))
        journal.record([], [PendingRow(4, 1_004, BODY)], NOW)
        journal.recover(LATER)
        assert journal.attempt_counts() == {0: 1, 1: 2, 2: 1}
        assert journal.durations() == [(7, 2), (30, 1)]


def test_sending_is_timed_by_session(path: Path) -> None:
    """Sending is timed from the first attempt's start to the last one's end."""
    staged_journal(path, [checked(row) for row in range(2, 7)])
    with Journal(path) as journal:
        assert journal.sendings([at(0)]) == []
        sent(journal, 2, at(1), at(2), result(2, Status.SUCCESS))
        sent(journal, 3, at(1.5), at(4.25), result(3, Status.REJECTED))
        journal.record([], [PendingRow(4, 1_004, BODY)], at(9))
        journal.recover(at(0, day=3))
        sent(journal, 5, at(5, day=3), at(5, day=3), result(5, Status.SUCCESS))
        assert journal.sendings([at(0), at(0, day=2), at(0, day=3)]) == [
            (at(1), at(4.25), 3_250, 2),
            (at(5, day=3), at(5, day=3), 1, 1),
        ]


def test_pace_counts_what_ended_in_each_part_of_a_time(path: Path) -> None:
    """Each attempt of a session counts in exactly one part."""
    staged_journal(path, [checked(row) for row in range(2, 7)])
    with Journal(path) as journal:
        sent(journal, 2, at(0), at(0.999), result(2, Status.SUCCESS))
        sent(journal, 3, at(0), at(1), result(3, Status.UNKNOWN))
        sent(journal, 4, at(0), at(1), result(4, Status.SUCCESS))
        sent(journal, 5, at(0), at(4), result(5, Status.SUCCESS))
        sent(journal, 6, at(1, day=2), at(2, day=2), result(6, Status.SUCCESS))
        first, second = journal.sendings([at(0), at(0, day=2)])
        expected = [{Status.SUCCESS: 1}, {Status.SUCCESS: 1, Status.UNKNOWN: 1}, {}]
        assert journal.pace(first, 4) == [*expected, {Status.SUCCESS: 1}]
        assert journal.pace(second, 1) == [{Status.SUCCESS: 1}]


def test_as_many_rows_are_read_as_are_wanted(path: Path) -> None:
    """A limit gives the first rows, and the journal can still be finished."""
    staged_journal(path, [checked(row) for row in range(2, 9)])
    with Journal(path) as journal:
        rows = journal.rows(statuses=NOT_UPDATED, limit=3)
        assert [row.row for row in rows] == [2, 3, 4]
        journal.finish()


def test_journal_of_an_earlier_version_has_no_direction(path: Path) -> None:
    """A journal without a text direction can still be read."""
    staged_journal(path, [checked(2)])
    with sqlite3.connect(path) as db:
        db.execute("UPDATE staged SET facts = json_remove(facts, '$.right_to_left')")
    db.close()
    with JournalReader(path) as journal:
        assert journal.staged().right_to_left is False
