"""What requests sends by: HTTP/1.1 over one kept connection, its answers parsed by llhttp.

It repeats and follows nothing, and no request outlives its deadline. A connection takes one request
after another as long as each answer leaves it idle: what comes after an answer is nobody's, and
must not become the next row's.
"""

from __future__ import annotations

import io
import re
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import finalize

import httptools
import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from etl.load.wire import NotConnectedError, left_until, open_stream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from etl.load.wire import Stream

LONGEST_BODY = 1 << 20  # bytes
_LONGEST_HEAD = 1 << 18  # bytes, with what separates the chunks of a body
_FIRST_FINAL_STATUS = 200  # those below are interim: RFC 9110, 15.2
_END_OF_HEAD = b"\r\n\r\n"
_BEFORE_COLON = re.compile(rb"[ \t]+:")
_COMPRESSED = frozenset({b"gzip", b"x-gzip", b"deflate"})
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_REFUSALS = (httptools.HttpParserError, httptools.HttpParserUpgrade)


class BrokenAnswerError(Exception):
    """The answer is cut short or is not HTTP; the request may have been carried out."""


class IncomingAnswer:
    """An answer as it comes in: ``feed`` it until ``is_complete``.

    ``is_last`` tells that its connection can take no other request. Header names are in lower case;
    of a header that comes twice, the first counts.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_complete = False
        self.is_last = True
        self._body = bytearray()
        self._size = 0
        self._head = b""  # all that came until the head was complete
        self._is_tidied = False
        self._parser: Any = httptools.HttpResponseParser(self)

    @property
    def body(self) -> bytes:
        """The body, at most a byte more than is of use; unpacked if it came compressed unasked."""
        raw = bytes(self._body[: LONGEST_BODY + 1])
        if self.headers.get(b"content-encoding", b"").lower() in _COMPRESSED:
            with suppress(zlib.error):
                return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(raw, LONGEST_BODY + 1)
        return raw

    def feed(self, data: bytes) -> None:
        """Take in what came; nothing means that the other side has hung up.

        Raises:
            BrokenAnswerError: it is not HTTP, is cut short, or has a head without end.
        """
        if not data:
            self._end()
            return
        self._size += len(data)
        if not self.status:
            self._head += data
        try:
            self._parser.feed_data(data)
        except _REFUSALS as error:
            self._read_untidy_head(error)
        if len(self._body) > LONGEST_BODY:
            self.is_complete = True
        elif len(self._head) > _LONGEST_HEAD or self._size > LONGEST_BODY + _LONGEST_HEAD:
            raise BrokenAnswerError("the answer has no end")

    def _end(self) -> None:
        """RFC 9112, 6.3: only an answer that gives no length ends with its connection."""
        if not self.status or {b"content-length", b"transfer-encoding"} & self.headers.keys():
            raise BrokenAnswerError("the answer is cut short")
        self.is_complete = True

    def _read_untidy_head(self, error: Exception) -> None:
        """Read a head that llhttp refuses for a space before a colon, or a line without one.

        Servers write both, and neither changes what the answer says. After a complete answer, what
        llhttp refuses is nobody's and only ends the use of the connection.
        """
        if self.is_complete:
            self.is_last = True
            return
        head, end, rest = self._head.partition(_END_OF_HEAD)
        if self.status or self._is_tidied or not head.startswith(b"HTTP/1."):
            raise BrokenAnswerError(str(error)) from None
        if not end:
            return  # llhttp refuses each further piece, until the head is complete
        first, *lines = head.split(b"\r\n")
        tidy = [_BEFORE_COLON.sub(b":", line, count=1) for line in lines if b":" in line]
        self.headers.clear()
        self._parser = httptools.HttpResponseParser(self)
        self._is_tidied = True
        self.feed(b"\r\n".join([first, *tidy]) + end + rest)

    def on_message_begin(self) -> None:
        """See llhttp. A message after the answer is nobody's."""
        self.is_last |= self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """See llhttp."""
        if not self.is_complete:
            self.headers.setdefault(name.lower(), value.strip())

    def on_headers_complete(self) -> None:
        """See llhttp. An interim answer is passed over."""
        if self.is_complete:
            return
        status = self._parser.get_status_code()
        if status >= _FIRST_FINAL_STATUS:
            self.status = status
        else:
            self.headers.clear()

    def on_body(self, body: bytes) -> None:
        """See llhttp."""
        if not self.is_complete:
            self._body += body

    def on_message_complete(self) -> None:
        """See llhttp."""
        if self.status and not self.is_complete:
            self.is_complete = True
            self.is_last = not self._parser.should_keep_alive()


