"""The calls that read and update a client, and signing in before the first.

Sources: fatora.io/api/updateClient.php and getClient.php.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etl.load.tokens import TokenRefusedError, TokenUnavailableError, expiry_of
from etl.load.wording import in_words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.tokens import Token, Tokens
    from etl.load.transport import Answer, Attempt, Transport

_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ENCODER = json.JSONEncoder(ensure_ascii=False)


class Api:
    """The API as one worker sees it."""

    def __init__(self, base_url: str, tokens: Tokens, transport: Transport) -> None:
        """Make the API at ``base_url``, which includes its version, such as ``…/v1``."""
        self._url = base_url
        self._tokens = tokens
        self._transport = transport
        self.host = urlsplit(base_url).netloc  # for sentences

    def update(self, client_id: int, body: Mapping[str, str]) -> Answer:
        """Send the new values of a client, and return the answer.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is no token; nothing was sent.
            Exception: what `Attempt.send` raises.
        """
        attempt = self._transport.attempt()
        token = self._tokens.current(attempt)
        answer = attempt.send(
            "PUT",
            f"{self._url}/clients/{client_id:d}",
            {"Authorization": f"Bearer {token.value}", "Content-Type": "application/json"},
            _as_json(body),
        )
        return self._answered(answer, token)

    def read(self, client_id: int) -> Answer:
        """Ask what the API holds of a client, and return the answer.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is no token; nothing was sent.
            Exception: what `Attempt.send` raises.
        """
        attempt = self._transport.attempt()
        return self._read(f"clients/{client_id:d}", self._tokens.current(attempt), attempt)

    def probe(self) -> Answer:
        """Ask for any one client, to find out whether credentials and service are fine.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is no token.
            Exception: what `Attempt.send` raises.
        """
        attempt = self._transport.attempt()
        answer = self._read_with(self._tokens.current(attempt), attempt)
        if answer.expired and self._tokens.renewable:
            answer = self._read_with(self._tokens.current(attempt), attempt)
        return answer

    def sign_in(self) -> None:
        """Get a token before anything is sent. If it seems expired, ask the API whether it is.

        Raises:
            TokenRefusedError: there is none, because the API refuses the key or the token.
            TokenUnavailableError: the API could not be asked, so whether there is one is unknown.
        """
        attempt = self._transport.attempt()
        try:
            self._require_unexpired(self._tokens.current(attempt), attempt)
        except (TokenRefusedError, TokenUnavailableError):
            raise
        except Exception:  # noqa: BLE001 - after any error, the API could not be asked
            raise TokenUnavailableError("no answer") from None

    def _require_unexpired(self, token: Token, attempt: Attempt) -> None:
        expiry = expiry_of(token.value)
        if expiry is None or expiry >= datetime.now(UTC):
            return
        answer = self._read_with(token, attempt)  # this machine's clock may be wrong
        if answer.http_status in _REFUSALS:
            raise TokenRefusedError(
                f"the bearer token expired at {expiry:%Y-%m-%d %H:%M} UTC: {in_words(answer)}"
            )
        if answer.http_status != HTTPStatus.OK:
            number = answer.http_status
            raise TokenUnavailableError(in_words(answer), answer.retry_after, number)

    def _read_with(self, token: Token, attempt: Attempt) -> Answer:
        """Read any one client.

        Source of the request: fatora.io/api/getAllClients.php.
        """
        return self._read("clients?page=1&page_size=1", token, attempt)

    def _read(self, path: str, token: Token, attempt: Attempt) -> Answer:
        url = f"{self._url}/{path}"
        answer = attempt.send("GET", url, {"Authorization": f"Bearer {token.value}"})
        return self._answered(answer, token)

    def _answered(self, answer: Answer, token: Token) -> Answer:
        refused = answer.http_status == HTTPStatus.UNAUTHORIZED
        if refused:
            self._tokens.reject(token)
        elif answer.http_status == HTTPStatus.OK:
            token.accepted = True
        answer.credential, answer.expired = token.value, refused and token.accepted
        return answer


def _as_json(body: Mapping[str, str]) -> bytes:
    """Return the body of an update as readable JSON.

    A value that the API holds, and that is sent back to it, may have a surrogate without its
    partner, which is no Unicode: then everything but ASCII is escaped (RFC 8259, 8.2).
    """
    try:
        return _ENCODER.encode(body).encode()
    except UnicodeEncodeError:
        return json.dumps(body).encode()
