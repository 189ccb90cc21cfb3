"""The manifest: what was run, by whom and when, and the hash of every file of the run.

It is sealed at the end of each session. It then names the manifest that was sealed before it, of
any run, so that all runs form a chain (``etl.runs.chain``). A sealed manifest does not change. When
its run is resumed or pruned, it is reopened, and the new version keeps the old seal.
``manifest.schema.json`` describes the format.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from etl import __version__
from etl.errors import ExitCode, InconsistentError
from etl.fields import Field
from etl.files import replacing
from etl.outcome import Totals
from etl.rows import Status
from etl.text import utc_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


_EXIT_CODES = {None, ExitCode.DONE, ExitCode.NOT_ALL_UPDATED, ExitCode.USAGE, ExitCode.STOPPED}


@dataclass(frozen=True, slots=True)
class InputFacts:
    """The file that operations sent, and the settings with which it was read.

    ``sheet`` and ``encoding`` are None if the settings name none. ``aliases`` are the additional
    headers of each field.
    """

    name: str
    size: int
    sha256: str
    sheet: str | None = None
    encoding: str | None = None
    aliases: Mapping[Field, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of the input: the header of each field, and the headers that are not sent."""

    sent: Mapping[Field, str] = field(default_factory=dict)
    not_sent: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Invocation:
    """The command line of a session, and the kind and fingerprint of its credentials.

    The fingerprint is the beginning of the secret's SHA-256, which only distinguishes two secrets.
    """

    command: str
    credentials: str


@dataclass(frozen=True, slots=True)
class Session:
    """One invocation of the program that worked on a run: the first, or a resume.

    Times are UTC, ISO 8601; ``begun_local`` has the local time and its offset. ``stopped`` says why
    the session ended early; ``seconds`` is how long it took.
    """

    begun: str
    begun_local: str
    user: str
    host: str
    invocation: Invocation
    ended: str | None = None
    seconds: float | None = None
    stopped: str | None = None


