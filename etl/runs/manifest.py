"""The manifest: what a run was, who made it and when, and the hash of every file it left."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from etl import __version__
from etl.files import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class InputFacts:
    """The file that operations sent; ``sheet`` is what was asked for, None for the only one."""

    name: str
    size: int
    sha256: str
    sheet: str | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """One go at a run: the first, or a resume. Times are UTC, ISO 8601; ``stopped`` says why."""

    begun: str
    user: str
    host: str
    ended: str | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a run was. ``exit_code`` is None while it runs, and stays so if it is killed.

    ``api`` is the address of the API; ``settings`` are those of the latest session, without any
    secret; ``files`` maps every other file of the folder to its SHA-256.
    """

    run: str
    api: str
    input: InputFacts
    rows: int
    blank_rows: int
    hidden_rows: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    exit_code: int | None = None
    sessions: tuple[Session, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    program: str = f"fatora-clients {__version__}"

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest that `write` wrote."""
        facts = json.loads(path.read_text(encoding="utf-8"))
        del facts["sha256"]
        facts["input"] = InputFacts(**facts["input"])
        facts["sessions"] = tuple(Session(**each) for each in facts["sessions"])
        return cls(**facts)

    def write(self, path: Path) -> None:
        """Write the manifest with its own SHA-256: of its JSON, keys sorted, without that entry."""
        facts = asdict(self)
        facts["sha256"] = hashlib.sha256(_canonical(facts)).hexdigest()
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        with replacing(path) as new:
            # A file's name may hold what is no UTF-8; a backslash and its number is JSON for it.
            new.write_text(text, encoding="utf-8", errors="backslashreplace")

    def begin_session(self, begun: str) -> Self:
        """Return the manifest of a run that goes on now, by this user on this host."""
        session = Session(begun, _user(), socket.gethostname())
        return replace(self, sessions=(*self.sessions, session), counts={}, exit_code=None)

    def end_session(self, ended: str, stopped: str | None) -> Self:
        """Return the manifest with its latest session ended, and why if that was early."""
        *earlier, latest = self.sessions
        return replace(self, sessions=(*earlier, replace(latest, ended=ended, stopped=stopped)))


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _canonical(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # cron and containers may know no name
        return f"uid {os.getuid()}"
