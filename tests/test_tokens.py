"""The bearer token: given, or exchanged for the API key, once for all workers."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from pydantic import SecretStr
from responses import BaseResponse, RequestsMock

from etl.load.tokens import (
    ExchangedToken,
    GivenToken,
    TokenRefusedError,
    TokenUnavailableError,
)
from etl.load.transport import Attempt, Transport
from etl.load.wire import NotConnectedError
from scripted import ScriptedServer

# What answers in the place of the network.
responses = RequestsMock(
    assert_all_requests_are_fired=False, target="etl.load.adapter.DeadlineAdapter.send"
)

KEY = "invented-key/of-16"
TOKEN = "invented.token-1"
ADDRESS = "the API address gave no bearer token and may be wrong"
AUTHORIZE = "https://api.example.com/v1/Authorization/Authorize"


def exchanged() -> ExchangedToken:
    """A token that has not been fetched yet."""
    return ExchangedToken(SecretStr(KEY), "https://api.example.com/v1")


def attempt(seconds: float = 5) -> Attempt:
    """An attempt that only `responses` answers."""
    return Transport(seconds, None, None).attempt()


def answer(token: str = TOKEN) -> BaseResponse:
    """The answer that gives this token."""
    exchange: BaseResponse = responses.get(AUTHORIZE, json={"success": True, "bearer_token": token})
    return exchange


# A token that was given


def test_a_given_token_is_used_as_it_is() -> None:
    """A given token is used unchanged, also after a rejection."""
    tokens = GivenToken(SecretStr(TOKEN))
    tokens.reject(tokens.current(attempt()))
    assert tokens.current(attempt()).value == TOKEN
    assert not tokens.renewable


# A token that is exchanged for the key


@responses.activate
def test_the_key_is_exchanged_as_published() -> None:
    """The key is exchanged with a GET that has the key in its own header."""
    answer()
    tokens = exchanged()
    assert tokens.current(attempt()).value == TOKEN
    (call,) = responses.calls
    assert call.request.headers["api_key"] == KEY
    assert call.request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in call.request.headers
    assert call.request.body is None
    assert tokens.renewable


@responses.activate
def test_a_token_is_exchanged_once() -> None:
    """A token is fetched once, and used until the API rejects it."""
    exchange = answer()
    tokens = exchanged()
    assert [tokens.current(attempt()).value for _ in range(3)] == [TOKEN] * 3
    assert exchange.call_count == 1


@responses.activate
def test_a_rejected_token_is_replaced() -> None:
    """After a rejection, the next row gets a new token."""
    answer("first-token-of-16")
    answer("second-token-of-16")
    tokens = exchanged()
    first = tokens.current(attempt())
    assert first.value == "first-token-of-16"
    tokens.reject(first)
    assert tokens.current(attempt()).value == "second-token-of-16"


@responses.activate
def test_a_token_that_was_replaced_already_is_not_replaced_again() -> None:
    """A token that was already replaced is not replaced again."""
    answer("first-token-of-16")
    second = answer("second-token-of-16")
    tokens = exchanged()
    first = tokens.current(attempt())
    for _ in range(8):
        tokens.reject(first)
        assert tokens.current(attempt()).value == "second-token-of-16"
    assert second.call_count == 1


@responses.activate
def test_workers_that_start_together_exchange_the_key_once() -> None:
    """Several workers exchange the key only once: the others wait for that token."""
    exchange = answer()
    tokens = exchanged()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: tokens.current(attempt()).value, range(8)))
    assert got == [TOKEN] * 8
    assert exchange.call_count == 1


def test_workers_that_wait_for_an_exchange_share_its_failure() -> None:
    """Workers that wait for an exchange share its failure, instead of each waiting in turn."""
    with ScriptedServer([]) as silent, ThreadPoolExecutor(8) as pool:
        tokens = ExchangedToken(SecretStr(KEY), silent.url)
        start = time.monotonic()
        first = pool.submit(tokens.current, attempt(0.3))
        others = [pool.submit(tokens.current, attempt(5)) for _ in range(7)]
        failures = [each.exception() for each in (first, *others)]
    assert [type(each) for each in failures] == [TokenUnavailableError] * 8
    assert len(silent.requests) == 1
    assert time.monotonic() - start < 3


def test_waiting_for_a_token_ends_with_the_attempt() -> None:
    """Waiting for a token ends with the attempt's deadline."""
    with ScriptedServer([]) as silent, ThreadPoolExecutor(1) as pool:
        tokens = ExchangedToken(SecretStr(KEY), silent.url)
        patient = pool.submit(tokens.current, attempt(2))
        while not silent.requests:
            time.sleep(0.01)
        start = time.monotonic()
        with pytest.raises(TokenUnavailableError, match="no answer in time"):
            tokens.current(attempt(0.2))
        assert time.monotonic() - start < 1
        assert isinstance(patient.exception(), TokenUnavailableError)


