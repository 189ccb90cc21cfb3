"""The journal of a run in progress: every intent and outcome, from which a killed run resumes."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import orjson

from etl.codes import Code
from etl.rows import SEPARATOR, Fault, PendingRow, Status
from etl.runs.database import ANSWERS, NOT_FINAL, PAGE, as_json, faults_json, transaction
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.rows import RowResult

# One statement for all rows of a record. sqlite3 releases the GIL at each step of a statement, and
# the sending threads take it: one statement per row would wait for them once per row. Binding the
# values takes 16 to 34 % less time than passing them as JSON. A record has at most two rows for
# each worker: 4,608 variables with 256 workers, while SQLite takes 32,766
# (https://www.sqlite.org/limits.html).
_END_ATTEMPTS = """
WITH new (row, attempt, ended, status, code, http_status, ms) AS (VALUES {values})
UPDATE attempts SET ended = new.ended, status = new.status, code = new.code,
    http_status = new.http_status, ms = new.ms
FROM new WHERE attempts.row = new.row AND attempts.attempt = new.attempt
"""
_END_ROWS = f"""
WITH new (row, status, faults, warning, http_status, attempts, time, ms, stored_differently)
AS (VALUES {{values}})
UPDATE rows SET status = new.status, faults = new.faults,
    warning = rows.warning || iif('' IN (rows.warning, new.warning), '', '{SEPARATOR}')
        || new.warning,
    http_status = new.http_status, attempts = new.attempts, time = new.time, ms = new.ms,
    stored_differently = new.stored_differently
