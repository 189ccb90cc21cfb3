"""The HTTP side of the sandbox: its requests and how it answers them.

Sources: fatora.io/api/updateClient.php, getClient.php, getAllClients.php, authentication.php and
responseCode.php. What those pages leave open is the sandbox's own choice, and nothing should depend
on it: the keys of an error object; that a list has its clients in the order of their ids and with
the keys of a single one; that a page beyond the last is an empty list, and that a page may have any
size; what a keyword is looked for in; that an id which is not a number is a 404, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import re
import secrets
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import responses as reason_phrases
from typing import TYPE_CHECKING, Literal, cast

import jwt
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from etl.sandbox import API_KEY
from etl.sandbox.store import TEXT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from etl.sandbox.churn import Churn
    from etl.sandbox.store import Client, Store

    Endpoint = Callable[[Request], Awaitable[JSONResponse]]

# No client or page has a longer number, and Python refuses to parse extremely long ones.
_CLIENT_ID = re.compile(r"[0-9]{1,19}")
_PAGE_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_MAGIC_EMAIL = re.compile(r".*\+([45][0-9]{2})@[^@]*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the sandbox misbehaves, and how long its tokens are valid. The default has no faults.

    Attributes:
        latency: Seconds before each answer about clients.
        fail_share: Share, 0 to 1, of the requests about clients that fail with 503, spread evenly.
            Every other one gets its 503 AFTER its update was applied, as from a gateway that gives
            up on a server that is still working; the others have no effect.
        throttle: Requests about clients that are accepted in any one second; more are answered 429
            with ``Retry-After: 1``. 0 means no limit.
        token_lifetime: Seconds for which a bearer token is valid. The default is the year of the
            sample in fatora.io/api/authentication.php.
    """

    latency: float = 0.0
    fail_share: float = 0.0
    throttle: int = 0
    token_lifetime: float = 31_536_000.0


FAULTLESS = Behaviour()


class ApiError(HTTPException):
    """An answer other than 200; ``error`` is the value of that key, a string or an object."""

    def __init__(self, status: int, error: object) -> None:
        wait = {"Retry-After": "1"} if status == HTTPStatus.TOO_MANY_REQUESTS else None
        super().__init__(status, headers=wait)
        self.error = error


class Api:
    """The API as an ASGI application. ``requests`` counts every request by its method."""

    def __init__(
        self, store: Store, behaviour: Behaviour = FAULTLESS, churn: Churn | None = None
    ) -> None:
        self.requests: Counter[str] = Counter()
        self._store = store
        self._churn = churn
        self._behaviour = behaviour
        self._tokens = Tokens(behaviour.token_lifetime)
        self._throttle = Throttle(behaviour.throttle)
        self._client_requests = 0
        self._starlette = self._build()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request of the server."""
        self.requests[scope["method"]] += 1
        await self._starlette(scope, receive, send)

    def _build(self) -> Starlette:
        one_client = "/v1/clients/{client_id}"
        application = Starlette(
            routes=[
                Route("/v1/Authorization/Authorize", self._authorize, methods=["GET"]),
                Route("/v1/clients", self._guarded(self._list), methods=["GET"]),
                Route(one_client, self._guarded(self._show), methods=["GET"]),
                Route(one_client, self._guarded(self._update), methods=["PUT"]),
            ],
            exception_handlers={HTTPException: _answer_error},
        )
        # An update with a blank id must not be redirected to the list of clients.
        application.router.redirect_slashes = False
        return application

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the checks that every request about clients must pass."""

        async def guarded(request: Request) -> JSONResponse:
            await asyncio.sleep(self._behaviour.latency)
            self._throttle.admit(time.monotonic())
            self._tokens.check(request.headers.get("Authorization", ""))
            self._client_requests += 1
            if self._churn:
                self._churn.count(_client_id(request))
            failure = failure_of(self._client_requests, self._behaviour.fail_share)
            if failure == "turned away":
                raise _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
            answer = await endpoint(request)
            if failure == "answer lost":
                raise _refusal(HTTPStatus.SERVICE_UNAVAILABLE)
            return answer

        return guarded

    async def _authorize(self, request: Request) -> JSONResponse:
        if request.headers.get("api_key") != API_KEY:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Invalid API Key")
        return JSONResponse({"success": True, "bearer_token": self._tokens.issue()})

    async def _list(self, request: Request) -> JSONResponse:
        # A search through a million clients takes seconds, and other requests must not wait for it.
        page = await run_in_threadpool(
            self._store.page,
            _page_number(request, "page", "1"),
            _page_number(request, "page_size", "20"),
            keyword=request.query_params.get("keyword", ""),
            email=request.query_params.get("email", ""),
        )
        return JSONResponse({"status": "SUCCESS", "clients": [asdict(client) for client in page]})

    async def _show(self, request: Request) -> JSONResponse:
        return JSONResponse({"status": "SUCCESS", "client": asdict(self._client(request))})

    async def _update(self, request: Request) -> JSONResponse:
        client = self._client(request)
        if _media_type(request) != "application/json":
            raise _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        changes = _changes(await request.body())
        if magic := _MAGIC_EMAIL.fullmatch(changes["email"]):
            raise _refusal(int(magic[1]))
        try:
            updated = asdict(self._store.update(client.id, changes))
        except KeyError:  # somebody else removed it while the body was on its way
            raise _no_such_client(request) from None
        # The request has "notes", the answer "note": fatora.io/api/updateClient.php.
        updated["note"] = updated.pop("notes")
        return JSONResponse({"status": "SUCCESS", "client": updated})

    def _client(self, request: Request) -> Client:
        """Return the client that the path names.

        Raises:
            ApiError: 404, there is none.
        """
        client_id = _client_id(request)
        with contextlib.suppress(KeyError):
            if client_id is not None:
                return self._store.get(client_id)
        raise _no_such_client(request)


