"""The transport, over real sockets: an attempt has one deadline and ignores the environment."""

from __future__ import annotations

import base64
import contextlib
import gzip
import itertools
import re
import socket
import ssl
import threading
import time
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import pytest
import requests
import trustme

from etl import __version__
from etl.codes import Code
from etl.load.judge import Verdict, judge
from etl.load.transport import Answer, Transport
from etl.load.wire import NotConnectedError
from etl.rows import PendingRow, Status
from scripted import SUCCESS, ScriptedServer, dripping, reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = "api.fatora.io"
ROW = PendingRow(2, 1024, {"email": "sara@example.com"})
MEBIBYTE = 1 << 20


def send(
    url: str,
    *,
    timeout: float = 5,
    proxy: str | None = None,
    body: bytes = b"{}",
    ca_bundle: Path | None = None,
) -> Answer | Exception:
    """The reply to one request over a new connection."""
    attempt = Transport(timeout, proxy, ca_bundle).attempt()
    try:
        return attempt.send("PUT", f"{url}/clients/1024", {}, body)
    except Exception as error:  # noqa: BLE001 - it is what the tests look at
        return error


def answered(*script: bytes | float, hang_up: bool = True, timeout: float = 5) -> Verdict:
    """The verdict on a row whose request is answered by this script."""
    with ScriptedServer([script], hang_up=hang_up) as server:
        return judge(send(server.url, timeout=timeout), ROW, HOST)


@contextlib.contextmanager
def full_listener() -> Iterator[int]:
    """A port where connections are neither accepted nor refused."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


# One deadline for the whole attempt


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        (b"", b""),
        (b"", reply()),
        (reply(SUCCESS + b" " * 40)[:-40], b" "),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (b"HTTP/1.1 200 OK\r\n\r\n", SUCCESS),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
    ],
    ids=["silence", "headers", "body", "chunks", "no length", "100 Continue", "102 Processing"],
)
def test_an_answer_that_drips_ends_with_the_timeout(head: bytes, drip: bytes) -> None:
    """An answer that is not complete in time is a timeout, however it drips."""
    started = time.monotonic()
    verdict = answered(head, *dripping(drip * 40, 0.02), hang_up=False, timeout=0.4)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.NETWORK_TIMEOUT)
    assert 0.3 < time.monotonic() - started < 2


def test_a_dripping_answer_that_ends_in_time_is_an_answer() -> None:
    """A dripping answer that is complete in time is an answer."""
    assert answered(*dripping(reply(), 0.001)).status is Status.SUCCESS


def test_each_attempt_has_a_deadline_of_its_own() -> None:
    """On a connection that is used again, time spent on earlier answers does not count."""
    slow: list[bytes | float] = [0.2, reply()]
    with ScriptedServer([slow, slow, slow]) as server:
        transport = Transport(0.5, None, None)
        answers = [transport.attempt().send("PUT", server.url, {}, b"{}") for _ in range(3)]
    assert [answer.body for answer in answers] == [SUCCESS] * 3
    assert {request.connection for request in server.requests} == {0}


def test_a_request_that_is_not_taken_ends_with_the_timeout() -> None:
    """A request that the server does not read ends with the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        started = time.monotonic()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        verdict = judge(send(url, timeout=0.4, body=b"x" * 16 * MEBIBYTE), ROW, HOST)
    assert verdict.status is Status.UNKNOWN
    assert time.monotonic() - started < 2


def test_all_addresses_of_a_host_share_the_timeout() -> None:
    """Connecting to several addresses that do not answer takes one timeout, not one for each."""
    with full_listener() as port, pytest.MonkeyPatch.context() as patch:
        address = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: [address] * 8)
        started = time.monotonic()
        error = send(f"http://localhost:{port}", timeout=0.4)
    assert isinstance(error, NotConnectedError)
    assert 0.3 < time.monotonic() - started < 2


def test_an_address_that_does_not_answer_leaves_time_for_the_next() -> None:
    """If one address of a host does not answer, the next one gets the request."""
    with full_listener() as port, ScriptedServer([[reply()]]) as server:
        dead, live = (
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", each))
            for each in (port, server.port)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "getaddrinfo", lambda *_, **__: [dead, live])
            answer = send(f"http://localhost:{port}", timeout=1)
    assert isinstance(answer, Answer)


