"""The journal's tables: a record of each row and attempt, and the staging table between the stages.

``staging`` writes the validated rows, ``journal`` takes the rows to send from here in order, and
``reader`` yields the rows for the report, so memory does not grow with the file. A row's ``status``
is the result of its attempts so far. An attempt without an end is under way or about to start, or
the program was killed at that point. Only one thread writes.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

import orjson

from etl.rows import Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.rows import Fault

# A table of its own, since journals of 0.1.0 lack it and get it when their runs are resumed.
ANSWERS = """
CREATE TABLE IF NOT EXISTS answers ( -- how answers begin that could not be understood
    row INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    excerpt TEXT NOT NULL,
    PRIMARY KEY (row, attempt)
) WITHOUT ROWID;
"""
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
{ANSWERS}
CREATE VIEW rows_now AS              -- where an attempt has no end, it may have been carried out
SELECT rows.row, cells, client_id, iif(open.row IS NULL, rows.status, '{Status.UNKNOWN}') AS status,
    faults, warning, rows.http_status, ifnull(open.attempt, attempts) AS attempts, time, rows.ms,
    stored_differently, corrected
FROM rows LEFT JOIN attempts AS open ON open.row = rows.row AND open.ended IS NULL;
"""

NOT_FINAL = ", ".join(f"'{status}'" for status in Status if not status.final)
PAGE = 1_000  # rows that are read or written together
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """Open the file, ``ro`` or ``rw``. Each statement is its own transaction."""
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit everything in the block, or nothing of it after an error.

    How durable a commit is depends on the connection's ``synchronous``.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


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
