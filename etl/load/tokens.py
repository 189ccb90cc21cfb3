"""The bearer token: given, or exchanged for the merchant's API key and renewed for all workers.

Source: fatora.io/api/authentication.php.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

import jwt

from etl.load.wire import NotConnectedError
from etl.load.wording import in_words
from etl.text import SHORTEST_CREDENTIAL, is_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from etl.load.transport import Answer, Attempt

_SLOW_DOWN = frozenset({408, 425, 429})
_REFUSALS = range(300, 500)
_TOKEN_KEY = re.compile(rb'token"\s*:', re.IGNORECASE)  # under any key that ends in "token"


class TokenRefusedError(Exception):
    """The API accepts no token, and asking again would not change that.

    The message is a fragment that quotes the API.
    """


class TokenUnavailableError(Exception):
    """The Authorize endpoint gave no answer about the key; nothing was sent for any client.

    The message says why in a few words, and may quote the API; ``cause`` does not. ``retry_after``
    is how many seconds the API asks to wait, if it does; ``throttled`` means that it answered 429.
    """

    def __init__(
        self, reason: str, retry_after: float | None = None, http_status: int | None = None
    ) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.throttled = http_status == HTTPStatus.TOO_MANY_REQUESTS
        self.cause = reason if http_status is None else f"HTTP {http_status}"


@dataclass(slots=True)
class Token:
    """A bearer token; ``accepted`` once the API has accepted it for any request."""

    value: str = field(repr=False)
    accepted: bool = False


class Tokens(Protocol):
    """Where a worker gets the token for its next request."""

    @property
    def renewable(self) -> bool:
        """Whether a token that was refused can be replaced."""

    def current(self, attempt: Attempt) -> Token:
        """Return the token to use now."""

    def reject(self, token: Token) -> None:
        """Report that the API did not accept this token."""


class GivenToken:
    """A token that was set by hand and cannot be renewed."""

    renewable = False

    def __init__(self, token: SecretStr) -> None:
        self._token = Token(token.get_secret_value())

    def current(self, _attempt: Attempt) -> Token:
        """Return the token."""
        return self._token

    def reject(self, token: Token) -> None:
        """Do nothing, since there is no other token."""


class ExchangedToken:
    """A token obtained with the API key; a rejected one is renewed once for all workers."""

    renewable = True

    def __init__(self, api_key: SecretStr, base_url: str) -> None:
        self._api_key = api_key
        self._url = f"{base_url}/Authorization/Authorize"
        self._token: Token | None = None
        self._failure: tuple[float, Exception] | None = None  # the latest, and when
        self._lock = Lock()

    def current(self, attempt: Attempt) -> Token:
        """Return the token, after exchanging the key for one if necessary.

        Raises:
            TokenRefusedError: the API refused the key.
            TokenUnavailableError, NotConnectedError: the API could not be asked.
        """
        started = time.monotonic()
        with self._locked(attempt.seconds_left):
            if self._token is None:
                if self._failure and self._failure[0] > started:
                    raise self._failure[1]  # it failed while this worker waited for it
                try:
                    self._token = Token(self._exchange(attempt))
                except Exception as error:
                    self._failure = time.monotonic(), error
                    raise
            return self._token

    def reject(self, token: Token) -> None:
        """Drop the token, unless another worker has replaced it already."""
        with self._lock:
            if self._token is token:
                self._token = None

    @contextmanager
    def _locked(self, timeout: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=timeout):
            raise TokenUnavailableError("no answer in time")  # another worker still waits for it
        try:
            yield
        finally:
            self._lock.release()

    def _exchange(self, attempt: Attempt) -> str:
        headers = {
            "api_key": self._api_key.get_secret_value(),
            "Content-Type": "application/json",
        }
        try:
            answer = attempt.send("GET", self._url, headers)
        except NotConnectedError:
            raise
        except Exception:  # noqa: BLE001 - after any error there is no token now
            raise TokenUnavailableError("no answer") from None
        token = _token_in(answer)
        if token is None:
            raise self._refusal(replace(answer, credential=self._api_key.get_secret_value()))
        return token

    def _refusal(self, answer: Answer) -> TokenRefusedError | TokenUnavailableError:
        if answer.http_status not in {HTTPStatus.OK, *_REFUSALS} - _SLOW_DOWN:
            return TokenUnavailableError(_quoted(answer), answer.retry_after, answer.http_status)
        words = _quoted(answer, urlsplit(self._url).netloc)
        if _may_concern_key(answer):
            return TokenRefusedError(f"the API key was refused: {words}")
        return TokenRefusedError(f"the API address gave no bearer token and may be wrong: {words}")


def expiry_of(token: str) -> datetime | None:
    """Return when a token expires by its own claim, if it is a JWT that has one.

    Source: RFC 7519, 4.1.4. Its signature only the API can verify.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _quoted(answer: Answer, host: str = "") -> str:
    """Return an answer as a sentence may quote it, but without the unusable token it contains."""
    if _TOKEN_KEY.search(answer.body):
        place = f" from {host}" if host else ""
        return f"HTTP {answer.http_status}{place} without a usable bearer token"
    return in_words(answer, host)


def _may_concern_key(answer: Answer) -> bool:
    """Whether the API itself may have refused the key; a web page or a redirect is not the API."""
    return answer.http_status in {200, 400, 401, 403} and answer.body.lstrip().startswith(b"{")


def _token_in(answer: Answer) -> str | None:
    """Return the token of ``{"success": true, "bearer_token": "…"}``, or None."""
    if answer.http_status != HTTPStatus.OK:
        return None
    try:
        facts = json.loads(answer.body)
        token = facts["bearer_token"] if facts["success"] is True else None
    except (ValueError, RecursionError, TypeError, KeyError):
        return None
    is_usable = isinstance(token, str) and len(token) >= SHORTEST_CREDENTIAL and is_token(token)
    return token if is_usable else None
