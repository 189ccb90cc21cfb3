"""Removing the personal data from a journal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from etl.errors import StoppedError
from etl.files import create, flush
from etl.runs.database import connect
from etl.runs.reader import damaged, shows_damage, unusable

if TYPE_CHECKING:
    from pathlib import Path

_FORGET = """
UPDATE rows SET cells = '[]', body = '{}', warning = '', faults =
    (SELECT json_group_array(json_array(json_extract(fault.value, '$[0]'), ''))
     FROM json_each(rows.faults) AS fault)
"""


def write_without_persons(journal: Path, copy: Path) -> None:
    """Write a copy of a journal without personal data; statuses, codes and times stay.

    The copy is on the disk when this returns, and the journal is unchanged. Beside the copy, a
    scratch file is used. A copy takes one flush, where emptying the journal in place took ten.

    Raises:
        DamagedError: the journal is damaged or missing, or this user may not read it.
        StoppedError: another program has it open.
    """
    if not journal.is_file():  # SQLite would wait for the writer of a pipe
        raise damaged(journal)
    scratch = copy.with_suffix(".scratch")
    create(scratch)
    try:
        with closing(connect(journal, "rw")) as full, closing(connect(scratch, "rw")) as copied:
            # What an earlier version was killed at may be in a log that a copy would leave behind.
            full.execute("PRAGMA journal_mode = DELETE")
            copied.execute("PRAGMA journal_mode = OFF")
            copied.execute("PRAGMA synchronous = OFF")
            full.backup(copied)
            copied.execute(_FORGET)
            # Unlike the scratch file, this has no byte of what was deleted.
            create(copy)
            copied.execute("VACUUM INTO ?", (str(copy),))
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
            raise StoppedError(f"another program has {journal} open") from None
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN:
            raise unusable(journal) from None
        raise
    except sqlite3.DatabaseError as error:
        if shows_damage(error):
            raise unusable(journal) from None
        raise
    finally:
        scratch.unlink()
    flush(copy)
