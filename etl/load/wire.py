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
from datetime import UTC, datetime
from functools import cache
from threading import Thread
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import finalize

from etl.text import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_CHUNK = 1 << 16  # bytes; a TLS record has at most 16 KiB (RFC 8446, 5.1)
_TLS_RECORDS = range(20, 24)  # what the first byte of a TLS record may be (RFC 8446, B.1)
# OpenSSL's numbers for why a certificate is not trusted, from its x509_vfy.h.
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED = 9, 10, 18
_UNKNOWN_AUTHORITY, _OTHER_HOST = frozenset({2, 19, 20, 21}), frozenset({62, 64})
_Result = TypeVar("_Result")


class NotConnectedError(Exception):
    """No connection was made, so nothing was sent; ``insecure`` if TLS was the reason.

    The message is that reason in a few words, without anything from the request.
    """

    def __init__(self, reason: str, *, insecure: bool) -> None:
        super().__init__(reason)
        self.insecure = insecure


class ProxyRefusedError(NotConnectedError):
    """The proxy wants a user name and a password, or other ones (407: RFC 9110, 15.5.8)."""


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
        context = trusting(bundle)
        self._tls = context.wrap_bio(self._received, self._to_send, server_hostname=host)
        self._first = b""  # what came first, to recognise a port that does not speak TLS
        with connecting("TLS: "):
            self._handshake(host, deadline)

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

    def _handshake(self, host: str, deadline: float) -> None:
        try:
            self._run(self._tls.do_handshake, deadline)
        except ssl.SSLCertVerificationError as error:
            reason = _distrust(error, self._presented(), host)
            raise NotConnectedError(reason, insecure=True) from None
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            raise NotConnectedError("the connection was closed", insecure=False) from None
        except ssl.SSLError:
            if self._first and self._first[0] not in _TLS_RECORDS:
                speaks = "speaks plain HTTP" if self._first[:5] == b"HTTP/" else "speaks no TLS"
                raise NotConnectedError(f"the port {speaks}", insecure=True) from None
            raise

    def _presented(self) -> list[dict[str, Any]]:
        """Return the certificates that the other side sent, which are not verified.

        The public method, new in Python 3.13, returns bytes that nothing in ``ssl`` decodes.
        """
        below = getattr(self._tls, "_sslobj", None)
        chain: Any = getattr(below, "get_unverified_chain", tuple)()
        return [certificate.get_info() for certificate in chain or ()]

    def _run(self, step: Callable[[], _Result], deadline: float) -> _Result:
        """Run a step of TLS: read for it what it needs, then write what it produced."""
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                self._flush(deadline)
                data = self._below.read(deadline)
                self._first = self._first or data
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
        try:
            sock = _connected(family, address, left_until(deadline) / (1 + len(addresses)))
        except OSError:
            if not addresses:
                raise
        else:
            return _SocketStream(sock)


def _connected(family: int, address: Any, timeout: float) -> socket.socket:  # noqa: ANN401
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def secured(stream: Stream, host: str, bundle: str, deadline: float) -> Stream:
    """Return a stream with TLS over this one, to a host that a bundle's certificates vouch for.

    Raises:
        NotConnectedError: the handshake failed; this stream was closed.
    """
    try:
        return _TlsStream(stream, bundle, host, deadline)
    except BaseException:
        stream.close()
        raise


@contextmanager
def connecting(to: str = "") -> Iterator[None]:
    """Turn every error in the block into `NotConnectedError`, with ``to`` before its reason."""
    try:
        yield
    except NotConnectedError as error:
        error.args = (f"{to}{error}",)
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing has been sent
        insecure = isinstance(error, ssl.SSLError)
        raise NotConnectedError(to + _reason(error), insecure=insecure) from None


def _reason(error: Exception) -> str:
    """Return why there is no connection, in words that quote nothing from the request."""
    match error:
        case ssl.SSLError():
            return (error.reason or "failed").replace("_", " ").lower()
        case socket.gaierror(errno=socket.EAI_AGAIN):
            return "host name could not be looked up"
        case socket.gaierror() | UnicodeError():
            return "host name not found"
        case TimeoutError():
            return "timed out"
        case OSError(errno=int(number)):
            return os.strerror(number).lower()
        case _:
            return type(error).__name__


def _distrust(
    error: ssl.SSLCertVerificationError, presented: Sequence[dict[str, Any]], host: str
) -> str:
    """Return why a certificate is not trusted, with the detail of it that explains this.

    ``presented`` has the certificate of the host first, then those of its authorities, each as
    ``ssl.SSLSocket.getpeercert`` describes one.
    """
    code = error.verify_code
    if code == _EXPIRED:
        return f"the certificate expired{_when(presented)}"
    if code == _NOT_YET_VALID:
        return "the certificate is not valid yet: check this machine's clock"
    if code == _SELF_SIGNED:
        return "the certificate is self-signed"
    if presented and code in _OTHER_HOST:
        names = [name for _, name in presented[0].get("subjectAltName", ())]
        return f"the certificate is for {quote(', '.join(names))}, not for {host}"
    if presented and code in _UNKNOWN_AUTHORITY:
        names = [name for part in presented[-1].get("issuer", ()) for _, name in part]
        return f"the certificate is signed by an unknown authority, {quote(', '.join(names))}"
    return error.verify_message.removesuffix(".")


def _when(presented: Sequence[dict[str, Any]]) -> str:
    """Return since when one of the certificates has expired; empty if it is one of the bundle."""
    ends = [ssl.cert_time_to_seconds(each["notAfter"]) for each in presented]
    past = [end for end in ends if end < time.time()]
    return f" on {datetime.fromtimestamp(min(past), UTC):%d %b %Y}" if past else ""


def _addresses(host: str, port: int, deadline: float) -> list[Any]:
    """Resolve a host in a thread, which is abandoned if the system's resolver hangs.

    Raises:
        socket.gaierror, UnicodeError: the host has no address, or none was found in time.
    """
    resolved: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            resolved.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:  # noqa: BLE001 - such as UnicodeError for an impossible name
            resolved.set_exception(error)

    Thread(target=resolve, daemon=True).start()
    left = left_until(deadline)
    try:
        return resolved.result(left)
    except TimeoutError:
        raise socket.gaierror(socket.EAI_AGAIN, "no answer in time") from None


@cache
def trusting(bundle: str) -> ssl.SSLContext:
    """Return a TLS context that trusts the authorities in a file of certificates (PEM).

    All workers share it, since loading a bundle takes longer than sending a row. Unlike
    ``ssl.create_default_context``, this does not heed SSLKEYLOGFILE.

    Raises:
        OSError: the file cannot be read, or holds no certificates; for the latter `ssl.SSLError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(bundle)
    return context
