"""A session with the API by requests, held to what the job promises of one attempt.

Nothing in the environment changes where a request goes or whom it is shown to, nothing is followed,
kept or repeated behind the caller's back, and of an answer at most 1 MiB is read.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING

import requests
from urllib3.exceptions import IncompleteRead

from etl import __version__
from etl.load.adapter import DeadlineAdapter
from etl.load.pacing import seconds_asked_for
from etl.load.wire import LONGEST_BODY

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the body as it was sent, the seconds the API asks to wait.

    ``location`` is where a redirect points; ``credential`` the key or token that the request was
    sent with: nothing that is stored or shown of the answer may repeat it.
    """

    http_status: int
    body: bytes
    retry_after: float | None = None
    too_long: bool = False
    location: str = ""
    credential: str = field(default="", repr=False)


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Look for none: it would be parsed, and its answer read, although it is not followed."""


class Transport:
    """A session of one thread with the API; ``timeout`` is in seconds, for one whole attempt."""

    def __init__(self, timeout: float, proxy: str | None, ca_bundle: Path | None) -> None:
        self._timeout = timeout
        self._session = _Session()
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.trust_env = False  # no proxies, netrc or certificates of the environment
        self._session.verify = str(ca_bundle) if ca_bundle else True
        self._session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._session.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small bomb must not become a large body
            "User-Agent": f"fatora-clients/{__version__}",
        }
        adapter = DeadlineAdapter()
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._latest: tuple[object, ...] = ()
        self._request = requests.PreparedRequest()

    def attempt(self) -> Attempt:
        """Return the attempt that begins now."""
        return Attempt(self, time.monotonic() + self._timeout)

    def send(self, request: requests.PreparedRequest, timeout: float) -> requests.Response:
        """Send a request over the session, held to so many seconds."""
        return self._session.send(
            request,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            proxies=self._session.proxies,
            verify=self._session.verify,
            cert=None,
        )

    def prepared(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> requests.PreparedRequest:
        """Return a request; one that is like the latest but for number and body, is the latest."""
        parent, _, number = url.rpartition("/")
        like = (method, parent, headers)
        if not (body and number.isdigit() and like == self._latest):
            new = requests.Request(method, url, headers=headers, data=body)
            self._request = self._session.prepare_request(new)
            self._latest = like if body and number.isdigit() else ()
            return self._request
        self._request.url = url
        self._request.body = body
        self._request.headers["Content-Length"] = str(len(body))
        return self._request


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
            requests.RequestException, urllib3.exceptions.HTTPError, http.client.HTTPException,
                OSError: the answer did not come, or not whole and in time; the request may have
                been carried out.
        """
        request = self._transport.prepared(method, url, headers, body)
        with self._transport.send(request, self.seconds_left) as response:
            read = response.raw.read(LONGEST_BODY + 1, decode_content=False)
            too_long = len(read) > LONGEST_BODY
            missing = response.raw.length_remaining
            if missing and not too_long:  # urllib3 would only see it when asked for more
                raise IncompleteRead(len(read), missing)
            return Answer(
                response.status_code,
                read[:LONGEST_BODY],
                _retry_after(response.headers),
                too_long=too_long,
                location=response.headers.get("Location", ""),
            )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, a date taken by the API's own clock: ours may be wrong."""
    asked = headers.get("Retry-After")
    return None if asked is None else seconds_asked_for(asked, headers.get("Date"))
