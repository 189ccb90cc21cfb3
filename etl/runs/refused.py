"""The inputs that could not be used, as ``runs/refused.jsonl`` keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.runs.folder import RunsFolder


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that could not be used: when, its name and SHA-256, and why in a sentence."""

    when: str
    name: str
    sha256: str | None
    sentence: str


def refused_inputs(runs: RunsFolder) -> Iterator[Refused]:
    """Yield what `RunsFolder.note_refused` noted, the oldest first; damaged lines are skipped."""
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
