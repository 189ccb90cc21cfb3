"""The Update Client call.

Source: fatora.io/api/updateClient.php.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from etl.load.tokens import TokenUnavailableError
from etl.load.transport import NotConnectedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.tokens import Tokens
    from etl.load.transport import Answer, Transport

_UNAUTHORIZED = 401


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
            json.dumps(body, ensure_ascii=False).encode(),
        )
        if answer.http_status == _UNAUTHORIZED:
            self._tokens.reject(token)
        return replace(answer, body=_blotted(answer.body, token))

    def sign_in(self) -> None:
        """Get a token before anything is sent.

        Raises:
            TokenRefusedError, TokenUnavailableError: there is none.
        """
        try:
            self._tokens.current(self._transport.attempt())
        except NotConnectedError as error:
            raise TokenUnavailableError(str(error)) from None


def _blotted(body: bytes, token: str) -> bytes:
    for spelling in (token, token.replace("/", "\\/")):  # the second is how PHP writes JSON
        body = body.replace(spelling.encode(), b"***")
    return body
