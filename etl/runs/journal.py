"""The journal of a run in progress: written as things happen, and read to resume."""

from __future__ import annotations

import json
import sqlite3
import time
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
# One statement for any number of rows. sqlite3 releases the GIL at each step of a statement, and
# the sending threads take it: one statement per row would wait for them once per row.
_END_ATTEMPTS = """
UPDATE attempts SET
    ended = json_extract(new.value, '$[2]'), status = json_extract(new.value, '$[3]'),
    code = json_extract(new.value, '$[4]'), http_status = json_extract(new.value, '$[5]'),
    ms = json_extract(new.value, '$[6]')
FROM json_each(?) AS new
WHERE row = json_extract(new.value, '$[0]') AND attempt = json_extract(new.value, '$[1]')
"""
_END_ROWS = f"""
UPDATE rows SET
    status = json_extract(new.value, '$[1]'), faults = json_extract(new.value, '$[2]'),
    warning = warning || iif('' IN (warning, json_extract(new.value, '$[3]')), '', '{SEPARATOR}')
        || json_extract(new.value, '$[3]'),
    http_status = json_extract(new.value, '$[4]'), attempts = json_extract(new.value, '$[5]'),
    time = json_extract(new.value, '$[6]'), ms = json_extract(new.value, '$[7]'),
    stored_differently = json_extract(new.value, '$[8]')
FROM json_each(?) AS new WHERE row = json_extract(new.value, '$[0]')
"""
_BEGIN_ATTEMPTS = """
INSERT INTO attempts (row, attempt, begun)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ? FROM json_each(?)
"""
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
            # Page by page: a cursor held open would keep the write-ahead log from being emptied.
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
        begun: Sequence[PendingRow],
        now: str,
        withdrawn: Sequence[PendingRow] = (),
    ) -> None:
        """Record outcomes and intents durably, in one transaction; ``now`` is when attempts start.

        The requests of ``begun`` may be sent only after this returns, so that the record always
        shows that they may have been sent. ``withdrawn`` rows were not sent after all; their
        intents are deleted first.
        """
        with transaction(self._db):
            if ended:
                outcomes = as_json([*map(_ended_attempt, ended)])
                self._db.execute(_END_ATTEMPTS, (outcomes,))
                self._db.execute(_END_ROWS, (as_json([*map(_row_so_far, ended)]),))
            if withdrawn:
                self._db.execute(_WITHDRAW, (as_json([each.row for each in withdrawn]),))
            if begun:
                intents = as_json([(each.row, each.attempts + 1) for each in begun])
                self._db.execute(_BEGIN_ATTEMPTS, (now, intents))

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

    def forget_persons(self) -> None:
        """Delete personal data, from the file's bytes too; statuses, codes and times stay."""
        self._db.execute("PRAGMA secure_delete = ON")
        with transaction(self._db):
            self._db.execute(
                "UPDATE rows SET cells = '[]', body = '{}', warning = '', faults ="
                " (SELECT json_group_array(json_array(json_extract(fault.value, '$[0]'), ''))"
                "  FROM json_each(rows.faults) AS fault)"
            )
        self._db.execute("VACUUM")

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
                time.sleep(_PATIENCE / 100)
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
