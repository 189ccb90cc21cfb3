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

KEY = "invented-key"
TOKEN = "invented.token-1"
AUTHORIZE = "https://api.example.com/v1/Authorization/Authorize"


def exchanged() -> ExchangedToken:
    """A token that is still to be got."""
    return ExchangedToken(SecretStr(KEY), "https://api.example.com/v1")


def attempt(seconds: float = 5) -> Attempt:
    """An attempt that only `responses` answers."""
    return Transport(seconds, None, None).attempt()


def answer(token: str = TOKEN) -> BaseResponse:
    """What gives this token in the next exchange."""
    exchange: BaseResponse = responses.get(AUTHORIZE, json={"success": True, "bearer_token": token})
    return exchange


# A token that was given


def test_a_given_token_is_used_as_it_is() -> None:
    """Nobody is asked for it, and it stays the same after it was rejected."""
    tokens = GivenToken(SecretStr(TOKEN))
    tokens.reject(TOKEN)
    assert tokens.current(attempt()) == TOKEN
    assert not tokens.renewable


# A token that is exchanged for the key


@responses.activate
def test_the_key_is_exchanged_as_published() -> None:
    """A GET with the key in a header of its own, and no token: there is none yet."""
    answer()
    tokens = exchanged()
    assert tokens.current(attempt()) == TOKEN
    (call,) = responses.calls
    assert call.request.headers["api_key"] == KEY
    assert call.request.headers["Content-Type"] == "application/json"
    assert "Authorization" not in call.request.headers
    assert call.request.body is None
    assert tokens.renewable


@responses.activate
def test_a_token_is_exchanged_once() -> None:
    """It serves all rows until the API rejects it."""
    exchange = answer()
    tokens = exchanged()
    assert [tokens.current(attempt()) for _ in range(3)] == [TOKEN] * 3
    assert exchange.call_count == 1


@responses.activate
def test_a_rejected_token_is_replaced() -> None:
    """The next row gets a new one."""
    answer("first")
    answer("second")
    tokens = exchanged()
    assert tokens.current(attempt()) == "first"
    tokens.reject("first")
    assert tokens.current(attempt()) == "second"


@responses.activate
def test_a_token_that_was_replaced_already_is_not_replaced_again() -> None:
    """Each of eight workers learns that the old token ran out; one renewal serves them all."""
    answer("first")
    second = answer("second")
    tokens = exchanged()
    tokens.current(attempt())
    for _ in range(8):
        tokens.reject("first")
        assert tokens.current(attempt()) == "second"
    assert second.call_count == 1


@responses.activate
def test_workers_that_start_together_exchange_the_key_once() -> None:
    """The others wait for the token that one of them gets."""
    exchange = answer()
    tokens = exchanged()
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda _: tokens.current(attempt()), range(8)))
    assert got == [TOKEN] * 8
    assert exchange.call_count == 1


def test_workers_that_wait_for_an_exchange_share_its_failure() -> None:
    """Were they to ask one after the other, the last would wait for eight timeouts."""
    with ScriptedServer([]) as silent, ThreadPoolExecutor(8) as pool:
        tokens = ExchangedToken(SecretStr(KEY), silent.url)
        begun = time.monotonic()
        first = pool.submit(tokens.current, attempt(0.3))
        others = [pool.submit(tokens.current, attempt(5)) for _ in range(7)]
        failures = [each.exception() for each in (first, *others)]
    assert [type(each) for each in failures] == [TokenUnavailableError] * 8
    assert len(silent.requests) == 1
    assert time.monotonic() - begun < 3


def test_waiting_for_a_token_ends_with_the_attempt() -> None:
    """Another worker may have more time than this one."""
    with ScriptedServer([]) as silent, ThreadPoolExecutor(1) as pool:
        tokens = ExchangedToken(SecretStr(KEY), silent.url)
        patient = pool.submit(tokens.current, attempt(2))
        while not silent.requests:
            time.sleep(0.01)
        begun = time.monotonic()
        with pytest.raises(TokenUnavailableError, match="another worker"):
            tokens.current(attempt(0.2))
        assert time.monotonic() - begun < 1
        assert isinstance(patient.exception(), TokenUnavailableError)


