"""The journal's tables: a record of each row and attempt, and the staging table between the stages.

``staging`` writes the validated rows, ``journal`` takes the rows to send from here in order, and
``reader`` yields the rows for the report, so memory does not grow with the file. A row's ``status``
is the result of its attempts so far. An attempt without an end is under way or about to start, or
the program was killed at that point. Only one thread writes.
"""

from __future__ import annotations

import errno
import json
import os
import sqlite3
import time
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import orjson

from etl.errors import DamagedError, StoppedError
from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.rows import Fault

# Tables of their own, since journals of 0.1.0 lack them and get them when their runs are resumed.
# ``{}`` is TEMP for a reader, which may not change the file and finds them empty.
LATER_TABLES = {
    "answers": """
CREATE {} TABLE answers (            -- how answers begin that could not be understood
    row INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    excerpt TEXT NOT NULL,
    PRIMARY KEY (row, attempt)
) WITHOUT ROWID
""",
    "stored": """
CREATE {} TABLE stored (             -- what the API holds after an update, as its answer shows
    row INTEGER PRIMARY KEY,
    client TEXT NOT NULL             -- JSON object of the fields that are known
)
""",
    "readings": """
CREATE {} TABLE readings (           -- requests that read a client before or after it is updated
    id INTEGER PRIMARY KEY,
    row INTEGER NOT NULL,
    session INTEGER NOT NULL,
    time TEXT NOT NULL,              -- UTC: when the answer came
    status TEXT NOT NULL,
    code TEXT,
    http_status INTEGER,
    ms INTEGER NOT NULL,
    client TEXT                      -- JSON object of all fields, NULL if it could not be read
)
""",
    "plans": """
CREATE {} TABLE plans (              -- how a row changes its client
    row INTEGER PRIMARY KEY,
    before INTEGER NOT NULL,         -- the reading that undo restores
    expected INTEGER NOT NULL,       -- the reading that must still hold when the row is sent
    changes TEXT NOT NULL            -- JSON array of [field, old value, new value]
)
""",
    "preconditions": """
CREATE {} TABLE preconditions (      -- what must hold for a row to be sent, whatever was read
    row INTEGER PRIMARY KEY,
    client TEXT NOT NULL             -- JSON object of some fields
)
""",
    "confirmations": """
CREATE {} TABLE confirmations (      -- what the API holds of a row's client when asked again
    row INTEGER NOT NULL,
    number INTEGER NOT NULL,         -- counts the confirmations of the run
    attempts INTEGER NOT NULL,       -- those of the row when its client was read
    time TEXT NOT NULL,              -- UTC: when the answer came
    code TEXT,                       -- why there is no client, NULL if there is
    http_status INTEGER,
    ms INTEGER NOT NULL,
    client TEXT,                     -- JSON object of all fields, NULL if it could not be read
    outcome TEXT,                    -- NULL until the client is compared with what was sent
    changes TEXT NOT NULL DEFAULT '[]',  -- JSON array of [field, value then, value now]
    PRIMARY KEY (row, number)
) WITHOUT ROWID
""",
}
LATER_INDEX = "CREATE INDEX IF NOT EXISTS readings_of_row ON readings (row)"
_LATER = ";\n".join(
    [*(table.format("").strip() for table in LATER_TABLES.values()), LATER_INDEX, ""]
)
SCHEMA = f"""
CREATE TABLE staged (facts TEXT NOT NULL);
CREATE TABLE rows (
    row INTEGER PRIMARY KEY,
    cells TEXT NOT NULL,             -- JSON array: the operator's own columns, as they were
    client_id INTEGER,               -- NULL where the id is not usable
    body TEXT NOT NULL,              -- JSON object: what is sent
    status TEXT NOT NULL,            -- the result of its attempts so far
    faults TEXT NOT NULL,            -- JSON array of [code, text, field of the cell]: what is wrong
    warning TEXT NOT NULL DEFAULT '',
    http_status INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    time TEXT NOT NULL DEFAULT '',
    ms INTEGER,
    stored_differently INTEGER NOT NULL DEFAULT 0,  -- 1: confirmed, but with other values
    corrected INTEGER NOT NULL DEFAULT 0,  -- 1: a later run has updated its correction
    origin_run TEXT,                 -- the run whose row this one corrects, if any,
    origin_row INTEGER               -- and that row's number
);
CREATE TABLE attempts (
    row INTEGER NOT NULL,
    attempt INTEGER NOT NULL,        -- counted over all resumes
    session INTEGER NOT NULL DEFAULT 1,  -- counts the sessions in which anything was sent
    begun TEXT NOT NULL,             -- UTC; written before the request is sent
    ended TEXT,                      -- UTC; NULL while it is under way
    status TEXT,
    code TEXT,
    http_status INTEGER,
    ms INTEGER,
    PRIMARY KEY (row, attempt)
) WITHOUT ROWID;
{_LATER}
CREATE VIEW rows_now AS              -- where an attempt has no end, it may have been carried out
SELECT rows.row, cells, client_id, iif(open.row IS NULL, rows.status, '{Status.UNKNOWN}') AS status,
    faults, warning, rows.http_status, ifnull(open.attempt, attempts) AS attempts, time, rows.ms,
    stored_differently, corrected
FROM rows LEFT JOIN attempts AS open ON open.row = rows.row AND open.ended IS NULL;
"""

