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
from collections.abc import Mapping
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeAlias

from pydantic import AfterValidator, ConfigDict, InstanceOf, Strict, TypeAdapter, WithJsonSchema
from pydantic import Field as FieldInfo
from pydantic.dataclasses import dataclass

from etl.errors import DamagedError, ExitCode, InconsistentError
from etl.fields import Field
from etl.files import read_regular, replacing, sha256_of
from etl.rows import Status, Totals
from etl.text import utc_time
from etl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXITS = (ExitCode.DONE, ExitCode.NOT_ALL_UPDATED, ExitCode.USAGE, ExitCode.STOPPED)
_FORM = ConfigDict(extra="forbid", json_schema_serialization_defaults_required=True)

_START = "%Y%m%dT%H%M%S.%fZ"  # the beginning of a run's id
_START_LENGTH = len("20261128T021500.409Z")
_SETTING = WithJsonSchema(
    {
        "type": "object",
        "properties": {
            "value": {},
            "from": {"enum": ["option", "environment", "configuration file", "default"]},
        },
        "required": ["value", "from"],
        "additionalProperties": False,
    }
)

# Pydantic's str refuses the lone surrogates that stand for the bytes of a name that is not UTF-8.
Text: TypeAlias = InstanceOf[str]
Count: TypeAlias = Annotated[int, Strict(), FieldInfo(ge=0)]
Hash: TypeAlias = Annotated[
    Text, WithJsonSchema({"type": "string", "pattern": "^[0-9a-f]{64}$"})
]  # SHA-256 in hexadecimal


def _checked_time(time: str) -> str:
    datetime.fromisoformat(time).astimezone(UTC)
    return time


Time: TypeAlias = Annotated[
    Text, AfterValidator(_checked_time), WithJsonSchema({"type": "string", "format": "date-time"})
]  # ISO 8601, with its offset


def _checked_exit(code: int) -> int:
    if code not in EXITS:
        raise ValueError
    return code


ExitStatus: TypeAlias = Annotated[
    int, Strict(), AfterValidator(_checked_exit), WithJsonSchema({"enum": [*EXITS]})
]


def _is_empty(entry: object) -> bool:
    return not entry


# An entry that is left out if it is empty: the hash of each earlier manifest is of one without it.
_OPTIONAL = FieldInfo(exclude_if=_is_empty)


@dataclass(frozen=True, slots=True, config=_FORM)
class InputFacts:
    """The file that operations sent, and the settings with which it was read."""

    name: Text
    size: Count
    """Bytes."""
    sha256: Hash
    sheet: Text | None = None
    """The sheet that the settings name, or null."""
    encoding: Text | None = None
    """The encoding that the settings name, or null."""
    aliases: Mapping[Field, tuple[Text, ...]] = field(default_factory=dict)
    """The additional headers of each field."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Columns:
    """The columns of the input."""

    sent: Mapping[Field, Text] = field(default_factory=dict)
    """The header of each field."""
    not_sent: tuple[Text, ...] = ()
    """The headers of the other columns."""
    lookalikes: Annotated[Mapping[Text, Field], _OPTIONAL] = field(default_factory=dict)
    """Those of the other columns that may be meant for a field without a column, with that field.

    Missing if there are none."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Invocation:
    """The command and the credentials of a session."""

    command: Text
    """The command line."""
    credentials: Text
    """Their kind, and the first 16 hexadecimal digits of the secret's SHA-256.

    The digits only distinguish two secrets."""
    only_plan: Annotated[bool, _OPTIONAL] = False
    """Whether the session read clients and sent nothing; missing if not."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Session:
    """One invocation of the program that worked on a run: the first, or a resume."""

    begun: Time
    """UTC."""
    begun_local: Time
    """The same, with this machine's offset."""
    user: Text
    host: Text
    invocation: Invocation
    ended: Time | None = None
    """UTC; null if no end is recorded."""
    seconds: Annotated[float, FieldInfo(ge=0)] | None = None
    """How long it took."""
    stopped: Text | None = None
    """Why it ended early, in full sentences."""
    held: Annotated[bool, _OPTIONAL] = False
    """Whether that was since the guard held the plan back; missing if not."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Plan:
    """What a run that compares would change, and the digest by which it is approved."""

    digest: Hash
    """SHA-256 over the rows, the values to send and what the API held."""
    rows: Count
    """Rows that change their client."""
    fields: Mapping[Field, Count]
    """The number of rows that change each field."""
    emptying: Count
    """Rows in which a filled field becomes blank."""
    emptied: Mapping[Field, Count]
    """The number of rows in which each field becomes blank."""
    compared: Count = 0
    """Rows whose clients were read, so that their shares say something."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Approval:
    """Who allowed a plan to be sent."""

    time: Time
    """UTC."""
    user: Text
    host: Text
    digest: Hash
    """That of the plan."""
    note: Text = ""
    signer: Text = ""
    """Who signed the digest, by the file of allowed signers; empty without a signature."""
    key: Text = ""
    """The line of that file, as it was when the plan was approved."""
    signature: Text = ""
    """An SSH signature of the digest, armored."""

    @classmethod
    def now(cls, digest: str, note: str, **signed: str) -> Self:
        """Return the approval of a plan by this user on this host, and how it was ``signed``."""
        return cls(utc_time(time.time()), _user(), socket.gethostname(), digest, note, **signed)