class Tokens:
    """Bearer tokens that are valid for ``lifetime`` seconds: JWTs as in the vendor's sample.

    Sources: fatora.io/api/authentication.php; RFC 7519 for the claims, RFC 6750 for the header.
    """

    def __init__(self, lifetime: float) -> None:
        self._lifetime = lifetime
        self._secret = secrets.token_bytes(32)

    def issue(self) -> str:
        """Return a new token, valid from now on."""
        now = time.time()
        claims = {"nbf": int(now), "iat": int(now), "exp": now + self._lifetime}
        return jwt.encode(claims, self._secret, algorithm="HS256")

    def check(self, authorization: str) -> None:
        """Check that the header has a valid token.

        Raises:
            ApiError: 401, the token is missing, unknown or expired.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise ApiError(HTTPStatus.UNAUTHORIZED, "The bearer token is missing")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=["HS256"],
                # PyJWT rounds the expiry down to a second, which is too coarse for short lifetimes.
                options={"require": ["exp"], "verify_exp": False},
            )
        except jwt.InvalidTokenError:
            raise ApiError(HTTPStatus.UNAUTHORIZED, "Invalid bearer token") from None
        if claims["exp"] <= time.time():
            raise ApiError(HTTPStatus.UNAUTHORIZED, "The bearer token has expired")


class Throttle:
    """Accepts at most ``limit`` requests in any one second; 0 accepts all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._admitted: deque[float] = deque(maxlen=limit)

    def admit(self, now: float) -> None:
        """Count a request that comes at ``now``, in seconds of a clock that never goes back.

        Raises:
            ApiError: 429, the last second is full.
        """
        if self._limit and len(self._admitted) == self._limit and now - self._admitted[0] < 1:
            raise _refusal(HTTPStatus.TOO_MANY_REQUESTS)
        self._admitted.append(now)


def failure_of(nth: int, share: float) -> Literal["turned away", "answer lost"] | None:
    """Return how the ``nth`` request fails, counted from 1, if this ``share`` of requests fails."""
    failed = math.floor(nth * share)
    if failed == math.floor((nth - 1) * share):
        return None
    return "turned away" if failed % 2 else "answer lost"


async def _answer_error(_request: Request, exception: Exception) -> JSONResponse:
    """Answer in the API's form for errors, also those of Starlette such as an unknown path."""
    refused = cast("HTTPException", exception)
    error = refused.error if isinstance(refused, ApiError) else {"message": refused.detail}
    return JSONResponse(
        {"status": "ERROR", "error": error},
        status_code=refused.status_code,
        headers=refused.headers,
    )


_REASONS = {
    **reason_phrases,
    HTTPStatus.FORBIDDEN: "The account or the API key is inactive",
    HTTPStatus.CONFLICT: "Another client has the same data",
}
"""HTTP's own phrases, or the vendor's if they say more: fatora.io/api/responseCode.php."""


def _refusal(status: int) -> ApiError:
    """Return the error for a status that has no details of its own."""
    if status == HTTPStatus.UNAUTHORIZED:
        return ApiError(status, "Invalid bearer token")
    return ApiError(status, {"message": _REASONS.get(status, "Refused")})


def _no_such_client(request: Request) -> ApiError:
    client_id = request.path_params["client_id"]
    error = {"message": "There is no such client", "client_id": client_id}
    return ApiError(HTTPStatus.NOT_FOUND, error)


def _client_id(request: Request) -> int | None:
    """Return the id in the path; None if the path has none, or one that no client can have."""
    text = request.path_params.get("client_id", "")
    return int(text) if _CLIENT_ID.fullmatch(text) else None


def _media_type(request: Request) -> str:
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


def _page_number(request: Request, key: str, default: str) -> int:
    text = request.query_params.get(key, default)
    if not _PAGE_NUMBER.fullmatch(text):
        raise ApiError(HTTPStatus.BAD_REQUEST, {"field": key, "message": "Not 1 to 999999999"})
    return int(text)


def _changes(body: bytes) -> dict[str, str]:
    """Return the fields of an update, ``email`` among them.

    Raises:
        ApiError: 400, the body is not a JSON object or has no email; 422, a value is unusable.
    """
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ApiError(HTTPStatus.BAD_REQUEST, {"field": "body", "message": "Not a JSON object"})
    if not str(document.get("email", "")).strip():
        raise ApiError(HTTPStatus.BAD_REQUEST, {"field": "email", "message": "Required"})
    changes = {field: document[field] for field in TEXT_FIELDS if field in document}
    judged = {field: _problem(field, value) for field, value in changes.items()}
    problems = [{"field": field, "message": text} for field, text in judged.items() if text]
    if problems:
        error = {"message": "The client cannot be updated", "problems": problems}
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, error)
    return changes


def _problem(field: str, value: object) -> str | None:
    if not isinstance(value, str):
        return "Not a string"
    if field == "email" and "@" not in value:
        return "Not an e-mail address"
    return None