def test_an_address_of_a_family_that_this_machine_lacks_leaves_the_next() -> None:
    """If a machine has no IPv6, the IPv4 address of the same host gets the request."""
    with ScriptedServer([[reply()]]) as server, pytest.MonkeyPatch.context() as patch:
        lacking = (12_345, socket.SOCK_STREAM, 0, "", ("::1", server.port, 0, 0))
        live = (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", server.port))
        patch.setattr(socket, "getaddrinfo", lambda *_, **__: [lacking, live])
        assert isinstance(send(f"http://localhost:{server.port}"), Answer)


# Answers that are not whole, or strange


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Ty",
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n",
        reply()[:-1],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"HTTP/1.1 abc\r\n\r\n",
        b"220 mail.example.com ESMTP\r\n",
    ],
    ids=["nothing", "header", "last header", "body", "chunk", "lengths", "status", "no HTTP"],
)
def test_an_answer_that_is_cut_or_garbled_is_an_interruption(data: bytes) -> None:
    """The row was sent, and its result is unknown; another attempt may help."""
    verdict = answered(data)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.NETWORK_INTERRUPTED)
    assert verdict.again


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    """An answer without a length ends with its connection (RFC 9112, 6.3)."""
    assert answered(b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS).status is Status.SUCCESS
    assert answered(b"HTTP/1.1 200 OK\r\n\r\n" + SUCCESS[:-1]).code is Code.API_UNREADABLE


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_answer_is_skipped(interim: bytes) -> None:
    """An interim answer is skipped, and the answer after it counts (RFC 9110, 15.2)."""
    head = b"HTTP/1.1 " + interim + b"\r\nLink: </a>\r\n\r\n"
    assert answered(head, 0.05, reply()).status is Status.SUCCESS


@pytest.mark.parametrize(
    ("size", "too_long"), [(MEBIBYTE - 1, False), (MEBIBYTE, False), (MEBIBYTE + 1, True)]
)
def test_at_most_one_mebibyte_of_an_answer_is_read(size: int, too_long: bool) -> None:  # noqa: FBT001
    """An answer of more than 1 MiB is cut and marked as too long."""
    with ScriptedServer([[reply(b"x" * size)]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (len(answer.body), answer.too_long) == (min(size, MEBIBYTE), too_long)


def test_an_endless_answer_is_cut() -> None:
    """An answer without an end costs neither memory nor the whole timeout."""
    endless = itertools.chain(
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
        itertools.repeat(b"10000\r\n" + b"x" * 0x10000 + b"\r\n", 400),
    )
    verdict = answered(*endless, timeout=10)
    assert verdict.error.endswith("(HTTP 200 with more than 1 MiB).")


def test_a_chunk_of_less_than_nothing_is_cut() -> None:
    """A chunk with a negative length is an incomplete answer."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
    with ScriptedServer([itertools.chain([head], itertools.repeat(b"x" * 0x10000))]) as server:
        verdict = judge(send(server.url, timeout=1), ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.NETWORK_INTERRUPTED)


def raw_deflated(data: bytes) -> bytes:
    """Return what some servers call deflate: without the two bytes of zlib before it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "no header": (gzip.compress(SUCCESS), b"X-A: b"),
    "raw deflate": (raw_deflated(SUCCESS), b"Content-Encoding: deflate"),
}


@pytest.mark.parametrize(("packed", "header"), PACKED.values(), ids=PACKED)
def test_what_a_proxy_compressed_carelessly_is_unpacked_too(packed: bytes, header: bytes) -> None:
    """A compressed SUCCESS is one even if its header is missing, or does not name its format."""
    assert answered(reply(packed, header)).status is Status.SUCCESS


@pytest.mark.parametrize(
    "packed",
    [gzip.compress(SUCCESS)[:-4], gzip.compress(SUCCESS) + b"rest"],
    ids=["cut", "followed by something"],
)
def test_a_part_of_a_compressed_answer_confirms_nothing(packed: bytes) -> None:
    """A compressed answer that is not whole confirms nothing, even if its beginning is JSON."""
    verdict = answered(reply(packed, b"Content-Encoding: gzip"))
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_UNREADABLE)
    assert verdict.halt is None


