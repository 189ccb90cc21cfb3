"""The Update Client call, and signing in before the first.

Source: fatora.io/api/updateClient.php.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from etl.load.tokens import TokenRefusedError, TokenUnavailableError, end_of_life

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.tokens import Tokens
    from etl.load.transport import Answer, Attempt, Transport

_ENCODER = json.JSONEncoder(ensure_ascii=False)


class Api:
    """The API as one worker sees it."""

    def __init__(self, base_url: str, tokens: Tokens, transport: Transport) -> None:
        """Make the API at ``base_url``, which ends in its version, such as ``…/v1``."""
        self._url = base_url
        self._tokens = tokens
        self._transport = transport

    def update(self, client_id: int, body: Mapping[str, str]) -> Answer:
        """Send the new values of a client, and return the answer, whatever it says.

        The token is blotted out of the answer, should the API repeat it.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is no token; nothing was sent.
            Exception: what `Attempt.send` raises.
        """
        attempt = self._transport.attempt()
        token = self._tokens.current(attempt)
        answer = attempt.send(
            "PUT",
            f"{self._url}/clients/{client_id:d}",
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            _ENCODER.encode(body).encode(),
        )
        if answer.http_status == HTTPStatus.UNAUTHORIZED:
            self._tokens.reject(token)
        return replace(answer, body=_blotted(answer.body, token))

    def sign_in(self) -> None:
        """Get a token before anything is sent, and where it seems to be over ask whether it is.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is none.
        """
        attempt = self._transport.attempt()
        try:
            self._require_alive(self._tokens.current(attempt), attempt)
        except (TokenRefusedError, TokenUnavailableError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the API could not be asked
            raise TokenUnavailableError(type(error).__name__) from None

    def _require_alive(self, token: str, attempt: Attempt) -> None:
        over = end_of_life(token)
        if over is not None and over < datetime.now(UTC) and not self._accepts(token, attempt):
            raise TokenRefusedError(f"the bearer token expired at {over:%Y-%m-%d %H:%M} UTC")

    def _accepts(self, token: str, attempt: Attempt) -> bool:
        """Whether the token is good for reading: this machine's clock may be wrong.

        Source of the request: fatora.io/api/getAllClients.php.
        """
        url = f"{self._url}/clients?page=1&page_size=1"
        answer = attempt.send("GET", url, {"Authorization": f"Bearer {token}"})
        return answer.http_status == HTTPStatus.OK


def _blotted(body: bytes, token: str) -> bytes:
    """Return an answer without the token, in whichever way of JSON it is written there."""
    body = body.replace(token.encode(), b"***")
    return _spellings(token).sub(b"***", body) if b"\\" in body else body


@lru_cache(2)
def _spellings(token: str) -> re.Pattern[bytes]:
    """Match a token any of whose characters may be escaped: RFC 8259, 7."""
    ways = (rf"(?:\\?{re.escape(each)}|\\u(?i:{ord(each):04x}))" for each in token)
    return re.compile("".join(ways).encode())
