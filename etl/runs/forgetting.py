"""Removing the personal data from a journal."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from etl.files import create, flush
from etl.runs.database import connect, missing_tables
from etl.runs.reader import JournalReader

if TYPE_CHECKING:
    from pathlib import Path

_FASTEST = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF")
_FORGET = """
UPDATE rows SET cells = '[]', body = '{}', warning = '', faults =
    (SELECT json_group_array(json_array(json_extract(fault.value, '$[0]'), ''))
     FROM json_each(rows.faults) AS fault)
"""
_FORGET_IN = {
    "answers": "DELETE FROM answers",
    "stored": "DELETE FROM stored",
    "readings": "UPDATE readings SET client = NULL",
    "plans": "UPDATE plans SET changes = '[]'",
    "preconditions": "DELETE FROM preconditions",
    "confirmations": "UPDATE confirmations SET client = NULL, changes = '[]'",
}


def write_without_persons(journal: Path, copy: Path) -> None:
    """Write a copy of a journal without personal data; statuses, codes and times stay.

    The copy is on the disk when this returns, and the journal is unchanged. Beside the copy, a
    scratch file is used. A copy takes one flush, where emptying the journal in place took ten.

    Raises:
        DamagedError: the journal is damaged or missing, or this user may not read it.
        StoppedError: another program has it open.
    """
    scratch = copy.with_suffix(".scratch")
    create(scratch)
    try:
        # What an earlier version was killed at may be in a log that a copy would leave behind.
        with (
            JournalReader(journal, "rw", "PRAGMA journal_mode = DELETE") as full,
            closing(connect(scratch, "rw", *_FASTEST)) as copied,
        ):
            full.back_up(copied)
            copied.execute(_FORGET)
            for name in _FORGET_IN.keys() - missing_tables(copied):
                copied.execute(_FORGET_IN[name])
            # Unlike the scratch file, this has no byte of what was deleted.
            create(copy)
            copied.execute("VACUUM INTO ?", (str(copy),))
    finally:
        scratch.unlink()
    flush(copy)
