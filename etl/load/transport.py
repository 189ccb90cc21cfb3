"""Attempts to send a request, each with one deadline, and their answers.

Nothing in the environment changes where a request goes. Redirects are not followed, cookies not
kept, requests not repeated, and at most 1 MiB of an answer is read.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from etl.load.adapter import LONGEST_BODY, DeadlineAdapter
from etl.load.pacing import seconds_asked_for
from etl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


_HEADERS = {
    "User-Agent": f"fatora-clients/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a small bomb must not become a large body
}


_COMMA = re.compile(r",(?![^,]*:)")  # between two values, but not within a date


@dataclass(slots=True)
class Answer:
    """An answer of the API; ``retry_after`` is how many seconds it asks to wait, if it does.

    ``location`` is where a redirect points. ``credential`` is the key or token that was sent:
    nothing that is stored or shown of the answer may repeat it. ``expired`` means that the API
    refuses this token now, but has accepted it before.
    """

    http_status: int
    body: bytes
    retry_after: float | None = None
    too_long: bool = False
    location: str = ""
    credential: str = field(default="", repr=False)
    expired: bool = False


class Transport:
    """What one thread sends by; ``timeout`` is in seconds, for a whole attempt."""

    def __init__(self, timeout: float, proxy: str | None, ca_bundle: Path | None) -> None:
        self._timeout = timeout
        self._adapter = DeadlineAdapter(proxy, str(ca_bundle or DEFAULT_CA_BUNDLE_PATH))

    def attempt(self) -> Attempt:
        """Start an attempt: its time runs from now."""
        return Attempt(self._adapter, time.monotonic() + self._timeout)


@dataclass(slots=True)
class Attempt:
    """One attempt to update a client: all its requests, for a new token too, share one deadline."""

    _adapter: DeadlineAdapter
    _deadline: float

    @property
    def seconds_left(self) -> float:
        """The seconds until the deadline; 0 after it."""
        return max(self._deadline - time.monotonic(), 0)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises:
            NotConnectedError: there was no connection; nothing was sent.
            BrokenAnswerError, OSError: no complete answer came in time; the request may have been
                carried out.
        """
        # Built by hand: a session would add cookies, netrc and proxies of the environment, and take
        # five times as long as sending. The address was checked with the settings.
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, body
        length = {} if body is None else {"Content-Length": str(len(body))}
        request.headers = {**_HEADERS, **headers, **length}  # type: ignore[assignment]
        response = self._adapter.send(request, timeout=self.seconds_left)
        content = response.raw.read(LONGEST_BODY + 1)
        return Answer(
            int(response.status_code),
            content[:LONGEST_BODY],
            _retry_after(response.headers),
            too_long=len(content) > LONGEST_BODY,
            location=response.headers.get("Location", ""),
        )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait: the longest, where a proxy and the API both ask.

    A date is compared with the API's clock, as ours may be wrong.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    return max(seconds_asked_for(each, headers.get("Date")) for each in _COMMA.split(value))