@responses.activate
def test_after_a_failure_the_next_to_ask_tries_again() -> None:
    """After a failure, the next worker tries again."""
    responses.get(AUTHORIZE, status=503)
    answer()
    tokens = exchanged()
    with pytest.raises(TokenUnavailableError):
        tokens.current(attempt())
    assert tokens.current(attempt()).value == TOKEN


WITHOUT_A_TOKEN = [
    (401, b'{"status": "ERROR", "error": "Invalid API Key"}'),
    (400, b""),
    (403, b"forbidden"),
    (404, b"<html></html>"),
    (300, b""),
    (302, b""),
    (499, b""),
    (200, b'{"status": "ERROR", "error": "Invalid API Key"}'),
    (200, b'{"success": true}'),
    (200, b"[]"),
    (200, b"null"),
    (200, b"\xff"),
    (200, b""),
    (200, b"[" * 100_000),
    (200, b"<html></html>"),
]


@responses.activate
@pytest.mark.parametrize(("status", "body"), WITHOUT_A_TOKEN, ids=range(len(WITHOUT_A_TOKEN)))
def test_an_answer_without_a_token_is_a_refusal(status: int, body: bytes) -> None:
    """An answer without a token is a refusal, and its message has the status."""
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises(TokenRefusedError, match=f": HTTP {status}"):
        exchanged().current(attempt())


UNUSABLE = [
    (400, b'{"success": true, "bearer_token": "an.invented.token"}'),
    (200, b'{"success": false, "bearer_token": "an.invented.token"}'),
    (200, b'{"success": "true", "bearer_token": "an.invented.token"}'),
    (200, b'{"bearer_token": "an.invented.token"}'),
    (200, b'{"success": true, "access_token": "an.invented.token"}'),
    (200, b'{"success": true, "bearerToken" : "an.invented.token"}'),
    (200, b'{"success": true, "bearer_token": "an.invented.token"} trailing'),
    (200, b'{"success": true, "bearer_token": null}'),
    (200, b'{"success": true, "bearer_token": 5}'),
    (200, b'{"success": true, "bearer_token": ""}'),
    (200, b'{"success": true, "bearer_token": "t"}'),
    (200, b'{"success": true, "bearer_token": "under-16-letter"}'),
    (200, b'{"success": true, "bearer_token": "an.invented.token\\r\\nof two lines"}'),
    (200, b'{"success": true, "bearer_token": "an.invented.token \xd8\xb1"}'),
]


