"""The sandbox answers like the published API, and fails exactly as configured."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import jwt
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from etl.sandbox import API_KEY
from etl.sandbox.app import ApiError, Behaviour, Throttle, failure_of
from etl.sandbox.server import Sandbox
from etl.sandbox.store import Client, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from program import Program

UNUSED_IDS = itertools.count(1024)

HESSA = {
    "name": "حصة المري",
    "phone": "+97433123456",
    "email": "hessa@example.com",
    "address": "Al Wakrah",
    "notes": "VIP",
}


class Caller:
    """A program that talks to a sandbox over one connection, about its own client."""

    def __init__(
        self, sandbox: Sandbox, session: requests.Session, client_id: int | None = None
    ) -> None:
        self.client_id = client_id or next(UNUSED_IDS)
        self.sandbox = sandbox
        self.session = session
        self.session.headers["Authorization"] = f"Bearer {self.authorize().json()['bearer_token']}"

    def authorize(self, api_key: str = API_KEY) -> requests.Response:
        """Ask for a token."""
        url = f"{self.sandbox.url}/Authorization/Authorize"
        return self.session.get(url, headers={"api_key": api_key}, timeout=5)

    def get(self, client_id: object = None) -> requests.Response:
        """Read a client."""
        url = f"{self.sandbox.url}/clients/{client_id or self.client_id}"
        return self.session.get(url, timeout=5)

    def put(self, body: object, content_type: str = "application/json") -> requests.Response:
        """Update the client; a body other than bytes is sent as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body)
        url = f"{self.sandbox.url}/clients/{self.client_id}"
        return self.session.put(url, data=data, headers={"Content-Type": content_type}, timeout=5)

    def find(self, **query: str | int) -> requests.Response:
        """Read a page of clients."""
        return self.session.get(f"{self.sandbox.url}/clients", params=query, timeout=5)

    def listed_ids(self, **query: str | int) -> list[int]:
        """Return the ids of the clients on a page."""
        return [client["id"] for client in self.find(**query).json()["clients"]]

    def stored(self) -> dict[str, str]:
        """Return the client's current texts, read directly from the store."""
        client = self.sandbox.store.get(self.client_id)
        return {field: getattr(client, field) for field in HESSA}


@contextlib.contextmanager
def calling(sandbox: Sandbox, client_id: int | None = None) -> Iterator[Caller]:
    """Yield a caller of this sandbox that ignores the environment's proxies and credentials."""
    with requests.Session() as session:
        session.trust_env = False
        yield Caller(sandbox, session, client_id)


@contextlib.contextmanager
def misbehaving(behaviour: Behaviour) -> Iterator[Caller]:
    """Yield a caller of a sandbox that behaves like this."""
    with Sandbox(behaviour=behaviour) as sandbox, calling(sandbox) as caller:
        yield caller


def output_of(program: str) -> str:
    """Return the output of a separate program, which must succeed."""
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def port_of(sandbox: Sandbox) -> int:
    """Return the port of a sandbox, also after it ended."""
    return urlsplit(sandbox.url).port or 0


@pytest.fixture(scope="module")
def faultless() -> Iterator[Sandbox]:
    """One sandbox for all tests without special needs, since ending it takes a while."""
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def caller(faultless: Sandbox) -> Iterator[Caller]:
    """A caller of a faultless sandbox."""
    with calling(faultless) as caller:
        yield caller


# Updating a client


def test_an_update_answers_with_note_though_it_took_notes(caller: Caller) -> None:
    """PUT takes ``notes`` but answers with ``note``, as the vendor's pages show."""
    answer = caller.put(HESSA)
    texts = {**HESSA, "note": HESSA["notes"]}
    del texts["notes"]
    assert answer.status_code == 200
    assert answer.json() == {"status": "SUCCESS", "client": {"id": caller.client_id, **texts}}


def test_reading_answers_with_notes(caller: Caller) -> None:
    """GET answers with ``notes``, unlike PUT."""
    caller.put(HESSA)
    client = {"id": caller.client_id, **HESSA}
    assert caller.get().json() == {"status": "SUCCESS", "client": client}


def test_an_update_keeps_the_fields_that_it_leaves_out(caller: Caller) -> None:
    """An update keeps the fields that it leaves out."""
    caller.put(HESSA)
    caller.put({"email": "new@example.com"})
    assert caller.stored() == {**HESSA, "email": "new@example.com"}


