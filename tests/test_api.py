"""The Update Client call: what is sent, byte by byte, and what comes back of it."""

from __future__ import annotations

import pytest
import requests
from pydantic import SecretStr
from responses import RequestsMock

from etl.load.access import Access
from etl.load.api import Api
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
    return ExchangedToken(SecretStr("invented-key"), URL)


@responses.activate
def test_an_update_is_one_put_with_exactly_these_bytes() -> None:
    """Letters as UTF-8 and not as escapes, keys in the order given, nothing added."""
    responses.put(CLIENT, json={})
    api().update(1024, {"email": "sara@example.com", "name": 'سارة "S"', "notes": "a\nb"})
    (call,) = responses.calls
    assert call.request.url == CLIENT
    assert call.request.body == (
        '{"email": "sara@example.com", "name": "سارة \\"S\\"", "notes": "a\\nb"}'.encode()
    )


@responses.activate
def test_an_update_carries_the_token_and_its_content_type() -> None:
    """The two headers that the API requires."""
    responses.put(CLIENT, json={})
    api().update(1024, BODY)
    headers = responses.calls[0].request.headers
    assert headers["Authorization"] == f"Bearer {TOKEN}"
    assert headers["Content-Type"] == "application/json"


@responses.activate
@pytest.mark.parametrize("client_id", [1, 9_223_372_036_854_775_807])
def test_the_id_stands_in_the_path_digit_by_digit(client_id: int) -> None:
    """The largest id is not rounded, and no separator gets into it."""
    responses.put(f"{URL}/clients/{client_id}", json={})
    api().update(client_id, BODY)
    assert responses.calls[0].request.url == f"{URL}/clients/{client_id}"


@responses.activate
@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 429, 500, 503])
def test_any_answer_is_returned_as_it_is(status: int) -> None:
    """What it means is decided elsewhere; nothing is raised, followed or repeated."""
    call = responses.put(CLIENT, body=b"\xff {}", status=status, headers={"Retry-After": "7"})
    answer = api().update(1024, BODY)
    assert (answer.http_status, answer.body) == (status, b"\xff {}")
    assert (answer.retry_after, answer.too_long) == (7, False)
    assert call.call_count == 1


@responses.activate
@pytest.mark.parametrize(
    "spelling",
    [
        TOKEN,
        TOKEN.replace("/", "\\/"),
        TOKEN.replace("/", "\\u002f").replace("+", "\\u002B"),
        "".join(f"\\u{ord(each):04X}" for each in TOKEN),
    ],
    ids=["plain", "PHP", ".NET", "all"],
)
def test_the_token_is_blotted_out_of_an_answer(spelling: str) -> None:
    """An error that repeats the header would otherwise end in the results file."""
    said = f'{{"error": "Bearer {spelling} is bad: {spelling}"}}'
    responses.put(CLIENT, body=said, status=400)
    assert api().update(1024, BODY).body == b'{"error": "Bearer *** is bad: ***"}'


@responses.activate
def test_a_401_has_the_token_replaced() -> None:
    """The next update carries the new one."""
    for token in ("first", "second"):
        responses.get(AUTHORIZE, json={"success": True, "bearer_token": token})
    responses.put(CLIENT, status=401)
    responses.put(CLIENT, json={})
    worker = api(exchanged())
    assert [worker.update(1024, BODY).http_status for _ in range(2)] == [401, 200]
    carried = [call.request.headers.get("Authorization") for call in responses.calls]
    assert carried == [None, "Bearer first", None, "Bearer second"]


@responses.activate
@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_any_other_answer_keeps_the_token(status: int) -> None:
    """A 403 is about the account, which a new token does not change."""
    exchange = responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first"})
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
    """Neither when the key is refused nor when the endpoint is busy."""
    responses.get(AUTHORIZE, status=status)
    update = responses.put(CLIENT, json={})
    with pytest.raises(error):
        api(exchanged()).update(1024, BODY)
    assert update.call_count == 0


@responses.activate
def test_a_failure_on_the_way_is_raised() -> None:
    """It is judged by whoever knows the row."""
    responses.put(CLIENT, body=requests.ReadTimeout())
    with pytest.raises(requests.ReadTimeout):
        api().update(1024, BODY)


# Signing in


@responses.activate
def test_signing_in_gets_the_token_and_sends_nothing_else() -> None:
    """A wrong key is found before any client is touched."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first"})
    api(exchanged()).sign_in()
    assert [call.request.url for call in responses.calls] == [AUTHORIZE]


@responses.activate
def test_signing_in_with_a_refused_key_says_so() -> None:
    """Then the job does not begin."""
    responses.get(AUTHORIZE, status=401)
    with pytest.raises(TokenRefusedError):
        api(exchanged()).sign_in()


@responses.activate
@pytest.mark.parametrize("insecure", [True, False])
def test_signing_in_without_a_connection_is_left_to_the_rows(insecure: bool) -> None:  # noqa: FBT001
    """Each of them meets it again, and what stops a run stops it then."""
    responses.get(AUTHORIZE, body=NotConnectedError("SSLError", insecure=insecure))
    with pytest.raises(TokenUnavailableError):
        api(exchanged()).sign_in()


# Connections


def test_each_worker_has_a_connection_of_its_own() -> None:
    """Sessions of requests are not made to be shared by threads."""
    access = Access(URL, GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5)
    assert access.api() is not access.api()


def test_a_connection_shows_no_password_in_its_repr() -> None:
    """The address of a proxy may hold one."""
    proxy = "http://somebody:invented-password@proxy.example.com:3128"
    access = Access(URL, GivenToken(SecretStr(TOKEN)), Pace(0), timeout=5, proxy=proxy)
    assert "invented-password" not in repr(access)
    assert TOKEN not in repr(access)


@responses.activate
def test_the_transport_can_be_shared_by_api_and_exchange() -> None:
    """The token is got over the worker's own connection, deadline and proxy included."""
    responses.get(AUTHORIZE, json={"success": True, "bearer_token": "first"})
    responses.put(CLIENT, json={})
    transport = Transport(5, None, None)
    assert Api(URL, exchanged(), transport).update(1024, BODY).http_status == 200
