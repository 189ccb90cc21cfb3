"""What is in the runs folder: runs, and everything else with the reason why it is not a run.

File systems, backups and people put other folders there: ``lost+found``, ``@eaDir``, a run that was
copied or renamed, one that another user made. Whoever looks through all runs starts from this list,
and decides which strangers matter.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, TypeAlias

from etl.errors import ConfigError, DamagedError, FatoraClientsError
from etl.manifest import Manifest
from etl.runs.folder import is_run_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etl.runs.folder import RunFolder, RunsFolder

_ROOT = 0  # the superuser's id


class Kind(Enum):
    """Why an entry of the runs folder is not a run."""

    FOREIGN = auto()
    """It has nothing to do with this program."""
    UNREADABLE = auto()
    """It has the name of a run, but this user may not read it."""
    DAMAGED = auto()
    """It has the name of a run, but its manifest is missing or damaged."""
    MISPLACED = auto()
    """It was copied or renamed: its manifest is that of another folder."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its folder and its manifest."""

    folder: RunFolder
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Stranger:
    """An entry of the runs folder that is not a run.

    ``problem`` is what is wrong with its manifest, in a word or two, and ``sentence`` the same for
    people, with what to do. ``manifest`` is that of a run that was copied or renamed.
    """

    folder: RunFolder
    kind: Kind
    problem: str
    sentence: str
    manifest: Manifest | None = None

    @property
    def error(self) -> FatoraClientsError:
        """The error for those who need this folder."""
        if self.kind is Kind.UNREADABLE:
            return ConfigError(self.sentence)
        return DamagedError(self.sentence)


Entry: TypeAlias = Run | Stranger


def entries(runs: RunsFolder, read: Callable[[RunFolder], Manifest] | None = None) -> list[Entry]:
    """Return everything in the runs folder that is a run or looks like one, the newest first.

    ``read`` is a faster way to read a manifest than from its file.
    """
    return [entry_of(folder, read) for folder in runs.folders()]


def entry_of(folder: RunFolder, read: Callable[[RunFolder], Manifest] | None = None) -> Entry:
    """Return a run, or why the folder is not one; never raises for what is in it."""
    try:
        manifest = read(folder) if read else Manifest.read(folder.manifest)
    except (OSError, DamagedError) as error:
        return _without_manifest(folder, error)
    if is_run_id(folder.run) and manifest.run == folder.run:
        return Run(folder, manifest)
    problem = f"belongs to run {manifest.run}, not to this folder"
    sentence = (
        f"the folder {folder.path} was copied or renamed: its manifest is that of run"
        f" {manifest.run}. Give it back that name, or move it out of the runs folder"
    )
    return Stranger(folder, Kind.MISPLACED, problem, sentence, manifest)


def _without_manifest(folder: RunFolder, error: OSError | DamagedError) -> Stranger:
    """Return the entry of a folder whose manifest could not be read."""
    is_missing = isinstance(error, (FileNotFoundError, NotADirectoryError))
    if not is_run_id(folder.run):
        reason = f" ({error.strerror})" if isinstance(error, OSError) and not is_missing else ""
        sentence = f"{folder.path} is not a run, and is ignored{reason}"
        return Stranger(folder, Kind.FOREIGN, "not a run", sentence)
    if is_missing:
        sentence = f"the manifest of run {folder.run} is missing: see fatora-clients verify"
        return Stranger(folder, Kind.DAMAGED, "missing", sentence)
    if isinstance(error, DamagedError):
        return Stranger(folder, Kind.DAMAGED, "damaged", str(error))
    problem = f"cannot be read ({error.strerror})"
    return Stranger(folder, Kind.UNREADABLE, problem, unreadable(folder.manifest, error))


def run_of(folder: RunFolder) -> Run:
    """Return a run.

    Raises:
        ConfigError: this user may not read it.
        DamagedError: its manifest is missing, damaged or another run's.
    """
    entry = entry_of(folder)
    if isinstance(entry, Stranger):
        raise entry.error
    return entry


def unreadable(file: Path, error: OSError) -> str:
    """Return a sentence about a file of a run that this user may not read: its path and owner."""
    path = file if os.path.lexists(file) else file.parent
    try:
        owner = path.stat().st_uid
    except OSError:
        return f"{path} cannot be read ({error.strerror})"
    if owner == os.geteuid():
        return f"{path} cannot be read ({error.strerror})"
    as_root = " Was update run as root?" if owner == _ROOT else ""
    return (
        f"{path} cannot be read ({error.strerror}): it belongs to {_name_of(owner)}.{as_root}"
        " Give it to the user who runs the job, with chown -R"
    )


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # containers may not have a name
        return f"user {user}"
