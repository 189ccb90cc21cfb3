"""A fast server that counts requests: it answers raw bytes after a set time.

``python tests/bench/server.py ROWS.CSV LATENCY [CA.PEM]`` prints its port and serves until input
ends. It then prints a report as JSON: the number of requests, the seconds from the first request to
the last answer, and how many rows did not come exactly once, complete and with the token. With
CA.PEM it speaks TLS and writes its authority's certificate there. Requests are compared with the
file only at the end, so that this takes no time from the answers.
"""

from __future__ import annotations

import asyncio
import csv
import json
import ssl
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

TOKEN = "an-invented-token"
_AUTHORIZATION = f"\r\nauthorization: bearer {TOKEN}\r\n".encode()
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


class Arrivals:
    """Every request, and the times of the first request and the last answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes]] = []
        self.first = self.last = 0.0

    def add(self, head: bytes, body: bytes) -> None:
        """Take note of a request."""
        if not self.requests:
            self.first = time.monotonic()
        self.requests.append((head, body))

    def report(self, rows: Path) -> dict[str, Any]:
        """Return what arrived, and how much of it was ``wrong``."""
        with rows.open(encoding="utf-8", newline="") as file:
            expected = Counter(_row_sent(row) for row in csv.DictReader(file))
        came = Counter(_request_sent(head, body) for head, body in self.requests)
        wrong = sum(((expected - came) + (came - expected)).values())
        return {"requests": came.total(), "seconds": self.last - self.first, "wrong": wrong}


def _row_sent(row: dict[str, str]) -> str:
    body = {key: value for key, value in row.items() if key != "id"}
    return f"PUT /v1/clients/{row['id']} {json.dumps(body, sort_keys=True)}"


def _request_sent(head: bytes, body: bytes) -> str:
    if _AUTHORIZATION not in head.lower() + b"\r\n":
        return "a request without the token"
    request = head.partition(b" HTTP/")[0].decode()
    return f"{request} {json.dumps(json.loads(body), sort_keys=True)}"


class Answering(asyncio.Protocol):
    """A connection whose every request is answered after the latency, with the client it sent."""

    def __init__(self, latency: float, arrivals: Arrivals) -> None:
        self._latency, self._arrivals = latency, arrivals
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
        answer = b'{"status": "SUCCESS", "client": {"id": ' + client + b", " + body[1:] + b"}"
        self._transport.write(_HEAD % len(answer) + answer)
        self._arrivals.last = time.monotonic()


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


async def _serve(latency: float, arrivals: Arrivals, tls: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Answering(latency, arrivals), "127.0.0.1", 0, ssl=tls, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)


def main(rows: str, latency: str, bundle: str | None = None) -> None:
    """Serve, and report."""
    arrivals = Arrivals()
    asyncio.run(_serve(float(latency), arrivals, _tls(Path(bundle)) if bundle else None))
    sys.stdout.write(json.dumps(arrivals.report(Path(rows))))


if __name__ == "__main__":
    main(*sys.argv[1:])
