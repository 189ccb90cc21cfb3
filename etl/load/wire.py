"""HTTP over one connection, with one deadline from its making to the last byte of an answer.

http.client grants every read its whole timeout, so that an answer that drips never ends: here each
read from the socket gets only the time that is left. Most answers are plain, and those are read
without the libraries, which would take longer than everything else that is done for a row; any
other answer is left to them.
"""

from __future__ import annotations

import io
import os
import re
import socket
import ssl
import time
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from http.client import HTTPResponse, RemoteDisconnected
from threading import Thread
from typing import TYPE_CHECKING, Any

from urllib3 import HTTPHeaderDict
from urllib3 import HTTPResponse as AnyResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import SSLError
from urllib3.util import parse_url
from urllib3.util.connection import create_connection
from urllib3.util.ssl_match_hostname import CertificateError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_BODY = 1 << 20  # bytes
_LONGEST_ANSWER = LONGEST_BODY + (1 << 18)  # bytes, with its head and what parts its chunks
_AT_ONCE = 1 << 16  # bytes
_PLAIN = re.compile(rb"HTTP/1\.1 (200|4\d\d|50\d) [^\r\n]*\r\n((?:[!-9;-~]+:[^\r\n]*\r\n)+)\r\n")
_STAYS = {None, b"keep-alive", b"Keep-Alive"}  # as it does if nothing else is said
_LENGTH = re.compile(rb"\d{1,6}")  # less than the longest body
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: (\d{3})\b")  # as http.client words it
_TLS_ERRORS = (ssl.SSLError, SSLError, CertificateError)


class NotConnectedError(Exception):
    """No connection was made, so nothing can have been sent; ``insecure`` if TLS was the reason.

    The message is that reason in a few words, which hold nothing of the request.
    """

    def __init__(self, reason: str, *, insecure: bool) -> None:
        super().__init__(reason)
        self.insecure = insecure


class _DeadlineReader(io.RawIOBase):
    """Reads a socket, of which ``raw`` is the file, until a point in time and no longer.

    ``begun`` is what was read of it before. ``ended`` tells whether the other side has hung up.
    """

    def __init__(
        self, sock: socket.socket, raw: io.RawIOBase, deadline: float, begun: bytes
    ) -> None:
        self._socket, self._raw, self._deadline, self._begun = sock, raw, deadline, begun
        self._most = _LONGEST_ANSWER
        self.ended = False

    @property
    def more(self) -> bool:
        """Whether something came that was not read: before, or as a part of a TLS record."""
        pending = self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0
        return bool(self._begun or pending)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._begun:
            count = min(len(buffer), len(self._begun))
            buffer[:count] = self._begun[:count]
            self._begun = self._begun[count:]
            return count
        self._socket.settimeout(left_until(self._deadline))
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        self._most -= count or 0
        if self._most < 0:  # such as of a chunk that says that it has -1 bytes
            raise OSError("the answer is longer than any that is read")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Buffer(io.BufferedReader):
    """A buffer that tells once it is closed whether there was ``more`` than was asked of it."""

    more = False

    def close(self) -> None:
        if not self.closed:
            self.raw.close()  # else looking would wait for more
            with suppress(ValueError):
                self.more = bool(self.peek())
        super().close()


