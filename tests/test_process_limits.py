"""Limits of the process are found before the first request, and named with their numbers."""

from __future__ import annotations

import resource
import subprocess
from typing import TYPE_CHECKING

import pytest

from etl.errors import ConfigError
from etl.limits import require_memory, require_room_for
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.sandbox.server import Sandbox
    from program import Program

ROWS = [("id", "email"), ("1", "new-1@example.com")]


@pytest.fixture
def _limits() -> Iterator[None]:
    """Restore the soft limits that a test lowers."""
    which = (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_NOFILE)
    before = [(each, resource.getrlimit(each)) for each in which]
    yield
    for each, limits in before:
        resource.setrlimit(each, limits)


def lower(limit: int, value: int) -> None:
    """Lower a soft limit of this process."""
    resource.setrlimit(limit, (value, resource.getrlimit(limit)[1]))


@pytest.mark.usefixtures("_limits")
def test_too_few_open_files_are_named_with_the_workers_that_fit() -> None:
    """With the number that the message names, the workers fit."""
    lower(resource.RLIMIT_NOFILE, 80)
    with pytest.raises(
        ConfigError,
        match=r"^--workers 100 with 80 open files allowed \(ulimit -n\) is too much: use at most"
        r" --workers ([0-9]+), or raise the limit$",
    ) as raised:
        require_room_for(100, sandbox=False)
    most = int(str(raised.value).split("--workers ")[2].split(",")[0])
    require_room_for(most, sandbox=False)
    with pytest.raises(ConfigError, match="is too much"):
        require_room_for(most + 1, sandbox=False)


@pytest.mark.usefixtures("_limits")
def test_no_number_of_workers_fits_into_no_open_files() -> None:
    """Then only the limit can be raised."""
    lower(resource.RLIMIT_NOFILE, 20)
    with pytest.raises(ConfigError, match=r"is too much: raise the limit$"):
        require_room_for(1, sandbox=False)


def test_threads_that_cannot_be_started_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how many can be started."""
    from threading import Thread  # noqa: PLC0415

    start = Thread.start
    started: list[Thread] = []

    def start_two(thread: Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(Thread, "start", start_two)
    with pytest.raises(ConfigError, match=r"^--workers 3 needs 6 threads, but only 2 can be"):
        require_room_for(3, sandbox=False)
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.usefixtures("_limits")
@pytest.mark.parametrize(
    ("limit", "option"), [(resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")]
)
def test_too_little_memory_is_named(limit: int, option: str) -> None:
    """The message has the memory that is needed, the memory that is allowed, and the limit."""
    require_memory()
    lower(limit, 600 << 20)
    with pytest.raises(
        ConfigError,
        match=rf"^the job needs 1024 MiB of memory, but only 600 MiB are allowed \(ulimit {option}",
    ):
        require_memory()


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        ("-n 64", "--workers 100 with 64 open files allowed"),
        ("-v 150000", "only 146 MiB are allowed (ulimit -v)"),
    ],
)
def test_a_limit_ends_the_update_before_any_request(
    program: Program, sandbox: Sandbox, limit: str, words: str
) -> None:
    """The exit code is 2, and nothing was made or sent."""
    source = write_csv(program.folder / "clients.csv", ROWS)
    ended = limited(program, limit, source, "--workers", "100")
    assert ended.returncode == 2
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert sandbox.requests_seen == 0
    assert not (program.folder / "runs").exists()


def limited(
    program: Program, limit: str, source: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Update under a limit of the shell."""
    with program.start("update", source, *options, **under(limit)) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def under(limit: str) -> dict[str, object]:
    """Options of `subprocess.Popen` that set a limit, given as for ``ulimit``."""
    option, value = limit.split()
    number, unit = {"-n": (resource.RLIMIT_NOFILE, 1), "-v": (resource.RLIMIT_AS, 1024)}[option]
    most = int(value) * unit
    return {"preexec_fn": lambda: resource.setrlimit(number, (most, most))}