@responses.activate
@pytest.mark.parametrize(("status", "body"), UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_token_that_cannot_be_used_is_a_refusal_and_is_not_shown(
    status: int, body: bytes
) -> None:
    """An unusable token is a refusal, and is not shown."""
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises(TokenRefusedError) as raised:
        exchanged().current(attempt())
    assert str(raised.value) == (
        f"the API key was refused: HTTP {status} from api.example.com without a usable bearer token"
    )


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (
            401,
            b'{"status": "ERROR", "error": "Invalid API Key"}',
            "the API key was refused: HTTP 401 from api.example.com: Invalid API Key",
        ),
        (
            200,
            b' {"status": "ERROR", "error": {"message": "Expired"}}',
            "the API key was refused: HTTP 200 from api.example.com: Expired",
        ),
        (
            403,
            '{"error": "المفتاح غير نشط"}'.encode(),
            "the API key was refused: HTTP 403 from api.example.com: \u2068المفتاح غير نشط\u2069",
        ),
        (
            200,
            b"<html><title>Sign in</title></html>",
            f"{ADDRESS}: HTTP 200 from api.example.com with an HTML page “Sign in”",
        ),
        (302, b"", f"{ADDRESS}: HTTP 302 from api.example.com, empty answer"),
        (404, b'{"error": "no page"}', f"{ADDRESS}: HTTP 404 from api.example.com: no page"),
    ],
)
def test_a_refusal_quotes_fatora_and_says_whether_it_can_be_of_the_key(
    status: int, body: bytes, message: str
) -> None:
    """A refusal quotes Fatora, and says whether it can be about the key."""
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises(TokenRefusedError) as raised:
        exchanged().current(attempt())
    assert str(raised.value) == message


@responses.activate
def test_a_refusal_is_one_line_of_bounded_length() -> None:
    """A refusal is one line of limited length."""
    responses.get(AUTHORIZE, status=401, json={"error": "two\nlines " * 1_000})
    with pytest.raises(TokenRefusedError) as raised:
        exchanged().current(attempt())
    assert ": HTTP 401 from api.example.com: two lines two" in str(raised.value)
    assert len(str(raised.value)) < 600


@responses.activate
@pytest.mark.parametrize("status", [200, 401, 404, 429, 503])
@pytest.mark.parametrize("spelling", [KEY, KEY.replace("/", "\\/")])
def test_the_key_is_masked_where_the_answer_repeats_it(status: int, spelling: str) -> None:
    """The key is masked if the answer repeats it."""
    body = f'{{"status": "ERROR", "error": "Invalid API Key {spelling}"}}'
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises((TokenRefusedError, TokenUnavailableError)) as raised:
        exchanged().current(attempt())
    assert str(raised.value).endswith("Invalid API Key ***")


@responses.activate
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_an_endpoint_that_is_busy_is_not_a_refusal(status: int) -> None:
    """A busy endpoint is not a refusal, and its Retry-After is honoured."""
    responses.get(AUTHORIZE, status=status, headers={"Retry-After": "30"})
    with pytest.raises(TokenUnavailableError) as raised:
        exchanged().current(attempt())
    assert str(raised.value) == f"HTTP {status}, empty answer"
    assert raised.value.retry_after == 30


@responses.activate
def test_an_exchange_that_fails_on_its_way_is_not_a_refusal() -> None:
    """A failed exchange is not a refusal, and its exception is not quoted."""
    responses.get(AUTHORIZE, body=requests.ConnectionError(KEY))
    with pytest.raises(TokenUnavailableError) as raised:
        exchanged().current(attempt())
    assert str(raised.value) == "no answer"
    assert raised.value.__suppress_context__


@responses.activate
@pytest.mark.parametrize("insecure", [True, False])
def test_an_exchange_without_a_connection_says_so(insecure: bool) -> None:  # noqa: FBT001
    """An exchange without a connection fails like any request."""
    responses.get(AUTHORIZE, body=NotConnectedError("certificate has expired", insecure=insecure))
    with pytest.raises(NotConnectedError) as raised:
        exchanged().current(attempt())
    assert raised.value.insecure == insecure


@responses.activate
def test_a_redirect_does_not_take_the_key_elsewhere() -> None:
    """Requests would send the header with the key to another host."""
    responses.get(AUTHORIZE, status=302, headers={"Location": "https://other.example.com/"})
    other = responses.get("https://other.example.com/", json={})
    with pytest.raises(TokenRefusedError):
        exchanged().current(attempt())
    assert other.call_count == 0


@responses.activate
def test_neither_key_nor_token_shows_in_a_repr() -> None:
    """A traceback or a debugger's list of variables gives nothing away."""
    answer()
    tokens = exchanged()
    tokens.current(attempt())
    shown = repr(tokens) + repr(GivenToken(SecretStr(TOKEN)))
    assert KEY not in shown
    assert TOKEN not in shown
