"""Limits of this process that would stop a run, found before the first request."""

from __future__ import annotations

import resource
from pathlib import Path
from threading import Event, Thread

from etl.errors import ConfigError

_MEBIBYTE = 1 << 20
# pandas, its libraries and threads; most of it is reserved and never used. Measured with 8 workers:
# with 896 MiB some threads could not be started, 1,024 MiB were enough.
_LEAST_MEMORY = 1024 * _MEBIBYTE
# Besides one connection for each worker: standard streams, lock, log, journal with its two files
# and SQLite's temporary ones, the file that is written, name lookup. Measured: 12 beside workers.
_OTHER_FILES = 24


def require_memory() -> None:
    """Check that the libraries can be loaded; without enough memory some end the program.

    Raises:
        ConfigError: this process may not use enough memory.
    """
    for limit, option in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
        allowed, _ = resource.getrlimit(limit)
        if allowed != resource.RLIM_INFINITY and allowed < _LEAST_MEMORY:
            raise ConfigError(
                f"the job needs {_LEAST_MEMORY // _MEBIBYTE} MiB of memory, but only"
                f" {allowed // _MEBIBYTE} MiB are allowed (ulimit {option}): raise the limit"
            )


def require_room_for(workers: int, *, sandbox: bool) -> None:
    """Check that so many workers can be started, and can each open a connection.

    Raises:
        ConfigError: they cannot.
    """
    _require_open_files(workers, 2 if sandbox else 1)  # the sandbox has the other ends
    _require_threads(workers, 2 * workers)  # each looks up the API's name in another thread


def _require_open_files(workers: int, each: int) -> None:
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = allowed - _open_files() - _OTHER_FILES
    if allowed == resource.RLIM_INFINITY or left >= workers * each:
        return
    most = max(left // each, 0)
    advice = f"use at most --workers {most}, or raise" if most else "raise"
    raise ConfigError(
        f"--workers {workers} with {allowed:,} open files allowed (ulimit -n) is too much:"
        f" {advice} the limit"
    )


def _open_files() -> int:
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:  # a container may have no /proc, to which this is a link
        return 0


def _require_threads(workers: int, needed: int) -> None:
    end = Event()
    started: list[Thread] = []
    try:
        for _ in range(needed):
            thread = Thread(target=end.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError:
        raise ConfigError(
            f"--workers {workers} needs {needed} threads, but only {len(started)} can be started:"
            " use fewer workers, or raise the limits on memory (ulimit -v) and processes"
            " (ulimit -u)"
        ) from None
    finally:
        end.set()
        for thread in started:
            thread.join()
