"""What an answer, or its absence, means for the row that was sent.

`judge` judges an answer as it came and masks credentials only in the texts that it returns. This is
how it decides:

==============================================  ========  =====================  =======
answer                                          status    code                   retried
==============================================  ========  =====================  =======
200, JSON object, status SUCCESS, this client   SUCCESS
200, JSON object, status another word           REJECTED  API_REJECTED
200, about another client                       UNKNOWN   API_MISMATCH           halts
any other 2xx or 200; HTML or XML halts         UNKNOWN   API_UNREADABLE
3xx                                             FAILED    API_REDIRECT           halts
401                                             FAILED    API_AUTH               renewed
403                                             FAILED    API_AUTH
407                                             FAILED    NETWORK_UNREACHABLE    halts
408, 425                                        FAILED    API_UNAVAILABLE        yes
429, also for a token                           FAILED    API_THROTTLED          yes
404                                             REJECTED  API_NOT_FOUND
409                                             REJECTED  API_CONFLICT
other 4xx                                       REJECTED  API_REJECTED
500, 502, 503, 504                              UNKNOWN   API_UNAVAILABLE        yes
other 5xx                                       UNKNOWN   API_UNAVAILABLE
no connection                                   FAILED    NETWORK_UNREACHABLE    yes
no connection, because of TLS or a proxy's 407  FAILED    NETWORK_UNREACHABLE    halts
no token available now                          FAILED    API_UNAVAILABLE        yes
no token, because the key is refused            FAILED    API_AUTH               halts
no answer in time                               UNKNOWN   NETWORK_TIMEOUT        yes
anything else                                   UNKNOWN   NETWORK_INTERRUPTED    yes
==============================================  ========  =====================  =======
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from etl.codes import Code
from etl.images import KEYS, answered, are_equal
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError, ProxyRefusedError
from etl.load.wording import excerpt, in_words, is_markup, masked, redirect_target
from etl.rows import SEPARATOR, Status
from etl.text import quote, quoted_together

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence

    from etl.images import Image
    from etl.rows import PendingRow

Reply: TypeAlias = Answer | Exception

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})

# What a status other than 200 means by itself (RFC 9110, 15); the first match counts.
_MEANINGS: list[tuple[Container[int], Status, Code]] = [
    (range(300, 400), Status.FAILED, Code.API_REDIRECT),
    ({401, 403}, Status.FAILED, Code.API_AUTH),
    ({407}, Status.FAILED, Code.NETWORK_UNREACHABLE),
    ({408, 425}, Status.FAILED, Code.API_UNAVAILABLE),
    ({429}, Status.FAILED, Code.API_THROTTLED),
    ({404}, Status.REJECTED, Code.API_NOT_FOUND),
    ({409}, Status.REJECTED, Code.API_CONFLICT),
    (range(400, 500), Status.REJECTED, Code.API_REJECTED),
    (range(500, 600), Status.UNKNOWN, Code.API_UNAVAILABLE),
]

# Only their messages are quoted: that of any other exception may contain the token.
_QUOTABLE = (NotConnectedError, TokenRefusedError, TokenUnavailableError)

_PROXY_REFUSED = (
    "The proxy did not accept the job's user name and password (HTTP 407)."
    " Check the proxy's address ([api] proxy)."
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one attempt.

    ``stored_differently`` means that the API confirmed the update, but with other values, which
    ``warning`` names. ``cause`` is why the row was not served, with HTTP status and host, such as
    ``HTTP 503 from api.fatora.io``. It does not quote the API, so that it may be logged; ``answer``
    does. ``excerpt`` is how the answer begins if it is not the JSON that Fatora documents; it may
    hold personal data. ``again`` is whether another attempt may help, ``retry_after`` how many
    seconds the API asks to wait, and ``renew`` whether a new token may help; ``expired`` means that
    the API has accepted the refused token before. ``halt`` says in full sentences why the run must
    stop at once, if it must. ``client`` is what the API holds of the client, if that is known and
    matters.
    """

    status: Status
    code: Code | None = None
    error: str = ""
    warning: str = ""
    stored_differently: bool = False
    cause: str = ""
    answer: str = ""
    excerpt: str = ""
    http_status: int | None = None
    again: bool = False
    retry_after: float | None = None
    renew: bool = False
    expired: bool = False
    halt: str | None = None
    client: Image | None = None

    @property
    def is_served(self) -> bool:
        """Whether the API did its part: it updated, refused or showed the client."""
        return self.status.final or self.client is not None


_UPDATED = Verdict(Status.SUCCESS, http_status=200)  # of nearly all rows


