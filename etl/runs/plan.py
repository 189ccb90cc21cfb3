"""The plan of a run that compares: how each row changes its client.

A row is planned once its client was read. It may be planned again from a later reading; what
``undo`` restores is the reading from before the first update that may have reached the client.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.fields import Field
from etl.images import FieldChange, are_equal, changes_between
from etl.manifest import Plan
from etl.rows import Status
from etl.runs.database import PAGE, as_json, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from etl.images import Image

# The rows whose newest reading is not yet the basis of their plan. A row that may have been sent
# keeps its plan, unless its client was read again after a conflict.
_UNPLANNED = f"""
SELECT rows.row, body, readings.id, readings.client
FROM rows JOIN readings ON readings.id =
    (SELECT MAX(id) FROM readings WHERE readings.row = rows.row AND client IS NOT NULL)
LEFT JOIN plans ON plans.row = rows.row
WHERE rows.row > ? AND readings.code IS NOT '{Code.CHANGED_MEANWHILE.name}'
    AND (rows.status = '{Status.NOT_SENT}' AND plans.expected IS NOT readings.id
    OR rows.status = '{Status.UNKNOWN}' AND (plans.row IS NULL OR EXISTS
        (SELECT 1 FROM readings WHERE readings.row = rows.row AND id > plans.expected
            AND readings.code = '{Code.CHANGED_MEANWHILE.name}')))
ORDER BY rows.row LIMIT {PAGE}
"""
# Once an update may have reached the client, what it held before is no longer to be seen.
_PLAN = """
INSERT INTO plans (row, before, expected, changes) VALUES (:row, :reading, :reading, :changes)
ON CONFLICT DO UPDATE SET expected = excluded.expected,
    before = iif({reached}, before, excluded.before),
    changes = iif({reached}, changes, excluded.changes)
""".format(
    reached="EXISTS (SELECT 1 FROM attempts WHERE attempts.row = plans.row"
    f" AND (ended IS NULL OR status IN ('{Status.SUCCESS}', '{Status.UNKNOWN}')))"
)
_WANTED = """
CREATE TEMP TABLE wanted AS
SELECT plans.row, client_id, json_extract(change.value, '$[0]') AS field,
    json_extract(change.value, '$[1]') AS old, json_extract(change.value, '$[2]') AS new
FROM plans JOIN rows ON rows.row = plans.row, json_each(changes) AS change
WHERE rows.status = 'NOT_SENT'
"""
_UNCHANGED = f"""
UPDATE rows SET status = '{Status.UNCHANGED}', faults = '[]', time = readings.time,
    ms = readings.ms, http_status = readings.http_status
FROM plans JOIN readings ON readings.id = plans.expected
WHERE plans.row = rows.row AND plans.changes = '[]' AND rows.status = '{Status.NOT_SENT}'
"""


def plan_rows(db: sqlite3.Connection) -> None:
    """Plan every row whose client was read since it was planned last."""
    last = 0
    while page := db.execute(_UNPLANNED, (last,)).fetchall():
        last = page[-1][0]
        with transaction(db):
            db.executemany(
                _PLAN,
                (
                    {"row": row, "reading": reading, "changes": _changes_json(body, client)}
                    for row, body, reading, client in page
                ),
            )


def _changes_json(body: str, client: str) -> str:
    return _as_json(changes_between(json.loads(client), json.loads(body)))


def _as_json(changes: Iterable[FieldChange]) -> str:
    return as_json([list(change) for change in changes])


def changes_of(text: str) -> list[FieldChange]:
    """Return the changes of a row, from their JSON."""
    return [FieldChange(Field(field), old, new) for field, old, new in json.loads(text)]


def drop_known(
    db: sqlite3.Connection, updates_of: Callable[[list[int]], Iterable[tuple[int, Image, Image]]]
) -> None:
    """Drop the changes of which an earlier update shows that they are none.

    The API may store a value in its own way, such as a phone without its spaces. If it holds what
    it made of the very same value when that was last sent to the client, nothing changes.
    ``updates_of`` yields the updates of clients: id, values sent, and what was stored. The latest
    must come first: of each field, only its last update counts.
    """
    db.execute("DROP TABLE IF EXISTS wanted")
    db.execute(_WANTED)
    db.execute("CREATE INDEX temp.wanted_of_client ON wanted (client_id, field)")
    clients = [client for (client,) in db.execute("SELECT DISTINCT client_id FROM wanted")]
    for client_id, sent, stored in updates_of(clients) if clients else ():
        for field, value in sent.items():
            for row, old, new in db.execute(
                "DELETE FROM wanted WHERE client_id = ? AND field = ? RETURNING row, old, new",
                (client_id, field),
            ).fetchall():
                if are_equal(value, new) and are_equal(stored[field], old):
                    _drop(db, row, field)
        if not db.execute("SELECT EXISTS (SELECT 1 FROM wanted)").fetchone()[0]:
            return


def _drop(db: sqlite3.Connection, row: int, field: str) -> None:
    (changes,) = db.execute("SELECT changes FROM plans WHERE row = ?", (row,)).fetchone()
    others = [change for change in changes_of(changes) if change.field != field]
    db.execute("UPDATE plans SET changes = ? WHERE row = ?", (_as_json(others), row))


def settle_unchanged(db: sqlite3.Connection) -> None:
    """Record that rows which change nothing are not sent."""
    with transaction(db):
        db.execute(_UNCHANGED)


def planned_changes(db: sqlite3.Connection) -> Iterator[tuple[int, list[FieldChange]]]:
    """Yield each row that changes its client, and how."""
    for row, changes in db.execute(
        "SELECT row, changes FROM plans WHERE changes <> '[]' ORDER BY row"
    ):
        yield row, changes_of(changes)


def plan_of(db: sqlite3.Connection, run: str) -> Plan:
    """Return the plan of a run in numbers, with its digest.

    The digest is a SHA-256 over the run's id and, for each row that changes its client, its number,
    its client's id, the values to send and what the API must still hold. A JSON array has them.
    """
    digest = hashlib.sha256(f"{as_json(['fatora-clients plan', run])}\n".encode())
    rows = emptying = 0
    fields: Counter[Field] = Counter()
    emptied: Counter[Field] = Counter()
    for row, client_id, body, client, changes in db.execute(
        "SELECT rows.row, client_id, body, readings.client, changes FROM plans"
        " JOIN rows ON rows.row = plans.row JOIN readings ON readings.id = plans.expected"
        " WHERE changes <> '[]' ORDER BY rows.row"
    ):
        line = as_json([row, client_id, json.loads(body), json.loads(client)])
        digest.update(f"{line}\n".encode(errors="surrogatepass"))
        each = changes_of(changes)
        rows += 1
        fields.update(change.field for change in each)
        empties = [change.field for change in each if change.empties]
        emptied.update(empties)
        emptying += bool(empties)
    (compared,) = db.execute("SELECT COUNT(*) FROM plans").fetchone()
    return Plan(digest.hexdigest(), rows, dict(fields), emptying, dict(emptied), compared)