NOT_FINAL = ", ".join(f"'{status}'" for status in Status if not status.final)
PAGE = 1_000  # rows that are read or written together
PATIENCE = 60.0  # seconds to wait for a program that has locked a journal, such as a backup
LONGEST_PATH = 504  # bytes of a journal's path; SQLite's MAX_PATHNAME of 512 has its endings, too
_RETRY_EVERY = 0.1  # seconds
_SORTING = Lock()
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

# Primary result codes: the lowest byte of an extended one. Source: sqlite.org/rescode.html.
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL})
_OF_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


class _Connection(sqlite3.Connection):
    """A connection that waits for the locks of other programs, whatever the statement.

    SQLite's own busy timeout leaves out some statements, such as a change of the journal mode, and
    Python handles no signal, such as Ctrl-C, while SQLite waits.
    """

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:  # noqa: ANN401
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return super().execute(sql, parameters)
            except sqlite3.OperationalError as error:
                if _primary_code(error) not in _LOCKED or time.monotonic() > until:
                    raise
                time.sleep(_RETRY_EVERY)


class Database:
    """A journal's open file. Use it as a context manager.

    What SQLite reports in the block is raised at its end as an error that names the file.
    """

    def __init__(self, path: Path, mode: str, *setup: str) -> None:
        """Open the file, ``ro`` or ``rw``, and execute the statements ``setup``.

        Raises:
            DamagedError: it is damaged or missing.
            StoppedError: another program keeps it locked.
            OSError: it cannot be opened.
        """
        self._path = path
        with translating(path):
            self._db = connect(path, mode, *setup)

    def back_up(self, target: sqlite3.Connection) -> None:
        """Copy everything into another database."""
        self._db.backup(target)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: object = None, error: object = None, _traceback: object = None
    ) -> None:
        self._db.close()
        if isinstance(error, sqlite3.Error):
            raise _named(error, self._path) from None