def judge(reply: Reply, sent: PendingRow, host: str) -> Verdict:
    """Return what a host's reply means for the row that was sent; never raises."""
    if isinstance(reply, Answer):
        return _judge_answer(reply, sent, host)
    return judge_failure(reply, host)


def judge_probe(reply: Reply, host: str) -> Verdict:
    """Return what a host's reply to a probe means: SUCCESS if credentials and service are fine."""
    if not isinstance(reply, Answer):
        return judge_failure(reply, host)
    if reply.http_status != HTTPStatus.OK:
        return not_updated(reply, host)
    facts = documented(reply)
    if facts is None or facts.get("status") != "SUCCESS":
        return not_updated(reply, host)
    return Verdict(Status.SUCCESS, http_status=reply.http_status)


def judge_failure(error: Exception, host: str) -> Verdict:
    """Return what it means that there is no answer."""
    status, code, cause = _meaning_of_failure(error, host)
    reason = f" ({error})" if isinstance(error, _QUOTABLE) else ""
    halt = _halt_of_failure(error, host)
    return Verdict(
        status,
        code,
        f"{code.meaning}{reason}.",
        cause=cause,
        again=halt is None,
        retry_after=error.retry_after if isinstance(error, TokenUnavailableError) else None,
        halt=halt,
    )


def _meaning_of_failure(error: Exception, host: str) -> tuple[Status, Code, str]:
    """Return status, code and cause of a missing answer: FAILED only if nothing was sent."""
    if isinstance(error, TokenRefusedError):
        return Status.FAILED, Code.API_AUTH, f"no bearer token from {host}"
    if isinstance(error, TokenUnavailableError):
        code = Code.API_THROTTLED if error.throttled else Code.API_UNAVAILABLE
        return Status.FAILED, code, f"no bearer token from {host} ({error.cause})"
    if isinstance(error, NotConnectedError):
        return Status.FAILED, Code.NETWORK_UNREACHABLE, f"no connection to {host} ({error})"
    if isinstance(error, TimeoutError):
        return Status.UNKNOWN, Code.NETWORK_TIMEOUT, f"no answer from {host} in time"
    return Status.UNKNOWN, Code.NETWORK_INTERRUPTED, f"a broken connection to {host}"


def _halt_of_failure(error: Exception, host: str) -> str | None:
    if isinstance(error, TokenRefusedError):
        return f"The bearer token had to be renewed, but {error}."
    if isinstance(error, ProxyRefusedError):
        return _PROXY_REFUSED
    if isinstance(error, NotConnectedError) and error.insecure:
        return (
            f"The TLS connection to {host} cannot be trusted ({error})."
            " Check the API address ([api] url), the proxy and the CA bundle."
        )
    return None


def _judge_answer(answer: Answer, sent: PendingRow, host: str) -> Verdict:
    if answer.http_status == HTTPStatus.OK:
        return _judge_ok(answer, sent, host)
    return not_updated(answer, host)


def not_updated(answer: Answer, host: str) -> Verdict:
    """Return what an answer means that neither confirms nor contradicts anything about a client."""
    number = answer.http_status
    status, code = _meaning_of_status(number)
    cause = f"HTTP {number} from {host}"
    if code is Code.API_UNREADABLE:
        cause = f"an answer from {host} that could not be understood (HTTP {number})"
    return Verdict(
        status,
        code,
        f"{code.meaning} ({in_words(answer)}).",
        cause=cause,
        answer=in_words(answer, host),
        excerpt=excerpt(answer) if documented(answer) is None else "",
        http_status=number,
        again=number in _PASSING,
        retry_after=answer.retry_after,
        renew=number == HTTPStatus.UNAUTHORIZED,
        expired=answer.expired,
        halt=_halt_of_answer(answer, host),
    )


def _meaning_of_status(number: int) -> tuple[Status, Code]:
    for numbers, status, code in _MEANINGS:
        if number in numbers:
            return status, code
    return Status.UNKNOWN, Code.API_UNREADABLE


def _halt_of_answer(answer: Answer, host: str) -> str | None:
    if answer.http_status in range(300, 400):
        return (
            f"HTTP {answer.http_status} from {host} points to {redirect_target(answer)}:"
            " redirects are never followed. Check the API address ([api] url)."
        )
    if answer.http_status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return _PROXY_REFUSED
    if answer.http_status in range(200, 300) and is_markup(answer):
        return (
            f"A web page answered instead of Fatora ({in_words(answer, host)})."
            " Check the API address ([api] url) and the proxy."
        )
    return None