@responses.activate
def test_after_a_failure_the_next_to_ask_tries_again() -> None:
    """A failure is shared by those who waited for it, not kept."""
    responses.get(AUTHORIZE, status=503)
    answer()
    tokens = exchanged()
    with pytest.raises(TokenUnavailableError):
        tokens.current(attempt())
    assert tokens.current(attempt()) == TOKEN


@responses.activate
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"status": "ERROR", "error": "Invalid API Key"}'),
        (400, b""),
        (403, b"forbidden"),
        (404, b"<html></html>"),
        (300, b""),
        (302, b""),
        (499, b""),
        (400, b'{"success": true, "bearer_token": "invented"}'),
        (200, b'{"status": "ERROR", "error": "Invalid API Key"}'),
        (200, b'{"success": false, "bearer_token": "invented"}'),
        (200, b'{"success": "true", "bearer_token": "invented"}'),
        (200, b'{"bearer_token": "invented"}'),
        (200, b'{"success": true}'),
        (200, b'{"success": true, "bearer_token": null}'),
        (200, b'{"success": true, "bearer_token": 5}'),
        (200, b'{"success": true, "bearer_token": ""}'),
        (200, b'{"success": true, "bearer_token": "two\\r\\nlines"}'),
        (200, b'{"success": true, "bearer_token": "\xd8\xb1"}'),
        (200, b"[]"),
        (200, b"null"),
        (200, b"\xff"),
        (200, b""),
        (200, b"[" * 100_000),
        (200, b"<html></html>"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_answer_without_a_usable_token_is_a_refusal(status: int, body: bytes) -> None:
    """Asking again would not help; the message tells the status and nothing secret."""
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises(TokenRefusedError, match=f"answered {status} and no token") as raised:
        exchanged().current(attempt())
    assert KEY not in repr(raised.value)


@responses.activate
@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (401, b'{"error": "Invalid API Key"}', "the API key was refused"),
        (200, b' {"status": "ERROR"}', "the API key was refused"),
        (200, b"<html></html>", "check the API's url"),
        (302, b"", "check the API's url"),
        (404, b'{"error": "no such page"}', "check the API's url"),
    ],
)
def test_a_refusal_says_whether_it_can_be_of_the_key(status: int, body: bytes, why: str) -> None:
    """Nobody is to look for a fault in the key at night when it was never looked at."""
    responses.get(AUTHORIZE, status=status, body=body)
    with pytest.raises(TokenRefusedError, match=f"^{why}: "):
        exchanged().current(attempt())


@responses.activate
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_an_endpoint_that_is_busy_is_not_a_refusal(status: int) -> None:
    """The key may be good: the row is tried again, when the endpoint says so."""
    responses.get(AUTHORIZE, status=status, headers={"Retry-After": "30"})
    with pytest.raises(TokenUnavailableError, match=f"answered {status} and no token") as raised:
        exchanged().current(attempt())
    assert raised.value.retry_after == 30


@responses.activate
def test_an_exchange_that_fails_on_its_way_is_not_a_refusal() -> None:
    """The exception's text, which may hold the key, is left behind."""
    responses.get(AUTHORIZE, body=requests.ConnectionError(KEY))
    with pytest.raises(TokenUnavailableError) as raised:
        exchanged().current(attempt())
    assert KEY not in str(raised.value)
    assert raised.value.__suppress_context__


@responses.activate
@pytest.mark.parametrize("insecure", [True, False])
def test_an_exchange_without_a_connection_says_so(insecure: bool) -> None:  # noqa: FBT001
    """It means for the row what it means for any request: a failure of TLS stops the run."""
    responses.get(AUTHORIZE, body=NotConnectedError("SSLError", insecure=insecure))
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
