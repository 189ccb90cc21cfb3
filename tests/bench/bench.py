"""How fast rows are sent, compared with tools that one might use instead; run by ``make bench``.

Each tool sends the same file to the same server, a separate process that answers after a fixed
time. A rate is that of the whole job from the first request to the last answer, as the server sees
it. Tools take turns, so that other load on the machine affects them all, and the median is shown.
The cost of starting a tool is measured with a file of one row and left out of its CPU time. The
journal is written to the folder for temporary files (TMPDIR). Newman is measured if it is on the
PATH, and dlt if it is installed.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from server import TOKEN

ROOT = Path(__file__).parents[2]
SERVER = Path(__file__).with_name("server.py")
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Setting:
    """How the server answers, in seconds, and how many rows are under way at the same time."""

    latency: float
    workers: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{1000 * self.latency:.0f} ms, {self.workers} workers{', TLS' * self.tls}"

    def rows(self, seconds: float) -> int:
        """The number of rows that can be sent in this time at best."""
        return round(seconds / self.latency) * self.workers


SETTINGS = [Setting(0.02, 16), Setting(0.02, 32), Setting(0.1, 32), Setting(0.02, 16, tls=True)]


@dataclass(frozen=True)
class Tool:
    """Something that sends rows: ``script`` is a peer's, None is the program itself.

    ``needs`` is the module or the program without which it cannot run; a ``serial`` one sends one
    request after the other, and gets fewer rows. ``options`` are the program's.
    """

    name: str
    script: str | None = None
    needs: str | None = None
    serial: bool = False
    options: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether its requirement is missing."""
        return self.needs is not None and not (find_spec(self.needs) or shutil.which(self.needs))

    def command(self, url: str, rows: Path, setting: Setting, bundle: Path) -> list[str]:
        """Return its command line."""
        trusted = [str(bundle)] if setting.tls else []
        if self.script:
            script = str(PEERS / self.script)
            return [sys.executable, script, url, str(rows), str(setting.workers), *trusted]
        config = rows.with_suffix(".toml")
        config.write_text(f'[api]\nca_bundle = "{bundle}"\n' if trusted else "", encoding="utf-8")
        options = ["--config", str(config), "--workers", str(setting.workers), "--quiet"]
        return [sys.executable, "-m", "etl", "update", str(rows), *options, *self.options]


US = Tool("fatora-clients")
CURL = Tool("curl --parallel", "with_curl.py", needs="curl")
TOOLS = [
    US,
    CURL,
    Tool("aiohttp", "with_aiohttp.py", needs="aiohttp"),
    Tool("pandas, requests", "with_requests.py"),
    Tool("dlt", "with_dlt.py", needs="dlt"),
    Tool("Newman", "with_newman.py", needs="newman", serial=True),
]


@dataclass(frozen=True)
class Measured:
    """One run's rows per second while sending, CPU seconds, and peak memory in MB."""

    rows: int
    rate: float
    cpu: float
    memory: float


class Spent(NamedTuple):
    """What a tool took from its start to its end: seconds, CPU seconds, and peak memory in MB."""

    seconds: float
    cpu: float
    memory: float


class WrongError(Exception):
    """A tool failed, or its rows did not all arrive exactly once and complete."""


def write_rows(path: Path, count: int) -> None:
    """Write a file of clients that pass validation."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "email", "name", "phone", "address", "notes"])
        for number in range(1, count + 1):
            email, phone = f"client{number}@example.com", f"+97455{number:06d}"
            place = f"الدوحة، شارع {number}"
            writer.writerow([number, email, f"سارة الحداد {number}", phone, place, "VIP, by mail"])


def measure(tool: Tool, setting: Setting, count: int) -> Measured:
    """Let a tool send this many rows, and return the measurements."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        rows = Path(name) / "rows.csv"
        write_rows(rows, count)
        came, spent = send(tool, setting, rows)
    if came["wrong"] or came["requests"] != count:
        raise WrongError(f"{tool.name}: of {count} rows the server saw {came}")
    return Measured(count, count / came["seconds"], spent.cpu, spent.memory)


