"""What an answer, or its absence, means for a row whose client was to be read.

A request that reads has no effect. So whatever fails is FAILED, and never UNKNOWN; otherwise it is
judged like an update.
"""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.images import FieldChange, are_equal, changes_between, changes_in_words, image_of
from etl.load.judge import (
    Verdict,
    about_another,
    clients_in,
    documented,
    is_another,
    judge_failure,
    not_updated,
)
from etl.load.transport import Answer
from etl.load.wording import in_words, masked
from etl.rows import Status
from etl.text import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.images import Image
    from etl.load.judge import Reply
    from etl.rows import PendingRow

_NOT_READ = "The client could not be read"


def judge_reading(reply: Reply, row: PendingRow, host: str) -> Verdict:
    """Return what a host's reply to a request that reads a client means for its row.

    The verdict has the client if it could be read. It is NOT_SENT if the row may be sent, and
    CONFLICT if the client is not as the row expects.
    """
    verdict = _judge(reply, row, host)
    if verdict.client is not None or verdict.code is Code.API_NOT_FOUND:
        return verdict
    return replace(verdict, status=Status.FAILED)


def _judge(reply: Reply, row: PendingRow, host: str) -> Verdict:
    if not isinstance(reply, Answer):
        return judge_failure(reply, host)
    facts = documented(reply) if reply.http_status == HTTPStatus.OK else None
    if facts is None:
        return not_updated(reply, host)
    if facts["status"] != "SUCCESS":
        status = quote(masked(facts["status"], reply))
        error = f"{_NOT_READ}: Fatora's status is {status} ({in_words(reply)})."
        return Verdict(Status.FAILED, Code.API_REJECTED, error, http_status=reply.http_status)
    clients = clients_in(facts.get("client"))
    if not clients:
        return not_updated(reply, host)
    others = [each["id"] for each in clients if is_another(each.get("id"), row.client_id)]
    if others:
        return about_another(masked(str(others[0]), reply), reply, host)
    image = {key: masked(value, reply) for key, value in image_of(clients[0]).items()}
    return _judge_client(image, row)


def _judge_client(client: Image, row: PendingRow) -> Verdict:
    differences = [] if row.expected is None else _drift(row.expected, client, row.body)
    if not differences or _is_as_wanted(client, row):
        return Verdict(Status.NOT_SENT, client=client, http_status=HTTPStatus.OK)
    return Verdict(
        Status.CONFLICT,
        Code.CHANGED_MEANWHILE,
        f"{Code.CHANGED_MEANWHILE.meaning} ({changes_in_words(differences)}).",
        client=client,
        http_status=HTTPStatus.OK,
    )


def _is_as_wanted(client: Image, row: PendingRow) -> bool:
    """Whether nothing is to be sent, so that it does not matter what else the client holds.

    A row that was planned is read again just before it is sent, and would still be.
    """
    return not row.is_planned and not changes_between(client, row.body)


def _drift(expected: Image, client: Image, body: Mapping[str, str]) -> list[FieldChange]:
    """Return how a client differs from what was expected of it.

    It does no harm if a field already has the value to send: an earlier attempt of which no answer
    came may have set it.
    """
    return [
        change
        for change in changes_between(
            {**client, **expected}, {key: client[key] for key in expected}
        )
        if change.field not in body or not are_equal(change.new, body[change.field])
    ]
