"""The Update Client call: what is sent, byte by byte, and what comes back of it."""

from __future__ import annotations

import jwt
import pytest
import requests
from pydantic import SecretStr
from responses import RequestsMock

from etl.load.access import Access
from etl.load.api import Api
from etl.load.judge import judge, judge_probe
from etl.load.pacing import Pace
from etl.load.tokens import (
    ExchangedToken,
    GivenToken,
    TokenRefusedError,
    Tokens,
    TokenUnavailableError,
)
from etl.load.transport import Transport
from etl.load.wire import NotConnectedError
from etl.rows import PendingRow, Status

# What answers in the place of the network.
responses = RequestsMock(
    assert_all_requests_are_fired=False, target="etl.load.adapter.DeadlineAdapter.send"
)

URL = "https://api.example.com/v1"
CLIENT = f"{URL}/clients/1024"
AUTHORIZE = f"{URL}/Authorization/Authorize"
TOKEN = "invented/token+1"
BODY = {"email": "sara@example.com"}


def api(tokens: Tokens | None = None) -> Api:
    """The API for one worker, which only `responses` answers."""
    return Access(URL, tokens or GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5).api()


def exchanged() -> ExchangedToken:
    """A token that is exchanged for a key."""
    return ExchangedToken(SecretStr("invented-key-of-16"), URL)


@responses.activate
def test_an_update_is_one_put_with_exactly_these_bytes() -> None:
    """The body has letters as UTF-8, not as escapes, keys in the order given, and nothing else."""
    responses.put(CLIENT, json={})
    api().update(1024, {"email": "sara@example.com", "name": 'سارة "S"', "notes": "a\nb"})
    (call,) = responses.calls
    assert call.request.url == CLIENT
    assert call.request.body == (
        '{"email": "sara@example.com", "name": "سارة \\"S\\"", "notes": "a\\nb"}'.encode()
    )


@responses.activate
def test_half_a_character_is_sent_as_the_escape_it_came_as() -> None:
    """A stored value that is no Unicode goes back to the API as what it is."""
    responses.put(CLIENT, json={})
    api().update(1024, {"name": "سارة \ud83d"})
    assert responses.calls[0].request.body == rb'{"name": "\u0633\u0627\u0631\u0629 \ud83d"}'


@responses.activate
def test_an_update_carries_the_token_and_its_content_type() -> None:
    """An update has the two headers that the API requires."""
    responses.put(CLIENT, json={})
    api().update(1024, BODY)
    headers = responses.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"


@responses.activate
@pytest.mark.parametrize("client_id", [1, 9_223_372_036_854_775_807])
def test_the_path_has_the_exact_digits_of_the_id(client_id: int) -> None:
    """The largest id is not rounded, and no separator gets into it."""
    responses.put(f"{URL}/clients/{client_id}", json={})
    api().update(client_id, BODY)
    assert responses.calls[0].request.url == f"{URL}/clients/{client_id}"


@responses.activate
@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 429, 500, 503])
def test_any_answer_is_returned_as_it_is(status: int) -> None:
    """The API call judges no answer: nothing is raised, followed or repeated."""
    call = responses.put(CLIENT, body=b"\xff {}", status=status, headers={"Retry-After": "7"})
    answer = api().update(1024, BODY)
    assert (answer.http_status, answer.body) == (status, b"\xff {}")
    assert (answer.retry_after, answer.too_long) == (7, False)
    assert call.call_count == 1


@responses.activate
def test_an_answer_that_repeats_the_token_is_returned_as_it_came() -> None:
    """The answer is unchanged, and the token is kept with it, so that messages can mask it."""
    body = f'{{"error": "Bearer {TOKEN} is bad"}}'.encode()
    responses.put(CLIENT, body=body, status=400)
    answer = api().update(1024, BODY)
    assert (answer.body, answer.credential) == (body, TOKEN)
    assert judge(answer, PendingRow(2, 1024, BODY), "api.example.com").error == (
        "Fatora refused the values (HTTP 400: Bearer *** is bad)."
    )


@responses.activate
def test_an_exchanged_token_comes_along_too() -> None:
    """An exchanged token is kept with the answer too, so that messages can mask it."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    responses.put(CLIENT, json={"error": "first-token-of-16"}, status=400)
    assert api(exchanged()).update(1024, BODY).credential == "first-token-of-16"


@responses.activate
def test_a_401_says_whether_its_token_was_accepted_before() -> None:
    """A token that the API has accepted has expired; one that it never accepted is wrong."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "second-token-of-16"})
    for status in (200, 401, 401):
        responses.put(CLIENT, json={}, status=status)
    worker = api(exchanged())
    assert [worker.update(1024, BODY).expired for _ in range(3)] == [False, True, False]