class DeadlineAdapter(HTTPAdapter):
    """An adapter for one thread, which keeps one connection."""

    def __init__(self) -> None:
        super().__init__()
        self._route: tuple[object, ...] = ()
        self._stream: Stream | None = None

    def init_poolmanager(self, *_: Any, **__: Any) -> None:
        """Make no pool: the one connection is kept here."""

    def send(  # noqa: PLR0913, PLR0917 - as requests calls it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002, FBT001, FBT002 - the same
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002 - the same
        cert: Any = None,  # noqa: ARG002 - the same
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send a request and return its answer, both within ``timeout`` seconds.

        Raises:
            NotConnectedError: there was no connection; nothing was sent.
            BrokenAnswerError, OSError: the answer did not come, or not whole and in time.
        """
        deadline = time.monotonic() + timeout
        bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
        answer = self._exchange(request, bundle, (proxies or {}).get("https"), deadline)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in answer.headers.items()
        )
        response.url = str(request.url)
        response.request = request
        response.raw = io.BytesIO(answer.body)
        return response

    def close(self) -> None:
        """Close the connection."""
        if self._stream:
            self._close_stream()
        self._stream = None

    def _exchange(
        self, request: requests.PreparedRequest, bundle: str, proxy: str | None, deadline: float
    ) -> IncomingAnswer:
        proxy_headers = self.proxy_headers(proxy) if proxy else {}
        stream = self._connected(str(request.url), bundle, proxy, proxy_headers, deadline)
        written = _written(request, proxy_headers, is_for_proxy=proxy is not None)
        answer = IncomingAnswer()
        try:
            # A server may answer and hang up before it has taken the whole request.
            with suppress(BrokenPipeError):
                stream.write(written, deadline)
            while not answer.is_complete:
                answer.feed(stream.read(deadline))
        finally:
            if answer.is_last or not answer.is_complete:
                self.close()
        return answer

    def _connected(
        self,
        url: str,
        bundle: str,
        proxy: str | None,
        proxy_headers: Mapping[str, str],
        deadline: float,
    ) -> Stream:
        """Return the kept connection if it is fit for the request, else a new one."""
        route = (*url.split("/", 3)[:3], bundle, proxy)
        if self._stream and (route != self._route or not self._stream.is_idle()):
            self.close()
        if self._stream is None:
            self._route = route
            self._stream = open_stream(url, bundle, proxy, proxy_headers, deadline)
            self._close_stream = finalize(self, self._stream.close)
        try:
            left_until(deadline)
        except TimeoutError:
            raise NotConnectedError("timed out", insecure=False) from None
        return self._stream


def _written(
    request: requests.PreparedRequest, proxy_headers: Mapping[str, str], *, is_for_proxy: bool
) -> bytes:
    """Return a request in one piece; most fit into one packet.

    A proxy gets the whole address as its target (RFC 9112, 3.2.2), but not through a tunnel.
    """
    url, body = str(request.url), request.body or b""
    scheme, _, host, *path = url.split("/", 3)
    headers = {"Host": host, **request.headers}
    target = "/" + "".join(path)
    if is_for_proxy and scheme == "http:":
        target, headers = url, {**headers, **proxy_headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"{request.method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
    return head + (body.encode() if isinstance(body, str) else body)