def test_an_update_with_an_empty_string_clears_the_field(caller: Caller) -> None:
    """An empty string clears the field."""
    caller.put(HESSA)
    caller.put({"email": HESSA["email"], "notes": ""})
    assert caller.stored() == {**HESSA, "notes": ""}


def test_an_update_ignores_keys_that_are_not_texts_of_a_client(caller: Caller) -> None:
    """Unknown keys and an ``id`` in the body have no effect."""
    answer = caller.put({**HESSA, "id": 5, "Note": "x"})
    assert answer.json()["client"]["id"] == caller.client_id
    assert caller.stored() == HESSA


def test_a_content_type_may_have_parameters(caller: Caller) -> None:
    """A content type may be in any case and have a charset (RFC 9110, 8.3.1)."""
    assert caller.put(HESSA, "Application/JSON; charset=utf-8").status_code == 200


def test_an_update_can_replace_instead() -> None:
    """A sandbox that replaces clears what an update leaves out, and the answer shows it."""
    clients = [Client(7, **HESSA)]
    with Sandbox(clients=clients, replaces=True) as sandbox, calling(sandbox, 7) as caller:
        answer = caller.put({"email": "new@example.com", "phone": "+974"})
        cleared = {"name": "", "address": "", "phone": "+974", "email": "new@example.com"}
        assert answer.json()["client"] == {"id": 7, **cleared, "note": ""}
        assert caller.get().json()["client"] == {"id": 7, **cleared, "notes": ""}


def test_an_update_can_store_its_values_normalised() -> None:
    """A sandbox that normalises answers with what it stored, and holds just that."""
    clients = [Client(7, **HESSA)]
    with Sandbox(clients=clients, normalises=True) as sandbox, calling(sandbox, 7) as caller:
        sent = {**HESSA, "phone": "00974 3312-3456", "email": "HESSA@example.com"}
        stored = caller.put(sent).json()["client"]
        assert (stored["phone"], stored["email"]) == (HESSA["phone"], HESSA["email"])
        assert caller.get().json()["client"] == {"id": 7, **HESSA}


# Somebody else


def test_clients_can_be_given_and_changed_by_somebody_else() -> None:
    """Each request meets the clients as somebody else left them."""
    clients = [Client(7, **HESSA), Client(9, email="nine@example.com")]
    with Sandbox(clients=clients) as sandbox, calling(sandbox, 7) as caller:
        assert caller.get().json()["client"] == {"id": 7, **HESSA}
        sandbox.store.edit(7, phone="")
        sandbox.store.put(Client(8, email="eight@example.com"))
        assert caller.get().json()["client"] == {"id": 7, **HESSA, "phone": ""}
        assert caller.listed_ids() == [7, 8, 9]
        sandbox.store.remove(7)
        assert (caller.get().status_code, caller.put(HESSA).status_code) == (404, 404)
        assert caller.listed_ids() == [8, 9]


def test_a_client_that_goes_during_its_update_is_404(caller: Caller) -> None:
    """A client that is removed while the body is on its way is a 404 like any other."""

    def body() -> Iterator[bytes]:
        time.sleep(0.1)  # the sandbox finds the client, and waits for the body
        caller.sandbox.store.remove(caller.client_id)
        yield json.dumps(HESSA).encode()

    url = f"{caller.sandbox.url}/clients/{caller.client_id}"
    headers = {"Content-Type": "application/json"}
    answer = caller.session.put(url, data=body(), headers=headers, timeout=5)
    assert answer.status_code == 404
    assert answer.json()["error"]["client_id"] == str(caller.client_id)


def test_clients_come_go_and_change_with_churn() -> None:
    """With every second request, refused ones too, another client than its own changes."""
    ids = range(1, 11)
    with Sandbox(ids, churn=2, seed=1) as sandbox, calling(sandbox, 1) as caller:
        for client_id in [*ids, 99, 99]:
            caller.get(client_id)
        caller.find(page=0)
        assert caller.put({"email": "x@y.z"}).status_code == 200
        placeholders = Store(ids)
        changed = [
            each
            for each in sandbox.store.ids
            if each in ids and sandbox.store.get(each) != placeholders.get(each)
        ]
        assert 1 < len(changed) <= 5
        assert sorted(set(sandbox.store.ids) - set(ids)) == [11, 12]
        assert len(set(ids) - set(sandbox.store.ids)) == 1


