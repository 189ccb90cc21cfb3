"""Filling a journal with the validated rows of a file, before the run exists."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import chain, islice
from typing import TYPE_CHECKING, NamedTuple

from etl.files import create, naming
from etl.rows import SEPARATOR, Status
from etl.runs.database import PAGE, SCHEMA, Database, as_json, fault_json, faults_json, transaction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.images import Image
    from etl.rows import CheckedRow, Fault
    from etl.runs.reader import Staged

_INVALID, _NOT_SENT = Status.INVALID.value, Status.NOT_SENT.value
_FIRST = 10  # of the conflicting rows; there may be a million


class Conflict(NamedTuple):
    """A row of a client whose rows have different values.

    ``first`` has the numbers of the first of these rows, ``total`` how many there are.
    """

    client_id: int
    row: int
    first: Sequence[int]
    total: int


class StagingJournal(Database):
    """A journal that is being filled. Use it as a context manager.

    Its folder is not a run yet and is deleted if filling fails. So nothing is flushed to the disk
    until ``seal`` makes the file durable.
    """

    def __init__(self, path: Path) -> None:
        """Create the file.

        Raises:
            FileExistsError: it exists already.
        """
        create(path)
        # Nobody else needs the file. In this mode it stays locked, so nobody can delay a write.
        own = ("PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT")
        unflushed = ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF")
        super().__init__(path, "rw", *unflushed, *own, *SCHEMA.split(";\n"))

    def add(self, rows: Iterable[CheckedRow]) -> Iterator[int]:
        """Write the rows, and yield how many were written so far after each thousand."""
        source = iter(rows)
        count = 0
        for first in source:
            with transaction(self._db):
                page = chain([first], islice(source, PAGE - 1))
                count += self._db.executemany(
                    "INSERT INTO rows"
                    " (row, cells, client_id, body, status, faults, warning,"
                    "  origin_run, origin_row)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, ''), nullif(?, 0))",
                    map(_staged_row, page),
                ).rowcount
            yield count

    def conflicts(self) -> Iterator[Conflict]:
        """Yield each row whose client has other rows with different values."""
        self._db.execute("CREATE INDEX rows_client ON rows (client_id)")
        of_client = "SELECT row FROM rows WHERE client_id = ? ORDER BY row"
        # The index alone tells which ids are there twice: few bodies need to be looked up.
        for client_id, total in self._db.execute(
            "SELECT client_id, COUNT(*) FROM rows WHERE client_id IN"
            " (SELECT client_id FROM rows GROUP BY client_id HAVING COUNT(*) > 1)"
            " GROUP BY client_id HAVING MIN(body) <> MAX(body)"
        ):
            limited = self._db.execute(f"{of_client} LIMIT {_FIRST}", (client_id,))
            first = [row for (row,) in limited]
            for (row,) in self._db.execute(of_client, (client_id,)):
                yield Conflict(client_id, row, first, total)

    def add_faults(self, faults: Iterable[tuple[int, Fault]]) -> None:
        """Add faults that show only once all rows have been read, such as duplicates."""
        with transaction(self._db):
            self._db.executemany(
                "UPDATE rows SET status = ?,"
                " faults = json_insert(faults, '$[#]', json(?)) WHERE row = ?",
                ((Status.INVALID, fault_json(each), row) for row, each in faults),
            )

    def expect(self, rows: Iterable[tuple[int, Image]]) -> None:
        """Record what the API must hold of a row's client before the row may be sent."""
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO preconditions (row, client) VALUES (?, ?)",
                ((row, as_json(client)) for row, client in rows),
            )

    def seal(self, staged: Staged) -> None:
        """Record the facts about the input, and flush the file to the disk."""
        with transaction(self._db):
            self._db.execute("INSERT INTO staged VALUES (?)", (json.dumps(asdict(staged)),))
        with naming(self._path), self._path.open("rb") as file:
            os.fsync(file.fileno())


def _staged_row(checked: CheckedRow) -> tuple[object, ...]:
    """Return the values of a row, plain ones: for others, sqlite3 looks for adapters each time."""
    record, client_id, body, faults, warnings = checked
    return (
        record.row,
        as_json(record.cells),
        client_id,
        as_json(body),
        _INVALID if faults else _NOT_SENT,
        faults_json(*faults) if faults else "[]",
        SEPARATOR.join(warnings),
        *(record.origin or ("", 0)),
    )