@dataclass(frozen=True, slots=True, config=_FORM)
class Confirmation:
    """What the API held when it was asked again about the clients of a run."""

    time: Time
    """UTC: when it ended."""
    user: Text
    host: Text
    clients: Count
    """How many clients were read."""
    unchanged: Count
    """Those that are as the run left them."""
    changed: Count
    """Those that somebody changed since."""
    not_as_sent: Count
    """Those that never took the values although the API confirmed them."""
    settled: Count
    """UNKNOWN rows that are now SUCCESS or FAILED."""
    unread: Count = 0
    """Clients that could not be read, so that nothing is known of them."""

    @classmethod
    def now(cls, **clients: int) -> Self:
        """Return a confirmation by this user on this host, with the number of ``clients``."""
        return cls(utc_time(time.time()), _user(), socket.gethostname(), **clients)


@dataclass(frozen=True, slots=True, config=_FORM)
class Seal:
    """What identifies a sealed manifest."""

    run: Text
    sha256: Hash


@dataclass(frozen=True, slots=True, config=_FORM)
class Version:
    """An earlier manifest of the same run, from before it was reopened."""

    sha256: Hash
    """Its seal."""
    previous: Seal | None
    """The seal before that, of any run."""
    modified: tuple[Text, ...] = ()
    """Files that had been modified when the run was reopened, and that the next seal covers."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Pruning:
    """When and by whom the personal data of a run was removed."""

    time: Time
    user: Text
    host: Text
    files: Mapping[Text, Hash]
    """The SHA-256 of the files that held it, by name."""


@dataclass(frozen=True, slots=True, config=_FORM)
class Manifest:
    """What was run, by whom and when, and the SHA-256 of every file of the run."""

    run: Text
    """The run's id, the name of its folder; it begins with the UTC time of the start."""
    api: Text
    """The address of the API."""
    input: InputFacts
    rows: Count
    blank_rows: Count
    hidden_rows: Count
    account: Text = ""
    """Whose clients are updated: the name in the bearer token, else the key's fingerprint."""
    sandbox: bool = False
    """Whether all requests went to the program's own sandbox and none to Fatora."""
    columns: Columns = field(default_factory=Columns)
    reworks: tuple[Text, ...] = ()
    """The runs whose rows this run corrects."""
    undoes: Annotated[Text, _OPTIONAL] = ""
    """The run whose changes this run takes back; missing for all others."""
    compares: Annotated[bool, _OPTIONAL] = False
    """Whether each client is read before it is updated; missing if not."""
    plan: Annotated[Plan | None, _OPTIONAL] = None
    """What the run changes; missing if it does not compare."""
    approvals: Annotated[tuple[Approval, ...], _OPTIONAL] = ()
    """Who approved which plan of this run; missing if nobody did."""
    confirmations: Annotated[tuple[Confirmation, ...], _OPTIONAL] = ()
    """How often the API was asked again, and what it said; missing if it was not."""
    settings: Mapping[str, Annotated[Any, _SETTING]] = field(default_factory=dict)
    """Each setting of the latest session by its key: its value, never a secret, and its source."""
    counts: Mapping[Status, Count] = field(default_factory=dict)
    """Rows by status; empty until the run ends."""
    stored_differently: Count = 0
    """The number of updated rows for which the API confirmed other values than were sent."""
    exit_code: ExitStatus | None = None
    """Null while the run is in progress, or if it was killed."""
    sessions: tuple[Session, ...] = ()
    """The sessions that worked on the run."""
    files: Mapping[Text, Hash] = field(default_factory=dict)
    """The SHA-256 of every other file of the folder, by name."""
    program: Text = f"fatora-clients {__version__}"
    pruned: Pruning | None = None
    sealed: Time | None = None
    """When the manifest was sealed, UTC; null while it is open."""
    sealed_as: Annotated[Hash | None, FieldInfo(exclude=True)] = None
    """The SHA-256 of its seal, which the file calls ``sha256``."""
    previous: Seal | None = None
    """The manifest that was sealed before this one, in any run."""
    earlier: tuple[Version, ...] = ()
    """The manifests of this run from before it was resumed or pruned, by their seals."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest that `write` wrote.

        Raises:
            DamagedError: it is damaged.
            OSError: it cannot be read.
        """
        try:
            return cls.parsed(json.loads(read_regular(path).decode()))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise DamagedError(
                f"the manifest of run {path.parent.name} is damaged: see fatora-clients verify"
            ) from None

    @classmethod
    def parsed(cls, facts: dict[str, Any]) -> Self:
        """Return the manifest with these `facts`.

        Raises:
            ValueError, TypeError, KeyError, AttributeError: they are damaged.
        """
        sha256 = facts.pop("sha256")
        # Not replaced afterwards, which would validate everything once more.
        manifest: Self = ADAPTER.validate_python(
            {**facts, "sealed_as": sha256 if facts.get("sealed") else None}
        )
        return manifest

    def facts(self) -> dict[str, Any]:
        """Return what `parsed` takes, which JSON can hold."""
        return {**self._facts(), "sha256": self.sealed_as}

    @property
    def started(self) -> datetime:
        """When the newest session started, or else when the run was made: its id has the time."""
        if self.sessions:
            return datetime.fromisoformat(self.sessions[-1].begun)
        return datetime.strptime(self.run[:_START_LENGTH], _START).replace(tzinfo=UTC)

    @property
    def approved(self) -> Approval | None:
        """The approval of the plan as it is now, if somebody gave it."""
        digest = self.plan and self.plan.digest
        given = (each for each in reversed(self.approvals) if each.digest == digest)
        return next(given, None)

    @property
    def stopped(self) -> str | None:
        """Why the newest session stopped early, until somebody approves the plan."""
        if not self.sessions:
            return None
        latest, approved = self.sessions[-1], self.approved
        is_approved = approved and latest.ended and approved.time >= latest.ended
        return None if is_approved else latest.stopped

    @property
    def needs_approval(self) -> bool:
        """Whether the newest session sent nothing more since somebody must approve the plan."""
        approval = self.settings.get("guard.approval", {})
        return self.is_held and self.stopped is not None and approval.get("value") != "never"

    @property
    def waits_approved(self) -> bool:
        """Whether somebody has approved the plan, which the next session sends."""
        return self.is_held and self.stopped is None

    @property
    def is_held(self) -> bool:
        """Whether the guard held the plan back in the newest session."""
        return self.exit_code == ExitCode.STOPPED and any(each.held for each in self.sessions[-1:])

    def makers(self, until: str = "") -> set[str]:
        """Return the users whose sessions made the plan: all of them, or those ``until`` a time.

        The first session always counts, since the clocks of two hosts may differ.
        """
        made = (each for each in self.sessions[1:] if not until or each.begun <= until)
        return {session.user for session in (*self.sessions[:1], *made)}

    @property
    def unsent_plan(self) -> Plan | None:
        """The plan, if the newest session only made it and nothing was sent before."""
        if not (self.plan and self.plan.rows and self.exit_code == ExitCode.STOPPED):
            return None
        was_sent = any(map(self.counts.get, (Status.SUCCESS, Status.UNKNOWN)))
        return self.plan if self.sessions[-1].invocation.only_plan and not was_sent else None

    @property
    def is_planned(self) -> bool:
        """Whether the newest session made a plan, as it was asked to, and nothing was sent."""
        return self.unsent_plan is not None and not self.sessions[-1].stopped

    @property
    def totals(self) -> Totals:
        """The totals; their counts are empty until the run ends."""
        return Totals(
            rows=self.rows,
            blank_rows=self.blank_rows,
            hidden_rows=self.hidden_rows,
            counts=self.counts,
            sent=self.columns.sent,
            not_sent=self.columns.not_sent,
            lookalikes=self.columns.lookalikes,
            stored_differently=self.stored_differently,
            sandbox=self.sandbox,
            undoes=self.undoes or None,
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
        facts: dict[str, Any] = ADAPTER.dump_python(self)
        return facts

    def write(self, path: Path) -> None:
        """Write the manifest.

        Raises:
            DamagedError: it was changed after it was sealed.
        """
        self._require_as_sealed()
        with replacing(path) as new:
            new.write_bytes(self.as_bytes())

    def reopened(self, continued: Iterable[Path]) -> Self:
        """Return the manifest open for changes, with its seal added to the earlier ones.

        This is the only way to change a sealed manifest. The run goes on with the files
        ``continued``, which the next seal will cover; if they were modified, that is recorded.

        Raises:
            DamagedError: the manifest was changed after it was sealed.
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

    def planned(self, plan: Plan) -> Self:
        """Return the manifest of a run whose rows were compared."""
        self._require_open()
        return replace(self, plan=plan)

    def approve(self, approval: Approval) -> Self:
        """Return the manifest of a run whose plan somebody approved."""
        self._require_open()
        return replace(self, approvals=(*self.approvals, approval))

    def confirm(self, confirmation: Confirmation) -> Self:
        """Return the manifest of a run about whose clients the API was asked again."""
        self._require_open()
        return replace(self, confirmations=(*self.confirmations, confirmation))

    def recounted(self, totals: Totals, exit_code: ExitCode) -> Self:
        """Return the manifest of a run of which some rows have another status now."""
        self._require_open()
        return replace(
            self,
            counts=totals.counts,
            stored_differently=totals.stored_differently,
            exit_code=int(exit_code),
        )

    def end_session(
        self,
        stopped: str | None,
        totals: Totals,
        exit_code: ExitCode,
        seconds: float,
        *,
        held: bool = False,
    ) -> Self:
        """Return the manifest with its latest session ended, and why if it stopped early.

        ``seconds`` is how long it took: the difference of the times would be wrong if the clock was
        set meanwhile. ``held`` is whether the guard held the plan back.
        """
        self._require_open()
        *earlier, latest = self.sessions
        ended = replace(
            latest,
            ended=utc_time(time.time()),
            seconds=round(seconds, 3),
            stopped=stopped,
            held=held,
        )
        return replace(
            self,
            sessions=(*earlier, ended),
            counts=totals.counts,
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
            raise DamagedError(
                f"the manifest of run {self.run} was modified after it was sealed:"
                " see fatora-clients verify"
            )


ADAPTER: TypeAdapter[Any] = TypeAdapter(Manifest)  # makes ``manifest.schema.json``, too


def _sha256(facts: Mapping[str, Any]) -> str:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # cron and containers may not have a name
        return f"uid {os.getuid()}"
