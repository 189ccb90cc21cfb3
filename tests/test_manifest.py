"""The manifest: the facts about a run, and the hash that proves them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etl import __version__
from etl.errors import ExitCode, InconsistentError
from etl.fields import Field
from etl.files import sha256_of
from etl.manifest import (
    Columns,
    InputFacts,
    Invocation,
    Manifest,
    Seal,
    Session,
    Version,
)
from etl.rows import Status, Totals
from etl.runs.folder import RunFolder
from schema import schema

if TYPE_CHECKING:
    from collections.abc import Callable

STARTED, ENDED = "2026-01-01T00:00:00.000+00:00", "2026-01-01T00:05:00.000+00:00"
API = "https://api.example.com/v1"
INVOCATION = Invocation("fatora-clients update clients.csv", "API key 0123456789abcdef")
MANIFEST = Manifest(
    run="20260101T000000.000Z-abc123",
    api=API,
    input=InputFacts("عملاء.csv", 1_234, "ab" * 32, "Clients", "cp1256", {Field.ID: ("Kunde",)}),
    rows=3,
    blank_rows=1,
    hidden_rows=2,
    settings={"api": {"timeout": 30.0, "proxy": None}},
    counts={Status.SUCCESS: 2, Status.INVALID: 1},
    exit_code=1,
    sessions=(
        Session(
            STARTED, STARTED, "somebody", "host", INVOCATION, ENDED, 300.0, "stopped by SIGTERM"
        ),
    ),
    files={"results.csv": "cd" * 32},
)
LOOKALIKE = Columns(not_sent=("Kontakt",), lookalikes={"Kontakt": Field.PHONE})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path for a manifest."""
    return tmp_path / "manifest.json"


@pytest.mark.parametrize(
    "manifest",
    [
        MANIFEST,
        replace(MANIFEST, exit_code=None, counts={}, files={}, sessions=()),
        replace(MANIFEST, input=replace(MANIFEST.input, sheet=None)),
        replace(MANIFEST, input=replace(MANIFEST.input, name="caf\udce9.csv")),
        replace(MANIFEST, columns=LOOKALIKE),
    ],
    ids=["finished", "started", "no sheet", "name that is no UTF-8", "lookalike"],
)
def test_a_manifest_reads_back_as_it_was_written(path: Path, manifest: Manifest) -> None:
    """A manifest reads back unchanged, with any name of the input."""
    manifest.write(path)
    assert Manifest.read(path) == manifest


def test_a_manifest_holds_its_own_hash(path: Path) -> None:
    """The hash in a manifest is that of its JSON with sorted keys, without the hash."""
    MANIFEST.write(path)
    facts = json.loads(path.read_bytes())
    stated = facts.pop("sha256")
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    assert stated == hashlib.sha256(canonical.encode()).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [
        replace(MANIFEST, rows=4),
        replace(MANIFEST, exit_code=0),
        replace(MANIFEST, counts={Status.SUCCESS: 3}),
        replace(MANIFEST, input=replace(MANIFEST.input, name="other.csv")),
        replace(MANIFEST, files={}),
        replace(MANIFEST, columns=LOOKALIKE),
        replace(MANIFEST, columns=replace(LOOKALIKE, lookalikes={"Kontakt": Field.NAME})),
    ],
)
def test_any_other_manifest_has_another_hash(path: Path, changed: Manifest) -> None:
    """Any change to a manifest changes its hash."""
    hashes = []
    for manifest in (MANIFEST, changed):
        manifest.write(path)
        hashes.append(json.loads(path.read_bytes())["sha256"])
    assert hashes[0] != hashes[1]


def test_a_manifest_is_readable_and_private(path: Path) -> None:
    """A manifest is private, and readable in an editor."""
    MANIFEST.write(path)
    text = path.read_text(encoding="utf-8")
    assert "عملاء.csv" in text
    assert text.endswith("}\n")
    assert len(text.splitlines()) > 20
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_manifest_names_the_program_and_its_version(path: Path) -> None:
    """A manifest names the program and its version."""
    MANIFEST.write(path)
    assert json.loads(path.read_bytes())["program"] == f"fatora-clients {__version__}"