FROM new WHERE rows.row = new.row
"""
_BEGIN_ATTEMPTS = "INSERT INTO attempts (row, attempt, session, begun) VALUES {values}"
# The number of sessions in which a row was tried. Most rows are new, and cost no query.
_SESSIONS = (
    "iif(rows.attempts = 0, 0,"
    " (SELECT COUNT(DISTINCT session) FROM attempts WHERE attempts.row = rows.row))"
)
_KEEP_ANSWERS = "INSERT INTO answers (row, attempt, excerpt) VALUES {values}"
_WITHDRAW = """
DELETE FROM attempts WHERE ended IS NULL AND row IN (SELECT value FROM json_each(?))
"""


class Journal(JournalReader):
    """The journal of a run in progress. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the journal of a new run, or of one that is resumed.

        Raises:
            DamagedError: it is damaged or missing.
            StoppedError: another program keeps it locked.
            OSError: it cannot be opened.
        """
        # With WAL a commit is one write and one flush; the default mode takes two of each and more.
        # FULL flushes at every commit, since WAL's NORMAL may lose the last ones in a power cut:
        # https://www.sqlite.org/pragma.html#pragma_synchronous
        modes = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
        super().__init__(path, "rw", *modes, ANSWERS)
        try:
            self._session = self._next_session()
        except BaseException as error:
            self.__exit__(type(error), error)
            raise

    def recover(self, now: str) -> int:
        """Close the attempts that a killed session left open, and return how many rows they affect.

        Their updates may have been applied, so these rows are UNKNOWN until Fatora confirms.
        """
        why = "The run was interrupted while this row was being sent, or just before."
        fault = Fault(Code.NETWORK_INTERRUPTED, why)
        with transaction(self._db):
            rows = self._db.execute(
                "UPDATE rows SET status = ?, faults = ?, time = ?, attempts ="
                " (SELECT MAX(attempt) FROM attempts WHERE attempts.row = rows.row)"
                " WHERE row IN (SELECT row FROM attempts WHERE ended IS NULL)",
                (Status.UNKNOWN, faults_json(fault), now),
            )
            self._db.execute(
                "UPDATE attempts SET ended = ?, status = ?, code = ? WHERE ended IS NULL",
                (now, Status.UNKNOWN, fault.code.name),
            )
            return rows.rowcount

    def pending(self, limit: int | None = None) -> Iterator[PendingRow]:
        """Yield the rows that are not final, at most ``limit`` of them, in order.

        Rows that were tried in earlier sessions come last, those that were tried most often at the
        end: if only these fail, all others have been sent.
        """
        tried = f"SELECT DISTINCT {_SESSIONS} FROM rows WHERE status IN ({NOT_FINAL}) ORDER BY 1"
        sessions = [number for (number,) in self._db.execute(tried).fetchall()]
        rows = chain.from_iterable(map(self._pending_after, sessions))
        return islice(rows, limit)

    def _pending_after(self, sessions: int) -> Iterator[PendingRow]:
        """Yield the rows that were tried in so many earlier sessions, but not yet in this one."""
        last = 0
        while True:
            # Page by page, because an open cursor keeps SQLite from emptying the write-ahead log:
            # https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files
            page = self._db.execute(
                "SELECT row, client_id, body, status, attempts FROM rows"
                f" WHERE row > ? AND status IN ({NOT_FINAL}) AND {_SESSIONS} = ? AND NOT EXISTS"
                " (SELECT 1 FROM attempts WHERE attempts.row = rows.row AND session = ?)"
                f" ORDER BY row LIMIT {PAGE}",
                (last, sessions, self._session),
            ).fetchall()
            for row, client_id, body, status, attempts in page:
                last = row
                pending = orjson.loads(body), Status(status), attempts
                yield PendingRow(row, client_id, *pending, sessions)
            if len(page) < PAGE:
                return

    def record(
        self,
        ended: Sequence[RowResult],
        started: Sequence[PendingRow],
        now: str,
        withdrawn: Sequence[PendingRow] = (),
    ) -> None:
        """Record outcomes and intents durably, in one transaction; ``now`` is when attempts start.

        The requests of ``started`` may be sent only after this returns, so that the record always
        shows that they may have been sent. ``withdrawn`` rows were not sent after all; their
        intents are deleted first.
        """
        with transaction(self._db):
            if ended:
                self._execute(_END_ATTEMPTS, [_ended_attempt(each) for each in ended])
                self._execute(_END_ROWS, [_row_so_far(each) for each in ended])
            if unread := [each for each in ended if each.excerpt]:
                answers = [(each.row, each.attempts, each.excerpt) for each in unread]
                self._execute(_KEEP_ANSWERS, answers)
            if withdrawn:
                self._db.execute(_WITHDRAW, (as_json([each.row for each in withdrawn]),))
            if started:
                intents = [(each.row, each.attempts + 1, self._session, now) for each in started]
                self._execute(_BEGIN_ATTEMPTS, intents)

    def _execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute a statement with ``{values}``, one tuple for each row."""
        values = ",".join([f"({','.join('?' * len(rows[0]))})"] * len(rows))
        self._db.execute(statement.format(values=values), [*chain.from_iterable(rows)])

    def _next_session(self) -> int:
        """Return the number of this session; journals of version 0.1 have none yet."""
        columns = {name for _, name, *_ in self._db.execute("PRAGMA table_info(attempts)")}
        if columns and "session" not in columns:
            self._db.execute("ALTER TABLE attempts ADD COLUMN session INTEGER NOT NULL DEFAULT 1")
        latest = self._db.execute("SELECT ifnull(MAX(session), 0) FROM attempts").fetchone()
        return int(latest[0]) + 1

    def explain_unsent(self, why: str) -> None:
        """Record why the rows that are NOT_SENT were not sent, as a full sentence."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE rows SET faults = ? WHERE status = ?",
                (faults_json(Fault(Code.RUN_STOPPED, why)), Status.NOT_SENT),
            )

    def mark_corrected(self, rows: Iterable[int]) -> None:
        """Record that nobody has to fix these rows any more: later runs updated their rework."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE rows SET corrected = 1 WHERE row IN (SELECT value FROM json_each(?))",
                (as_json([*rows]),),
            )

    def client_ids(self) -> Iterator[int]:
        """Yield the id of each client whose rows are not final."""
        for (client_id,) in self._db.execute(
            f"SELECT DISTINCT client_id FROM rows WHERE status IN ({NOT_FINAL})"
        ):
            yield client_id

    def finish(self) -> None:
        """Merge the write-ahead log into the file, which from now on is only read.

        Raises:
            sqlite3.OperationalError: another program keeps it locked.
        """
        self._db.execute("PRAGMA journal_mode = DELETE")


def _ended_attempt(result: RowResult) -> tuple[object, ...]:
    code = result.faults[0].code.name if result.faults else None
    outcome = (result.time, result.status, code, result.http_status, result.ms)
    return (result.row, result.attempts, *outcome)


def _row_so_far(result: RowResult) -> tuple[object, ...]:
    faults = faults_json(*result.faults)
    outcome = (result.http_status, result.attempts, result.time, result.ms)
    differs = int(result.stored_differently)
    return (result.row, result.status, faults, result.warning, *outcome, differs)
