"""Queries on a journal, which never change it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from etl.codes import Code
from etl.errors import DamagedError, InconsistentError
from etl.fields import Field
from etl.rows import DONE, OF_COMPARING, TO_FIX, Fault, Origin, ReportRow, Status, Totals
from etl.runs.database import NOT_FINAL, Database, add_missing_tables, damaged, translating
from etl.runs.listing import unreadable
from etl.runs.plan import changes_of, plan_of
from etl.runs.undoing import updated_clients

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.images import Image
    from etl.manifest import Plan
    from etl.runs.folder import RunFolder
    from etl.runs.undoing import Updated

# Milliseconds between two times. A Julian day of this century is a float that is exact to 2^-31
# days, which are 0.04 ms.
_MS = "CAST(ROUND((julianday({until}) - julianday({since})) * 86400000) AS INTEGER)"


_CHANGED = f"status = '{Status.CONFLICT}' OR row IN (SELECT row FROM plans WHERE changes <> '[]')"


@dataclass(frozen=True, slots=True)
class Staged:
    """The facts about an input once all of it has been read.

    ``names`` are the headers of the operator's own columns, ``columns`` the index of each field
    among them. ``sheet`` is the sheet's name, None for a CSV. ``right_to_left`` means that the
    sheet shows its first column at the right. ``lookalikes`` has the headers of columns that are
    not sent but may be meant for a field, and that field. ``undoes`` is the run whose changes the
    rows take back, if any.
    """

    names: tuple[str, ...]
    columns: Mapping[Field, int]
    sheet: str | None
    rows: int
    blank_rows: int
    hidden_rows: int
    right_to_left: bool = False
    lookalikes: Mapping[str, Field] = field(default_factory=dict)
    undoes: str = ""

    @property
    def sent(self) -> dict[Field, str]:
        """The header of each field's column."""
        return {field: self.names[index] for field, index in self.columns.items()}

    @property
    def not_sent(self) -> tuple[str, ...]:
        """The headers of the other columns."""
        sent = set(self.columns.values())
        return tuple(name for index, name in enumerate(self.names) if index not in sent)


class Sending(NamedTuple):
    """A period of sending: from the start of its first attempt to the end of its last.

    ``ms`` is its length, at least 1.
    """

    started: str
    ended: str
    ms: int
    attempts: int


def _in_sql(statuses: Iterable[Status]) -> str:
    return ", ".join(f"'{status}'" for status in statuses)


