"""A fast server that counts requests: it answers raw bytes after a set time.

``python tests/bench/server.py ROWS.CSV LATENCY [--tls CA.PEM] [--held HELD.CSV]`` prints its port
and serves until input ends. It then prints a report as JSON: the number of requests, the seconds
from the first request to the last answer, of all and by method, and how many rows did not come
exactly once, complete and with the token. With CA.PEM it speaks TLS and writes its authority's
certificate there. HELD.CSV has the clients as the API holds them: then each must be read once, and
only the rows that change their client may come. Requests are compared with the files only at the
end, so that this takes no time from the answers.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import ssl
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "an-invented-token"
_AUTHORIZATION = f"\r\nauthorization: bearer {TOKEN}\r\n".encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Arrivals:
    """Every request, and for each method the times of its first request and its last answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes]] = []
        self.first: dict[str, float] = {}
        self.last: dict[str, float] = {}

    def add(self, head: bytes, body: bytes) -> None:
        """Take note of a request."""
        self.first.setdefault(_method(head), time.monotonic())
        self.requests.append((head, body))

    def answered(self, head: bytes) -> None:
        """Take note of an answer."""
        self.last[_method(head)] = time.monotonic()

    def report(self, rows: Path, held: Path | None) -> dict[str, Any]:
        """Return what arrived, and how much of it was ``wrong``."""
        expected = Counter(map(_row_sent, rows_in(rows)))
        if held:
            expected -= Counter(map(_row_sent, rows_in(held)))
            expected += Counter(f"GET /v1/clients/{row['id']} null" for row in rows_in(rows))
        came = Counter(_request_sent(head, body) for head, body in self.requests)
        start = min(self.first.values(), default=0)
        times = {key: (self.first[key] - start, last - start) for key, last in self.last.items()}
        return {
            "requests": came.total(),
            "seconds": max((last for _, last in times.values()), default=0),
            "times": times,
            "wrong": sum(((expected - came) + (came - expected)).values()),
        }


def _method(head: bytes) -> str:
    return head[: head.index(b" ")].decode()


def rows_in(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _row_sent(row: dict[str, str]) -> str:
    body = {key: value for key, value in row.items() if key != "id"}
    return f"PUT /v1/clients/{row['id']} {json.dumps(body, sort_keys=True)}"


def _request_sent(head: bytes, body: bytes) -> str:
    if _AUTHORIZATION not in head.lower() + b"\r\n":
        return "a request without the token"
    request = head.partition(b" HTTP/")[0].decode()
    return f"{request} {json.dumps(json.loads(body or b'null'), sort_keys=True)}"


class Answering(asyncio.Protocol):
    """A connection whose every request is answered after the latency.

    An update is answered with the client that it sent, and a request without a body with the one
    that is ``held``: by its id, all but that and the opening brace.
    """

    def __init__(self, latency: float, arrivals: Arrivals, held: dict[bytes, bytes]) -> None:
        self._latency, self._arrivals, self._held = latency, arrivals, held
        self._later = asyncio.get_running_loop().call_later
        self._received = b""

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 - asyncio's
        """Keep the transport for the answers."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read complete requests one by one."""
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            whole = end + 4 + _length(head)
            if len(self._received) < whole:
                return
            body = self._received[end + 4 : whole]
            self._received = self._received[whole:]
            self._arrivals.add(head, body)
            self._later(self._latency, self._answer, head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        client = head.split(b" ", 2)[1].rpartition(b"/")[2]
        values = body[1:] if body else self._held[client]
        answer = b'{"status": "SUCCESS", "client": {"id": ' + client + b", " + values + b"}"
        self._transport.write(_HEAD % len(answer) + answer)
        self._arrivals.answered(head)


def _length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"\r\ncontent-length:")
    return int(rest.partition(b"\r\n")[0]) if found else 0


def _tls(bundle: Path) -> ssl.SSLContext:
    # Only here, so that the bench, whose memory its children seem to have at first, stays small.
    import trustme  # noqa: PLC0415

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(bundle)
    return context


def _values(row: dict[str, str]) -> bytes:
    values = {key: value for key, value in row.items() if key != "id"}
    return json.dumps(values, ensure_ascii=False).encode()[1:]


async def _serve(answering: Callable[[], Answering], tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(answering, "127.0.0.1", 0, ssl=tls, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("latency", type=float)
    parser.add_argument("--tls", type=Path)
    parser.add_argument("--held", type=Path)
    chosen = parser.parse_args()
    arrivals = Arrivals()
    held = {row["id"].encode(): _values(row) for row in rows_in(chosen.held or Path(os.devnull))}
    tls = _tls(chosen.tls) if chosen.tls else None
    asyncio.run(_serve(lambda: Answering(chosen.latency, arrivals, held), tls))
    sys.stdout.write(json.dumps(arrivals.report(chosen.rows, chosen.held)))


if __name__ == "__main__":
    main()
