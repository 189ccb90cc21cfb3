"""The journal: the record of each row, written as it happens, and what resuming reads.

It is the staging table between the stages: rows come in validated, are sent from it in order, and
the report is written from it, so that memory does not grow with the file. A row's ``status`` is at
every moment what is true of the row so far; an attempt without an end was under way, or about to
be, when the program was killed. One thread writes.
"""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple, Self

from etl.codes import Code
from etl.files import create
from etl.rows import SEPARATOR, Fault, PendingRow, ReportRow, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.rows import CheckedRow, RowResult

_SCHEMA = """
CREATE TABLE staged (facts TEXT NOT NULL);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY,
    cells TEXT NOT NULL,             -- JSON array: the operator's own columns, as they were
    client_id INTEGER,               -- NULL where the id is not usable
    body TEXT NOT NULL,              -- JSON object: what is sent
    status TEXT NOT NULL,            -- what is true of the row so far
    faults TEXT NOT NULL,            -- JSON array of [code, text]: what is wrong
    warning TEXT NOT NULL DEFAULT '',
    http_status INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    time TEXT NOT NULL DEFAULT '',
    ms INTEGER
);
CREATE TABLE attempts (
    row INTEGER NOT NULL,
    attempt INTEGER NOT NULL,        -- counted over all resumes
    begun TEXT NOT NULL,             -- UTC; written before the request is sent
    ended TEXT,                      -- UTC; NULL while it is under way
    status TEXT,
    code TEXT,
    http_status INTEGER,
    ms INTEGER,
    PRIMARY KEY (row, attempt)
) WITHOUT ROWID;
"""

# One statement for any number of rows: after each step of one the threads that send get a turn,
# and what is recorded waits for them.
_END_ATTEMPTS = """
UPDATE attempts SET
    ended = json_extract(new.value, '$[2]'), status = json_extract(new.value, '$[3]'),
    code = json_extract(new.value, '$[4]'), http_status = json_extract(new.value, '$[5]'),
    ms = json_extract(new.value, '$[6]')
FROM json_each(?) AS new
WHERE row = json_extract(new.value, '$[0]') AND attempt = json_extract(new.value, '$[1]')
"""
_END_ROWS = """
UPDATE rows SET
    status = json_extract(new.value, '$[1]'), faults = json_extract(new.value, '$[2]'),
    warning = ltrim(warning || json_extract(new.value, '$[3]'), '; '),
    http_status = json_extract(new.value, '$[4]'), attempts = json_extract(new.value, '$[5]'),
    time = json_extract(new.value, '$[6]'), ms = json_extract(new.value, '$[7]')
FROM json_each(?) AS new WHERE row = json_extract(new.value, '$[0]')
"""
_BEGIN_ATTEMPTS = """
INSERT INTO attempts (row, attempt, begun)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ? FROM json_each(?)
"""
_WITHDRAW = """
DELETE FROM attempts WHERE ended IS NULL AND row IN (SELECT value FROM json_each(?))
"""
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_OPEN = ", ".join(f"'{status}'" for status in Status if not status.final)
_PAGE = 1_000
# Milliseconds between two times; a Julian day is a float, and exact to less than one of them.
_MS = "CAST(ROUND((julianday({until}) - julianday({since})) * 86400000) AS INTEGER)"
_FIRST = 10  # of the rows that contradict one another; there may be a million


@dataclass(frozen=True, slots=True)
class Staged:
    """What is known of the input once all of it has been read.

    ``names`` are the operator's own columns; ``sheet`` is the sheet's name or the delimiter's.
    ``right_to_left``: a person sees the first column as the rightmost.
    """

    names: tuple[str, ...]
    sheet: str
    rows: int
    blank_rows: int
    hidden_rows: int
    right_to_left: bool = False


class Conflict(NamedTuple):
    """A row of a client whose rows do not all say the same.

    ``first`` are the numbers of the first of these rows, ``total`` is how many there are.
    """

    client_id: int
    row: int
    first: Sequence[int]
    total: int