@dataclass(frozen=True, slots=True)
class Seal:
    """What identifies a sealed manifest: its run, and its SHA-256."""

    run: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier manifest of the same run, from before it was reopened.

    ``sha256`` is its seal, and ``previous`` is the seal before that. ``modified`` are the files
    that somebody else had modified when the run was reopened, and that the next seal covers.
    """

    sha256: str
    previous: Seal | None
    modified: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pruning:
    """When and by whom the personal data of a run was removed, and the hashes of those files."""

    time: str
    user: str
    host: str
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Manifest:
    """The facts about a run. ``exit_code`` is None while it runs, and stays None if it is killed.

    ``api`` is the address of the API, ``account`` is whose clients are updated, and ``sandbox``
    whether the API was this program's own. ``reworks`` are the runs whose rows this one corrects.
    ``stored_differently`` counts the updated rows for which the API confirmed other values.
    ``settings`` maps each setting of the latest session, without any secret, to its value and its
    source. ``files`` maps every other file of the folder to its SHA-256.

    ``sealed`` is when the manifest was sealed (UTC), None while it is open. ``sealed_as`` is the
    SHA-256 of its seal, which the file calls ``sha256``. ``previous`` is the seal before it, of any
    run. ``earlier`` are the manifests of this run from before it was resumed or pruned.
    """

    run: str
    api: str
    input: InputFacts
    rows: int
    blank_rows: int
    hidden_rows: int
    account: str = ""
    sandbox: bool = False
    columns: Columns = field(default_factory=Columns)
    reworks: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    stored_differently: int = 0
    exit_code: int | None = None
    sessions: tuple[Session, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    program: str = f"fatora-clients {__version__}"
    pruned: Pruning | None = None
    sealed: str | None = None
    sealed_as: str | None = None
    previous: Seal | None = None
    earlier: tuple[Version, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest that `write` wrote.

        Raises:
            InconsistentError: it is damaged.
        """
        try:
            return cls._of(json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, KeyError, AttributeError):
            raise InconsistentError(
                f"the manifest of run {path.parent.name} is damaged: see fatora-clients verify"
            ) from None

    @classmethod
    def _of(cls, facts: dict[str, Any]) -> Self:
        sha256 = str(facts.pop("sha256"))
        facts["sealed_as"] = sha256 if facts["sealed"] else None
        aliases = {Field(name): others for name, others in facts["input"]["aliases"].items()}
        facts["input"] = InputFacts(**{**facts["input"], "aliases": aliases})
        sent = {Field(name): header for name, header in facts["columns"]["sent"].items()}
        facts["columns"] = Columns(sent, tuple(facts["columns"]["not_sent"]))
        facts["reworks"] = tuple(facts["reworks"])
        facts["sessions"] = tuple(
            Session(**{**each, "invocation": Invocation(**each["invocation"])})
            for each in facts["sessions"]
        )
        facts["pruned"] = facts["pruned"] and Pruning(**facts["pruned"])
        facts["previous"] = _seal(facts["previous"])
        facts["earlier"] = tuple(
            Version(str(each["sha256"]), _seal(each["previous"]), tuple(each["modified"]))
            for each in facts["earlier"]
        )
        manifest = cls(**facts)
        manifest._require_known_values()
        return manifest

    def _require_known_values(self) -> None:
        """Check what tables of all runs show, which a modified manifest must not keep from view.

        Raises:
            ValueError, TypeError: a number, a status, an exit code or a time is not valid.
        """
        if not all(isinstance(each, int) for each in (self.rows, *self.counts.values())):
            raise TypeError
        for status in self.counts:
            Status(status)
        if self.exit_code not in _EXIT_CODES:
            raise ValueError
        for each in self.sessions:
            datetime.fromisoformat(each.begun).astimezone(UTC)

    @property
    def totals(self) -> Totals:
        """The totals; their counts are empty until the run ends."""
        return Totals(
            rows=self.rows,
            blank_rows=self.blank_rows,
            hidden_rows=self.hidden_rows,
            counts={Status(status): count for status, count in self.counts.items()},
            sent=self.columns.sent,
            not_sent=self.columns.not_sent,
            stored_differently=self.stored_differently,
            sandbox=self.sandbox,
        )

    @property
    def sha256(self) -> str:
        """Its own SHA-256: of its JSON without that entry, keys sorted, no white space."""
        return _sha256(self._facts())

    def as_bytes(self) -> bytes:
        """Return the content of the file."""
        facts = self._facts()
        facts["sha256"] = _sha256(facts)
        text = json.dumps(facts, ensure_ascii=False, indent=2) + "\n"
        # A file's name may not be valid UTF-8; JSON can express it as a backslash and a number.
        return text.encode(errors="backslashreplace")

    def _facts(self) -> dict[str, Any]:
        facts = asdict(self)
        del facts["sealed_as"]
        return facts

    def write(self, path: Path) -> None:
        """Write the manifest.

        Raises:
            InconsistentError: it was changed after it was sealed.
        """
        self._require_as_sealed()
        with replacing(path) as new:
            new.write_bytes(self.as_bytes())

    def reopened(self, continued: Iterable[Path]) -> Self:
        """Return the manifest open for changes, with its seal added to the earlier ones.

        This is the only way to change a sealed manifest. The run goes on with the files
        ``continued``, which the next seal will cover; if they were modified, that is recorded.

        Raises:
            InconsistentError: the manifest was changed after it was sealed.
        """
        self._require_as_sealed()
        if self.sealed_as is None:
            return self
        modified = tuple(file.name for file in continued if not self.covers(file))
        version = Version(self.sealed_as, self.previous, modified)
        return replace(
            self, sealed=None, sealed_as=None, previous=None, earlier=(*self.earlier, version)
        )

    def begin_session(self, invocation: Invocation, api: str, settings: Mapping[str, Any]) -> Self:
        """Return the manifest of a run on which a session starts now, by this user on this host."""
        self._require_open()
        now = datetime.now(UTC)
        local = now.astimezone().isoformat(timespec="seconds")
        session = Session(
            utc_time(now.timestamp()), local, _user(), socket.gethostname(), invocation
        )
        return replace(
            self,
            api=api,
            settings=settings,
            sessions=(*self.sessions, session),
            counts={},
            stored_differently=0,
            exit_code=None,
        )

    def end_session(self, stopped: str | None, totals: Totals, exit_code: ExitCode) -> Self:
        """Return the manifest with its latest session ended, and why if it stopped early."""
        self._require_open()
        *earlier, latest = self.sessions
        now = datetime.now(UTC)
        # The clock may have been set back.
        seconds = max((now - datetime.fromisoformat(latest.begun)).total_seconds(), 0)
        ended = replace(
            latest, ended=utc_time(now.timestamp()), seconds=round(seconds, 3), stopped=stopped
        )
        return replace(
            self,
            sessions=(*earlier, ended),
            counts={str(status): count for status, count in totals.counts.items()},
            stored_differently=totals.stored_differently,
            exit_code=int(exit_code),
        )

    def begin_pruning(self, removed: Mapping[str, str]) -> Self:
        """Return the manifest of a run whose files with these hashes are removed or emptied now."""
        self._require_open()
        pruning = Pruning(utc_time(time.time()), _user(), socket.gethostname(), removed)
        return replace(self, pruned=pruning)

    def seal(self, previous: Seal | None, files: Mapping[str, str]) -> Self:
        """Return the manifest of a run whose files are final, sealed after ``previous``."""
        self._require_open()
        sealed = replace(self, files=files, sealed=utc_time(time.time()), previous=previous)
        return replace(sealed, sealed_as=sealed.sha256)

    def covers(self, file: Path) -> bool:
        """Whether the file is the same as when the manifest was sealed."""
        return file.is_file() and sha256_of(file) == self.files.get(file.name)

    def _require_open(self) -> None:
        if self.sealed is not None:
            raise InconsistentError(f"the manifest of run {self.run} is sealed")

    def _require_as_sealed(self) -> None:
        if self.sealed is not None and self.sealed_as != self.sha256:
            raise InconsistentError(
                f"the manifest of run {self.run} was modified after it was sealed:"
                " see fatora-clients verify"
            )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sha256(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _seal(facts: Mapping[str, str] | None) -> Seal | None:
    return Seal(str(facts["run"]), str(facts["sha256"])) if facts else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # cron and containers may not have a name
        return f"uid {os.getuid()}"
