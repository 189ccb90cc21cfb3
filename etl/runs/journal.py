"""The journal of a run in progress: every intent and outcome, from which a killed run resumes."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.rows import SEPARATOR, Fault, Method, PendingRow, Status
from etl.runs.database import (
    NOT_FINAL,
    PAGE,
    add_missing_tables,
    as_json,
    faults_json,
    transaction,
)
from etl.runs.plan import drop_known, plan_rows, settle_unchanged
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.images import Image
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
# The number of earlier sessions that tried a row in vain. Most rows are new, and cost no query.
_SESSIONS = """
iif(rows.attempts = 0 AND rows.status <> 'FAILED', 0, (SELECT COUNT(*) FROM
    (SELECT session FROM attempts WHERE attempts.row = rows.row AND session < :session UNION
     SELECT session FROM readings WHERE readings.row = rows.row AND session < :session
         AND client IS NULL)))
"""
# When a row was last found to be as its plan expects.
_READ_AT = """
(SELECT (julianday(MAX(time)) - 2440587.5) * 86400 FROM readings
 WHERE readings.row = rows.row AND client IS NOT NULL)
"""
# Whether a row's client must be read before its changes can be planned. After a conflict it must,
# even if reading it again has failed meanwhile. A row that may have been updated stays UNKNOWN
# then, so the code of the reading counts.
_IS_UNREAD = f"""
(rows.status = '{Status.CONFLICT}' OR NOT EXISTS
    (SELECT 1 FROM readings WHERE readings.row = rows.row AND client IS NOT NULL)
 OR (SELECT code FROM readings WHERE readings.row = rows.row AND client IS NOT NULL
     ORDER BY id DESC LIMIT 1) IS '{Code.CHANGED_MEANWHILE.name}')
"""
_KEEP_ANSWERS = "INSERT INTO answers (row, attempt, excerpt) VALUES {values}"
_KEEP_STORED = "INSERT OR REPLACE INTO stored (row, client) VALUES {values}"
_KEEP_READINGS = """
INSERT INTO readings (row, session, time, status, code, http_status, ms, client) VALUES {values}
"""
# What an earlier request failed at no longer matters once the client could be read.
_READ = f"""
UPDATE rows SET status = '{Status.NOT_SENT}', faults = '[]'
WHERE status IN ('{Status.FAILED}', '{Status.CONFLICT}')
    AND row IN (SELECT value FROM json_each(?))