class Sending(NamedTuple):
    """A time in which attempts were made: from the first one's beginning to the last one's end.

    ``ms`` is how long that is, 1 at least.
    """

    begun: str
    ended: str
    ms: int
    attempts: int


class JournalReader:
    """The journal of one run as it can be read at any time; use as a context manager."""

    def __init__(self, path: Path) -> None:
        """Open it without changing a byte of it."""
        self._db = _connect(path, "ro")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def staged(self) -> Staged:
        """Return what was known of the input once it had been read."""
        facts = json.loads(self._db.execute("SELECT facts FROM staged").fetchone()[0])
        return Staged(**{**facts, "names": tuple(facts["names"])})

    def counts(self) -> dict[Status, int]:
        """Return the number of rows of every status, those with none included."""
        found = dict(self._db.execute("SELECT status, COUNT(*) FROM rows GROUP BY status"))
        return {status: found.get(status, 0) for status in Status}

    def fault_counts(self) -> dict[Code, int]:
        """Return how often each fault was found in the invalid rows, the most frequent first."""
        found = self._db.execute(
            "SELECT json_extract(fault.value, '$[0]') AS code, COUNT(*) AS total"
            " FROM rows, json_each(rows.faults) AS fault WHERE status = ?"
            " GROUP BY code ORDER BY total DESC, code",
            (Status.INVALID,),
        )
        return {Code[code]: total for code, total in found}

    def faults(self, code: Code) -> Iterator[tuple[Fault, int]]:
        """Yield each fault of this code in the invalid rows, and the row's number.

        Equal ones stand together, in the order in which the first of them is met.
        """
        for text, row in self._db.execute(
            "SELECT json_extract(fault.value, '$[1]') AS text, row"
            " FROM rows, json_each(rows.faults) AS fault"
            " WHERE status = ? AND json_extract(fault.value, '$[0]') = ?"
            " ORDER BY MIN(row) OVER (PARTITION BY text), text, row",
            (Status.INVALID, code.name),
        ):
            yield Fault(code, text), row

    def code_counts(self) -> dict[Code, int]:
        """Return how many rows were not updated for each reason, the most frequent first."""
        found = self._db.execute(
            "SELECT json_extract(fault.value, '$[0]') AS code, COUNT(DISTINCT row) AS total"
            " FROM rows, json_each(rows.faults) AS fault WHERE status <> ?"
            " GROUP BY code ORDER BY total DESC, code",
            (Status.SUCCESS,),
        )
        return {Code[code]: total for code, total in found}

    def attempt_counts(self) -> dict[int, int]:
        """Return how many rows took how many attempts, the fewest attempts first."""
        return dict(
            self._db.execute("SELECT attempts, COUNT(*) FROM rows GROUP BY attempts ORDER BY 1")
        )

    def attempts_made(self) -> int:
        """Return how many attempts are on record."""
        return int(self._db.execute("SELECT COUNT(*) FROM attempts").fetchone()[0])

    def durations(self) -> list[tuple[int, int]]:
        """Return how many attempts took how many milliseconds, the shortest first."""
        return self._db.execute(
            "SELECT ms, COUNT(*) FROM attempts WHERE ms IS NOT NULL GROUP BY ms ORDER BY ms"
        ).fetchall()

    def sendings(self, sessions: Sequence[str]) -> list[Sending]:
        """Return when attempts were made in each session that made any.

        ``sessions`` are the times at which they began. An attempt that a killed program left has no
        known end and is not counted.
        """
        found = self._db.execute(
            "WITH found AS (SELECT MIN(begun) AS first, MAX(ended) AS last, COUNT(*) AS total"
            "  FROM attempts WHERE ms IS NOT NULL"
            "  GROUP BY (SELECT MAX(value) FROM json_each(?) WHERE value <= begun))"
            f" SELECT first, last, MAX({_MS.format(since='first', until='last')}, 1), total"
            " FROM found ORDER BY first",
            (json.dumps(list(sessions)),),
        )
        return [Sending(*each) for each in found]

    def pace(self, sending: Sending, columns: int) -> list[dict[Status, int]]:
        """Return how many attempts of each status ended in each equal part of a time."""
        pace: list[dict[Status, int]] = [{} for _ in range(columns)]
        ms = _MS.format(since="?1", until="ended")
        for number, status, total in self._db.execute(
            f"SELECT MAX(MIN({ms} * ?3 / ?4, ?3 - 1), 0) AS number,"
            " status, COUNT(*) FROM attempts WHERE ms IS NOT NULL AND begun BETWEEN ?1 AND ?2"
            " GROUP BY number, status",
            (sending.begun, sending.ended, columns, sending.ms),
        ):
            pace[number][Status(status)] = total
        return [{status: each[status] for status in Status if status in each} for each in pace]

    def rows(
        self, *, updated: bool = True, client_id: int | None = None, limit: int | None = None
    ) -> Iterator[ReportRow]:
        """Yield the rows in the order of the input: all, or without the updated ones, or one's.

        At most ``limit`` of them.
        """
        wanted = "TRUE" if updated else f"status <> '{Status.SUCCESS}'"
        if client_id is not None:
            wanted += f" AND client_id = {client_id:d}"
        most = -1 if limit is None else limit
        for number, cells, client, status, faults, *rest in self._db.execute(
            "SELECT row, cells, client_id, status, faults, warning, http_status, attempts, time, ms"
            f" FROM rows WHERE {wanted} ORDER BY row LIMIT {most:d}"
        ):
            found = tuple(Fault(Code[code], text) for code, text in json.loads(faults))
            yield ReportRow(number, json.loads(cells), client, Status(status), found, *rest)


