"""How much of an API's limit is used, and how many requests are answered 429; by ``make bench``.

Each server allows so many requests and answers the others 429, without saying when to come back.
The program sends to all of them at the same time, for three minutes, and is then asked to stop. The
tests do the same with a clock that only seems to run.
"""

from __future__ import annotations

import http.server
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from server import TOKEN

from bench import ROOT, write_rows

sys.path.insert(0, str(ROOT / "tests"))
from limits import FixedWindow, Limit, TokenBucket

SECONDS = 180
ROWS = 20_000  # more than any of these limits allows
LIMITS: dict[str, Limit] = {
    "20 per 10 seconds": FixedWindow(20, 10),
    "60 a minute": FixedWindow(60, 60),
    "a bucket of 50 a second": TokenBucket(50, 50),
}


class Limited(http.server.ThreadingHTTPServer):
    """An API with a limit, which counts what it lets through and what it does not."""

    daemon_threads = True

    def __init__(self, limit: Limit) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.limit, self.lock = limit, threading.Lock()
        self.passed: list[float] = []
        self.refused: list[float] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def lets_through(self) -> bool:
        """Count a request, and return whether the limit allows it."""
        with self.lock:
            now = time.monotonic()
            allowed = self.limit.allows(now)
            (self.passed if allowed else self.refused).append(now)
            return allowed


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers that every client was updated, or 429."""

    protocol_version = "HTTP/1.1"
    server: Limited

    def do_PUT(self) -> None:
        """Answer an update."""
        self.rfile.read(int(self.headers["Content-Length"]))
        allowed = self.server.lets_through()
        body = b'{"status": "SUCCESS"}' if allowed else b'{"error": "too many requests"}'
        self.send_response(200 if allowed else 429)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def start(folder: Path, rows: Path, server: Limited) -> subprocess.Popen[bytes]:
    """Start to send the rows to a server."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "FATORA_BEARER_TOKEN": TOKEN,
        "FATORA_API_URL": f"http://127.0.0.1:{server.server_port}/v1",
        "FATORA_RUNS_DIR": str(folder / str(server.server_port)),
    }
    command = [sys.executable, "-m", "etl", "update", str(rows), "--quiet"]
    return subprocess.Popen(command, env=environment, cwd=folder)


def line(name: str, server: Limited) -> str:
    """Return what was measured, as a line of the table."""
    first = min(server.passed)
    used = len(server.passed) / (server.limit.rate * (max(server.passed) - first))
    passed, refused = (
        sum(each - first >= 60 for each in times) for times in (server.passed, server.refused)
    )
    return f"| {name} | {used:.2f} | {refused / (passed + refused):.3f} |"


def main() -> None:
    """Measure all limits at the same time, and print the table."""
    servers = {name: Limited(limit) for name, limit in LIMITS.items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows.csv", ROWS)
        programs = [start(folder, folder / "rows.csv", server) for server in servers.values()]
        time.sleep(SECONDS)
        for program in programs:
            program.send_signal(signal.SIGTERM)
        for program in programs:
            program.wait(timeout=60)
    print("| limit | share used | answered 429 after the first minute |\n| --- | --- | --- |")  # noqa: T201
    for name, server in servers.items():
        print(line(name, server))  # noqa: T201


if __name__ == "__main__":
    main()