class _DeadlineResponse(HTTPResponse):
    """An answer that must be complete when the timeout of its socket, as it was then, is over.

    ``begun`` is what was read of it already.
    """

    def __init__(self, sock: socket.socket, *args: Any, begun: bytes = b"", **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        self.fp.close()
        raw: Any = sock.makefile("rb", buffering=0)
        self._reader = _DeadlineReader(sock, raw, deadline, begun)
        self.fp = self._buffer = _Buffer(self._reader)

    @property
    def is_last(self) -> bool:
        """Whether no answer can follow on its connection: it was left, or something came after."""
        return not self.isclosed() or self.will_close or self._buffer.more or self._reader.more

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


def left_until(deadline: float) -> float:
    """Return the seconds that are left; a deadline is in seconds of ``time.monotonic``.

    Raises:
        TimeoutError: there are none.
    """
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
        except Exception as error:  # noqa: BLE001 - such as of a name that cannot be one
            found.set_exception(error)

    Thread(target=look_up, daemon=True).start()
    return [str(address[0]) for *_, address in found.result(left_until(deadline))]


@contextmanager
def connecting(whom: str = "") -> Iterator[None]:
    """Whatever fails in here cannot be taken for a failure of what follows the connection.

    ``whom`` is put before the reason where it is not the API that is connected to.

    Raises:
        NotConnectedError: something did.
    """
    try:
        yield
    except NotConnectedError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it was, nothing has been sent
        insecure = isinstance(error, _TLS_ERRORS) and not isinstance(error, ssl.SSLEOFError)
        raise NotConnectedError(whom + _reason(error), insecure=insecure) from None


def _reason(error: Exception) -> str:
    """Say why there is no connection, and nothing that the error may hold of the request."""
    if isinstance(error, ssl.SSLError):
        return _tls_reason(error)
    if isinstance(error, socket.gaierror | UnicodeError):
        return "host name not found"
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    refusal = _TUNNEL_REFUSED.match(str(error))
    return f"the proxy answered HTTP {refusal[1]}" if refusal else type(error).__name__


def _tls_reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message.removesuffix(".")
    return (error.reason or "TLS failed").replace("_", " ").lower()


class Connection(HTTPConnection):
    """A connection that is made, and takes a request, within one timeout in total."""

    response_class = _DeadlineResponse

    def connect(self) -> None:
        """Make the connection.

        Raises:
            NotConnectedError: it could not be made, or not in time.
        """
        with connecting():
            self._deadline = time.monotonic() + (self.timeout or 0)
            super().connect()
            self.timeout = left_until(self._deadline)
            self.sock.settimeout(self.timeout)

    def _tunnel(self) -> None:
        super()._tunnel()  # which may have taken its time; what follows would wait as long again
        self.sock.settimeout(left_until(self._deadline))

    def _new_conn(self) -> socket.socket:
        """Connect to the first address of the host that answers.

        urllib3 gives a whole timeout to each; here those still to be tried share what is left.
        """
        with connecting("proxy: " if self.proxy else ""):
            return self._first_to_answer(time.monotonic() + (self.timeout or 0))

    def _first_to_answer(self, deadline: float) -> socket.socket:
        addresses = _addresses(self.host, self.port, deadline)
        while addresses:
            share = left_until(deadline) / len(addresses)
            address = (addresses.pop(0), self.port)
            try:
                sock = create_connection(address, share, socket_options=self.socket_options)
            except OSError:
                if not addresses:
                    raise
            else:
                sock.settimeout(left_until(deadline))
                return sock
        raise socket.gaierror("the host has no address")


class SecureConnection(Connection, HTTPSConnection):
    """The same over TLS."""


def new_connection(url: str, bundle: str, deadline: float) -> Connection:
    """Return a connection, yet to be made, to a host that a file of certificates vouches for."""
    there = parse_url(url)
    host, timeout = str(there.host).strip("[]"), left_until(deadline)
    if there.scheme == "http":
        return Connection(host, there.port or 80, timeout=timeout)
    with connecting():
        context = trusting(bundle)
    return SecureConnection(
        host, there.port or 443, timeout=timeout, cert_reqs="CERT_REQUIRED", ssl_context=context
    )


@cache
def trusting(bundle: str) -> ssl.SSLContext:
    """Return what verifies the API for all workers: reading a bundle takes longer than a row."""
    context = tls_context()
    context.load_verify_locations(bundle)
    return context


def tls_context() -> ssl.SSLContext:
    """Return what verifies the API; unlike urllib3's, it does not heed SSLKEYLOGFILE."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(frozen=True, slots=True)
class Received:
    """What was received; ``missing`` bytes did not come, and it is the ``last`` there can be."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    last: bool
    missing: int | None = 0


def receive(sock: socket.socket, method: str, deadline: float) -> Received:
    """Receive an answer by the deadline."""
    received, begun = _receive_plain(sock, deadline)
    return received or _receive_any(sock, method, deadline, begun)


def _receive_plain(sock: socket.socket, deadline: float) -> tuple[Received | None, bytes]:
    """Receive an answer that is as plain as most are, else return what came of it.

    http.client and urllib3 know all that an answer may be like, which takes them longer than all
    the rest that is done for a row.
    """
    begun = _recv(sock, deadline)
    head = _PLAIN.match(begun)
    lines = head[2].split(b"\r\n")[:-1] if head else []
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(b":") for x in lines)}
    length = headers.get(b"content-length", b"")
    special = b"transfer-encoding" in headers or headers.get(b"connection") not in _STAYS
    if not head or special or len(headers) < len(lines) or not _LENGTH.fullmatch(length):
        return None, begun
    end = head.end() + int(length)
    while len(begun) < end:
        more = _recv(sock, deadline)
        if not more:
            return None, begun
        begun += more
    texts = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
    return Received(int(head[1]), texts, begun[head.end() : end], last=len(begun) > end), begun


def _receive_any(sock: socket.socket, method: str, deadline: float, begun: bytes) -> Received:
    """Receive any answer of which this has come."""
    sock.settimeout(left_until(deadline))
    with closing(_DeadlineResponse(sock, method=method, begun=begun)) as answer:
        answer.begin()
        whole = AnyResponse(
            answer,
            headers=HTTPHeaderDict(answer.headers.items()),
            status=answer.status,
            preload_content=False,
            request_method=method,
        )
        body: bytes = whole.read(LONGEST_BODY + 1, decode_content=False)
        missing = whole.length_remaining
        return Received(answer.status, whole.headers, body, answer.is_last, missing)


def _recv(sock: socket.socket, deadline: float) -> bytes:
    sock.settimeout(left_until(deadline))
    return sock.recv(_AT_ONCE)


def send(sock: socket.socket, data: bytes, deadline: float) -> None:
    """Send all of it by the deadline."""
    left = memoryview(data)
    while left:
        sock.settimeout(left_until(deadline))
        left = left[sock.send(left) :]
