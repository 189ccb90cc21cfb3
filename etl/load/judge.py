"""What an answer, or its absence, means for the row that was sent.

One function decides; it never raises. The table, from the contract:

==============================================  ========  =====================  =======
what came                                       status    code                   again
==============================================  ========  =====================  =======
200, JSON object, status SUCCESS, this client   SUCCESS
200, JSON object, status another word           REJECTED  API_REJECTED
200, about another client                       UNKNOWN   API_MISMATCH           halts
any other 2xx or 200; a web page halts          UNKNOWN   API_UNREADABLE
3xx                                             FAILED    API_REDIRECT           halts
401                                             FAILED    API_AUTH               renewed
403, 407                                        FAILED    API_AUTH
408, 425                                        FAILED    API_UNAVAILABLE        yes
429                                             FAILED    API_THROTTLED          yes
404                                             REJECTED  API_NOT_FOUND
409                                             REJECTED  API_CONFLICT
other 4xx                                       REJECTED  API_REJECTED
500, 502, 503, 504                              UNKNOWN   API_UNAVAILABLE        yes
other 5xx                                       UNKNOWN   API_UNAVAILABLE
no connection; because of TLS halts             FAILED    NETWORK_UNREACHABLE    yes
no token to be had now                          FAILED    API_UNAVAILABLE        yes
no token, because the key is refused            FAILED    API_AUTH               halts
no answer in time                               UNKNOWN   NETWORK_TIMEOUT        yes
anything else                                   UNKNOWN   NETWORK_INTERRUPTED    yes
==============================================  ========  =====================  =======
"""

from __future__ import annotations

import json
import re
import unicodedata
from codecs import BOM_UTF8
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

import requests
from urllib3.exceptions import TimeoutError as AnswerTimeoutError

from etl.codes import Code
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError
from etl.rows import SEPARATOR, Status
from etl.text import one_line, quote

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from etl.rows import PendingRow

Reply: TypeAlias = Answer | Exception

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

# What a status other than 200 says by itself (RFC 9110, 15); the first that fits counts.
_MEANINGS: list[tuple[Container[int], Status, Code]] = [
    (range(300, 400), Status.FAILED, Code.API_REDIRECT),
    ({401, 403, 407}, Status.FAILED, Code.API_AUTH),
    ({408, 425}, Status.FAILED, Code.API_UNAVAILABLE),
    ({429}, Status.FAILED, Code.API_THROTTLED),
    ({404}, Status.REJECTED, Code.API_NOT_FOUND),
    ({409}, Status.REJECTED, Code.API_CONFLICT),
    (range(400, 500), Status.REJECTED, Code.API_REJECTED),
    (range(500, 600), Status.UNKNOWN, Code.API_UNAVAILABLE),
]

_NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    requests.URLRequired,
)
_TIMEOUTS = (requests.Timeout, AnswerTimeoutError, TimeoutError)

_WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|head|body|\?xml)", re.IGNORECASE
)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_BEGINNING = 10_000  # characters of a web page in which its title is looked for
_DEEPEST = 6  # levels of an error object that are read out
_NAMES = {"notes": ["notes", "note"]}  # of a field in an answer, where it is not its own
_SAYING = ("description", "message", "error", "detail")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one attempt came to.

    ``again`` tells whether another attempt may help; ``retry_after`` the seconds the API asks for;
    ``renew`` whether a new token may help; ``halt`` why the run must stop at once, if it must.
    """

    status: Status
    code: Code | None = None
    error: str = ""
    warning: str = ""
    http_status: int | None = None
    again: bool = False
    retry_after: float | None = None
    renew: bool = False
    halt: str | None = None


def judge(reply: Reply, sent: PendingRow) -> Verdict:
    """Return what a reply means for the row that was sent; never raises."""
    if isinstance(reply, Answer):
        return _judge_answer(reply, sent)
    return _judge_failure(reply)


def _judge_failure(error: Exception) -> Verdict:
    halt = _halt_of_failure(error)
    status, code = _meaning_of_failure(error)
    retry_after = error.retry_after if isinstance(error, TokenUnavailableError) else None
    said = halt or code.meaning
    return Verdict(status, code, said, again=halt is None, retry_after=retry_after, halt=halt)


def _meaning_of_failure(error: Exception) -> tuple[Status, Code]:
    """Return what it means that there was no answer: only without a connection nothing was sent."""
    if isinstance(error, TokenRefusedError):
        return Status.FAILED, Code.API_AUTH
    if isinstance(error, TokenUnavailableError):
        return Status.FAILED, Code.API_UNAVAILABLE
    if isinstance(error, (NotConnectedError, *_NEVER_SENT)):
        return Status.FAILED, Code.NETWORK_UNREACHABLE
    if isinstance(error, _TIMEOUTS):
        return Status.UNKNOWN, Code.NETWORK_TIMEOUT
    return Status.UNKNOWN, Code.NETWORK_INTERRUPTED


def _halt_of_failure(error: Exception) -> str | None:
    if isinstance(error, TokenRefusedError):
        return f"the token had to be renewed, but {error}"
    if isinstance(error, NotConnectedError) and error.insecure:
        return "the API's TLS certificate or connection cannot be trusted"
    return None


def _judge_answer(answer: Answer, sent: PendingRow) -> Verdict:
    number = answer.http_status
    if number == HTTPStatus.OK:
        return _judge_ok(answer, sent)
    status, code = _meaning_of_status(number)
    return Verdict(
        status,
        code,
        f"the API answered {number}: {_said(answer)}",
        http_status=number,
        again=number in _PASSING,
        retry_after=answer.retry_after,
        renew=number == HTTPStatus.UNAUTHORIZED,
        halt=_halt_of_answer(answer),
    )


def _meaning_of_status(number: int) -> tuple[Status, Code]:
    for numbers, status, code in _MEANINGS:
        if number in numbers:
            return status, code
    return Status.UNKNOWN, Code.API_UNREADABLE


def _halt_of_answer(answer: Answer) -> str | None:
    if answer.http_status in range(300, 400):
        return "the API answered with a redirect, which is never followed: check the API's url"
    if answer.http_status in range(200, 300) and _WEB_PAGE.match(answer.body):
        return "a web page came in place of the API's answer: check the API's url and the proxy"
    return None


def _judge_ok(answer: Answer, sent: PendingRow) -> Verdict:
    facts = _json_object(answer)
    if facts is None or not isinstance(facts.get("status"), str):
        return Verdict(
            Status.UNKNOWN,
            Code.API_UNREADABLE,
            f"the API answered 200, but not with its JSON: {_said(answer)}",
            http_status=answer.http_status,
            halt=_halt_of_answer(answer),
        )
    echoes = _echoes(facts.get("client"))
    others = [echo["id"] for echo in echoes if _is_another(echo.get("id"), sent.client_id)]
    if others:
        return Verdict(
            Status.UNKNOWN,
            Code.API_MISMATCH,
            f"the API answered about client {quote(str(others[0]))}",
            http_status=answer.http_status,
            halt="the API answered about another client than the one that was updated:"
            " ask Fatora's support before anything else",
        )
    if facts["status"] != "SUCCESS":
        said = f"the API answered {quote(facts['status'])}: {_said(answer)}"
        return Verdict(Status.REJECTED, Code.API_REJECTED, said, http_status=answer.http_status)
    warning = SEPARATOR.join(_differences(sent.body, echoes[0])) if echoes else ""
    return Verdict(Status.SUCCESS, warning=warning, http_status=answer.http_status)


def _echoes(client: object) -> list[dict[str, Any]]:
    """Return the clients that an answer tells of: one, as is published, or else several."""
    told = client if isinstance(client, list) else [client]
    return [each for each in told if isinstance(each, dict)]


def _is_another(told: object, client_id: int) -> bool:
    if isinstance(told, bool):  # True equals 1
        return True
    return told not in (None, client_id, str(client_id))


def _differences(body: Mapping[str, str], echo: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the API stored otherwise than it was sent.

    The request's ``notes`` comes back as ``note``, on another page of the vendor's as ``notes``.
    """
    for key, value in body.items():
        told = [echo[name] for name in _NAMES.get(key, [key]) if name in echo]
        known = [str(each) for each in told if each is not None]
        stored = known[0] if known else ""  # null is how JSON may say that there is nothing
        if told and stored != value and _nfc(stored) != _nfc(value):
            yield f"{key}: the API stored {quote(stored)} where {quote(value)} was sent"


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _json_object(answer: Answer) -> dict[str, Any] | None:
    if answer.too_long:
        return None
    try:
        facts = _DECODER.decode(answer.body.removeprefix(BOM_UTF8).decode())
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a key stands twice")  # which of the two holds cannot be known
    return facts


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant)


def _said(answer: Answer) -> str:
    """Return what an answer says, on one readable line."""
    if answer.too_long:
        return "an answer of more than 1 MiB"
    text = answer.body.decode("utf-8-sig", errors="replace")
    if _WEB_PAGE.match(answer.body):
        title = _TITLE.search(text[:_BEGINNING])
        return f"a web page, {quote(one_line(title[1]))}" if title else "a web page"
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return one_line(text) or "nothing"
    told = (facts.get("error") or facts) if isinstance(facts, dict) else facts
    return one_line(_read_out(told)) or "no reason"


def _read_out(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - whatever JSON holds
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, dict):
        said = (
            _read_out(each, depth + 1) if key in _SAYING else _named(key, each, depth + 1)
            for key, each in value.items()
        )
    elif isinstance(value, list):
        said = (_read_out(each, depth + 1) for each in value)
    else:
        return "" if value is None else str(value)
    return SEPARATOR.join(filter(None, said))


def _named(key: str, value: Any, depth: int) -> str:  # noqa: ANN401 - whatever JSON holds
    said = _read_out(value, depth)
    return f"{key}: {said}" if said else ""