def test_the_command_passes_its_options_on(program: Program) -> None:
    """The sandbox of the command line replaces, normalises and churns if it is asked to."""
    options = ["--port", 0, "--churn", 1, "--replaces", "--normalises"]
    with program.start("sandbox", *options) as process, requests.Session() as session:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().partition("at ")[2].partition(". ")[0]
            session.trust_env = False
            key = {"api_key": API_KEY}
            token = session.get(f"{url}/Authorization/Authorize", headers=key, timeout=5).json()
            session.headers["Authorization"] = f"Bearer {token['bearer_token']}"
            body = {"email": "A@b.example"}
            client = session.put(f"{url}/clients/7", json=body, timeout=5).json()["client"]
            session.get(f"{url}/clients/9", timeout=5)
            added = session.get(f"{url}/clients/1000000", timeout=5)
        finally:
            process.terminate()
    cleared = dict.fromkeys(("name", "phone", "address", "note"), "")
    assert client == {"id": 7, "email": "a@b.example", **cleared}
    assert added.status_code == 200


# Refusals


@pytest.mark.parametrize("client_id", ["0", "1000000", "abc", "1.5", "-1", "+7", "1_0", "٣", "%20"])
def test_an_id_that_names_no_client_is_404(caller: Caller, client_id: str) -> None:
    """An unknown or malformed id is a 404 that names it."""
    answer = caller.get(client_id)
    assert answer.status_code == 404
    assert answer.json()["status"] == "ERROR"
    assert answer.json()["error"]["client_id"] == unquote(client_id)


def test_an_id_of_many_thousand_digits_is_404(caller: Caller) -> None:
    """An extremely long id, which Python refuses to parse, is a 404."""
    assert caller.get("9" * 5000).status_code == 404


def test_an_update_without_an_id_is_404(caller: Caller) -> None:
    """A blank id is a 404, not a redirect to the list of clients."""
    url = f"{caller.sandbox.url}/clients/"
    answer = caller.session.put(url, json=HESSA, allow_redirects=False, timeout=5)
    assert answer.status_code == 404


def test_only_seeded_clients_exist() -> None:
    """A sandbox that is given ids knows no other client."""
    with Sandbox([7, 9]) as sandbox, calling(sandbox) as caller:
        assert [caller.get(client_id).status_code for client_id in (7, 8, 9)] == [200, 404, 200]


def test_a_body_of_another_content_type_is_415(caller: Caller) -> None:
    """JSON without that content type is refused, and changes nothing."""
    before = caller.stored()
    assert caller.put(HESSA, "text/plain").status_code == 415
    assert caller.stored() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null", b'"text"', b"\xff"])
def test_a_body_that_is_not_a_json_object_is_400(caller: Caller, body: bytes) -> None:
    """A body that is not a JSON object is a 400 that names the body."""
    answer = caller.put(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "body"


@pytest.mark.parametrize("body", [{"name": "Hessa"}, {"email": ""}, {"email": " \t"}])
def test_an_update_without_an_email_is_400(caller: Caller, body: dict[str, str]) -> None:
    """A missing or blank email is a 400 that names it."""
    answer = caller.put(body)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == "email"


@pytest.mark.parametrize("email", ["hessa.example.com", None, 5])
def test_an_invalid_email_is_422(caller: Caller, email: object) -> None:
    """An email that is not a string, or has no ``@``, is a 422."""
    answer = caller.put({"email": email})
    assert answer.status_code == 422
    assert [problem["field"] for problem in answer.json()["error"]["problems"]] == ["email"]


def test_every_unusable_field_is_listed(caller: Caller) -> None:
    """A 422 lists every unusable field, and nothing is updated."""
    before = caller.stored()
    answer = caller.put({**HESSA, "name": None, "phone": 97433123456, "notes": ["VIP"]})
    problems = answer.json()["error"]["problems"]
    assert answer.status_code == 422
    assert [problem["field"] for problem in problems] == ["name", "phone", "notes"]
    assert caller.stored() == before


def test_an_unknown_path_is_404_with_an_error_object(caller: Caller) -> None:
    """An unknown path is a 404 with an error object."""
    answer = caller.session.get(f"{caller.sandbox.url}/invoices", timeout=5)
    assert (answer.status_code, answer.json()["status"]) == (404, "ERROR")


# Magic addresses


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422, 499, 500, 503, 599])
def test_a_magic_address_is_answered_with_its_status(caller: Caller, status: int) -> None:
    """A magic address is answered with its status, and nothing is updated."""
    before = caller.stored()
    answer = caller.put({"email": f"hessa+{status}@example.com"})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]
    assert caller.stored() == before