@contextmanager
def _naming_owner(path: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise DamagedError(unreadable(path, error)) from None


def counts_of(folder: RunFolder) -> dict[Status, int]:
    """Return the number of rows of every status in the journal of a run.

    Raises:
        DamagedError: the journal is damaged.
    """
    with JournalReader(folder.journal) as journal:
        return journal.counts()


class JournalReader(Database):
    """The journal of one run, opened for reading. Use it as a context manager."""

    def __init__(self, path: Path, mode: str = "ro", *setup: str) -> None:
        """Open a journal, read-only unless a subclass needs more.

        Raises:
            DamagedError: the journal is damaged or missing, or another user's. SQLite may notice
                damage only when it reads: then the end of the ``with`` block raises this.
            StoppedError: another program keeps it locked.
            OSError: it cannot be opened.
        """
        with _naming_owner(path):
            if path.exists() and not path.is_file():  # SQLite would wait for the writer of a pipe
                raise damaged(path)
            super().__init__(path, mode, *setup)
            self._add_missing_tables()

    def _add_missing_tables(self) -> None:
        """Let a journal of an earlier version seem to have all tables; the file stays unchanged."""
        try:
            with translating(self._path):
                add_missing_tables(self._db, "TEMP")
        except BaseException:
            self._db.close()
            raise

    def __exit__(self, *error: object) -> None:
        with _naming_owner(self._path):  # SQLite may open the file only when it reads
            super().__exit__(*error)

    def staged(self) -> Staged:
        """Return the facts about the input."""
        facts = json.loads(self._db.execute("SELECT facts FROM staged").fetchone()[0])
        columns = {Field(name): index for name, index in facts["columns"].items()}
        # Journals of version 0.1.0 have none.
        lookalikes = {name: Field(like) for name, like in facts.get("lookalikes", {}).items()}
        facts |= {"names": tuple(facts["names"]), "columns": columns, "lookalikes": lookalikes}
        return Staged(**facts)

    def counts(self) -> dict[Status, int]:
        """Return the number of rows of every status, including statuses without rows.

        Those of runs that compare are left out where there are none.
        """
        counts = dict(self._db.execute("SELECT status, COUNT(*) FROM rows_now GROUP BY status"))
        return {
            status: counts.get(status, 0)
            for status in Status
            if status in counts or status not in OF_COMPARING
        }

    def totals(self, *, sandbox: bool = False) -> Totals:
        """Return the totals of the run; ``sandbox`` means that nothing was sent to Fatora.

        Raises:
            InconsistentError: the counts do not add up to the rows that were read.
        """
        staged, counts = self.staged(), self.counts()
        if sum(counts.values()) != staged.rows:
            raise InconsistentError(
                f"{staged.rows:,} rows were read, but {sum(counts.values()):,} are accounted for"
            )
        differ, corrected = self._db.execute(
            "SELECT COUNT(*) FILTER (WHERE status = ? AND stored_differently),"
            f" COUNT(*) FILTER (WHERE status IN ({_in_sql(TO_FIX)}) AND corrected) FROM rows_now",
            (Status.SUCCESS,),
        ).fetchone()
        (given_up,) = self._db.execute(
            "SELECT COUNT(*) FROM rows_now, json_each(faults) AS fault"
            f" WHERE status IN ({NOT_FINAL}) AND json_extract(fault.value, '$[0]') = ?",
            (Code.FAILED_REPEATEDLY.name,),
        ).fetchone()
        return Totals(
            rows=staged.rows,
            blank_rows=staged.blank_rows,
            hidden_rows=staged.hidden_rows,
            counts=counts,
            sent=staged.sent,
            not_sent=staged.not_sent,
            lookalikes=staged.lookalikes,
            stored_differently=differ,
            corrected=corrected,
            given_up=given_up,
            sandbox=sandbox,
            undoes=staged.undoes or None,
        )

    def plan(self, run: str) -> Plan:
        """Return the plan of the run with this id; it has no rows if nothing was compared."""
        return plan_of(self._db, run)

    def changes_by_field(self) -> Mapping[Field, tuple[int, int]]:
        """Return the number of updated rows that changed each field, and that emptied it."""
        counts = self._db.execute(
            "SELECT json_extract(change.value, '$[0]') AS field, COUNT(*),"
            " COUNT(*) FILTER (WHERE json_extract(change.value, '$[1]') <> ''"
            "  AND json_extract(change.value, '$[2]') = '')"
            " FROM plans JOIN rows_now ON rows_now.row = plans.row, json_each(changes) AS change"
            " WHERE status = ? GROUP BY field",
            (Status.SUCCESS,),
        )
        return {Field(field): (changed, emptied) for field, changed, emptied in counts}

    def changed_rows(self) -> int:
        """Return how many rows change their client, or found it changed by somebody else."""
        statement = f"SELECT COUNT(*) FROM rows_now WHERE {_CHANGED}"
        return int(self._db.execute(statement).fetchone()[0])

    def updates_of(self, clients: Sequence[int]) -> Iterator[tuple[int, Image, Image]]:
        """Yield the updates of these clients of which the API said what it stored.

        Each has the client's id, the values sent, and what the client held then.
        """
        # CROSS JOIN, since SQLite would read all rows, of which a run that compares sends few:
        # https://www.sqlite.org/optoverview.html#manual_control_of_query_plans_using_cross_join
        for client_id, body, stored in self._db.execute(
            "SELECT client_id, body, client FROM stored CROSS JOIN rows ON rows.row = stored.row"
            " WHERE status = ? AND client_id IN (SELECT value FROM json_each(?))"
            " ORDER BY stored.row",
            (Status.SUCCESS, json.dumps(clients)),
        ):
            yield client_id, json.loads(body), json.loads(stored)

    def updated_clients(self) -> Iterator[Updated]:
        """Yield each client that was updated, or may have been, in the order of the rows."""
        return updated_clients(self._db)

    def all_clients(self) -> set[int]:
        """Return the id of each client that has a row."""
        clients = self._db.execute("SELECT client_id FROM rows WHERE client_id IS NOT NULL")
        return {client_id for (client_id,) in clients}

    def reworked_runs(self) -> list[str]:
        """Return the runs that the file names as the origin of its rows, in the file's order."""
        origins = self._db.execute(
            "SELECT origin_run FROM rows WHERE origin_run IS NOT NULL"
            " GROUP BY origin_run ORDER BY MIN(row)"
        )
        return [run for (run,) in origins]

    def corrections_of(self, run: str) -> Iterator[tuple[Origin, int, Status]]:
        """Yield each row that corrects a row of ``run``: its origin, its own number and status."""
        for row, origin_row, status in self._db.execute(
            "SELECT row, origin_row, status FROM rows WHERE origin_run = ?", (run,)
        ):
            yield Origin(run, origin_row), row, Status(status)

    def excerpt(self, row: int) -> str:
        """Return how the row's last answer that could not be understood began; empty if none."""
        found = self._db.execute(
            "SELECT excerpt FROM answers WHERE row = ? ORDER BY attempt DESC LIMIT 1", (row,)
        ).fetchone()
        return found[0] if found else ""

    def rows_with(self, statuses: Iterable[Status]) -> set[int]:
        """Return the numbers of the rows that have one of these statuses."""
        rows = self._db.execute(f"SELECT row FROM rows_now WHERE status IN ({_in_sql(statuses)})")
        return {row for (row,) in rows}

    def duplicates_of(self, rows: set[int]) -> set[int]:
        """Return all rows that have the client number of one of ``rows``, but other values."""
        duplicates = self._db.execute(
            "SELECT json_group_array(row) FROM rows, json_each(rows.faults) AS fault"
            " WHERE status = ? AND json_extract(fault.value, '$[0]') = ? GROUP BY client_id",
            (Status.INVALID, Code.ID_DUPLICATE.name),
        )
        groups = [set(json.loads(group)) for (group,) in duplicates]
        return set().union(*(group for group in groups if group & rows))

    def faults(self, code: Code) -> Iterator[tuple[Fault, int]]:
        """Yield each fault of this code in the invalid rows, with the row's number.

        Equal faults follow one another, in the order of their first rows.
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
        counts = self._db.execute(
            "SELECT json_extract(fault.value, '$[0]') AS code, COUNT(DISTINCT row) AS total"
            f" FROM rows, json_each(rows.faults) AS fault WHERE status NOT IN ({_in_sql(DONE)})"
            " GROUP BY code ORDER BY total DESC, code"
        )
        return {Code[code]: total for code, total in counts}

    def attempt_counts(self) -> dict[int, int]:
        """Return the number of rows for each number of attempts, the fewest attempts first."""
        return dict(
            self._db.execute("SELECT attempts, COUNT(*) FROM rows GROUP BY attempts ORDER BY 1")
        )

    def attempts_made(self) -> int:
        """Return how many attempts are recorded."""
        return int(self._db.execute("SELECT COUNT(*) FROM attempts").fetchone()[0])

    def durations(self) -> list[tuple[int, int]]:
        """Return the number of attempts for each duration in milliseconds, the shortest first."""
        return self._db.execute(
            "SELECT ms, COUNT(*) FROM attempts WHERE ms IS NOT NULL GROUP BY ms ORDER BY ms"
        ).fetchall()

    def sendings(self, sessions: Sequence[str]) -> list[Sending]:
        """Return the period of sending of each session that sent anything.

        ``sessions`` are the times at which the sessions started. An attempt that a killed program
        left open has no known end and is not counted.
        """
        # An attempt belongs to the latest session that started before it.
        sendings = self._db.execute(
            "WITH sendings AS (SELECT MIN(begun) AS first, MAX(ended) AS last, COUNT(*) AS total"
            "  FROM attempts WHERE ms IS NOT NULL"
            "  GROUP BY (SELECT MAX(value) FROM json_each(?) WHERE value <= begun))"
            f" SELECT first, last, MAX({_MS.format(since='first', until='last')}, 1), total"
            " FROM sendings ORDER BY first",
            (json.dumps(list(sessions)),),
        )
        return [Sending(*facts) for facts in sendings]

    def pace(self, sending: Sending, columns: int) -> list[dict[Status, int]]:
        """Split a period into equal columns, and return how many attempts of each status each has.

        An attempt is in the column in which it ended.
        """
        pace: list[dict[Status, int]] = [{} for _ in range(columns)]
        ms = _MS.format(since=":started", until="ended")
        for number, status, total in self._db.execute(
            f"SELECT MAX(MIN({ms} * :columns / :ms, :columns - 1), 0) AS number,"
            " status, COUNT(*) FROM attempts"
            " WHERE ms IS NOT NULL AND begun BETWEEN :started AND :ended GROUP BY number, status",
            {**sending._asdict(), "columns": columns},
        ):
            pace[number][Status(status)] = total
        return [
            {status: counts[status] for status in Status if status in counts} for counts in pace
        ]

    def rows(
        self,
        *,
        statuses: Iterable[Status] = tuple(Status),
        client_id: int | None = None,
        corrected: bool = True,
        changed: bool | None = None,
        limit: int | None = None,
    ) -> Iterator[ReportRow]:
        """Yield the rows of these statuses, or of one client only, in the order of the input.

        ``limit`` is the most rows to yield. If not ``corrected``, rows that later runs have
        corrected are left out. ``changed`` yields only rows that change their client, and those
        whose client somebody else changed, or only the others.
        """
        condition = f"status IN ({_in_sql(statuses)})"
        if not corrected:
            condition += " AND NOT corrected"
        if changed is not None:
            condition += f" AND {'' if changed else 'NOT '}({_CHANGED})"
        if client_id is not None:
            condition += f" AND client_id = {client_id:d}"
        most = -1 if limit is None else limit  # SQLite takes -1 as no limit
        for number, cells, client, status, faults, *outcome, changes in self._db.execute(
            "SELECT row, cells, client_id, status, faults, warning, http_status, attempts, time,"
            " ms, (SELECT changes FROM plans WHERE plans.row = rows_now.row)"
            f" FROM rows_now WHERE {condition} ORDER BY row LIMIT {most:d}"
        ):
            warning, http_status, attempts, time, ms = outcome
            yield ReportRow(
                row=number,
                cells=json.loads(cells),
                client_id=client,
                status=Status(status),
                faults=tuple(
                    Fault(Code[code], text, *map(Field, field))
                    for code, text, *field in json.loads(faults)
                ),
                warning=warning,
                http_status=http_status,
                attempts=attempts,
                time=time,
                ms=ms,
                changes=changes_of(changes) if changes else (),
            )
