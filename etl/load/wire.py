"""Connections to a host, with one deadline for everything that happens over one.

`Stream` is the seam between the network and HTTP: ``adapter``, which speaks HTTP, uses no socket,
and this module knows nothing of HTTP. A deadline is a time of ``time.monotonic`` in seconds.
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
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import finalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CHUNK = 1 << 16  # bytes; a TLS record has at most 16 KiB (RFC 8446, 5.1)
_Result = TypeVar("_Result")


class NotConnectedError(Exception):
    """No connection was made, so nothing was sent; ``insecure`` if TLS was the reason.

    The message is that reason in a few words, without anything from the request.
    """

    def __init__(self, reason: str, *, insecure: bool) -> None:
        super().__init__(reason)
        self.insecure = insecure


class Stream(Protocol):
    """An open connection, used by one thread.

    Its user can rely on this: every call ends by its deadline, however slowly bytes come or go, and
    bytes are read once and in order. Its user must close it after an error, since part of what was
    to be written may have been sent. A stream that is dropped closes itself.
    """

    def read(self, deadline: float) -> bytes:
        """Return at least one byte, or nothing after the other side has closed the connection.

        Raises:
            TimeoutError: nothing came in time.
            OSError: the connection broke.
        """

    def write(self, data: bytes, deadline: float) -> None:
        """Hand all of the data to the network.

        Raises:
            TimeoutError: the network did not take all of it in time.
            OSError: the connection broke.
        """

    def is_idle(self) -> bool:
        """Whether it is open and has nothing to read, so that another request may be sent."""

    def close(self) -> None:
        """Close it at once."""


def left_until(deadline: float) -> float:
    """Return the seconds that are left.

    Raises:
        TimeoutError: the deadline has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


class _SocketStream:
    """A stream over TCP.

    It polls by itself: with timeouts of the socket, a request takes 7 system calls instead of 4.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        sock.settimeout(0)
        # Without it, the end of a long request waits 40 ms for an acknowledgement (RFC 1122).
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        finalize(self, sock.close)

    def read(self, deadline: float) -> bytes:
        if not self._poll(select.POLLIN, left_until(deadline)):
            raise TimeoutError
        return self._socket.recv(_CHUNK)

    def write(self, data: bytes, deadline: float) -> None:
        left = memoryview(data)
        while left:  # a socket may take less than it is given
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                self._poll(select.POLLOUT, left_until(deadline))

    def is_idle(self) -> bool:
        return not self._poll(select.POLLIN, 0)

    def close(self) -> None:
        self._socket.close()

    def _poll(self, event: int, seconds: float) -> bool:
        poll = select.poll()  # unlike select.select, it takes descriptors above 1023
        poll.register(self._socket, event)
        return bool(poll.poll(1000 * seconds))


class _TlsStream:
    """TLS over another stream, which may itself be a proxy's TLS.

    An ``ssl.SSLSocket`` would do for all but that: it cannot wrap another one.
    """

    def __init__(self, below: Stream, bundle: str, host: str, deadline: float) -> None:
        self._below = below
        self._received, self._to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = _trusting(bundle)
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self._run(self._tls.do_handshake, deadline)

    def read(self, deadline: float) -> bytes:
        try:
            return self._run(lambda: self._tls.read(_CHUNK), deadline)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def write(self, data: bytes, deadline: float) -> None:
        self._run(lambda: self._tls.write(data), deadline)

    def is_idle(self) -> bool:
        return not (self._tls.pending() or self._received.pending) and self._below.is_idle()

    def close(self) -> None:
        self._below.close()

    def _run(self, step: Callable[[], _Result], deadline: float) -> _Result:
        """Run a step of TLS: read for it what it needs, then write what it produced."""
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


def connect(host: str, port: int, deadline: float) -> Stream:
    """Return a stream to the first address of a host that answers; they share the time left.

    Raises:
        OSError: no address answers, or the host has none.
    """
    addresses = _addresses(host, port, deadline)
    while True:
        family, *_, address = addresses.pop(0)
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(left_until(deadline) / (1 + len(addresses)))
            sock.connect(address)
        except OSError:
            sock.close()
            if not addresses:
                raise
        else:
            return _SocketStream(sock)


def secured(stream: Stream, host: str, bundle: str, deadline: float) -> Stream:
    """Return a stream with TLS over this one, to a host that a bundle's certificates vouch for.

    Raises:
        OSError: the handshake failed.
    """
    return _TlsStream(stream, bundle, host, deadline)


@contextmanager
def connecting(to: str = "") -> Iterator[None]:
    """Turn every error in the block into `NotConnectedError`, with ``to`` before its reason."""
    try:
        yield
    except NotConnectedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing has been sent
        # A handshake that is cut short is a network failure, not a lack of trust.
        insecure = isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError)
        raise NotConnectedError(to + _reason(error), insecure=insecure) from None


def _reason(error: Exception) -> str:
    """Return why there is no connection, in words that quote nothing from the request."""
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


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """Resolve a host in a thread, which is abandoned if the system's resolver hangs."""
    resolved: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            resolved.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - such as UnicodeError for an impossible name
            resolved.set_exception(error)

    Thread(target=resolve, daemon=True).start()
    return resolved.result(left_until(deadline))


@cache
def _trusting(bundle: str) -> ssl.SSLContext:
    """Return the TLS context of all workers: loading a bundle takes longer than sending a row.

    Unlike ``ssl.create_default_context``, this does not heed SSLKEYLOGFILE.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context