@pytest.mark.parametrize("how", [b"gzip", b"GZIP", b"x-gzip", b"deflate"])
def test_a_compressed_answer_is_not_asked_for_but_unpacked(how: bytes) -> None:
    """An answer that a proxy compressed, although identity was asked for, is unpacked."""
    packed = zlib.compress(SUCCESS) if how == b"deflate" else gzip.compress(SUCCESS)
    with ScriptedServer([[reply(packed, b"Content-Encoding: " + how)]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (answer.body, answer.too_long) == (SUCCESS, False)
    assert b"Accept-Encoding: identity" in server.requests[0].head


def test_a_small_bomb_does_not_become_a_large_body() -> None:
    """A compressed answer is unpacked no further than to the limit of 1 MiB."""
    bomb = gzip.compress(b" " * 50 * MEBIBYTE)
    with ScriptedServer([[reply(bomb, b"Content-Encoding: gzip")]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (len(answer.body), answer.too_long) == (MEBIBYTE, True)


def test_what_only_claims_to_be_compressed_is_taken_as_it_is() -> None:
    """A body that cannot be unpacked is returned as it came."""
    with ScriptedServer([[reply(b"\x1f\x8b no gzip", b"Content-Encoding: gzip")]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert answer.body == b"\x1f\x8b no gzip"


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length : %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServer\t: x\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nserved by backend 7\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: b\r\n c: d\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: x\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServed by: x\r\nX(1): y\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * 120 + b"Content-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Name: \xd8\xb3\r\nContent-Length: %d\r\n\r\n",
        b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n",
    ],
    ids=[
        *("space", "tab", "no colon", "folded", "no name", "names", "cookies", "70 kB", "UTF-8"),
        "no reason",
    ],
)
@pytest.mark.parametrize("cut", [0, 20])
def test_an_untidy_head_does_not_hide_a_whole_answer(head: bytes, cut: int) -> None:
    """A complete answer with an untidy head is read, and so is the next one on its connection."""
    data = head % len(SUCCESS) + SUCCESS
    first: list[bytes | float] = [data[:cut], 0.05, data[cut:]] if cut else [data]
    with ScriptedServer([first, [reply(b"{}")]]) as server:
        transport = Transport(5, None, None)
        bodies = [transport.attempt().send("PUT", server.url, {}, b"{}").body for _ in range(2)]
    assert bodies == [SUCCESS, b"{}"]
    assert {request.connection for request in server.requests} == {0}


@pytest.mark.parametrize(
    "data",
    [
        b"220 mail.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: \x00\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\nContent-Length: 2\n\n{}",
    ],
    ids=["no HTTP", "two lengths", "chunk", "upgrade", "NUL", "line feeds"],
)
def test_what_is_not_http_is_not_waited_for(data: bytes) -> None:
    """An answer that is not HTTP makes the row UNKNOWN at once, before the timeout."""
    started = time.monotonic()
    verdict = answered(data, hang_up=False, timeout=20)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.NETWORK_INTERRUPTED)
    assert time.monotonic() - started < 10


def test_a_head_without_end_is_cut() -> None:
    """A head without an end takes neither memory nor the whole timeout."""
    endless = itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: b\r\n" * 1_000))
    verdict = answered(*itertools.islice(endless, 400), hang_up=False, timeout=20)
    assert verdict.code is Code.NETWORK_INTERRUPTED


def test_a_kept_connection_that_the_server_closed_while_idle_is_replaced() -> None:
    """After the server closed an idle connection, the request is sent once, over a new one."""
    with ScriptedServer([[reply()], [reply(b"{}")]], hang_up=True) as server:
        transport = Transport(5, None, None)
        transport.attempt().send("PUT", server.url, {}, b"{}")
        time.sleep(0.2)
        assert transport.attempt().send("PUT", server.url, {}, b"{}").body == b"{}"
    assert [request.connection for request in server.requests] == [0, 1]


def test_a_request_that_the_network_takes_in_parts_arrives_whole() -> None:
    """A request arrives whole if the socket takes only a part of it at a time."""
    body = bytes(range(256)) * 40_000
    with ScriptedServer([[reply()]]) as server:
        assert isinstance(send(server.url, body=body, timeout=20), Answer)
    assert server.requests[0].body == body


@pytest.mark.parametrize("status", [b"301 M", b"302 F", b"303 S", b"307 T", b"308 P"])
def test_a_redirect_is_not_followed(status: bytes) -> None:
    """A redirect is an answer, and is not followed."""
    with ScriptedServer([[]]) as other:
        there = b"Location: " + other.url.encode()
        with ScriptedServer([[reply(b"", there, status=status)]]) as server:
            answer = send(server.url)
    assert isinstance(answer, Answer)
    assert answer.http_status == int(status[:3])
    assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.parametrize("there", [b"http://[", b"//[::1", b"http://a]b/", b"\xff", b"/elsewhere"])
def test_where_a_redirect_points_is_not_looked_at(there: bytes) -> None:
    """The target of a redirect need not be a valid address."""
    moved = reply(b"moved", b"Location: " + there, status=b"302 Found")
    with ScriptedServer([[moved]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (answer.http_status, answer.body) == (302, b"moved")


def test_an_answer_keeps_where_a_redirect_points() -> None:
    """An answer keeps the target of a redirect, for the stop reason."""
    there = "https://login.example/sign-in"
    for header in (b"Location: ", b"location:"):
        script = [reply(b"", header + there.encode(), status=b"302 Found")]
        with ScriptedServer([script]) as server:
            answer = send(server.url)
        assert isinstance(answer, Answer)
        assert answer.location == there


@pytest.mark.parametrize("status", [b"429 Slow", b"503 Later"])
def test_an_answer_with_retry_after_is_not_repeated(status: bytes) -> None:
    """The transport never repeats a request; only the loader does."""
    with ScriptedServer([[reply(b"{}", b"Retry-After: 1", status=status)]]) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (answer.http_status, answer.retry_after) == (int(status[:3]), 1)
    assert len(server.requests) == 1


AT_NINE = b"Sat, 28 Nov 2026 09:00:%02d GMT"


@pytest.mark.parametrize(
    "asked",
    [
        [b"Retry-After: 5", b"Retry-After: 40"],
        [b"Retry-After: 40", b"Retry-After: 5"],
        [b"Retry-After: 40, 5"],
        [b"Retry-After: 5", b"Retry-After: " + AT_NINE % 40],
        [b"Retry-After: " + AT_NINE % 40, b"Retry-After: soon"],
    ],
    ids=["shorter first", "longer first", "one line", "a date", "a word"],
)
def test_of_two_waits_the_longer_counts(asked: list[bytes]) -> None:
    """If a proxy and the API both ask to wait, the longer wait counts."""
    with ScriptedServer(
        [[reply(b"{}", b"Date: " + AT_NINE % 0, *asked, status=b"503 Busy")]]
    ) as server:
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert answer.retry_after == 40


# Connections


def test_a_connection_is_used_again() -> None:
    """A connection is used for several requests."""
    with ScriptedServer([[reply()]] * 3) as server:
        transport = Transport(5, None, None)
        for _ in range(3):
            transport.attempt().send("PUT", server.url, {}, b"{}")
    assert [request.connection for request in server.requests] == [0, 0, 0]


@pytest.mark.parametrize("first", [reply(b"x" * 2 * MEBIBYTE), reply()[:-1]], ids=["long", "cut"])
def test_a_connection_whose_answer_was_left_is_not_used_again(first: bytes) -> None:
    """A connection with an unread answer is not used again."""
    with ScriptedServer([[first], [reply()]]) as server:
        transport = Transport(0.4, None, None)
        with contextlib.suppress(OSError):
            transport.attempt().send("PUT", server.url, {}, b"{}")
        assert transport.attempt().send("PUT", server.url, {}, b"{}").body == SUCCESS
    assert [request.connection for request in server.requests] == [0, 1]


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "first",
    [
        reply(SUCCESS, b"Connection: keep-alive"),
        reply(SUCCESS, b"Set-Cookie: a=1", b"Set-Cookie: b=2"),
        CHUNKED % (len(SUCCESS), SUCCESS),
        reply(SUCCESS, status=b"201 Created"),
    ],
    ids=["keep-alive", "a header twice", "chunks", "201"],
)
def test_a_connection_is_used_again_after_any_whole_answer(first: bytes) -> None:
    """A connection is used again after any complete answer."""
    with ScriptedServer([[first], [reply(b"{}")]]) as server:
        transport = Transport(5, None, None)
        bodies = [transport.attempt().send("PUT", server.url, {}, b"{}").body for _ in range(2)]
    assert bodies == [SUCCESS, b"{}"]
    assert [request.connection for request in server.requests] == [0, 0]


@pytest.mark.parametrize(
    "first",
    [
        reply() + reply(b"stray"),
        CHUNKED % (len(SUCCESS), SUCCESS) + reply(b"stray"),
        reply(SUCCESS, b"Connection: close"),
        reply(SUCCESS, b"Connection: Close"),
        reply().replace(b"1.1", b"1.0"),
    ],
    ids=["stray", "stray after chunks", "close", "close in capitals", "HTTP/1.0"],
)
def test_a_connection_whose_answer_was_the_last_is_not_used_again(first: bytes) -> None:
    """A connection is not used again after extra bytes, or if the server closes it."""
    with ScriptedServer([[first], [reply(b"{}")]]) as server:
        transport = Transport(5, None, None)
        bodies = [transport.attempt().send("PUT", server.url, {}, b"{}").body for _ in range(2)]
    assert bodies == [SUCCESS, b"{}"]
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("cut", [1, 20, len(reply()) - 5])
def test_an_answer_in_pieces_is_whole(cut: int) -> None:
    """An answer may arrive in any pieces."""
    with ScriptedServer([[reply()[:cut], 0.05, reply()[cut:]], [reply(b"{}")]]) as server:
        transport = Transport(5, None, None)
        bodies = [transport.attempt().send("PUT", server.url, {}, b"{}").body for _ in range(2)]
    assert bodies == [SUCCESS, b"{}"]
    assert {request.connection for request in server.requests} == {0}


def test_a_stray_answer_in_a_record_of_tls_is_not_the_next_rows(
    authority: trustme.CA, bundle: Path
) -> None:
    """A stray answer in the same TLS record is not taken for the next row's."""
    head = b"HTTP/1.1 200 OK\r\nConnection: Keep-alive\r\nContent-Length: 8192\r\n\r\n"
    first = [head, SUCCESS.ljust(8192) + reply(b"stray")]
    certificate = authority.issue_cert("127.0.0.1")
    with ScriptedServer([first, [reply(b"{}")]], certificate=certificate) as server:
        transport = Transport(5, None, bundle)
        bodies = [transport.attempt().send("PUT", server.url, {}, b"{}").body for _ in range(2)]
    assert [body.rstrip() for body in bodies] == [SUCCESS, b"{}"]
    assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
def test_without_time_left_nothing_is_sent(used: bool) -> None:  # noqa: FBT001
    """Without time left, nothing is sent."""
    with ScriptedServer([[reply()]]) as server:
        transport = Transport(0.2, None, None)
        if used:
            transport.attempt().send("PUT", server.url, {}, b"{}")
        attempt = transport.attempt()
        time.sleep(0.25)
        with pytest.raises(NotConnectedError):
            attempt.send("PUT", server.url, {}, b"{}")
    assert len(server.requests) == used


def test_a_request_is_not_mixed_with_the_one_before() -> None:
    """A reused request has its own id, body, length and token."""
    sent = [("7", b"{}", "a"), ("8", b"{  }", "a"), ("9", b"{ }", "b")]
    with ScriptedServer([[reply()]] * 3) as server:
        transport = Transport(5, None, None)
        for number, body, token in sent:
            url = f"{server.url}/v1/clients/{number}"
            transport.attempt().send("PUT", url, {"Authorization": token}, body)
    for (number, body, token), request in zip(sent, server.requests, strict=True):
        assert request.body == body
        assert request.head.startswith(f"PUT /v1/clients/{number} HTTP/1.1\r\n".encode())
        assert f"\r\nAuthorization: {token}\r\n".encode() in request.head


def test_a_refused_connection_is_named() -> None:
    """A refused connection is named, and is not a TLS failure."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = send(f"http://127.0.0.1:{port}")
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == ("connection refused", False)


def test_a_connection_that_is_not_accepted_ends_with_the_timeout() -> None:
    """A connection that is not accepted ends with the timeout, and nothing was sent."""
    started = time.monotonic()
    with full_listener() as port:
        error = send(f"http://127.0.0.1:{port}", timeout=0.4)
    assert isinstance(error, NotConnectedError)
    assert str(error) == "timed out"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (reply(status=b"400 Bad Request"), "TLS: the port speaks plain HTTP"),
        (b"220 mail.example.com ESMTP\r\n", "TLS: the port speaks no TLS"),
        # A fatal alert: protocol_version (RFC 8446, 6.2)
        (b"\x15\x03\x03\x00\x02\x02\x46", "TLS: tlsv1 alert protocol version"),
    ],
    ids=["HTTP", "SMTP", "alert"],
)
def test_a_server_without_tls_is_not_trusted(greeting: bytes, reason: str) -> None:
    """A port that speaks something else is named as such, and nothing was sent."""
    with ScriptedServer([], greeting=greeting) as server:
        error = send(f"https://127.0.0.1:{server.port}")
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == (reason, True)


def test_a_handshake_that_is_cut_is_not_a_lack_of_trust() -> None:
    """A TLS handshake that is cut is a network failure, not a lack of trust."""
    with ScriptedServer([], greeting=None) as server:
        error = send(f"https://127.0.0.1:{server.port}")
    assert isinstance(error, NotConnectedError)
    assert str(error) in {"TLS: the connection was closed", "TLS: connection reset by peer"}
    assert not error.insecure


def test_a_handshake_that_hangs_ends_with_the_timeout() -> None:
    """A hanging TLS handshake ends with the timeout, and nothing was sent."""
    started = time.monotonic()
    with ScriptedServer([]) as server:
        error = send(f"https://127.0.0.1:{server.port}", timeout=0.4)
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == ("TLS: timed out", False)
    assert time.monotonic() - started < 2


def test_looking_a_host_up_ends_with_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging name lookup ends with the timeout."""
    hangs = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hangs.wait(5))
    started = time.monotonic()
    error = send("http://api.example.com", timeout=0.3)
    hangs.set()
    assert isinstance(error, NotConnectedError)
    assert str(error) == "host name could not be looked up"
    assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (socket.EAI_NONAME, "host name not found"),
        (socket.EAI_AGAIN, "host name could not be looked up"),
    ],
)
def test_a_host_that_is_not_found_means_that_nothing_was_sent(
    number: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host without an address is not confused with a name server that does not answer."""

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(number, "as the system words it")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = send("http://api.example.com")
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == (reason, False)


@pytest.mark.parametrize("host", ["a" * 64 + ".example.com", "\u0600.example.com"])
def test_a_host_whose_name_cannot_be_one_is_not_waited_for(host: str) -> None:
    """A host name that cannot exist fails at once."""
    started = time.monotonic()
    assert isinstance(send(f"http://{host}"), NotConnectedError | requests.RequestException)
    assert time.monotonic() - started < 2


def test_an_address_of_version_6_is_looked_up_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """An IPv6 address is looked up without its brackets."""
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> NoReturn:
        asked.append(host)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    assert isinstance(send("http://[::1]:8042/v1"), NotConnectedError)
    assert asked == ["::1"]


# Whom the API is taken for


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority that is trusted only where the settings name it."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file of certificates that trusts it."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


def test_an_authority_of_the_settings_is_trusted(authority: trustme.CA, bundle: Path) -> None:
    """A server whose authority is in the CA bundle of the settings is trusted."""
    certificate = authority.issue_cert("127.0.0.1")
    with ScriptedServer([[reply()]], certificate=certificate) as server:
        verdict = judge(send(server.url, ca_bundle=bundle), ROW, HOST)
    assert verdict.status is Status.SUCCESS


def test_an_authority_that_nobody_named_is_not_trusted(authority: trustme.CA) -> None:
    """An unknown authority is not trusted: the token is not sent, and the run stops."""
    certificate = authority.issue_cert("127.0.0.1")
    with ScriptedServer([[reply()]], certificate=certificate) as server:
        verdict = judge(send(server.url), ROW, HOST)
    assert server.requests == []
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.NETWORK_UNREACHABLE)
    assert verdict.halt is not None


PAST, FUTURE = (datetime(2019, 1, 1, tzinfo=UTC), datetime(2900, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("host", "valid", "reason"),
    [
        (
            "portal.example.com",
            (PAST, FUTURE),
            "the certificate is for “portal.example.com”, not for 127.0.0.1",
        ),
        (
            "127.0.0.1",
            (PAST, datetime(2020, 1, 2, tzinfo=UTC)),
            "the certificate expired on 02 Jan 2020",
        ),
        (
            "127.0.0.1",
            (FUTURE, datetime(2901, 1, 1, tzinfo=UTC)),
            "the certificate is not valid yet: check this machine's clock",
        ),
    ],
    ids=["another host", "expired", "not yet valid"],
)
def test_a_certificate_that_does_not_fit_is_not_trusted(
    host: str,
    valid: tuple[datetime, datetime],
    reason: str,
    authority: trustme.CA,
    bundle: Path,
) -> None:
    """A certificate of another host or time is not trusted, and the reason says what is wrong."""
    since, until = valid
    certificate = authority.issue_cert(host, not_before=since, not_after=until)
    with ScriptedServer([[reply()]], certificate=certificate) as server:
        error = send(server.url, ca_bundle=bundle)
    assert server.requests == []
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == (f"TLS: {reason}", True)


def test_an_unknown_authority_is_named(bundle: Path) -> None:
    """The authority of an untrusted certificate is named, since it may be that of a proxy."""
    inspecting = trustme.CA(organization_name="Invented Inspection")
    certificate = inspecting.issue_cert("127.0.0.1")
    with ScriptedServer([[reply()]], certificate=certificate) as server:
        error = send(server.url, ca_bundle=bundle)
    assert isinstance(error, NotConnectedError)
    assert error.insecure
    assert str(error).startswith(
        "TLS: the certificate is signed by an unknown authority, “Invented Inspection, "
    )


def test_a_self_signed_certificate_is_called_that(bundle: Path, tmp_path: Path) -> None:
    """A self-signed certificate is not trusted, and is called self-signed."""
    alone = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with alone.private_key_pem.tempfile(str(tmp_path)) as key, alone.cert_pem.tempfile() as pem:
        context.load_cert_chain(pem, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener, listener.accept()[0] as accepted, contextlib.suppress(OSError):
            context.wrap_socket(accepted, server_side=True)

    thread = threading.Thread(target=serve)
    thread.start()
    error = send(f"https://127.0.0.1:{listener.getsockname()[1]}", ca_bundle=bundle)
    thread.join()
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == ("TLS: the certificate is self-signed", True)


def test_the_keys_of_a_connection_are_not_written_down(
    authority: trustme.CA, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS keys are not written to SSLKEYLOGFILE."""
    keys = bundle.with_name("keys.log")
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    with ScriptedServer([[reply()]], certificate=authority.issue_cert("127.0.0.1")) as server:
        assert isinstance(send(server.url, ca_bundle=bundle), Answer)
    assert not keys.exists()


# What is sent, and where


def test_a_request_says_who_sends_it_and_what_it_takes() -> None:
    """A request has exactly these headers."""
    with ScriptedServer([[reply()]]) as server:
        attempt = Transport(5, None, None).attempt()
        attempt.send("PUT", f"{server.url}/v1/clients/7", {"X-A": "b"}, b"{}")
    (request,) = server.requests
    line, *headers = request.head.decode().split("\r\n")
    assert (line, request.body) == ("PUT /v1/clients/7 HTTP/1.1", b"{}")
    assert dict(header.split(": ", 1) for header in headers) == {
        "Host": f"127.0.0.1:{server.port}",
        "User-Agent": f"fatora-clients/{__version__}",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "X-A": "b",
        "Content-Length": "2",
    }


PROXIES = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are not used."""
    with ScriptedServer([[reply()]]) as proxy, ScriptedServer([[reply()]]) as server:
        for name in PROXIES:
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("no_proxy", "")
        answer = send(server.url)
    assert isinstance(answer, Answer)
    assert (len(proxy.requests), len(server.requests)) == (0, 1)


@pytest.mark.parametrize("entry", ["machine 127.0.0.1", "default"])
def test_netrc_does_not_replace_the_token(
    entry: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Credentials of ``.netrc`` do not replace the bearer token."""
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"{entry} login somebody password invented\n", encoding="utf-8")
    netrc.chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(netrc))
    with ScriptedServer([[reply()]]) as server:
        headers = {"Authorization": "Bearer invented-token"}
        Transport(5, None, None).attempt().send("PUT", server.url, headers, b"{}")
    assert b"Authorization: Bearer invented-token\r\n" in server.requests[0].head


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_of_the_environment_are_not_used(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Certificates of the environment are not used."""
    monkeypatch.setenv(name, str(tmp_path / "missing.pem"))
    with ScriptedServer([], greeting=b"no TLS\r\n") as server:
        error = send(f"https://127.0.0.1:{server.port}")
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == ("TLS: the port speaks no TLS", True)


def test_certificates_of_the_settings_are_used(tmp_path: Path) -> None:
    """The certificates of the settings are used, and an empty bundle is an error."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text("no certificate\n", encoding="utf-8")
    with ScriptedServer([]) as server, pytest.raises(NotConnectedError) as raised:
        Transport(0.4, None, bundle).attempt().send("PUT", f"https://127.0.0.1:{server.port}", {})
    assert raised.value.insecure


OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def test_a_proxy_of_the_settings_is_used() -> None:
    """Requests go through a tunnel of the proxy, which alone gets its user name and password."""
    with ScriptedServer([[OPENED], [reply()]]) as proxy, ScriptedServer([]) as server:
        through = proxy.url.replace("//", "//somebody:invented@")
        answer = send(server.url, proxy=through)
    assert isinstance(answer, Answer)
    asked, sent = proxy.requests
    assert asked.head.startswith(f"CONNECT 127.0.0.1:{server.port} HTTP".encode())
    assert b"\r\nProxy-Authorization: Basic " in asked.head
    assert b"Proxy-Authorization" not in sent.head
    assert server.requests == []


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("somebody:invented", "somebody:invented"),
        ("somebody", "somebody:"),
        ("som%40body:in%3Avented", "som@body:in:vented"),
        ("مستخدم:пароль", "مستخدم:пароль"),
        ("%D0%BF:%C3%A9", "п:é"),
    ],
)
def test_a_proxy_gets_the_user_name_and_password_of_its_address(given: str, sent: str) -> None:
    """Any letters are possible, and are sent as UTF-8 (RFC 7617)."""
    with ScriptedServer([[OPENED], [reply()]]) as proxy:
        through = proxy.url.replace("//", f"//{given}@")
        assert isinstance(send("http://127.0.0.1:9", proxy=through), Answer)
    (header,) = re.findall(rb"Proxy-Authorization: Basic (\S+)", proxy.requests[0].head)
    assert base64.b64decode(header).decode() == sent


