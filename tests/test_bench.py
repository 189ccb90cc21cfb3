"""The benchmark works, and fails if a tool leaves out a row."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = tuple[int, str, dict[str, str]]

BENCH = Path(__file__).parent / "bench"
ROWS: list[Row] = [
    (1, "Bearer an-invented-token", {"email": "sara@example.com", "name": "سارة"}),
    (2, "Bearer an-invented-token", {"email": "omar@example.com", "name": ""}),
]


def table(path: Path, rows: Sequence[Row]) -> Path:
    """A file with these rows."""
    cells = [(str(number), *body.values()) for number, _, body in rows]
    return write_csv(path, [("id", "email", "name"), *cells])


def arrived(folder: Path, sent: Sequence[Row], held: Sequence[Row] = ()) -> dict[str, Any]:
    """The server's report on these requests, for the rows above; the ``held`` are read first."""
    file = table(folder / "rows.csv", ROWS)
    holding: list[str | Path] = ["--held", table(folder / "held.csv", held)] if held else []
    with subprocess.Popen(
        [sys.executable, BENCH / "server.py", file, "0", *holding],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1/clients"
        for number, authorization, body in held:
            headers = {"Authorization": authorization}
            client = requests.get(f"{url}/{number}", headers=headers, timeout=10).json()["client"]
            assert client == {"id": number, **body}
        for number, authorization, body in sent:
            headers = {"Authorization": authorization}
            answer = requests.put(f"{url}/{number}", json=body, headers=headers, timeout=10)
            assert answer.json()["status"] == "SUCCESS"
        report: dict[str, Any] = json.loads(server.communicate(timeout=10)[0])
    return report


def bench(
    *options: str, path: str = os.environ["PATH"], script: str = "bench.py"
) -> subprocess.CompletedProcess[str]:
    """A benchmark in its short mode, with these programs on the path."""
    return subprocess.run(
        [sys.executable, str(BENCH / script), "--short", *options],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_the_bench_runs() -> None:
    """The benchmark succeeds if each tool's rows arrive exactly once and complete."""
    done = bench()
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("fatora-clients")]
    assert len(lines) == 2


@pytest.mark.slow
def test_the_bench_ends_with_a_tool_that_sends_nothing(tmp_path: Path) -> None:
    """A tool that sends nothing, which would be the fastest, is an error."""
    curl = tmp_path / "curl"
    curl.write_text("#!/bin/sh\nexit 0\n")
    curl.chmod(0o700)
    done = bench("--tools", "1", path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert done.stderr.startswith("curl --parallel: of 1 rows the server saw")


@pytest.mark.slow
def test_the_bench_of_comparing_runs() -> None:
    """It succeeds if every client is read once, and only the rows that change one are sent."""
    done = bench(script="comparing.py")
    assert (done.returncode, done.stderr) == (0, "")
    requests_of = {line[:24].strip(): line.split()[-6] for line in done.stdout.splitlines()[2:]}
    assert requests_of == {
        "without comparing": "200",
        "every row changes": "400",
        "1 % of rows change": "202",
        "no row changes": "200",
    }


def test_rows_that_arrive_once_and_whole_are_right(tmp_path: Path) -> None:
    """Rows may arrive in any order."""
    report = arrived(tmp_path, ROWS[::-1])
    assert (report["requests"], report["wrong"]) == (2, 0)
    assert report["seconds"] > 0


@pytest.mark.parametrize(
    "sent",
    [
        lambda first, _: [first],
        lambda first, second: [first, second, second],
        lambda first, second: [first, (second[0], second[1], {**second[2], "name": "عمر"})],
        lambda first, second: [first, (3, *second[1:])],
        lambda first, second: [first, (second[0], "Bearer another", second[2])],
    ],
    ids=["left out", "twice", "another value", "another client", "another token"],
)
def test_row_that_does_not_arrive_once_and_whole_is_wrong(
    sent: Callable[[Row, Row], list[Row]], tmp_path: Path
) -> None:
    """A missing, repeated or changed row is an error."""
    assert arrived(tmp_path, sent(*ROWS))["wrong"] > 0


@pytest.mark.parametrize(
    ("sent", "read_again", "wrong"), [([1], [], 0), ([0, 1], [], 1), ([], [], 1), ([1], [0], 1)]
)
def test_row_that_changes_nothing_must_not_come(
    sent: list[int], read_again: list[int], wrong: int, tmp_path: Path
) -> None:
    """Where the server holds clients, each is read once, and only changes are sent."""
    first, second = ROWS
    held = [first, (*second[:2], {**second[2], "name": "عمر"})]
    read = [*held, *(held[each] for each in read_again)]
    assert arrived(tmp_path, [ROWS[each] for each in sent], read)["wrong"] == wrong


def test_times_of_reading_and_updating_are_told_apart(tmp_path: Path) -> None:
    """The report has the first request and the last answer of each method."""
    changed = [(number, token, {**body, "name": "عمر"}) for number, token, body in ROWS]
    times = arrived(tmp_path, ROWS, changed)["times"]
    assert 0 == times["GET"][0] < times["GET"][1] < times["PUT"][0] < times["PUT"][1]
