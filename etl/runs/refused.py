"""``refused.jsonl``: a record of each input that could not be used, for which there is no run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.errors import ConfigError
from etl.files import (
    PRIVATE_FILE,
    NotRegularError,
    naming,
    read_regular,
    require_regular,
    sha256_of,
)
from etl.runs.listing import unreadable
from etl.stopping import is_disk_full
from etl.text import isolated, json_text, utc_time, without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.runs.folder import RunsFolder


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that could not be used: when (UTC), its name and SHA-256, and why in a sentence.

    ``sha256`` is None if its bytes could not be read.
    """

    when: str
    name: str
    sha256: str | None
    sentence: str


def note_refused(runs: RunsFolder, source: Path, sentence: str, when: datetime) -> Refused:
    """Record in ``refused.jsonl`` that an input could not be used, and flush it to the disk.

    Raises:
        ConfigError: the record cannot be written.
    """
    time = utc_time(when.timestamp())
    refused = Refused(time, source.name, _digest(source), without_isolates(sentence))
    try:
        _append(runs.refused, f"{json_text(asdict(refused))}\n".encode())
    except (OSError, NotRegularError) as error:
        if is_disk_full(error):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"the refused input {isolated(source.name)} cannot be recorded in {runs.refused}"
            f" ({reason}); nothing of it was sent: correct the permissions, or remove that file"
        ) from None
    return refused


def _digest(source: Path) -> str | None:
    """Return the SHA-256 of a regular file, or None if its bytes cannot be read."""
    try:
        # A pipe or a device might never end.
        return sha256_of(source) if source.is_file() else None
    except OSError:
        return None


def _append(path: Path, line: bytes) -> None:
    """Append a line to a private file, which is created if needed, and flush it to the disk."""
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_NONBLOCK, PRIVATE_FILE)
    with naming(path), os.fdopen(descriptor, "ab") as file:
        require_regular(descriptor)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            file.write(b"\n")  # a power cut left a piece of the last line
        file.write(line)
        file.flush()
        os.fsync(descriptor)


def refused_inputs(runs: RunsFolder) -> Iterator[Refused]:
    """Yield the inputs that were refused, the oldest first; damaged lines are skipped.

    Raises:
        ConfigError: the record cannot be read.
    """
    try:
        lines = read_regular(runs.refused).splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return
    except NotRegularError:
        raise ConfigError(f"{runs.refused} is not a regular file; remove it") from None
    except OSError as error:
        raise ConfigError(unreadable(runs.refused, error)) from None
    for line in lines:
        try:
            yield _refused(json.loads(line))
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue


def _refused(facts: dict[str, Any]) -> Refused:
    """Return the record that a line of JSON holds; raises if it is damaged."""
    when = utc_time(datetime.fromisoformat(facts["when"]).timestamp())
    digest = facts["sha256"]
    return Refused(when, str(facts["name"]), digest and str(digest), str(facts["sentence"]))
