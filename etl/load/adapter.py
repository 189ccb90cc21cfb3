"""What requests sends by: HTTP/1.1 over one kept connection, with answers parsed by llhttp.

It repeats nothing, follows nothing, and ends by the deadline. The connection takes the next request
only while it is idle: extra bytes after an answer must not become the answer to the next row.
"""

from __future__ import annotations

import io
import re
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, urlsplit

import httptools
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from etl.load.wire import NotConnectedError, connect, connecting, left_until, secured

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.wire import Stream

LONGEST_BODY = 1 << 20  # bytes
_LONGEST_HEAD = 1 << 18  # bytes; the most, too, that may come between the chunks of a body
_PORTS = {"http": 80, "https": 443}
_VERSION = b"HTTP/1."
_END_OF_HEAD = re.compile(rb"\n\r?\n")
# White space before a colon, or a whole line without one. Servers write both, llhttp refuses both,
# and neither changes what the answer says.
_UNTIDY = re.compile(rb"(\r\n[^:\r\n]*?)[ \t]+(?=:)|\r\n[^:\r\n]+(?=\r\n)")
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
_COMPRESSED = frozenset({b"gzip", b"x-gzip", b"deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_FIRST_FINAL_STATUS = 200  # those below are interim: RFC 9110, 15.2


class BrokenAnswerError(Exception):
    """The answer is cut short or is not HTTP; the request may have been carried out."""


class _IncomingAnswer:
    """An answer as it comes in: ``feed`` it until ``is_complete``.

    ``is_last`` means that its connection can take no other request. Header names are in lower case;
    of a header that comes twice, the first counts. The ``on_…`` methods are called by llhttp.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_complete = False
        self.is_last = True
        self._body = bytearray()
        self._unparsed = b""
        self._size = 0
        self._parser: Any = httptools.HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """The body, cut one byte above the limit; unpacked if it is compressed."""
        raw = bytes(self._body[: LONGEST_BODY + 1])
        if self.headers.get(b"content-encoding", b"").lower() in _COMPRESSED:
            with suppress(zlib.error):
                return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(raw, LONGEST_BODY + 1)
        return raw

    def feed(self, data: bytes) -> None:
        """Take in what was read; no data means that the connection was closed.

        Raises:
            BrokenAnswerError: the answer is not HTTP, is cut short, or has no end.
        """
        if not data:  # RFC 9112, 6.3: only an answer without a length ends with its connection
            if not self.status or _LENGTHS & self.headers.keys():
                raise BrokenAnswerError("the answer is cut short")
            self.is_complete = True
        self._size += len(data)
        self._unparsed += data
        try:
            self._parse()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.is_complete:
                raise BrokenAnswerError(str(error)) from None
            self.is_last = True
        if len(self._body) > LONGEST_BODY:
            self.is_complete = self.is_last = True
        elif self._size > _LONGEST_HEAD + (LONGEST_BODY if self.status else 0):
            raise BrokenAnswerError("the answer has no end")

    def _parse(self) -> None:
        """Give llhttp what came: a tidy head once it is complete, then the body as it comes."""
        while not self.status and (end := _END_OF_HEAD.search(self._unparsed)):
            head, self._unparsed = self._unparsed[: end.end()], self._unparsed[end.end() :]
            self._parser.feed_data(_UNTIDY.sub(rb"\1", head))
        if self.status:
            self._parser.feed_data(self._unparsed)
            self._unparsed = b""
        elif not self._unparsed.startswith(_VERSION[: len(self._unparsed)]):
            raise BrokenAnswerError("the answer is not HTTP")

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise BrokenAnswerError("another answer follows")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.setdefault(name.lower(), value.strip())

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            self.status = status
        else:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        if self.status:
            self.is_complete = True
            self.is_last = not self._parser.should_keep_alive()


class DeadlineAdapter(HTTPAdapter):
    """An adapter for one thread, which keeps one connection.

    ``proxy`` is the address of a proxy, if any; ``bundle`` is the file of certificates that vouch
    for everyone who speaks TLS. A session's own settings for these two are ignored.
    """

    def __init__(self, proxy: str | None, bundle: str) -> None:
        super().__init__()
        self._proxy, self._bundle = proxy, bundle
        self._proxy_headers = self.proxy_headers(proxy) if proxy else {}
        self._origin: list[str] = []
        self._stream: Stream | None = None

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Make no pool: the only connection is kept here."""

    def send(
        self, request: requests.PreparedRequest, *_: Any, timeout: Any = None, **__: Any
    ) -> requests.Response:
        """Send a request and return its answer, both within ``timeout`` seconds.

        Raises:
            NotConnectedError: there was no connection; nothing was sent.
            BrokenAnswerError, OSError: no complete answer came in time.
        """
        answer = self._exchange(request, time.monotonic() + timeout)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(
            {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in answer.headers.items()
            }
        )
        response.url = str(request.url)
        response.request = request
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Close the connection."""
        if self._stream:
            self._stream.close()
        self._stream = None

    def _exchange(self, request: requests.PreparedRequest, deadline: float) -> _IncomingAnswer:
        with connecting():
            stream = self._connected(str(request.url), deadline)
            left_until(deadline)
        answer = _IncomingAnswer()
        try:
            # A server may answer and hang up before it has taken the whole request.
            with suppress(BrokenPipeError):
                stream.write(self._written(request), deadline)
            while not answer.is_complete:
                answer.feed(stream.read(deadline))
        finally:
            if answer.is_last or not answer.is_complete:
                self.close()
        return answer

    def _written(self, request: requests.PreparedRequest) -> bytes:
        """Return a request in one piece: most fit into one packet."""
        url, body = str(request.url), request.body or b""
        scheme, _, host, *path = url.split("/", 3)
        target, headers = "/" + "".join(path), {"Host": host, **request.headers}
        if self._proxy and scheme == "http:":  # without a tunnel: RFC 9112, 3.2.2
            target, headers = url, {**headers, **self._proxy_headers}
        head = _head(str(request.method), target, headers)
        return head + (body.encode() if isinstance(body, str) else body)

    def _connected(self, url: str, deadline: float) -> Stream:
        """Return the kept connection if it can take a request to this address, else a new one."""
        origin = url.split("/", 3)[:3]
        if self._stream and (origin != self._origin or not self._stream.is_idle()):
            self.close()
        if self._stream is None:
            self._origin = origin
            self._stream = self._opened(url, deadline)
        return self._stream

    def _opened(self, url: str, deadline: float) -> Stream:
        """Return a new connection: straight, or through a proxy, which may itself speak TLS."""
        target, first = urlsplit(url), urlsplit(self._proxy or url)
        with connecting("proxy: " if self._proxy else ""):
            stream = connect(str(first.hostname), first.port or _PORTS[first.scheme], deadline)
        try:
            if self._proxy and first.scheme == "https":
                stream = secured(stream, str(first.hostname), self._bundle, deadline)
            if self._proxy and target.scheme == "https":
                self._open_tunnel(stream, target, deadline)
            if target.scheme == "https":
                stream = secured(stream, str(target.hostname), self._bundle, deadline)
        except BaseException:
            stream.close()
            raise
        return stream

    def _open_tunnel(self, stream: Stream, target: SplitResult, deadline: float) -> None:
        """Ask a proxy for a tunnel: RFC 9110, 9.3.6."""
        authority = target.netloc if target.port else f"{target.netloc}:{_PORTS[target.scheme]}"
        head = _head("CONNECT", authority, {"Host": authority, **self._proxy_headers})
        stream.write(head, deadline)
        answer = _IncomingAnswer()
        while not answer.status:
            answer.feed(stream.read(deadline))
        if answer.status not in range(200, 300):
            raise NotConnectedError(f"the proxy answered HTTP {answer.status}", insecure=False)


def _head(method: str, target: str, headers: Mapping[str, str | bytes]) -> bytes:
    lines = "".join([f"{name}: {value!s}\r\n" for name, value in headers.items()])
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
