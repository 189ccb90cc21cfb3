"""A server that follows a script: it answers with exactly these bytes, at exactly this pace."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import trustme

    Script = Iterable[bytes | float]  # what to send, and for how many seconds to wait

SUCCESS = b'{"status": "SUCCESS", "client": {"id": 1024}}'


def reply(body: bytes = SUCCESS, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a complete answer with its Content-Length."""
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def dripping(data: bytes, pause: float) -> Iterator[bytes | float]:
    """Yield the bytes one by one, with a pause of so many seconds after each."""
    for byte in data:
        yield bytes([byte])
        yield pause


@dataclass(frozen=True)
class Request:
    """A request: the number of its connection, counted from 0, its head and its body."""

    connection: int
    head: bytes
    body: bytes


class ScriptedServer:
    """Answers the n-th request with the n-th script, and does not answer any further one.

    Use it as a context manager, which ends it and all its connections. A connection stays open
    until its client closes it, unless ``hang_up`` is set. ``greeting`` is sent first on each
    connection; None hangs up at once. With ``reset``, hanging up is a reset. With ``certificate``
    it speaks TLS.
    """

    def __init__(
        self,
        scripts: Sequence[Script],
        *,
        hang_up: bool = False,
        greeting: bytes | None = b"",
        reset: bool = False,
        certificate: trustme.LeafCert | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self._certificate = certificate
        self._scripts = iter(scripts)
        self._hang_up = hang_up
        self._greeting = greeting
        self._ended = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.01)
        if reset:  # accepted connections inherit this option
            linger = struct.pack("ii", 1, 0)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._threads = [threading.Thread(target=self._accept)]
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with self._listener:
            while not self._ended.is_set():
                with contextlib.suppress(TimeoutError):
                    connection, _ = self._listener.accept()
                    number = len(self._threads) - 1
                    thread = threading.Thread(target=self._serve, args=(connection, number))
                    self._threads.append(thread)
                    thread.start()

    def _serve(self, accepted: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), self._secured(accepted) as connection:
            connection.settimeout(0.01)
            if self._greeting is None:
                return
            connection.sendall(self._greeting)
            while (request := self._read(connection, number)) is not None:
                self.requests.append(request)
                self._follow(next(self._scripts, ()), connection)
                if self._hang_up:
                    return

    def _secured(self, accepted: socket.socket) -> socket.socket:
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._certificate is None:
            return accepted
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._certificate.configure_cert(context)
        with accepted:
            accepted.settimeout(2)
            return context.wrap_socket(accepted, server_side=True)

    def _follow(self, script: Script, connection: socket.socket) -> None:
        for step in script:
            if isinstance(step, bytes):
                connection.sendall(step)
            elif self._ended.wait(step):
                return

    def _read(self, connection: socket.socket, number: int) -> Request | None:
        """Return the next request, or None if there are no more."""
        data = b""
        while not self._ended.is_set():
            head, end, body = data.partition(b"\r\n\r\n")
            if end and len(body) >= _length(head):
                return Request(number, head, body)
            with contextlib.suppress(TimeoutError):
                more = connection.recv(1 << 16)
                if not more:
                    return None
                data += more
        return None


def _length(head: bytes) -> int:
    lines = [line.partition(b":") for line in head.lower().split(b"\r\n")]
    return next((int(value) for name, _, value in lines if name == b"content-length"), 0)