"""
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
        super().__init__(path, "rw", *modes)
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
        return (row for row, _ in islice(self._in_order("NULL, 0, 0", "rows"), limit))

    def unread(self, limit: int | None = None) -> Iterator[PendingRow]:
        """Yield the first ``limit`` of the rows to send, as far as their clients are to be read."""
        source = "rows LEFT JOIN preconditions ON preconditions.row = rows.row"
        rows = islice(self._in_order(f"preconditions.client, 0, {_IS_UNREAD}", source), limit)
        return (replace(row, method=Method.GET) for row, is_unread in rows if is_unread)

    def planned(self, limit: int | None = None) -> Iterator[PendingRow]:
        """Yield the first ``limit`` of the rows to send, as far as their changes are planned."""
        source = (
            "rows LEFT JOIN plans ON plans.row = rows.row"
            " LEFT JOIN readings ON readings.id = plans.expected"
        )
        rows = islice(self._in_order(f"readings.client, {_READ_AT}, {_IS_UNREAD}", source), limit)
        return (row for row, is_unread in rows if row.expected is not None and not is_unread)

    def unread_rows(self) -> int:
        """Return how many rows `unread` yields without a limit."""
        return self._count(f"FROM rows WHERE status IN ({NOT_FINAL}) AND {_IS_UNREAD}")

    def planned_rows(self) -> int:
        """Return how many rows `planned` yields without a limit."""
        return self._count(
            "FROM rows JOIN plans ON plans.row = rows.row"
            f" WHERE rows.status IN ({NOT_FINAL}) AND NOT {_IS_UNREAD}"
        )

    def _count(self, source: str) -> int:
        return int(self._db.execute(f"SELECT COUNT(*) {source}").fetchone()[0])

    def _in_order(self, of_plan: str, source: str) -> Iterator[tuple[PendingRow, bool]]:
        """Yield all rows that are not final, and whether their clients are to be read.

        ``of_plan`` is what they expect of their clients, when that was read, and the latter. It is
        asked for page by page: a query for each row would wait for the threads that send.
        """
        tried = f"SELECT DISTINCT {_SESSIONS} FROM rows WHERE status IN ({NOT_FINAL}) ORDER BY 1"
        of_session = {"session": self._session}
        sessions = [number for (number,) in self._db.execute(tried, of_session).fetchall()]
        statement = (
            f"SELECT rows.row, client_id, body, rows.status, attempts, {of_plan} FROM {source}"
            f" WHERE rows.row > :last AND rows.status IN ({NOT_FINAL}) AND {_SESSIONS} = :sessions"
            " AND NOT EXISTS"
            " (SELECT 1 FROM attempts WHERE attempts.row = rows.row AND session = :session)"
            f" ORDER BY rows.row LIMIT {PAGE}"
        )
        for number in sessions:
            yield from self._pages(statement, {**of_session, "sessions": number, "last": 0})

    def _pages(
        self, statement: str, parameters: dict[str, int]
    ) -> Iterator[tuple[PendingRow, bool]]:
        """Yield rows page by page: an open cursor keeps the write-ahead log from being emptied.

        Source: https://www.sqlite.org/wal.html#avoiding_excessively_large_wal_files
        """
        while page := self._db.execute(statement, parameters).fetchall():
            for row, client_id, body, status, attempts, expected, read_at, is_unread in page:
                pending = PendingRow(
                    row,
                    client_id,
                    json.loads(body),
                    Status(status),
                    attempts,
                    parameters["sessions"],
                    expected=json.loads(expected) if expected else None,
                    read_at=read_at or 0,
                )
                yield pending, bool(is_unread)
            parameters["last"] = page[-1][0]

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
        sent = [each for each in ended if each.method is Method.PUT]
        with transaction(self._db):
            if sent:
                self._execute(_END_ATTEMPTS, [_ended_attempt(each) for each in sent])
                self._execute(_END_ROWS, [_row_so_far(each) for each in sent])
            if len(sent) < len(ended):
                self._record_readings([each for each in ended if each.method is Method.GET])
            if unread := [each for each in sent if each.excerpt]:
                answers = [(each.row, each.attempts, each.excerpt) for each in unread]
                self._execute(_KEEP_ANSWERS, answers)
            if known := [each for each in sent if each.client]:
                self._execute(_KEEP_STORED, [(each.row, as_json(each.client)) for each in known])
            if withdrawn:
                self._db.execute(_WITHDRAW, (as_json([each.row for each in withdrawn]),))
            if intents := [
                (each.row, each.attempts + 1, self._session, now)
                for each in started
                if each.method is Method.PUT
            ]:
                self._execute(_BEGIN_ATTEMPTS, intents)

    def _record_readings(self, ended: Sequence[RowResult]) -> None:
        """Record requests that read clients. They are no attempts to update them."""
        self._execute(_KEEP_READINGS, [_reading(each, self._session) for each in ended])
        self._db.execute(_READ, (as_json([each.row for each in ended if not each.faults]),))
        if failed := [each for each in ended if each.faults]:
            self._execute(_END_ROWS, [_row_so_far(each) for each in failed])

    def _execute(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        """Execute a statement with ``{values}``, one tuple for each row."""
        values = ",".join([f"({','.join('?' * len(rows[0]))})"] * len(rows))
        self._db.execute(statement.format(values=values), [*chain.from_iterable(rows)])

    def _add_missing_tables(self) -> None:
        """Leave that to `_next_session`, which may change the file."""

    def _next_session(self) -> int:
        """Return the number of this session, after an upgrade of a journal of version 0.1."""
        add_missing_tables(self._db)
        columns = {name for _, name, *_ in self._db.execute("PRAGMA table_info(attempts)")}
        if columns and "session" not in columns:
            self._db.execute("ALTER TABLE attempts ADD COLUMN session INTEGER NOT NULL DEFAULT 1")
        latest = self._db.execute(
            "SELECT MAX(ifnull((SELECT MAX(session) FROM attempts), 0),"
            " ifnull((SELECT MAX(session) FROM readings), 0))"
        ).fetchone()
        return int(latest[0]) + 1

    def plan_rows(
        self, updates_of: Callable[[list[int]], Iterable[tuple[int, Image, Image]]]
    ) -> None:
        """Plan the rows whose clients were read; those that change nothing are UNCHANGED.

        ``updates_of`` returns what earlier runs sent to some clients and what the API made of it,
        the latest first.
        """
        plan_rows(self._db)
        with transaction(self._db):
            drop_known(self._db, updates_of)
        settle_unchanged(self._db)

    def explain_unsent(self, why: str, code: Code = Code.RUN_STOPPED) -> None:
        """Record why the rows that are NOT_SENT were not sent, as a full sentence."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE rows SET faults = ? WHERE status = ?",
                (faults_json(Fault(code, why)), Status.NOT_SENT),
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


def _reading(result: RowResult, session: int) -> tuple[object, ...]:
    code = result.faults[0].code.name if result.faults else None
    client = None if result.client is None else as_json(result.client)
    outcome = (result.time, result.status, code, result.http_status, result.ms)
    return (result.row, session, *outcome, client)


def _row_so_far(result: RowResult) -> tuple[object, ...]:
    faults = faults_json(*result.faults)
    outcome = (result.http_status, result.attempts, result.time, result.ms)
    differs = int(result.stored_differently)
    return (result.row, result.status, faults, result.warning, *outcome, differs)
