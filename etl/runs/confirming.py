"""What the API holds of the clients of a run when it is asked again, after the run.

Each field that a row sent is compared with four values: what was sent, what the API held right
after the update (``left``: what its answer showed, else what was sent), what it held before the
update, and what it holds now. The first line that fits counts:

========================================================  =============
now                                                       field
========================================================  =============
is what was sent                                          as sent
is ``left``, in which the API wrote the value in its way  as sent
is what was there before                                  never taken
anything else                                             changed since
========================================================  =============

The API wrote a value in its way if ``left`` is not what was there before, or differs from what was
sent only in other characters than letters and digits, in their case, or in leading zeros. What was
there before is known only of a run that compares: of another one, no field is found *never taken*.
Values that somebody put back look the same as values that never went away. Fields that the row does
not give are not looked at, not even if they were resent.

A row is *changed since* if one of its fields is, else *not as sent* if one was never taken, else
*still so*. It is *deleted* if the API knows no such client.

A row that is UNKNOWN is settled: it is SUCCESS if every field holds what was sent, and FAILED if
not, so that the next update of the file sends it.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.fields import Field
from etl.images import FieldChange, are_equal
from etl.rows import SEPARATOR, Fault, Method, PendingRow, Status
from etl.runs.database import PAGE, as_json, faults_json, transaction
from etl.runs.journal import Journal
from etl.runs.plan import changes_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from etl.images import Image
    from etl.rows import RowResult

CONFIRMED = "No answer to the update came. Fatora was asked again and holds the values"


class Outcome(StrEnum):
    """What became of a client since its row was sent."""

    STILL_SO = "STILL_SO"
    CHANGED = "CHANGED"
    DELETED = "DELETED"
    NOT_AS_SENT = "NOT_AS_SENT"
    NOW_SUCCESS = "NOW_SUCCESS"
    NOW_FAILED = "NOW_FAILED"


FINE = (Outcome.STILL_SO, Outcome.NOW_SUCCESS)
SETTLED = (Outcome.NOW_SUCCESS, Outcome.NOW_FAILED)


@dataclass(frozen=True, slots=True)
class ConfirmedRow:
    """A row whose client is not as the row left it; ``changes`` are from then to now."""

    row: int
    client_id: int
    outcome: Outcome
    changes: Sequence[FieldChange]


def _in_sql(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


_IS_SETTLED = f"ifnull(outcome, '') IN ({_in_sql(SETTLED)})"
_IS_READ = f"(client IS NOT NULL OR ifnull(code, '') = '{Code.API_NOT_FOUND.name}')"
# What an unfinished confirmation read of a row counts until the row is sent again, and if it
# settled nothing, only as long as it is recent: all that is confirmed together should have been so
# at about the same time.
_FORGET_OUTDATED = f"""
DELETE FROM confirmations WHERE number = :number AND NOT ({_IS_READ}
    AND attempts = (SELECT rows.attempts FROM rows WHERE rows.row = confirmations.row)
    AND ({_IS_SETTLED} OR time > :since))
"""
_ALWAYS_ASKED = f"""
INSERT INTO asked SELECT row FROM rows WHERE status = '{Status.UNKNOWN}' UNION
SELECT row FROM confirmations WHERE number = :number AND {_IS_SETTLED}
"""
_IS_UNREAD = """
NOT EXISTS (SELECT 1 FROM confirmations WHERE confirmations.row = rows.row AND number = :number)
"""
_CONFIRMED_ROWS = f"""
SELECT row FROM rows WHERE rows.status = '{Status.SUCCESS}' AND row NOT IN (SELECT row FROM asked)
"""
_TO_READ = f"""
SELECT rows.row, client_id, attempts FROM rows JOIN asked ON asked.row = rows.row
WHERE rows.row > :last AND {_IS_UNREAD}
ORDER BY rows.row LIMIT {PAGE}
"""
_COUNT_TO_READ = f"""
SELECT COUNT(*) FROM rows JOIN asked ON asked.row = rows.row WHERE {_IS_UNREAD}
"""
_KEEP = """
INSERT OR REPLACE INTO confirmations (row, number, attempts, time, code, http_status, ms, client)
VALUES {values}
"""
# An earlier session may have sent a row without comparing: a reading from after that is no image of
# what was there before.
_TO_JUDGE = f"""
SELECT rows.row, rows.status, body, stored.client, readings.client, now.client, now.code
FROM confirmations AS now JOIN rows ON rows.row = now.row JOIN asked ON asked.row = rows.row
LEFT JOIN stored ON stored.row = rows.row LEFT JOIN plans ON plans.row = rows.row
LEFT JOIN readings ON readings.id = plans.before AND readings.session <=
    (SELECT MIN(session) FROM attempts WHERE attempts.row = rows.row)