def _judge_ok(answer: Answer, sent: PendingRow, host: str) -> Verdict:
    facts = documented(answer)
    if facts is None:
        return not_updated(answer, host)
    echoes = clients_in(facts.get("client"))
    others = [echo["id"] for echo in echoes if is_another(echo.get("id"), sent.client_id)]
    if others:
        return about_another(masked(str(others[0]), answer), answer, host)
    if facts["status"] != "SUCCESS":
        status = quote(masked(facts["status"], answer))
        return Verdict(
            Status.REJECTED,
            Code.API_REJECTED,
            f"{Code.API_REJECTED.meaning}, with the status {status} ({in_words(answer)}).",
            http_status=answer.http_status,
        )
    echo = echoes[0] if echoes else {}
    differences = list(_differences(sent.body, echo, answer))
    if sent.expected is None and not differences:
        return _UPDATED
    cleared = _cleared(sent, echo)
    return Verdict(
        Status.SUCCESS,
        Code.API_CLEARED if cleared else None,
        warning=SEPARATOR.join([*differences, *map(_cleared_in_words, cleared)]),
        stored_differently=bool(differences),
        http_status=answer.http_status,
        halt=_halt_of_cleared(sent, cleared) if cleared else None,
        client=_stored(sent, echo, answer),
    )


def _cleared(sent: PendingRow, echo: Mapping[str, Any]) -> list[str]:
    """Return the fields that were filled, were not sent, and are blank now.

    Whether an update empties what it leaves out is not published.
    """
    filled = [key for key, value in (sent.expected or {}).items() if value]
    return [key for key in filled if key not in sent.values and answered(echo, key) == ""]


def _cleared_in_words(key: str) -> str:
    return f"{key}: Fatora emptied it although it was not sent"


def _halt_of_cleared(sent: PendingRow, cleared: Sequence[str]) -> str:
    fields = " and ".join(filter(None, [", ".join(cleared[:-1]), cleared[-1]]))
    return (
        f'{Code.API_CLEARED.meaning}: {fields} of client {sent.client_id}. Set unsent = "resend"'
        " in the section [load], so that the stored values travel along. To restore what was"
        " emptied, undo the run."
    )


def _stored(sent: PendingRow, echo: Mapping[str, Any], answer: Answer) -> Image:
    """Return what the API holds now, as far as its answer, the values sent or a reading tell."""
    shown = {key: answered(echo, key) for key in KEYS}
    seen = {key: masked(value, answer) for key, value in shown.items() if value is not None}
    return {**(sent.expected or {}), **sent.values, **seen}


def about_another(other: str, answer: Answer, host: str) -> Verdict:
    """Return what an answer about another client means."""
    meaning, number = Code.API_MISMATCH.meaning, answer.http_status
    return Verdict(
        Status.UNKNOWN,
        Code.API_MISMATCH,
        f"{meaning} (HTTP {number}: client {quote(other)}).",
        cause=f"an answer from {host} about another client (HTTP {number})",
        excerpt=excerpt(answer),
        http_status=number,
        halt=f"{meaning} (HTTP {number} from {host}). {Code.API_MISMATCH.fix}",
    )


def clients_in(client: object) -> list[dict[str, Any]]:
    """Return the clients that an answer is about: one, as documented, or several."""
    clients = client if isinstance(client, list) else [client]
    return [each for each in clients if isinstance(each, dict)]


def is_another(answered_id: object, client_id: int) -> bool:
    """Whether the id in an answer is that of another client."""
    if isinstance(answered_id, bool):  # True equals 1
        return True
    return answered_id not in (None, client_id, str(client_id))


def _differences(body: Mapping[str, str], echo: Mapping[str, Any], answer: Answer) -> Iterator[str]:
    """Yield which values the API stored differently from what was sent."""
    for key, value in body.items():
        if echo.get(key) == value:
            continue
        stored = answered(echo, key)
        if stored is not None and not are_equal(stored, value):
            shown, sent = quoted_together(masked(stored, answer), value)
            yield f"{key}: Fatora stored {shown} where {sent} was sent"


def documented(answer: Answer) -> dict[str, Any] | None:
    """Return the JSON object of an answer if it has a status in words, as Fatora documents it."""
    if answer.too_long:
        return None
    try:
        facts = _DECODER.decode(answer.body.removeprefix(BOM_UTF8).decode())
    except (ValueError, RecursionError):
        return None
    return facts if isinstance(facts, dict) and isinstance(facts.get("status"), str) else None


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a key occurs twice")  # which of the two counts cannot be known
    return facts


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_without_repeats, parse_constant=_no_constant)