class Journal(JournalReader):
    """The journal of a run that is going on."""

    def __init__(self, path: Path) -> None:
        """Open a journal that was staged, or one of a run that is to be resumed."""
        self._db = _connect(path, "rw")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")

    def recover(self, now: str) -> int:
        """Settle what a killed run left under way, and return how many rows that were.

        They may have been applied, so they are UNKNOWN until an answer tells.
        """
        why = "the run was killed while this row was under way or about to be"
        fault = Fault(Code.NETWORK_INTERRUPTED, why)
        with _transaction(self._db):
            rows = self._db.execute(
                "UPDATE rows SET status = ?, faults = ?, time = ?, attempts ="
                " (SELECT MAX(attempt) FROM attempts WHERE attempts.row = rows.row)"
                " WHERE row IN (SELECT row FROM attempts WHERE ended IS NULL)",
                (Status.UNKNOWN, _faults_json(fault), now),
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
            size = _PAGE if left is None else min(_PAGE, left)
            page = self._db.execute(
                "SELECT row, client_id, body, status, attempts FROM rows"
                f" WHERE row > ? AND status IN ({_OPEN}) ORDER BY row LIMIT {size}",
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
        """Write outcomes and intents durably, in one transaction; ``now`` is when they begin.

        When it returns, a request of ``begun`` may be sent: whatever happens then, it is known that
        it may have been. The intents of rows ``withdrawn`` came to nothing and are forgotten first.
        """
        with _transaction(self._db):
            if ended:
                outcomes = _json([*map(_ended_attempt, ended)])
                self._db.execute(_END_ATTEMPTS, (outcomes,))
                self._db.execute(_END_ROWS, (_json([*map(_row_so_far, ended)]),))
            if withdrawn:
                self._db.execute(_WITHDRAW, (_json([each.row for each in withdrawn]),))
            if begun:
                intents = _json([(each.row, each.attempts + 1) for each in begun])
                self._db.execute(_BEGIN_ATTEMPTS, (now, intents))

    def explain_unsent(self, why: str) -> None:
        """Write down why the rows that are still NOT_SENT were not sent."""
        with _transaction(self._db):
            self._db.execute(
                "UPDATE rows SET faults = ? WHERE status = ?",
                (_faults_json(Fault(Code.RUN_STOPPED, why)), Status.NOT_SENT),
            )

    def client_ids(self) -> Iterator[int]:
        """Yield the id of each client that is to be updated."""
        for (client_id,) in self._db.execute(
            f"SELECT DISTINCT client_id FROM rows WHERE status IN ({_OPEN})"
        ):
            yield client_id

    def forget_persons(self) -> None:
        """Remove what is personal, from the file's bytes too; statuses, codes and times stay."""
        self._db.execute("PRAGMA secure_delete = ON")
        with _transaction(self._db):
            self._db.execute(
                "UPDATE rows SET cells = '[]', body = '{}', warning = '', faults ="
                " (SELECT json_group_array(json_array(json_extract(fault.value, '$[0]'), ''))"
                "  FROM json_each(rows.faults) AS fault)"
            )
        self._db.execute("VACUUM")

    def finish(self) -> None:
        """Bring everything into the one file, which is only read from now on."""
        self._db.execute("PRAGMA journal_mode = DELETE")


class StagingJournal:
    """A journal while it is filled; use as a context manager.

    Its folder is not yet a run: if filling is cut short all of it is thrown away. So nothing is
    flushed before the end, where ``seal`` makes the file durable.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            FileExistsError: there is one.
        """
        create(path)
        self._path = path
        self._db = _connect(path, "rw")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, rows: Iterable[CheckedRow]) -> Iterator[int]:
        """Write rows as they come, and yield how many there are, every thousand or so."""
        source = iter(rows)
        count = 0
        for first in source:
            with _transaction(self._db):
                page = chain([first], islice(source, _PAGE - 1))
                count += self._db.executemany(
                    "INSERT INTO rows (row, cells, client_id, body, status, faults, warning)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    map(_staged_row, page),
                ).rowcount
            yield count

    def conflicts(self) -> Iterator[Conflict]:
        """Yield each row whose client has other rows that do not say the same."""
        self._db.execute("CREATE INDEX rows_client ON rows (client_id)")
        of_client = "SELECT row FROM rows WHERE client_id = ? ORDER BY row"
        for client_id, total in self._db.execute(
            "SELECT client_id, COUNT(*) FROM rows WHERE client_id IS NOT NULL"
            " GROUP BY client_id HAVING MIN(body) <> MAX(body)"
        ):
            limited = self._db.execute(f"{of_client} LIMIT {_FIRST}", (client_id,))
            first = [row for (row,) in limited]
            for (row,) in self._db.execute(of_client, (client_id,)):
                yield Conflict(client_id, row, first, total)

    def add_faults(self, faults: Iterable[tuple[int, Fault]]) -> None:
        """Add to rows what is found wrong with them only after all have been read."""
        with _transaction(self._db):
            self._db.executemany(
                "UPDATE rows SET status = ?,"
                " faults = json_insert(faults, '$[#]', json_array(?, ?)) WHERE row = ?",
                ((Status.INVALID, each.code.name, each.text, row) for row, each in faults),
            )

    def seal(self, staged: Staged) -> None:
        """Write down what is known of the input, and make the file durable."""
        with _transaction(self._db):
            self._db.execute("INSERT INTO staged VALUES (?)", (json.dumps(asdict(staged)),))
        with self._path.open("rb") as file:
            os.fsync(file.fileno())


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _staged_row(checked: CheckedRow) -> tuple[int, str, int | None, str, str, str, str]:
    return (
        checked.record.row,
        _json(checked.record.cells),
        checked.client_id,
        _json(checked.body),
        Status.INVALID if checked.faults else Status.NOT_SENT,
        _faults_json(*checked.faults),
        SEPARATOR.join(checked.warnings),
    )


def _ended_attempt(result: RowResult) -> tuple[object, ...]:
    code = result.fault.code.name if result.fault else None
    outcome = (result.time, result.status, code, result.http_status, result.ms)
    return (result.row, result.attempts, *outcome)


def _row_so_far(result: RowResult) -> tuple[object, ...]:
    faults = _faults_json(result.fault) if result.fault else _faults_json()
    warning = SEPARATOR + result.warning if result.warning else ""
    outcome = (result.http_status, result.attempts, result.time, result.ms)
    return (result.row, result.status, faults, warning, *outcome)


def _faults_json(*faults: Fault) -> str:
    return "[]" if not faults else _json([[fault.code.name, fault.text] for fault in faults])


def _json(value: object) -> str:
    return _ENCODER.encode(value)