def test_the_magic_401_has_a_string_as_its_error(caller: Caller) -> None:
    """The error of the magic 401 is a string, as on the authentication page, unlike all others."""
    answer = caller.put({"email": "hessa+401@example.com"})
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid bearer token")


def test_the_magic_429_says_when_to_come_back(caller: Caller) -> None:
    """The magic 429 has the same Retry-After as the throttle."""
    answer = caller.put({"email": "hessa+429@example.com"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


@pytest.mark.parametrize("local", ["hessa+399", "hessa+600", "hessa409", "hessa+4090", "+409x"])
def test_other_tagged_addresses_are_ordinary(caller: Caller, local: str) -> None:
    """Only ``+`` and three digits from 400 to 599, at the end of the local part, are magic."""
    assert caller.put({"email": f"{local}@example.com"}).status_code == 200


# Tokens


def test_a_wrong_api_key_is_401_with_a_string(caller: Caller) -> None:
    """A wrong key gets the error of the vendor's authentication page."""
    answer = caller.authorize("wrong")
    assert answer.status_code == 401
    assert answer.json() == {"status": "ERROR", "error": "Invalid API Key"}


def test_the_token_is_a_jwt_that_lives_for_a_year(caller: Caller) -> None:
    """The token is like the vendor's sample, and valid for a year."""
    answer = caller.authorize().json()
    claims = jwt.decode(answer["bearer_token"], options={"verify_signature": False})
    assert answer["success"] is True
    assert claims["nbf"] == claims["iat"] == pytest.approx(time.time(), abs=5)
    assert claims["exp"] == pytest.approx(time.time() + 365 * 86_400, abs=5)


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Bearer x.y.z", "Basic eDp5"])
@pytest.mark.parametrize("path", ["clients/7", "clients"])
def test_a_call_without_a_good_token_is_401(caller: Caller, path: str, header: str | None) -> None:
    """A call with a missing or malformed token is a 401 whose error is a string."""
    url = f"{caller.sandbox.url}/{path}"
    answer = caller.session.get(url, headers={"Authorization": header}, timeout=5)
    assert answer.status_code == 401
    assert isinstance(answer.json()["error"], str)


@pytest.mark.parametrize(("scheme", "status"), [("bearer", 200), ("BEARER", 200), ("Basic", 401)])
def test_a_token_is_accepted_only_as_a_bearer_token(
    caller: Caller, scheme: str, status: int
) -> None:
    """A token is accepted only under the scheme Bearer, in any case (RFC 9110, 11.1)."""
    token = caller.authorize().json()["bearer_token"]
    caller.session.headers["Authorization"] = f"{scheme} {token}"
    assert caller.get().status_code == status


def test_an_update_without_a_good_token_changes_nothing(caller: Caller) -> None:
    """The token is checked before the update is applied."""
    before = caller.stored()
    caller.session.headers["Authorization"] = "Bearer x.y.z"
    assert caller.put(HESSA).status_code == 401
    assert caller.stored() == before


def test_the_token_of_another_sandbox_is_401(caller: Caller) -> None:
    """A token of another sandbox is a 401."""
    with Sandbox() as other, calling(other) as stranger:
        caller.session.headers.update(stranger.session.headers)
    assert caller.get().status_code == 401


def test_an_unsigned_token_is_401(caller: Caller) -> None:
    """An unsigned token is a 401 (RFC 8725, 3.1)."""
    token = jwt.encode({"exp": time.time() + 60}, "", algorithm="none")
    caller.session.headers["Authorization"] = f"Bearer {token}"
    assert caller.get().status_code == 401


def test_an_expired_token_is_401_and_says_so() -> None:
    """A token expires exactly after its configured lifetime."""
    with misbehaving(Behaviour(token_lifetime=0)) as caller:
        answer = caller.get()
    assert answer.status_code == 401
    assert answer.json() == {"status": "ERROR", "error": "The bearer token has expired"}


def test_a_token_may_live_for_less_than_a_second() -> None:
    """A token may be valid for less than a second, so that tests are quick."""
    with misbehaving(Behaviour(token_lifetime=0.9)) as caller:
        assert caller.get().status_code == 200


# Lists of clients


def test_a_list_has_twenty_clients_of_the_first_page_by_default(caller: Caller) -> None:
    """A list has the published defaults, and a blank filter matches every client."""
    assert caller.listed_ids() == list(range(1, 21))
    assert caller.listed_ids(keyword="", email="", page=2) == list(range(21, 41))


def test_a_listed_client_has_notes(caller: Caller) -> None:
    """A listed client has ``notes``, unlike the answer to an update."""
    (client,) = caller.find(page=3, page_size=1).json()["clients"]
    assert client == caller.get(3).json()["client"]


def test_a_page_beyond_the_last_is_empty() -> None:
    """A page beyond the last is empty."""
    with Sandbox([7, 9]) as sandbox, calling(sandbox) as caller:
        assert [caller.listed_ids(page=page, page_size=2) for page in (1, 2)] == [[7, 9], []]


@pytest.mark.parametrize("query", [{"page": "0"}, {"page_size": "-1"}, {"page": "two"}])
def test_an_impossible_page_is_400(caller: Caller, query: dict[str, str]) -> None:
    """An impossible page is a 400 whose error object names the key, as for an update."""
    answer = caller.find(**query)
    assert answer.status_code == 400
    assert answer.json()["error"]["field"] == next(iter(query))


def test_a_list_can_be_searched() -> None:
    """A keyword may be part of any text; an address must match completely."""
    with Sandbox([7, 77, 9]) as sandbox, calling(sandbox) as caller:
        sandbox.store.update(9, {**HESSA, "email": "Hessa@example.com"})
        assert caller.listed_ids(keyword="wakrah") == caller.listed_ids(keyword="حصة") == [9]
        assert caller.listed_ids(email="client-7@example.com") == [7]
        assert caller.listed_ids(email="hessa@EXAMPLE.com") == [9]
        assert caller.listed_ids(email="client-7@example.com", keyword="vip") == []


@given(ids=st.sets(st.integers(1, 2**63 - 1), max_size=30), size=st.integers(1, 12))
def test_pages_show_every_client_once_and_in_order(ids: set[int], size: int) -> None:
    """Pages of any size show every client once."""
    store = Store(ids)
    pages = [store.page(number + 1, size) for number in range(len(ids) // size + 1)]
    assert [client.id for page in pages for client in page] == sorted(ids)


# Misbehaviour


def test_latency_delays_an_answer_about_clients() -> None:
    """Latency delays answers about clients but not tokens, so that tests need not wait twice."""
    with misbehaving(Behaviour(latency=0.3)) as caller:
        authorizing = caller.authorize().elapsed.total_seconds()
        reading = caller.get().elapsed.total_seconds()
    assert authorizing < 0.3 <= reading


def test_a_request_above_the_throttle_is_429() -> None:
    """A request above the throttle is a 429 with Retry-After, and has no effect."""
    with misbehaving(Behaviour(throttle=2)) as caller:
        answers = [caller.put({"email": f"{name}@example.com"}) for name in "abc"]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].headers["Retry-After"] == "1"
        assert caller.stored()["email"] == "b@example.com"


@given(limit=st.integers(1, 5), gaps=st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), max_size=40))
def test_a_request_passes_only_if_the_second_before_it_is_not_full(
    limit: int, gaps: list[float]
) -> None:
    """The throttle accepts exactly its limit in any one second."""
    throttle = Throttle(limit)
    admitted: list[float] = []
    for now in itertools.accumulate(gaps):
        if sum(now - earlier < 1 for earlier in admitted) < limit:
            throttle.admit(now)
            admitted.append(now)
        else:
            with pytest.raises(ApiError):
                throttle.admit(now)


def test_a_share_of_the_requests_fails() -> None:
    """A share of 0.3 fails exactly three of ten requests, with 503 and an error object."""
    with misbehaving(Behaviour(fail_share=0.3)) as caller:
        answers = [caller.put(HESSA) for _ in range(10)]
    failed = [answer for answer in answers if answer.status_code != 200]
    assert [answer.status_code for answer in failed] == [503, 503, 503]
    assert failed[0].json()["error"]["message"] == "Service Unavailable"


def test_every_second_failure_comes_after_the_update_was_applied() -> None:
    """Every second failure comes after the update was applied."""
    with misbehaving(Behaviour(fail_share=1)) as caller:
        caller.put({"email": "first@example.com"})
        assert caller.stored()["email"] != "first@example.com"
        caller.put({"email": "second@example.com"})
        assert caller.stored()["email"] == "second@example.com"


@given(share=st.floats(0, 1), requests_made=st.integers(0, 200))
def test_failures_keep_to_their_share_and_alternate(share: float, requests_made: int) -> None:
    """Failures keep to their share and alternate at all times."""
    failures = [failure_of(nth, share) for nth in range(1, requests_made + 1)]
    turned_away, lost = failures.count("turned away"), failures.count("answer lost")
    assert abs(turned_away + lost - share * requests_made) <= 1
    assert turned_away - lost in {0, 1}


# The server


def test_every_request_is_counted(caller: Caller) -> None:
    """Every request is counted, also for tokens, refusals and unknown paths."""
    before = caller.sandbox.requests_seen
    caller.authorize("wrong")
    caller.get("unknown")
    caller.session.get(f"{caller.sandbox.url}/nowhere", timeout=5)
    assert caller.sandbox.requests_seen == before + 3


def test_requests_are_counted_by_method() -> None:
    """A test can tell that nothing was sent: reading and updating are counted apart."""
    with Sandbox() as sandbox, calling(sandbox) as caller:
        caller.get()
        assert (sandbox.requests_of("GET"), sandbox.requests_of("PUT")) == (2, 0)
        caller.put(HESSA)
        assert (sandbox.requests_of("GET"), sandbox.requests_of("PUT")) == (2, 1)


def test_many_callers_are_answered_at_once() -> None:
    """Many callers are answered in parallel."""
    with Sandbox(behaviour=Behaviour(latency=0.2)) as sandbox, contextlib.ExitStack() as stack:
        callers = [stack.enter_context(calling(sandbox)) for _ in range(32)]
        pool = stack.enter_context(ThreadPoolExecutor(32))
        began = time.monotonic()
        statuses = [answer.status_code for answer in pool.map(Caller.get, callers)]
        assert statuses == [200] * 32
        assert time.monotonic() - began < 16 * 0.2


def test_a_kept_connection_is_answered_at_once(caller: Caller) -> None:
    """A kept connection is answered at once, without a delayed acknowledgement."""
    durations = []
    for _ in range(4):
        began = time.monotonic()
        caller.put(HESSA)
        durations.append(time.monotonic() - began)
    assert min(durations) < 0.03


def test_a_port_in_use_is_an_os_error(faultless: Sandbox) -> None:
    """A port in use is an error at once, in the caller's thread."""
    with pytest.raises(OSError, match="in use"):
        Sandbox(port=port_of(faultless))


def test_a_port_is_free_again_after_the_sandbox() -> None:
    """Ending the sandbox closes its socket and leaves no thread behind."""
    threads = set(threading.enumerate())
    with Sandbox() as sandbox:
        pass
    with Sandbox(port=port_of(sandbox)) as again, calling(again) as caller:
        assert caller.get().status_code == 200
    assert set(threading.enumerate()) <= threads


def test_the_sandbox_listens_on_one_loopback_address_only(faultless: Sandbox) -> None:
    """The sandbox listens on 127.0.0.1 only."""
    socket.create_server(("127.0.0.2", port_of(faultless))).close()


def test_ending_does_not_wait_for_a_slow_answer() -> None:
    """Ending the sandbox waits at most a second for a slow answer."""
    with ThreadPoolExecutor(1) as pool:
        with misbehaving(Behaviour(latency=30)) as caller:
            answer = pool.submit(caller.get)
            while caller.sandbox.requests_seen < 2:
                time.sleep(0.01)
            began = time.monotonic()
        assert time.monotonic() - began < 5
        assert answer.result().status_code == 500


def test_the_sandbox_leaves_signals_alone() -> None:
    """The sandbox leaves Ctrl+C to the program that starts it."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Sandbox():
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_the_sandbox_prints_nothing() -> None:
    """The sandbox prints nothing, even for a request that is not HTTP."""
    program = r"""
import socket
from urllib.parse import urlsplit
from etl.sandbox.server import Sandbox
with Sandbox() as sandbox:
    address = urlsplit(sandbox.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(b"neither verb nor path\r\n\r\n")
        print(connection.recv(12))
"""
    assert output_of(program) == "b'HTTP/1.1 400'\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_serving_cleanly(name: str) -> None:
    """A signal ends ``serve_forever``: the code after it runs, with the old signal handlers."""
    program = f"""
import signal, threading
from etl.sandbox.server import Sandbox
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
with Sandbox() as sandbox:
    timer = threading.Timer(0.2, signal.raise_signal, [signal.{name}])
    sandbox.serve_forever(announce=timer.start)
print("ended", signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)
"""
    assert output_of(program) == "ended True\n"
