"""The bearer token: given, or exchanged for the merchant's API key and renewed for all workers.

Source: fatora.io/api/authentication.php.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import jwt

from etl.load.wire import NotConnectedError
from etl.text import is_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import SecretStr

    from etl.load.transport import Answer, Attempt

_SLOW_DOWN = frozenset({408, 425, 429})
_REFUSALS = range(300, 500)


class TokenRefusedError(Exception):
    """There is no token that the API accepts, and would not be if it were asked again."""


class TokenUnavailableError(Exception):
    """The Authorize endpoint could not be asked now; nothing was sent for any client.

    ``retry_after`` is the seconds that the API asks to wait, if it does.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Tokens(Protocol):
    """Where a worker gets the token for its next request."""

    @property
    def renewable(self) -> bool:
        """Whether a token that was refused can be replaced."""

    def current(self, attempt: Attempt) -> str:
        """Return the token to use now."""

    def reject(self, token: str) -> None:
        """Say that the API did not accept this token."""


class GivenToken:
    """A token that operations set; there is no other when it runs out."""

    renewable = False

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def current(self, _attempt: Attempt) -> str:
        """Return the one token there is."""
        return self._token.get_secret_value()

    def reject(self, token: str) -> None:
        """Do nothing: there is no other."""


class ExchangedToken:
    """A token got with the API key; a rejected one is exchanged once, whoever asks first."""

    renewable = True

    def __init__(self, api_key: SecretStr, base_url: str) -> None:
        self._api_key = api_key
        self._url = f"{base_url}/Authorization/Authorize"
        self._token: str | None = None
        self._failure: tuple[float, Exception] | None = None  # the latest, and when
        self._lock = Lock()

    def current(self, attempt: Attempt) -> str:
        """Return the token, after exchanging the key where there is none.

        Raises:
            TokenRefusedError: the API refused the key.
            TokenUnavailableError, NotConnectedError: the API could not be asked.
        """
        asked = time.monotonic()
        with self._held(attempt.seconds_left):
            if self._token is None:
                if self._failure and self._failure[0] > asked:
                    raise self._failure[1]  # it failed while this worker waited for it
                try:
                    self._token = self._exchange(attempt)
                except Exception as error:
                    self._failure = time.monotonic(), error
                    raise
            return self._token

    def reject(self, token: str) -> None:
        """Drop the token, unless another worker has replaced it already."""
        with self._lock:
            if self._token == token:
                self._token = None

    @contextmanager
    def _held(self, timeout: float) -> Iterator[None]:
        if not self._lock.acquire(timeout=timeout):
            raise TokenUnavailableError("another worker still waits for a token")
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
        except Exception as error:  # noqa: BLE001 - whatever it was, there is no token now
            raise TokenUnavailableError(type(error).__name__) from None
        token = _token_in(answer)
        if token is not None:
            return token
        said = f"the Authorize endpoint answered {answer.http_status} and no token"
        if answer.http_status in {HTTPStatus.OK, *_REFUSALS} - _SLOW_DOWN:
            why = "the API key was refused" if _is_of_the_key(answer) else "check the API's url"
            raise TokenRefusedError(f"{why}: {said}")
        raise TokenUnavailableError(said, answer.retry_after)


def end_of_life(token: str) -> datetime | None:
    """Return when a token is over by what it says of itself, if it is a JWT that says so.

    Source: RFC 7519, 4.1.4. Its signature only the API can verify.
    """
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        return datetime.fromtimestamp(claims["exp"], UTC)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _is_of_the_key(answer: Answer) -> bool:
    """Whether it can be the API that speaks of the key, which no web page and no redirect is."""
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
    return token if isinstance(token, str) and is_token(token) else None
