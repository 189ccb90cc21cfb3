"""An adapter for requests that repeats and follows nothing, and keeps to a deadline."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self
from weakref import finalize

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, Timeout

from etl.load.wire import (
    Connection,
    Received,
    SecureConnection,
    connecting,
    left_until,
    new_connection,
    receive,
    send,
    tls_context,
    trusting,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping


class _Pool(HTTPConnectionPool):
    ConnectionCls = Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = SecureConnection


class _Body(io.BytesIO):
    """A body that was read, with the interface of urllib3's."""

    length_remaining: int | None = 0

    def read(self, size: int | None = -1, /, *, decode_content: bool = False) -> bytes:  # noqa: ARG002
        return super().read(size)


class _Until(Timeout):
    """The time left until a deadline, for a proxy too: urllib3 starts counting after its tunnel."""

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self._deadline = deadline

    def clone(self) -> Self:
        """Return itself: a deadline is the same for whoever asks."""
        return self

    @property
    def connect_timeout(self) -> float:
        """The seconds to connect in."""
        return left_until(self._deadline)

    @property
    def read_timeout(self) -> float:
        """The seconds in which an answer must have come."""
        return left_until(self._deadline)


class DeadlineAdapter(HTTPAdapter):
    """An adapter that neither repeats nor outlives a request.

    It keeps one connection of its own; through a proxy it sends by urllib3.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._origin: tuple[str, ...] = ()
        self._connection: Connection | None = None
        self._bundle = DEFAULT_CA_BUNDLE_PATH

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pool, which is never used."""
        super().init_poolmanager(*args, ssl_context=tls_context(), **kwargs)
        _use_own_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return the pool of a proxy, whose connections are held to the deadline."""
        kwargs |= {"ssl_context": tls_context(), "proxy_ssl_context": trusting(self._bundle)}
        return _use_own_pools(super().proxy_manager_for(*args, **kwargs))

    def send(  # noqa: PLR0913, PLR0917 - as it is called
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - as it is called
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 - the same
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request and return its answer, both within ``timeout`` seconds in total."""
        deadline = time.monotonic() + timeout
        self._bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        if proxies:
            within: Any = _Until(deadline)
            return super().send(request, stream, within, verify, cert, proxies)
        received = self._exchange(request, deadline)
        response = requests.Response()
        response.status_code = received.status
        response.headers = CaseInsensitiveDict(received.headers)
        response.url = str(request.url)
        response.request = request
        response.raw = _Body(received.body)
        response.raw.length_remaining = received.missing
        return response

    def close(self) -> None:
        """Close the connection."""
        self._hang_up()
        super().close()

    def _exchange(self, request: requests.PreparedRequest, deadline: float) -> Received:
        last = True
        try:
            with connecting():
                sock = self._connected(str(request.url), deadline)
                left_until(deadline)
            with suppress(BrokenPipeError):  # it may have been answered before it was whole
                send(sock, _written(request), deadline)
            received = receive(sock, str(request.method), deadline)
            last = received.last
        finally:
            if last:
                self._hang_up()
        return received

    def _connected(self, url: str, deadline: float) -> socket.socket:
        """Return the socket of the connection, a new one where the last is over."""
        origin = (*url.split("/", 3)[:3], self._bundle)
        if self._connection and (origin != self._origin or not self._connection.is_connected):
            self._hang_up()
        if self._connection is None:
            self._origin = origin
            self._connection = new_connection(url, self._bundle, deadline)
            self._end = finalize(self, self._connection.close)
            self._connection.connect()
        return self._connection.sock

    def _hang_up(self) -> None:
        if self._connection:
            self._end()
        self._connection = None


def _use_own_pools(manager: PoolManager) -> PoolManager:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return manager


def _written(request: requests.PreparedRequest) -> bytes:
    """Return a request as it is sent, in one piece."""
    host = str(request.url).split("/", 3)[2]
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    head = f"{request.method} {request.path_url} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n"
    body = request.body or b""
    return head.encode("latin-1") + (body.encode() if isinstance(body, str) else body)