@responses.activate
def test_a_probe_asks_for_one_client_and_renews_an_expired_token() -> None:
    """A probe is one request for a list of one client, repeated if the token had expired."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "second-token-of-16"})
    responses.put(CLIENT, json={})
    responses.get(f"{URL}/clients?page=1&page_size=1", json={}, status=401)
    responses.get(f"{URL}/clients?page=1&page_size=1", json={"status": "SUCCESS", "clients": []})
    worker = api(exchanged())
    worker.update(1024, BODY)
    answer = worker.probe()
    assert (answer.http_status, answer.credential) == (200, "second-token-of-16")
    assert judge_probe(answer, worker.host).status is Status.SUCCESS


@responses.activate
def test_a_401_has_the_token_replaced() -> None:
    """After a 401 the next update carries a new token."""
    for token in ("first-token-of-16", "second-token-of-16"):
        responses.get(AUTHORIZE, json={"success": True, "bearer_token": token})
    responses.put(CLIENT, status=401)
    responses.put(CLIENT, json={})
    worker = api(exchanged())
    assert [worker.update(1024, BODY).http_status for _ in range(2)] == [401, 200]
    carried = [call.request.headers.get("Authorization") for call in responses.calls]
    assert carried == [None, "Bearer first-token-of-16", None, "Bearer second-token-of-16"]


@responses.activate
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_any_other_answer_keeps_the_token(status: int) -> None:
    """A 403 is about the account, which a new token does not change."""
    exchange = responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    responses.put(CLIENT, status=status)
    worker = api(exchanged())
    for _ in range(2):
        worker.update(1024, BODY)
    assert exchange.call_count == 1


@responses.activate
@pytest.mark.parametrize(
    ("status", "error"), [(401, TokenRefusedError), (503, TokenUnavailableError)]
)
def test_without_a_token_nothing_is_sent(status: int, error: type[Exception]) -> None:
    """Nothing is sent if the key is refused or the Authorize endpoint is busy."""
    responses.get(AUTHORIZE, status=status)
    update = responses.put(CLIENT, json={})
    with pytest.raises(error):
        api(exchanged()).update(1024, BODY)
    assert update.call_count == 0


@responses.activate
def test_a_failure_on_the_way_is_raised() -> None:
    """A failure is raised, and judged later together with its row."""
    responses.put(CLIENT, body=requests.ReadTimeout())
    with pytest.raises(requests.ReadTimeout):
        api().update(1024, BODY)


# Signing in


@responses.activate
def test_signing_in_gets_the_token_and_sends_nothing_else() -> None:
    """A wrong key is found before any client is touched."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    api(exchanged()).sign_in()
    assert [call.request.url for call in responses.calls] == [AUTHORIZE]


@responses.activate
def test_signing_in_with_a_refused_key_says_so() -> None:
    """A refused key ends the job before it starts."""
    responses.get(AUTHORIZE, status=401)
    with pytest.raises(TokenRefusedError):
        api(exchanged()).sign_in()


@responses.activate
@pytest.mark.parametrize("insecure", [True, False])
def test_signing_in_without_a_connection_is_left_to_the_rows(insecure: bool) -> None:  # noqa: FBT001
    """Without a connection, signing in raises nothing: the rows fail too, and may stop the run."""
    responses.get(AUTHORIZE, body=NotConnectedError("certificate has expired", insecure=insecure))
    with pytest.raises(TokenUnavailableError):
        api(exchanged()).sign_in()


@responses.activate
def test_signing_in_with_an_expired_token_quotes_fatora() -> None:
    """Fatora's clock decides, its words are quoted, and the token is masked in them."""
    token = jwt.encode({"exp": 1_000_000_000}, "x" * 32)
    responses.get(f"{URL}/clients", status=401, json={"error": f"Expired: {token}"})
    with pytest.raises(TokenRefusedError) as raised:
        api(GivenToken(SecretStr(token))).sign_in()
    assert str(raised.value) == (
        "the bearer token expired at 2001-09-09 01:46 UTC: HTTP 401: Expired: ***"
    )


@responses.activate
@pytest.mark.parametrize("status", [302, 404, 429, 500, 503])
def test_signing_in_does_not_take_another_answer_for_expiry(status: int) -> None:
    """Only a 401 or a 403 says that a token expired; after other answers the rows are tried."""
    token = jwt.encode({"exp": 1_000_000_000}, "x" * 32)
    busy = {"error": "busy"}
    responses.get(f"{URL}/clients", status=status, json=busy, headers={"Retry-After": "7"})
    with pytest.raises(TokenUnavailableError) as raised:
        api(GivenToken(SecretStr(token))).sign_in()
    assert str(raised.value) == f"HTTP {status}: busy"
    assert (raised.value.retry_after, raised.value.cause) == (7, f"HTTP {status}")


# Connections


def test_the_host_is_named_with_its_port() -> None:
    """Stop reasons name the host with its port."""
    access = Access("http://127.0.0.1:8042/v1", GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5)
    assert (access.api().host, api().host) == ("127.0.0.1:8042", "api.example.com")


def test_each_worker_has_a_connection_of_its_own() -> None:
    """Threads share no connection."""
    access = Access(URL, GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5)
    assert access.api() is not access.api()


def test_a_connection_shows_no_password_in_its_repr() -> None:
    """The repr shows neither the token nor the password in a proxy's address."""
    proxy = "http://somebody:invented-password@proxy.example.com:3128"
    access = Access(URL, GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5, proxy=proxy)
    assert "invented-password" not in repr(access)
    assert TOKEN not in repr(access)


@responses.activate
def test_the_transport_can_be_shared_by_api_and_exchange() -> None:
    """The token is fetched over the worker's own connection, with its deadline and proxy."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first-token-of-16"})
    responses.put(CLIENT, json={})
    transport = Transport(5, None, None)
    assert Api(URL, exchanged(), transport).update(1024, BODY).http_status == 200
