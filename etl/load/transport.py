"""HTTP by requests, held to what the job promises of one attempt.

requests limits the time between two bytes, so that an answer that drips can take for ever. Here the
whole attempt has one deadline: each read from the socket gets only what is left of it. Besides,
nothing in the environment changes where a request goes or whom it is shown to, nothing is followed
or repeated behind the caller's back, and of an answer at most 1 MiB is read.
"""

from __future__ import annotations

import io
import socket
import ssl
import time
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPResponse, RemoteDisconnected
from threading import Thread
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import IncompleteRead, SSLError
from urllib3.util.connection import create_connection
from urllib3.util.ssl_match_hostname import CertificateError

from etl import __version__
from etl.load.pacing import seconds_asked_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LONGEST_BODY = 1 << 20  # bytes
_TLS_ERRORS = (ssl.SSLError, SSLError, CertificateError)


class NotConnectedError(Exception):
    """No connection was made, so nothing can have been sent; ``insecure`` if TLS was the reason."""

    def __init__(self, reason: str, *, insecure: bool) -> None:
        super().__init__(reason)
        self.insecure = insecure


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the status, the body as it was sent, the seconds the API asks to wait."""

    http_status: int
    body: bytes
    retry_after: float | None = None
    too_long: bool = False


class _DeadlineReader(io.RawIOBase):
    """Reads a socket, of which ``raw`` is the file, until a point in time and no longer.

    ``ended`` tells whether the other side has hung up.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._socket, self._raw, self._deadline = sock, raw, deadline
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._socket.settimeout(_left_until(self._deadline))
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(HTTPResponse):
    """An answer that must be complete when the timeout of its socket, as it was then, is over."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        self.fp.close()
        raw: Any = sock.makefile("rb", buffering=0)
        self._reader = _DeadlineReader(sock, raw, deadline)
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        """Read as far as the body, past interim answers: of these http.client knows but one.

        Besides, it takes a connection that ends for the end of the headers.
        """
        super().begin()
        while self.status < HTTPStatus.OK:
            self.headers = None  # type: ignore[assignment]
            super().begin()
        if self._reader.ended:
            raise RemoteDisconnected("the answer ended inside its headers")


def _left_until(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the attempt was not over in time")
    return left


def _addresses(host: str, port: int, deadline: float) -> list[str]:
    """Look a host up.

    That cannot be given a time, so a thread of its own does it, and is left behind if it must be.
    """
    found: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    return [str(address[0]) for *_, address in found.result(_left_until(deadline))]


@contextmanager
def _connecting() -> Iterator[None]:
    """Whatever fails in here cannot be taken for a failure of what follows the connection."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing has been sent
        insecure = isinstance(error, _TLS_ERRORS) and not isinstance(error, ssl.SSLEOFError)
        raise NotConnectedError(type(error).__name__, insecure=insecure) from None


class _Connection(HTTPConnection):
    """A connection that is made, and takes a request, within one timeout all told."""

    response_class = _DeadlineResponse

    def connect(self) -> None:
        with _connecting():
            deadline = time.monotonic() + (self.timeout or 0)
            super().connect()
            self.timeout = _left_until(deadline)
            self.sock.settimeout(self.timeout)

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers.

        urllib3 gives a whole timeout to each; here those still to be tried share what is left.
        """
        deadline = time.monotonic() + (self.timeout or 0)
        addresses = _addresses(self.host, self.port, deadline)
        while addresses:
            share = _left_until(deadline) / len(addresses)
            address = (addresses.pop(0), self.port)
            try:
                sock = create_connection(address, share, socket_options=self.socket_options)
            except OSError:
                if not addresses:
                    raise
            else:
                sock.settimeout(_left_until(deadline))
                return sock
        raise OSError("the host has no address")


class _SecureConnection(_Connection, HTTPSConnection):
    """The same over TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _DeadlineAdapter(HTTPAdapter):
    """An adapter that neither repeats nor outlives a request."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=_tls_context(), **kwargs)
        _use_own_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        kwargs |= {"ssl_context": _tls_context(), "proxy_ssl_context": _tls_context()}
        return _use_own_pools(super().proxy_manager_for(*args, **kwargs))


def _tls_context() -> ssl.SSLContext:
    """Return what verifies the API; unlike urllib3's, it does not heed SSLKEYLOGFILE."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _use_own_pools(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


class Transport:
    """A session of one thread with the API; ``timeout`` is in seconds, for one attempt all told."""

    def __init__(self, timeout: float, proxy: str | None, ca_bundle: Path | None) -> None:
        self._timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # no proxies, netrc or certificates of the environment
        self._session.verify = str(ca_bundle) if ca_bundle else True
        self._session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._session.headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",  # a small bomb must not become a large body
            "User-Agent": f"fatora-clients/{__version__}",
        }
        adapter = _DeadlineAdapter(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def attempt(self) -> Attempt:
        """Return the attempt that begins now."""
        return Attempt(self._session, time.monotonic() + self._timeout)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to update a client; all that it takes, a new token too, has one deadline."""

    _session: requests.Session
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
            requests.RequestException, urllib3.exceptions.HTTPError, OSError: the answer did not
                come, or not whole and in time; the request may have been carried out.
        """
        with self._session.request(
            method,
            url,
            data=body,
            headers=headers,
            timeout=Timeout(total=_left_until(self._deadline)),  # type: ignore[arg-type]
            allow_redirects=False,
            stream=True,
        ) as response:
            read = response.raw.read(_LONGEST_BODY + 1, decode_content=False)
            too_long = len(read) > _LONGEST_BODY
            missing = response.raw.length_remaining
            if missing and not too_long:  # urllib3 would only see it when asked for more
                raise IncompleteRead(len(read), missing)
            return Answer(
                response.status_code,
                read[:_LONGEST_BODY],
                _retry_after(response.headers),
                too_long=too_long,
            )


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait, a date taken by the API's own clock: ours may be wrong."""
    asked = headers.get("Retry-After")
    return None if asked is None else seconds_asked_for(asked, headers.get("Date"))
