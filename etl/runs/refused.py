"""``refused.jsonl``: a record of each input that could not be used, for which there is no run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from etl.files import PRIVATE_FILE
from etl.runs.manifest import sha256_of
from etl.text import utc_time, without_isolates

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
    """Record durably that an input could not be used."""
    try:
        digest = sha256_of(source)
    except OSError:
        digest = None
    time = utc_time(when.timestamp())
    refused = Refused(time, source.name, digest, without_isolates(sentence))
    line = json.dumps(asdict(refused), ensure_ascii=False) + "\n"
    descriptor = os.open(runs.refused, os.O_CREAT | os.O_APPEND | os.O_WRONLY, PRIVATE_FILE)
    with os.fdopen(descriptor, "ab") as file:
        # A file's name may not be valid UTF-8; JSON can express it as a backslash and a number.
        file.write(line.encode(errors="backslashreplace"))
        file.flush()
        os.fsync(descriptor)
    return refused


def refused_inputs(runs: RunsFolder) -> Iterator[Refused]:
    """Yield the inputs that were refused, the oldest first; damaged lines are skipped."""
    try:
        lines = runs.refused.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            yield _refused(json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError):
            continue


def _refused(facts: dict[str, Any]) -> Refused:
    when = datetime.fromisoformat(facts["when"]).isoformat(timespec="milliseconds")
    digest = facts["sha256"]
    return Refused(when, str(facts["name"]), digest and str(digest), str(facts["sentence"]))