def test_a_proxy_that_hangs_up_leaves_the_row_unknown() -> None:
    """Once there is a tunnel, a proxy that hangs up leaves the row UNKNOWN."""
    with ScriptedServer([[OPENED]], hang_up=True) as proxy:
        verdict = judge(send("http://127.0.0.1:9", proxy=proxy.url), ROW, HOST)
    assert len(proxy.requests) == 1
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.NETWORK_INTERRUPTED)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_cannot_be_reached_means_that_nothing_was_sent(scheme: str) -> None:
    """If the proxy cannot be reached, nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    error = send(f"{scheme}://127.0.0.1:9", proxy=gone)
    assert isinstance(error, NotConnectedError)
    assert (str(error), error.insecure) == ("proxy: connection refused", False)


REFUSALS: dict[str, tuple[list[bytes], str]] = {
    "503": ([reply(b"", status=b"503 No Route")], "the proxy answered HTTP 503"),
    "403": ([reply(b"", status=b"403 Forbidden")], "the proxy answered HTTP 403"),
    "hang-up": ([], "proxy: the answer is cut short"),
    "no HTTP": ([b"220 mail.example.com ESMTP\r\n"], "proxy: the answer is not HTTP"),
}


@pytest.mark.parametrize(("script", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_a_proxy_that_opens_no_tunnel_means_that_nothing_was_sent(
    script: list[bytes], reason: str
) -> None:
    """If the proxy opens no tunnel, nothing was sent, and the reason is the proxy's."""
    with ScriptedServer([script], hang_up=True) as proxy:
        verdict = judge(send("https://127.0.0.1:9", proxy=proxy.url), ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.NETWORK_UNREACHABLE)
    assert verdict.error == f"Fatora could not be reached ({reason})."
    assert verdict.cause == f"no connection to {HOST} ({reason})"
    assert (verdict.again, verdict.halt) == (True, None)
    assert [request.head[:8] for request in proxy.requests] == [b"CONNECT "]