WHERE rows.row > :last AND number = :number AND outcome IS NULL
    AND (now.client IS NOT NULL OR now.code = '{Code.API_NOT_FOUND.name}')
ORDER BY rows.row LIMIT {PAGE}
"""
_JUDGED = """
UPDATE confirmations SET outcome = :outcome, changes = :changes
WHERE row = :row AND number = :number
"""
_SETTLE = f"""
UPDATE rows SET status = :status, faults = :faults, stored_differently = 0,
    warning = warning || iif('' IN (warning, :warning), '', '{SEPARATOR}') || :warning,
    http_status = now.http_status, time = now.time, ms = now.ms
FROM confirmations AS now
WHERE rows.row = :row AND now.row = rows.row AND now.number = :number
"""
_OF_ASKED = "FROM confirmations JOIN asked ON asked.row = confirmations.row WHERE number = ?"


class ConfirmingJournal(Journal):
    """The journal of a run about whose clients the API is asked again.

    Nothing but the rows that this settles is changed. What is read is recorded at once, so that a
    confirmation that was killed or stopped is continued: `ask` says for how long its records count.
    """

    _number = 0

    def ask(self, run: str, number: int, since: str, sample: int | None) -> int:
        """Choose the rows of confirmation ``number``, and return how many there are.

        These are the rows that were sent. With ``sample``, only so many of those that the API
        confirmed, picked by chance in a way that only the run and the number decide. Clients that
        were read in this confirmation after the time ``since`` are not read again.
        """
        self._number = number
        self._db.execute(_FORGET_OUTDATED, {"number": number, "since": since})
        self._db.execute("DROP TABLE IF EXISTS temp.asked")
        self._db.execute("CREATE TEMP TABLE asked (row INTEGER PRIMARY KEY)")
        self._db.execute(_ALWAYS_ASKED, {"number": number})
        if sample is None:
            self._db.execute(f"INSERT INTO asked {_CONFIRMED_ROWS}")
        else:
            rows = (row for (row,) in self._db.execute(_CONFIRMED_ROWS))
            picked = heapq.nsmallest(sample, rows, key=lambda row: _lot(run, number, row))
            self._db.executemany("INSERT INTO asked VALUES (?)", ((row,) for row in picked))
        return int(self._db.execute("SELECT COUNT(*) FROM asked").fetchone()[0])

    def unasked(self) -> Iterator[PendingRow]:
        """Yield the rows whose clients are still to be read."""
        parameters = {"number": self._number, "last": 0}
        while page := self._db.execute(_TO_READ, parameters).fetchall():
            for row, client_id, attempts in page:
                yield PendingRow(row, client_id, {}, attempts=attempts, method=Method.GET)
            parameters["last"] = page[-1][0]

    def left_to_ask(self) -> int:
        """Return how many clients are still to be read."""
        return int(self._db.execute(_COUNT_TO_READ, {"number": self._number}).fetchone()[0])

    def record(
        self,
        ended: Sequence[RowResult],
        started: Sequence[PendingRow],  # noqa: ARG002 - a request that reads needs no intent
        now: str,  # noqa: ARG002
        withdrawn: Sequence[PendingRow] = (),  # noqa: ARG002
    ) -> None:
        """Record what was read, durably."""
        if ended:
            with transaction(self._db):
                self._execute(_KEEP, [_record(each, self._number) for each in ended])

    def judge(self) -> None:
        """Compare each client that was read with what was sent, and settle the UNKNOWN rows."""
        parameters = {"number": self._number, "last": 0}
        while page := self._db.execute(_TO_JUDGE, parameters).fetchall():
            parameters["last"] = page[-1][0]
            with transaction(self._db):
                for row, status, *images, code in page:
                    body, stored, before, now = (each and json.loads(each) for each in images)
                    if status == Status.UNKNOWN:
                        self._settle(row, body, now, code)
                    else:
                        self._note(row, *judged(body, stored or body, before, now))

    def _note(self, row: int, outcome: Outcome, changes: Sequence[FieldChange]) -> None:
        facts = {"row": row, "number": self._number, "outcome": outcome}
        self._db.execute(_JUDGED, {**facts, "changes": as_json([list(each) for each in changes])})

    def _settle(self, row: int, body: Mapping[str, str], now: Image | None, code: str) -> None:
        """Record that a row whose update got no answer had an effect, or that it had none."""
        outcome, changes = judged(body, body, None, now)
        facts = {"row": row, "number": self._number}
        if outcome is Outcome.STILL_SO:
            settled = {"status": Status.SUCCESS, "faults": "[]", "warning": CONFIRMED}
            self._db.execute(_SETTLE, {**facts, **settled})
            self._note(row, Outcome.NOW_SUCCESS, ())
            return
        reason = Code[code] if code else Code.API_NOT_APPLIED
        fields = f" ({', '.join(change.field for change in changes)})" if changes else ""
        fault = Fault(reason, f"{reason.meaning}{fields}.")
        settled = {"status": Status.FAILED, "faults": faults_json(fault), "warning": ""}
        self._db.execute(_SETTLE, {**facts, **settled})
        self._note(row, Outcome.NOW_FAILED, changes)

    def outcomes(self) -> dict[Outcome, int]:
        """Return the number of rows asked of each outcome."""
        counts = dict(
            self._db.execute(
                f"SELECT outcome, COUNT(*) {_OF_ASKED} AND outcome IS NOT NULL GROUP BY outcome",
                (self._number,),
            )
        )
        return {outcome: counts.get(outcome, 0) for outcome in Outcome}

    def differing(self) -> Iterator[ConfirmedRow]:
        """Yield the rows whose clients are not as the rows left them."""
        for row, client_id, outcome, changes in self._db.execute(
            "SELECT confirmations.row, (SELECT client_id FROM rows WHERE rows.row = asked.row),"
            f" outcome, changes {_OF_ASKED} AND outcome NOT IN ({_in_sql(FINE)})"
            " ORDER BY confirmations.row",
            (self._number,),
        ):
            yield ConfirmedRow(row, client_id, Outcome(outcome), changes_of(changes))


def judged(
    sent: Mapping[str, str],
    left: Mapping[str, str],
    before: Image | None,
    now: Image | None,
) -> tuple[Outcome, list[FieldChange]]:
    """Return the outcome for a client, and the fields that differ: then, and now.

    ``left`` is what it held after the update, ``before`` what it held before, None if that is not
    known. ``now`` is None if there is no such client. The module says how this is decided.
    """
    if now is None:
        return Outcome.DELETED, []
    changes, is_changed = [], False
    for key, value in sent.items():
        kept = are_equal(now[key], left[key])
        restored = before is not None and are_equal(now[key], before[key])
        if are_equal(now[key], value) or (kept and not restored):
            continue
        if kept and _is_form_of(now[key], value):
            continue
        is_changed |= not restored
        changes.append(FieldChange(Field(key), value if kept else left[key], now[key]))
    if is_changed:
        return Outcome.CHANGED, changes
    return (Outcome.NOT_AS_SENT if changes else Outcome.STILL_SO), changes


def _is_form_of(one: str, other: str) -> bool:
    """Whether the API may have made one text of the other by writing it in its own way."""
    return _letters(one) == _letters(other)


def _letters(text: str) -> str:
    """Return the letters and digits of a text, without case and leading zeros."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    digits = (str(unicodedata.decimal(each, each)) for each in folded if each.isalnum())
    return "".join(digits).lstrip("0")


def _lot(run: str, number: int, row: int) -> bytes:
    return hashlib.sha256(f"{run} {number} {row}".encode()).digest()


def _record(result: RowResult, number: int) -> tuple[object, ...]:
    code = result.faults[0].code.name if result.faults else None
    client = None if result.client is None else as_json(result.client)
    answer = (result.time, code, result.http_status, result.ms)
    return (result.row, number, result.attempts, *answer, client)