def send(tool: Tool, setting: Setting, rows: Path, *options: str) -> tuple[dict[str, Any], Spent]:
    """Let a tool send rows, and return the report of the server, whose ``options`` these are."""
    bundle = rows.with_name("ca.pem")
    trusted = ["--tls", str(bundle)] if setting.tls else []
    with subprocess.Popen(
        [sys.executable, SERVER, rows, str(setting.latency), *trusted, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        url = f"{'https' if setting.tls else 'http'}://127.0.0.1:{port}/v1"
        spent = _run(tool, url, rows, setting, bundle)
        return json.loads(server.communicate()[0]), spent


def _run(tool: Tool, url: str, rows: Path, setting: Setting, bundle: Path) -> Spent:
    """Run a tool to its end."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": "" if tool.script else str(ROOT),
        "FATORA_BEARER_TOKEN": TOKEN,
        "FATORA_API_URL": url,
    }
    command = tool.command(url, rows, setting, bundle)
    with (rows.parent / "output").open("w+", encoding="utf-8") as output:
        start = time.monotonic()
        process = subprocess.Popen(
            command, cwd=rows.parent, env=environment, stdout=output, stderr=output
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise WrongError(
                f"{tool.name} ended with {process.returncode}: {output.read()[-2000:]}"
            )
    return Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@dataclass(frozen=True)
class Line:
    """All runs of a tool in one setting; ``starts`` are runs with a single row."""

    starts: list[Measured] = field(default_factory=list)
    runs: list[Measured] = field(default_factory=list)

    @property
    def cpu(self) -> float:
        """The CPU milliseconds per row, without the start of the tool."""
        start, spent = (median(run.cpu for run in runs) for runs in (self.starts, self.runs))
        return 1000 * (spent - start) / max(self.runs[0].rows - 1, 1)

    def cells(self, setting: Setting, beside: Line | None) -> list[str]:
        """Return the line as it is shown; ``beside`` is curl's."""
        rate = median(run.rate for run in self.runs)
        ratio = "-"
        if beside:
            pairs = zip(self.runs, beside.runs, strict=True)
            ratio = f"{median(run.rate / other.rate for run, other in pairs):.3f}"
        return [
            f"{rate:.0f}",
            f"{rate * setting.latency / setting.workers:.3f}",
            ratio,
            f"{self.cpu:.2f}",
            f"{median(run.memory for run in self.runs):.0f}",
        ]


def compare(setting: Setting, count: int, rounds: int, tools: list[Tool]) -> dict[Tool, Line]:
    """Let the tools take turns."""
    lines = {tool: Line() for tool in tools}
    for _ in range(rounds):
        for tool, line in lines.items():
            line.starts.append(measure(tool, setting, 1))
            line.runs.append(measure(tool, setting, max(count // (10 if tool.serial else 1), 1)))
    return lines


def flush_ms() -> float:
    """Return how many milliseconds the disk takes to flush a page, as the journal does."""
    times = []
    with tempfile.TemporaryFile() as file:
        for _ in range(50):
            start = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return 1000 * median(times)


HEADER = ["rows/s", "of N*L/W", "of curl", "CPU ms/row", "MB"]


def show(*cells: str) -> None:
    """Print a line of the table."""
    first, *rest = cells
    sys.stdout.write(f"{first:<24}" + "".join(f"{cell:>12}" for cell in rest) + "\n")
    sys.stdout.flush()


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a tool failed or rows did not arrive."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="40 rows once: only whether it works")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3, help="of each run, at best")
    parser.add_argument("--settings", type=int, nargs="*", help="which ones, counted from 0")
    parser.add_argument("--tools", type=int, nargs="*", help="which ones, counted from 0")
    chosen = parser.parse_args(arguments)
    wanted = [TOOLS[each] for each in chosen.tools] if chosen.tools else TOOLS
    there = [tool for tool in wanted if not tool.missing]
    numbers = chosen.settings or ([0, 3] if chosen.short else range(len(SETTINGS)))
    settings = [SETTINGS[each] for each in numbers]
    show("a flush to the disk", f"{flush_ms():.2f} ms")
    try:
        for setting in settings:
            count = 40 if chosen.short else setting.rows(chosen.seconds)
            lines = compare(setting, count, 1 if chosen.short else chosen.rounds, there)
            show(f"{setting}: {count} rows")
            show("", *HEADER)
            for tool, line in lines.items():
                show(tool.name, *line.cells(setting, lines.get(CURL)))
    except WrongError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for tool in wanted:
        if tool.missing:
            show(tool.name, "not here")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
