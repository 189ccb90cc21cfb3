"""Connections to the API, with one deadline for every step of one.

`Stream` is the seam between the network and HTTP: the code that speaks HTTP (``adapter``) knows no
socket, and this module knows nothing of HTTP except how to ask a proxy for a tunnel. A deadline is
a time of ``time.monotonic`` in seconds; an attempt has one for all that it does.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
import time
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_AT_ONCE = 1 << 16  # bytes; a TLS record has at most a quarter of them
_LONGEST_REPLY = 1 << 16  # bytes of a proxy's answer to CONNECT
_Result = TypeVar("_Result")


class NotConnectedError(Exception):
    """No connection was made, so nothing can have been sent; ``insecure`` if TLS was the reason.

    The message is that reason in a few words, which hold nothing of the request.
    """

    def __init__(self, reason: str, *, insecure: bool) -> None:
        super().__init__(reason)
        self.insecure = insecure


class Stream(Protocol):
    """Bytes to and from one host, for one thread.

    Its user may rely on this: a call ends by its deadline, however slowly bytes come or go, and
    bytes are read once and in order. In turn its user closes it after an error, because part of
    what was to be written may be on its way.
    """

    def read(self, deadline: float) -> bytes:
        """Return what has come, at least a byte; nothing once the other side has hung up.

        Raises:
            TimeoutError: nothing came in time.
            OSError: the connection broke.
        """

    def write(self, data: bytes, deadline: float) -> None:
        """Hand all of it to the network.

        Raises:
            TimeoutError: the network did not take it in time.
            OSError: the connection broke.
        """

    def is_idle(self) -> bool:
        """Whether it is open and all that came was read, so that it can take another request."""

    def close(self) -> None:
        """Close it at once."""


def left_until(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimeoutError: there are none.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _SocketStream:
    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        # Else the end of a long request would wait 40 ms for an acknowledgement (RFC 1122).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, deadline: float) -> bytes:
        self._socket.settimeout(left_until(deadline))
        return self._socket.recv(_AT_ONCE)

    def write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:  # a socket may take less than it is given
            self._socket.settimeout(left_until(deadline))
            left = left[self._socket.send(left) :]

    def is_idle(self) -> bool:
        watched = select.poll()  # unlike select, it takes descriptors of any number
        watched.register(self._socket, select.POLLIN)
        return not watched.poll(0)

    def close(self) -> None:
        self._socket.close()


class _TlsStream:
    """TLS over another stream, even over the tunnel of a proxy that itself speaks TLS.

    That, and one deadline for a handshake that drips, is why it is not an ``ssl.SSLSocket``.
    """

    def __init__(self, below: Stream, context: ssl.SSLContext, host: str, deadline: float) -> None:
        self._below = below
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self._run(self._tls.do_handshake, deadline)

    def read(self, deadline: float) -> bytes:
        try:
            return self._run(lambda: self._tls.read(_AT_ONCE), deadline)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def write(self, data: bytes, deadline: float) -> None:
        self._run(lambda: self._tls.write(data), deadline)

    def is_idle(self) -> bool:
        return not (self._tls.pending() or self._received.pending) and self._below.is_idle()

    def close(self) -> None:
        self._below.close()

    def _run(self, step: Callable[[], _Result], deadline: float) -> _Result:
        """Run a step of TLS with the bytes that it needs from below, and pass on what it yields."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                data = self._below.read(deadline)
                self._received.write(data) if data else self._received.write_eof()
            else:
                self._flush(deadline)
                return result

    def _flush(self, deadline: float) -> None:
        if self._to_send.pending:
            self._below.write(self._to_send.read(), deadline)


class _Host(NamedTuple):
    name: str
    port: int
    is_secure: bool


def _host_of(url: str) -> _Host:
    parts = urlsplit(url)
    is_secure = parts.scheme == "https"
    return _Host(parts.hostname or "", parts.port or (443 if is_secure else 80), is_secure)


