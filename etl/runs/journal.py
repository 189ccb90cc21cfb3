"""The journal of a run in progress: every intent and outcome, from which a killed run resumes."""

from __future__ import annotations

import json
import sqlite3
import time
from itertools import chain
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import StoppedError
from etl.rows import SEPARATOR, Fault, PendingRow, Status
from etl.runs.database import NOT_FINAL, PAGE, as_json, connect, faults_json, transaction
from etl.runs.reader import JournalReader, damaged, shows_damage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.rows import RowResult

_PATIENCE = 10.0  # seconds to wait for another program that reads the journal
_RETRY_EVERY = 0.1  # seconds
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
_BEGIN_ATTEMPTS = "INSERT INTO attempts (row, attempt, begun) VALUES {values}"
_WITHDRAW = """
DELETE FROM attempts WHERE ended IS NULL AND row IN (SELECT value FROM json_each(?))
"""


class Journal(JournalReader):
    """The journal of a run in progress. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open the journal of a new run, or of one that is resumed.

        Raises:
            StoppedError: another program has it open and does not close it.
            DamagedError: it is damaged or missing.
        """
        self._path = path
        try:
            self._db = connect(path, "rw")
        except sqlite3.Error:
            raise damaged(path) from None
        try:
            # With WAL a commit is one write and one flush; the default mode takes two of each and
            # more. FULL flushes at every commit, since WAL's NORMAL may lose the last ones in a
            # power cut: https://www.sqlite.org/pragma.html#pragma_synchronous
            self._set_mode("WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        except BaseException as error:
            self._db.close()
            if shows_damage(error):
                raise damaged(path) from None
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
        """Yield the rows that are not final, in order, at most ``limit`` of them."""
        last, left = 0, limit
        while left is None or left > 0:
            # Page by page, because an open cursor keeps SQLite from emptying the write-ahead log:
            # https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files
            size = PAGE if left is None else min(PAGE, left)
            page = self._db.execute(
                "SELECT row, client_id, body, status, attempts FROM rows"
                f" WHERE row > ? AND status IN ({NOT_FINAL}) ORDER BY row LIMIT {size}",
                (last,),
            ).fetchall()
            for row, client_id, body, status, attempts in page:
                yield PendingRow(row, client_id, json.loads(body), Status(status), attempts)
            if len(page) < size:
                return
            last = page[-1][0]
            left = None if left is None else left - len(page)

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
            if withdrawn:
                self._db.execute(_WITHDRAW, (as_json([each.row for each in withdrawn]),))
            if started:
                intents = [(each.row, each.attempts + 1, now) for each in started]
                self._execute(_BEGIN_ATTEMPTS, intents)

    def _execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute a statement with ``{values}``, one tuple for each row."""
        values = ",".join([f"({','.join('?' * len(rows[0]))})"] * len(rows))
        self._db.execute(statement.format(values=values), [*chain.from_iterable(rows)])

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
            StoppedError: another program has it open and does not close it.
        """
        self._set_mode("DELETE")

    def _set_mode(self, mode: str) -> None:
        """Switch SQLite's journal mode, which works only while no other program has the file open.

        SQLite's busy timeout does not cover this statement, so it is tried again here.
        """
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                self._db.execute(f"PRAGMA journal_mode = {mode}")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() > until:
                    raise StoppedError(
                        f"Another program has {self._path.name} of run {self._path.parent.name}"
                        " open. Close it, then run the same file again."
                    ) from None
                time.sleep(_RETRY_EVERY)
            else:
                return


def _ended_attempt(result: RowResult) -> tuple[object, ...]:
    code = result.fault.code.name if result.fault else None
    outcome = (result.time, result.status, code, result.http_status, result.ms)
    return (result.row, result.attempts, *outcome)


def _row_so_far(result: RowResult) -> tuple[object, ...]:
    faults = faults_json(result.fault) if result.fault else faults_json()
    outcome = (result.http_status, result.attempts, result.time, result.ms)
    differs = int(result.stored_differently)
    return (result.row, result.status, faults, result.warning, *outcome, differs)
