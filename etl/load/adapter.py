"""What requests sends by: HTTP/1.1 over one kept connection, with answers parsed by llhttp.

It repeats nothing, follows nothing, and ends by the deadline. The connection takes the next request
only while it is idle: extra bytes after an answer must not become the answer to the next row.
"""

from __future__ import annotations

import io
import re
import time
import zlib
from base64 import b64encode
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urlsplit

import httptools
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict

from etl.load.wire import (
    NotConnectedError,
    ProxyRefusedError,
    connect,
    connecting,
    left_until,
    secured,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.wire import Stream

LONGEST_BODY = 1 << 20  # bytes
_LONGEST_HEAD = 1 << 18  # bytes; the most, too, that may come between the chunks of a body
_PORTS = {"http": 80, "https": 443}
_VERSION = b"HTTP/1."
_END_OF_HEAD = re.compile(rb"\n\r?\n")
# White space before a colon, or a line that does not begin with a name (RFC 9110, 5.6.2) and a
# colon. Servers write both, llhttp refuses both, and neither changes what the answer says.
_NAME = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_UNTIDY = re.compile(
    rb"^(?!HTTP/|%b:)(?:(%b)[ \t]+(?=:)|[^\r\n]+\r\n)" % (_NAME, _NAME), re.MULTILINE
)
_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})
_COMPRESSED = frozenset({b"gzip", b"x-gzip", b"deflate"})
_GZIP = b"\x1f\x8b\x08"  # how gzip begins (RFC 1952, 2.3.1), which no JSON does
_WINDOWS = (32 + zlib.MAX_WBITS, -zlib.MAX_WBITS)  # gzip or zlib, else what some take for deflate
# A response without an answer. Making one takes an eighth of a worker's time for a row, mostly for
# a cookie jar that stays empty here, so all share this one.
_BLANK = vars(requests.Response())
_FIRST_FINAL_STATUS = 200  # those below are interim: RFC 9110, 15.2


class BrokenAnswerError(Exception):
    """The answer is cut short or is not HTTP; the request may have been carried out."""


class _IncomingAnswer:
    """An answer as it comes in: ``feed`` it until ``is_complete``.

    ``is_last`` means that its connection can take no other request. Header names are in lower case.
    Of a header that comes twice the first counts, but all of Retry-After, as one list (RFC 9110,
    5.3). The ``on_…`` methods are called by llhttp.
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
        encoding = self.headers.get(b"content-encoding", b"").lower()
        if encoding in _COMPRESSED or raw.startswith(_GZIP):
            return _unpacked(raw)
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
        if self.is_complete:
            self._parser = None  # it refers to this object, and only the cycle collector frees both
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
        name, value = name.lower(), value.strip()
        if name == b"retry-after" and name in self.headers:
            value = self.headers.pop(name) + b", " + value
        self.headers.setdefault(name, value)

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


def _unpacked(packed: bytes) -> bytes:
    """Return what was compressed, cut one byte above the limit.

    What is cut short, or is not compressed at all, is returned as it is: its beginning alone could
    look like a whole answer.
    """
    for window in _WINDOWS:
        unpacker = zlib.decompressobj(window)
        with suppress(zlib.error):
            body = unpacker.decompress(packed, LONGEST_BODY + 1)
            if len(body) > LONGEST_BODY or (unpacker.eof and not unpacker.unused_data):
                return body
    return packed


class DeadlineAdapter(HTTPAdapter):
    """An adapter for one thread, which keeps one connection.

    ``proxy`` is the address of a proxy, if any; ``bundle`` is the file of certificates that vouch
    for everyone who speaks TLS. A session's own settings for these two are ignored.
    """

    def __init__(self, proxy: str | None, bundle: str) -> None:
        super().__init__()
        self._proxy, self._bundle = proxy, bundle
        self._authorization = _authorization(urlsplit(proxy)) if proxy else {}
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
        response = requests.Response.__new__(requests.Response)
        vars(response).update(_BLANK)
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
        stream = self._connected(str(request.url), deadline)
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

    @staticmethod
    def _written(request: requests.PreparedRequest) -> bytes:
        """Return a request in one piece: most fit into one packet."""
        _, _, host, *path = str(request.url).split("/", 3)
        headers, body = {"Host": host, **request.headers}, request.body or b""
        head = _head(str(request.method), "/" + "".join(path), headers)
        return head + (body.encode() if isinstance(body, str) else body)

    def _connected(self, url: str, deadline: float) -> Stream:
        """Return the kept connection if it can take a request to this address, else a new one."""
        origin = url.split("/", 3)[:3]
        if self._stream and (origin != self._origin or not self._stream.is_idle()):
            self.close()
        if self._stream and time.monotonic() < deadline:
            return self._stream
        with connecting():
            if self._stream is None:
                self._origin = origin
                self._stream = self._opened(url, deadline)
            left_until(deadline)
            return self._stream

    def _opened(self, url: str, deadline: float) -> Stream:
        """Return a new connection: straight, or through a proxy's tunnel."""
        target = urlsplit(url)
        if not self._proxy:
            return self._secured(_connect(target, deadline), target, deadline)
        proxy = urlsplit(self._proxy)
        with connecting("proxy: "):
            stream = self._secured(_connect(proxy, deadline), proxy, deadline)
        self._open_tunnel(stream, target, deadline)
        return self._secured(stream, target, deadline)

    def _secured(self, stream: Stream, place: SplitResult, deadline: float) -> Stream:
        """Return a connection to a place, with TLS if its address asks for that."""
        if place.scheme != "https":
            return stream
        return secured(stream, str(place.hostname), self._bundle, deadline)

    def _open_tunnel(self, stream: Stream, target: SplitResult, deadline: float) -> None:
        """Have the proxy at the other end connect this stream to the target: RFC 9110, 9.3.6.

        Raises:
            NotConnectedError: it does not; the stream was closed.
        """
        try:
            with connecting("proxy: "):
                status = self._ask_for_tunnel(stream, target, deadline)
            if status not in range(200, 300):
                refused = status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED
                kind = ProxyRefusedError if refused else NotConnectedError
                raise kind(f"the proxy answered HTTP {status}", insecure=False)
        except NotConnectedError:
            stream.close()
            raise

    def _ask_for_tunnel(self, stream: Stream, target: SplitResult, deadline: float) -> int:
        """Return the status of the proxy's answer."""
        authority = target.netloc if target.port else f"{target.netloc}:{_PORTS[target.scheme]}"
        headers = {"Host": authority, **self._authorization}
        stream.write(_head("CONNECT", authority, headers), deadline)
        answer = _IncomingAnswer()
        try:
            while not answer.status:
                answer.feed(stream.read(deadline))
        except BrokenAnswerError as error:
            raise NotConnectedError(str(error), insecure=False) from None
        return answer.status


def _authorization(proxy: SplitResult) -> dict[str, str]:
    """Return the header with a proxy's user name and password, if its address has them.

    Source: RFC 7617, in UTF-8. The method of requests fails for letters beyond Latin-1.
    """
    if not proxy.username:
        return {}
    both = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(both.encode()).decode()}"}


def _connect(place: SplitResult, deadline: float) -> Stream:
    return connect(str(place.hostname), place.port or _PORTS[place.scheme], deadline)


def _head(method: str, target: str, headers: Mapping[str, str | bytes]) -> bytes:
    lines = "".join([f"{name}: {value!s}\r\n" for name, value in headers.items()])
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