def open_stream(
    url: str, bundle: str, proxy: str | None, proxy_headers: Mapping[str, str], deadline: float
) -> Stream:
    """Open a stream to the host of an address: straight, or through a proxy.

    ``bundle`` is the file of certificates that vouch for whoever speaks TLS; ``proxy_headers`` are
    what the proxy asks for. Plain HTTP goes to the proxy itself, TLS through its tunnel.

    Raises:
        NotConnectedError: there is no connection; nothing was sent to the host.
    """
    with _connecting():
        target = _host_of(url)
        first = _host_of(proxy) if proxy else target
        with _connecting("proxy: " if proxy else ""):
            stream: Stream = _SocketStream(_connect(first, deadline))
        try:
            if proxy and first.is_secure:
                stream = _TlsStream(stream, _trusting(bundle), first.name, deadline)
            if proxy and target.is_secure:
                _open_tunnel(stream, target, proxy_headers, deadline)
            if target.is_secure:
                stream = _TlsStream(stream, _trusting(bundle), target.name, deadline)
        except BaseException:
            stream.close()
            raise
        return stream


@contextmanager
def _connecting(whom: str = "") -> Iterator[None]:
    """Turn any failure in the block into one to connect; ``whom`` is put before its reason."""
    try:
        yield
    except NotConnectedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing has been sent
        # A handshake that is cut short is the network's doing, not a lack of trust.
        insecure = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
        raise NotConnectedError(whom + _reason(error), insecure=insecure) from None


def _reason(error: Exception) -> str:
    """Return why there is no connection, and nothing that the error may hold of the request."""
    match error:
        case ssl.SSLCertVerificationError():
            return error.verify_message.removesuffix(".")
        case ssl.SSLError():
            return (error.reason or "TLS failed").replace("_", " ").lower()
        case socket.gaierror() | UnicodeError():
            return "host name not found"
        case TimeoutError():
            return "timed out"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return type(error).__name__


def _connect(host: _Host, deadline: float) -> socket.socket:
    """Connect to the first address of a host that answers; they share the time that is left."""
    addresses = _addresses(host, deadline)
    while addresses:
        family, address = addresses.pop(0)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left_until(deadline) / (1 + len(addresses)))
            sock.connect(address)
        except OSError:
            sock.close()
            if not addresses:
                raise
        else:
            return sock
    raise socket.gaierror("the host has no address")


def _addresses(host: _Host, deadline: float) -> list[tuple[int, Any]]:
    """Look a host up in a thread, which is left behind where the system's resolver hangs."""
    answer: Future[list[Any]] = Future()

    def look_up() -> None:
        try:
            answer.set_result(socket.getaddrinfo(host.name, host.port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - such as of an impossible name
            answer.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    return [(family, address) for family, *_, address in answer.result(left_until(deadline))]


def _open_tunnel(
    stream: Stream, target: _Host, headers: Mapping[str, str], deadline: float
) -> None:
    """Ask a proxy for a tunnel: RFC 9110, 9.3.6."""
    authority = f"{f'[{target.name}]' if ':' in target.name else target.name}:{target.port}"
    lines = [f"{name}: {value}\r\n" for name, value in {"Host": authority, **headers}.items()]
    stream.write(f"CONNECT {authority} HTTP/1.1\r\n{''.join(lines)}\r\n".encode(), deadline)
    reply = b""
    while b"\r\n\r\n" not in reply:
        data = stream.read(deadline)
        reply += data
        if not data or len(reply) > _LONGEST_REPLY:
            raise NotConnectedError("the proxy did not answer", insecure=False)
    status = reply.split(b" ", 2)[1:2]
    if not reply.startswith(b"HTTP/1.") or not status or not status[0].startswith(b"2"):
        answer = status[0][:3].decode("latin-1") if status else "without a status"
        raise NotConnectedError(f"the proxy answered HTTP {answer}", insecure=False)


@cache
def _trusting(bundle: str) -> ssl.SSLContext:
    """Return what verifies the API for all workers: reading a bundle takes longer than a row.

    Made like this, it does not heed SSLKEYLOGFILE, as ``ssl.create_default_context`` would.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context