def connect(path: Path, mode: str, *setup: str) -> sqlite3.Connection:
    """Open the file, ``ro`` or ``rw``, and execute the statements ``setup``.

    Each statement is its own transaction.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    db = sqlite3.connect(
        uri, uri=True, isolation_level=None, timeout=_RETRY_EVERY, factory=_Connection
    )
    try:
        _sort_in(path.absolute().parent.parent, db)  # of all runs: a run's own may be renamed
        for statement in setup:
            db.execute(statement)
    except BaseException:
        db.close()
        raise
    return db


def _sort_in(folder: Path, db: sqlite3.Connection) -> None:
    """Let SQLite sort and vacuum in temporary files in this folder, if it is the first.

    In memory, the statements of the report would take up to 120 MB more for 1,000,000 rows. In
    TMPDIR, personal data would leave the runs folder. The PRAGMA holds for the whole process, and
    may not be used while another thread uses SQLite
    (https://www.sqlite.org/pragma.html#pragma_temp_store_directory): so the first folder stays.
    Where it cannot be set or is gone, memory is used.
    """
    name = str(folder)
    with _SORTING:
        try:
            (current,) = db.execute("PRAGMA temp_store_directory").fetchone() or ("",)
            if not current:
                quoted = name.replace("'", "''")
                db.execute(f"PRAGMA temp_store_directory = '{quoted}'")
                (current,) = db.execute("PRAGMA temp_store_directory").fetchone() or ("",)
        except (sqlite3.OperationalError, UnicodeError):
            current = ""
    if not current or not os.access(current, os.W_OK | os.X_OK, effective_ids=True):
        db.execute("PRAGMA temp_store = MEMORY")


def missing_tables(db: sqlite3.Connection) -> list[str]:
    """Return the names of the tables that a journal of an earlier version lacks."""
    known = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    return [name for name in LATER_TABLES if name not in known]


def add_missing_tables(db: sqlite3.Connection, kind: str = "") -> None:
    """Add the tables that a journal of an earlier version lacks; ``kind`` may be TEMP."""
    for name in missing_tables(db):
        db.execute(LATER_TABLES[name].format(kind))
    if not kind:
        db.execute(LATER_INDEX)


@contextmanager
def translating(path: Path) -> Iterator[None]:
    """Raise what SQLite reports as an error that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _named(error, path) from None


def _named(error: sqlite3.Error, path: Path) -> Exception:
    """Return what an error of SQLite means for the file."""
    code = _primary_code(error)
    if code in _DAMAGE:
        return damaged(path)
    if code in _LOCKED:
        return StoppedError(
            f"Another program, such as a backup, keeps {path} locked. Wait until it ends, then run"
            " the command again."
        )
    if code == sqlite3.SQLITE_ERROR and str(error).startswith("no such "):
        return DamagedError(
            f"the journal of run {path.parent.name} was written by another version of"
            " fatora-clients: use that version for this run"
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return _why_not_opened(path)
    if code in _OF_SYSTEM:
        return _system_error(_OF_SYSTEM[code], path)
    return error


def _why_not_opened(path: Path) -> Exception:
    """Return why SQLite could not open a file, or the files that it keeps beside it."""
    if len(os.fsencode(path.absolute())) > LONGEST_PATH:
        return _system_error(errno.ENAMETOOLONG, path)
    try:
        for needed, mode in ((path, os.R_OK), (path.parent, os.W_OK)):
            needed.stat()
            if not os.access(needed, mode, effective_ids=True):
                return _system_error(errno.EACCES, needed)
        os.close(os.open(path.parent, os.O_RDONLY))  # fails if too many files are open
    except FileNotFoundError:
        return damaged(path)
    except OSError as error:
        return error
    return _system_error(errno.EIO, path)


def damaged(path: Path) -> DamagedError:
    """Return the error about a damaged journal."""
    run = path.parent.name
    return DamagedError(f"the journal of run {run} is damaged: see fatora-clients verify")


def _system_error(number: int, path: Path) -> OSError:
    return OSError(number, os.strerror(number), str(path))


def _primary_code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit everything in the block, or nothing of it after an error.

    How durable a commit is depends on the connection's ``synchronous``.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # a full disk may have rolled it back already
            db.execute("ROLLBACK")
        raise


def faults_json(*faults: Fault) -> str:
    """Return faults as the table stores them."""
    return f"[{','.join(map(fault_json, faults))}]"


def fault_json(fault: Fault) -> str:
    """Return a fault as the table stores it: its code, its text, and its field if it has one."""
    cell = [] if fault.field is None else [fault.field]
    return as_json([fault.code.name, fault.text, *cell])


def as_json(value: object) -> str:
    """Return a value as the tables store it: compact JSON with readable letters.

    A surrogate without its partner is not Unicode, so orjson refuses it; json stores it unchanged.
    """
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return _ENCODER.encode(value)