def test_a_session_begins_with_who_and_where(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new session has its user and host, keeps the earlier ones, and clears the result."""
    monkeypatch.setenv("LOGNAME", "operations")
    resumed = MANIFEST.begin_session(INVOCATION, API, {})
    earlier, latest = resumed.sessions
    assert earlier == MANIFEST.sessions[0]
    assert (latest.user, latest.invocation) == ("operations", INVOCATION)
    assert latest.host
    utc, local = map(datetime.fromisoformat, (latest.begun, latest.begun_local))
    assert abs((utc - local).total_seconds()) < 2
    assert (latest.ended, latest.stopped) == (None, None)
    assert (resumed.counts, resumed.exit_code) == ({}, None)
    resumed.write(path)
    assert Manifest.read(path) == resumed


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found"), OSError("No username")])
def test_a_user_without_a_name_has_a_number(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A user without a name is recorded by number, on any version of Python."""

    def fail() -> str:
        raise error

    monkeypatch.setattr("getpass.getuser", fail)
    assert MANIFEST.begin_session(INVOCATION, API, {}).sessions[-1].user.startswith("uid ")


@pytest.mark.parametrize("stopped", [None, "stopped by SIGTERM"])
def test_only_the_latest_session_ends(stopped: str | None) -> None:
    """Only the latest session ends, with the reason if it stopped early."""
    ended = MANIFEST.begin_session(INVOCATION, API, {}).end_session(
        stopped, Totals(), ExitCode.DONE, 1.23456
    )
    assert ended.sessions[0] == MANIFEST.sessions[0]
    assert ended.sessions[1].ended
    assert ended.sessions[1].stopped == stopped
    assert ended.sessions[1].seconds == 1.235


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Return the folder of the run, with a journal and a log."""
    made = RunFolder(tmp_path)
    made.journal.write_bytes(b"journal")
    made.log.write_bytes(b"log")
    return made


def test_a_seal_that_a_manifest_had_is_kept(folder: RunFolder) -> None:
    """A resumed run is sealed again and keeps its earlier seal."""
    first = MANIFEST.seal(None, folder.hashes())
    other = Seal("20260102T000000.000Z-def456", "ef" * 32)
    second = (
        first.reopened(folder.continued)
        .begin_session(INVOCATION, API, {})
        .end_session(None, Totals(), ExitCode.DONE, 1.5)
        .seal(other, {"results.csv": "12"})
    )
    assert second.earlier == (Version(first.sha256, None),)
    assert second.previous == other
    assert second.sealed is not None
    assert second.sealed_as == second.sha256


def test_a_sealed_manifest_reads_back_as_it_was_written(path: Path) -> None:
    """A sealed manifest reads back with its seal."""
    sealed = MANIFEST.seal(Seal("20260102T000000.000Z-def456", "ef" * 32), {"run.log": "ab" * 32})
    sealed.write(path)
    assert Manifest.read(path) == sealed
    assert json.loads(path.read_bytes())["sha256"] == sealed.sealed_as


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.begin_session(INVOCATION, API, {}),
        lambda manifest: manifest.end_session(None, Totals(), ExitCode.DONE, 1.5),
        lambda manifest: manifest.begin_pruning({}),
        lambda manifest: manifest.seal(None, {}),
    ],
    ids=["begin a session", "end a session", "prune", "seal"],
)
def test_a_sealed_manifest_is_not_changed(
    change: Callable[[Manifest], Manifest], folder: RunFolder
) -> None:
    """A sealed manifest cannot be changed unless it is reopened."""
    sealed = MANIFEST.seal(None, {})
    with pytest.raises(InconsistentError, match="is sealed"):
        change(sealed)
    assert change(sealed.reopened(folder.continued)).earlier[0].sha256 == sealed.sha256


def test_an_earlier_manifest_reads_back_byte_for_byte_with_its_seal(path: Path) -> None:
    """A manifest from before it named lookalikes keeps each of its bytes, and so its hash."""
    earlier = Path(__file__).parent / "manifests" / "without-lookalikes.json"
    manifest = Manifest.read(earlier)
    assert manifest.as_bytes() == earlier.read_bytes()
    assert manifest.sealed_as == manifest.sha256
    assert manifest.totals.not_sent == ("Nom", "Kontakt", "رقم الاتصال", "Branch")
    assert manifest.totals.lookalikes == {}
    manifest.write(path)  # raises if its hash is not that of its seal
    assert path.read_bytes() == earlier.read_bytes()


@pytest.mark.parametrize("changes", [{"settings": {}}, {"rows": 4}, {"api": "https://other/v1"}])
def test_a_manifest_that_was_changed_while_sealed_is_neither_written_nor_reopened(
    changes: dict[str, Any], folder: RunFolder
) -> None:
    """A manifest that was changed while sealed is neither written nor reopened."""
    changed = replace(MANIFEST.seal(None, {}), **changes)
    with pytest.raises(InconsistentError, match="was modified after it was sealed"):
        changed.write(folder.manifest)
    with pytest.raises(InconsistentError, match="was modified after it was sealed"):
        changed.reopened(folder.continued)
    assert not folder.manifest.exists()


def test_an_open_manifest_is_open(folder: RunFolder) -> None:
    """An open manifest is reopened without a new version."""
    assert MANIFEST.reopened(folder.continued) == MANIFEST


@pytest.mark.parametrize("name", ["journal.sqlite3", "run.log"])
def test_a_file_that_was_modified_before_a_resume_is_recorded(name: str, folder: RunFolder) -> None:
    """A file that was modified before a resume is recorded."""
    sealed = MANIFEST.seal(None, folder.hashes())
    (folder.path / name).write_bytes(b"forged")
    (version,) = sealed.reopened(folder.continued).earlier
    assert version.modified == (name,)
    (folder.path / name).unlink()
    (version,) = sealed.reopened(folder.continued).earlier
    assert version.modified == (name,)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"sha256": 1}', "null", '{"sha256": "", "input": 3}']
)
def test_a_damaged_manifest_is_reported_as_such(path: Path, text: str) -> None:
    """A damaged manifest is reported as such, not as an internal error."""
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InconsistentError, match="is damaged"):
        Manifest.read(path)


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 10_000])
def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path, content: bytes) -> None:
    """The hash of a file is the one that ``sha256sum`` prints."""
    file = tmp_path / "results.csv"
    file.write_bytes(content)
    assert sha256_of(file) == hashlib.sha256(content).hexdigest()


def test_the_schema_is_that_of_the_manifest() -> None:
    """The schema that auditors get is the one that the program reads manifests by."""
    shipped = files("etl").joinpath("manifest.schema.json").read_text("utf-8")
    assert shipped == schema()
