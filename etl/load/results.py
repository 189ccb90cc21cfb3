"""What an attempt leaves behind: the result of its row for the journal, and a line in the log."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.rows import Fault, Method, RowResult, Status
from etl.text import counted, utc_time

if TYPE_CHECKING:
    from etl.load.judge import Verdict
    from etl.load.workers import Returned

log = logging.getLogger(__name__)


def result_of(returned: Returned, verdict: Verdict, give_up: int) -> RowResult:
    """Return the result of a row so far; after ``give_up`` sessions a person is asked for help.

    A row stays UNKNOWN if an earlier attempt may have updated its client, until the API confirms or
    refuses an update. Reading a client is no attempt to update it.
    """
    row = returned.row
    unclear = row.status is Status.UNKNOWN and not verdict.status.final
    is_new = verdict.status is not Status.UNKNOWN
    earlier = " An earlier attempt may have updated the client." if unclear and is_new else ""
    faults = [Fault(verdict.code, verdict.error + earlier)] if verdict.code else []
    nights = row.sessions + 1
    if not verdict.is_served and nights >= give_up:
        text = f"Tried on {counted(nights, 'night')} without success."
        faults.append(Fault(Code.FAILED_REPEATEDLY, text))
    return RowResult(
        row=row.row,
        client_id=row.client_id,
        status=Status.UNKNOWN if unclear else verdict.status,
        attempts=row.attempts + (row.method is Method.PUT),
        time=utc_time(returned.time),
        ms=round(returned.seconds * 1000),
        faults=tuple(faults),
        warning=verdict.warning,
        http_status=verdict.http_status,
        stored_differently=verdict.stored_differently,
        excerpt=verdict.excerpt,
        method=row.method,
        client=verdict.client,
    )


def log_attempt(result: RowResult, verdict: Verdict) -> None:
    """Log a request that did not end well, without anything that the API answered."""
    fields = {
        "row": result.row,
        "client": result.client_id,
        "status": verdict.status,
        "code": verdict.code.name if verdict.code else None,
        "http_status": verdict.http_status,
        "cause": verdict.cause,
        "attempt": result.attempts,
        "ms": result.ms,
    }
    log.warning("attempt", extra={"fields": fields})
