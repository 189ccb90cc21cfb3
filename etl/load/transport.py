"""A session with the API by requests, held to what the job promises of one attempt.

Nothing in the environment changes where a request goes or whom it is shown to, nothing is followed,
kept or repeated behind the caller's back, and of an answer at most 1 MiB is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
from requests.structures import CaseInsensitiveDict

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


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the body, the seconds the API asks to wait.

    ``location`` is where a redirect points; ``credential`` the key or token that the request was
    sent with: nothing that is stored or shown of the answer may repeat it.
    """

    http_status: int
    body: bytes
    retry_after: float | None = None
    too_long: bool = False
    location: str = ""
    credential: str = field(default="", repr=False)


class Transport:
    """A session of one thread with the API; ``timeout`` is in seconds, for a whole attempt."""

    def __init__(self, timeout: float, proxy: str | None, ca_bundle: Path | None) -> None:
        self._timeout = timeout
        self._verify = str(ca_bundle) if ca_bundle else True
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._adapter = DeadlineAdapter()

    def attempt(self) -> Attempt:
        """Return the attempt that begins now."""
        return Attempt(self, time.monotonic() + self._timeout)

    def send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a request, held to so many seconds."""
        return self._adapter.send(
            request, timeout=timeout, verify=self._verify, proxies=self._proxies
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to update a client; all that it takes, a new token too, has one deadline."""

    _transport: Transport
    _deadline: float

    @property
    def seconds_left(self) -> float:
        """The seconds until the attempt must be over; 0 from then on."""
        return max(self._deadline - time.monotonic(), 0)

    def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises:
            NotConnectedError: there was no connection; nothing was sent.
            BrokenAnswerError, OSError: the answer did not come, or not whole and in time; the
                request may have been carried out.
        """
        request = _prepared(method, url, headers, body)
        response = self._transport.send(request, self.seconds_left)
        read = response.raw.read(LONGEST_BODY + 1)
        return Answer(
            int(response.status_code),
            read[:LONGEST_BODY],
            _retry_after(response.headers),
            too_long=len(read) > LONGEST_BODY,
            location=response.headers.get("Location", ""),
        )


def _prepared(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None
) -> requests.PreparedRequest:
    """Return a request as requests has it, without what it does to one.

    The address was checked with the settings, and a session would only add what nobody wants here:
    cookies, netrc, proxies of the environment. All of it costs five times what sending does.
    """
    request = requests.PreparedRequest()
    request.method, request.url, request.body = method, url, body
    length = {"Content-Length": str(len(body))} if body is not None else {}
    request.headers = CaseInsensitiveDict({**_HEADERS, **headers, **length})
    return request


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, a date taken by the API's own clock: ours may be wrong."""
    asked = headers.get("Retry-After")
    return None if asked is None else seconds_asked_for(asked, headers.get("Date"))