def test_a_proxy_that_wants_another_password_stops_the_run() -> None:
    """A 407 stops the run, since more attempts may lock the account at the proxy."""
    refusal = reply(b"", status=b"407 Proxy Authentication Required")
    with ScriptedServer([[refusal]], hang_up=True) as proxy:
        verdict = judge(send("https://127.0.0.1:9", proxy=proxy.url), ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.NETWORK_UNREACHABLE)
    assert verdict.cause == f"no connection to {HOST} (the proxy answered HTTP 407)"
    assert verdict.halt is not None
    assert verdict.halt.endswith("Check the proxy's address ([api] proxy).")
    assert not verdict.again


def test_a_proxy_whose_name_is_not_found_is_not_taken_for_the_api(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If the proxy's host name is not found, the reason says that it is the proxy's."""

    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "as the system words it")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = send("https://api.example.com", proxy="http://proxy.example.com:3128")
    assert str(error) == "proxy: host name not found"


def test_a_proxy_gets_no_cookies() -> None:
    """Cookies of an answer are not sent with the next request."""
    answers = [[reply(SUCCESS, b"Set-Cookie: a=1; Path=/")]] * 2
    with ScriptedServer([[OPENED], *answers]) as proxy:
        transport = Transport(5, proxy.url, None)
        for number in (1, 2):
            transport.attempt().send("GET", f"http://127.0.0.1:9/{number}", {})
    assert [b"cookie" in request.head.lower() for request in proxy.requests] == [False] * 3


@contextlib.contextmanager
def tunnel(delay: float = 0, certificate: trustme.LeafCert | None = None) -> Iterator[str]:
    """The address of a proxy that opens a tunnel to any address, after a delay."""

    def carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError), listener, listener.accept()[0] as accepted:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            if certificate:
                certificate.configure_cert(context)
            secured = context.wrap_socket(accepted, server_side=True) if certificate else accepted
            with secured as near:
                host, _, port = near.recv(1 << 16).split()[1].decode().partition(":")
                time.sleep(delay)
                with socket.create_connection((host, int(port))) as far:
                    near.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    threading.Thread(target=carry, args=(far, near), daemon=True).start()
                    carry(near, far)

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=serve, daemon=True).start()
    yield f"http{'s' if certificate else ''}://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("greeting", [b"", b"x"], ids=["handshake", "answer"])
def test_a_tunnel_and_what_follows_share_the_timeout(
    authority: trustme.CA, bundle: Path, greeting: bytes
) -> None:
    """A tunnel, its handshake and the answer share one timeout."""
    certificate = authority.issue_cert("127.0.0.1") if greeting else None
    slow: list[bytes | float] = [0.8, reply()]
    started = time.monotonic()
    with (
        tunnel(delay=0.8) as proxy,
        ScriptedServer([slow], certificate=certificate, greeting=b"") as server,
    ):
        url = server.url.replace("http://", "https://")
        came = send(url, proxy=proxy, ca_bundle=bundle, timeout=1)
        took = time.monotonic() - started
    assert isinstance(came, Exception)
    assert took < 1.5


@pytest.mark.parametrize(("host", "trusted"), [("127.0.0.1", True), ("proxy.example.com", False)])
def test_a_proxy_that_speaks_tls_is_verified(
    authority: trustme.CA,
    bundle: Path,
    host: str,
    trusted: bool,  # noqa: FBT001
) -> None:
    """A proxy with TLS is verified by the authorities of the settings."""
    certificate = authority.issue_cert("127.0.0.1")
    with (
        tunnel(certificate=authority.issue_cert(host)) as proxy,
        ScriptedServer([[reply()]], certificate=certificate) as server,
    ):
        verdict = judge(send(server.url, proxy=proxy, ca_bundle=bundle), ROW, HOST)
    assert (verdict.status is Status.SUCCESS) is trusted
    assert (verdict.halt is None) is trusted
    assert ("(proxy: TLS: the certificate is for" in verdict.error) is not trusted
    assert len(server.requests) == trusted


def test_a_tunnel_that_drips_ends_with_the_timeout() -> None:
    """A proxy's dripping answer to CONNECT ends with the timeout."""
    started = time.monotonic()
    with ScriptedServer([dripping(b"HTTP/1.1 200 OK\r\n" * 20, 0.05)]) as proxy:
        error = send("https://127.0.0.1:9", proxy=proxy.url, timeout=0.4)
    assert isinstance(error, NotConnectedError)
    assert time.monotonic() - started < 2
