"""What `update` remembers of runs and inputs, so that a night with nothing new is short.

The index is a cache and never the truth. It keeps what was read of a run's manifest and journal and
the hash of an input, each with the marks of the files at that time. Where a mark differs, or proves
nothing, the file is read again. Whatever is wrong with the index itself, it is made anew. Nothing
that proves or shows anything to people reads it.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from etl.files import read_regular, replacing, sha256_of
from etl.manifest import (
    Approval,
    Columns,
    Confirmation,
    InputFacts,
    Invocation,
    Manifest,
    Plan,
    Pruning,
    Seal,
    Session,
    Version,
)
from etl.rows import Status
from etl.runs.reader import counts_of
from etl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from etl.runs.folder import RunFolder

# An index that a version with other manifests wrote is made anew.
_PARTS = (
    *(Manifest, InputFacts, Columns, Session, Invocation, Seal, Version, Pruning),
    *(Plan, Approval, Confirmation),
)
_ENTRIES = (each.name for part in _PARTS for each in fields(part))
_VERSION = f"{__version__}: {', '.join(_ENTRIES)}"
# A file that changes twice within one tick of its file system's clock has the same times after
# both. So a mark proves nothing until the file has been at rest for longer than the coarsest tick,
# the 2 s of FAT. Git has the same problem: https://git-scm.com/docs/racy-git.
_AT_REST = 2_000_000_000  # ns

_Mark: TypeAlias = list[int]
_Known: TypeAlias = dict[str, Any]  # a mark, and what was read of the files that had it


class Index:
    """What is remembered of runs and inputs; `save` writes it."""

    def __init__(self, path: Path) -> None:
        """Read the index; a missing, damaged or outdated one is empty."""
        self._path = path
        self._runs: dict[str, _Known] = {}
        self._files: dict[str, _Known] = {}
        self._is_changed = False
        with suppress(OSError, ValueError):
            digest, content = read_regular(path).split(b"\n", 1)
            if digest.decode() == _digest_of(content):
                facts = json.loads(content)
                self._runs, self._files = facts["runs"], facts["files"]

    def manifest(self, folder: RunFolder) -> Manifest:
        """Return the manifest of a run, without its settings and the hashes of its files.

        Raises:
            DamagedError: it is damaged.
            OSError: it cannot be read.
        """
        mark = _mark_of(_files_of(folder))
        known = self._runs.get(folder.run)
        if known and known["mark"] == mark:
            return Manifest.parsed({**known["manifest"]})
        manifest = abridged(Manifest.read(folder.manifest))
        self._remember(self._runs, folder.run, {"mark": mark, "manifest": manifest.facts()})
        return manifest

    def counts(self, folder: RunFolder) -> Mapping[Status, int]:
        """Return the number of rows of each status in the journal of a run.

        What is remembered of the run was compared with its files by `manifest`.

        Raises:
            DamagedError: the journal is damaged.
        """
        known = self._runs.get(folder.run)
        if known and "counts" in known:
            return {status: known["counts"].get(status, 0) for status in Status}
        counts = counts_of(folder)
        if known:
            self._remember(self._runs, folder.run, {**known, "counts": counts})
        return counts

    def forget(self, run: str) -> None:
        """Forget a run that this session has changed."""
        self._is_changed |= self._runs.pop(run, None) is not None

    def sha256_of(self, file: Path) -> str:
        """Return the SHA-256 of an input.

        Raises:
            OSError: it cannot be read.
        """
        name = str(file.absolute())
        mark = _mark_of([name])
        known = self._files.get(name)
        if known and known["mark"] == mark:
            return str(known["sha256"])
        sha256 = sha256_of(file)
        self._remember(self._files, name, {"mark": mark, "sha256": sha256})
        return sha256

    def _remember(self, where: dict[str, _Known], name: str, known: _Known) -> None:
        """Remember what was read after its mark was taken, unless that mark proves nothing."""
        if known["mark"] is not None:
            where[name] = known
        elif name in where:
            del where[name]
        else:
            return
        self._is_changed = True

    def save(self, runs: Container[str]) -> None:
        """Write the index, but for what is gone; ``runs`` are all runs that there are."""
        if not self._is_changed:
            return
        facts = {
            "runs": {run: known for run, known in self._runs.items() if run in runs},
            "files": {name: known for name, known in self._files.items() if Path(name).exists()},
        }
        content = json.dumps(facts).encode("ascii")
        with suppress(OSError), replacing(self._path) as new:
            new.write_bytes(f"{_digest_of(content)}\n".encode() + content)


def _digest_of(content: bytes) -> str:
    """Return what proves that this version of the program has written this content."""
    return hashlib.sha256(f"{_VERSION}\n".encode() + content).hexdigest()


def abridged(manifest: Manifest) -> Manifest:
    """Return a manifest with what `update` needs of earlier runs; it cannot be written."""
    pruned = manifest.pruned and replace(manifest.pruned, files={})
    return replace(manifest, settings={}, files={}, sessions=manifest.sessions[-1:], pruned=pruned)


def _files_of(folder: RunFolder) -> list[str]:
    """Return what changes when a run does; its folder, when a file is added or replaced."""
    path = str(folder.path)
    return [path, f"{path}/{folder.manifest.name}", f"{path}/{folder.journal.name}"]


def _mark_of(paths: Iterable[str]) -> _Mark | None:
    """Return marks that change whenever one of the files does, or None if they prove nothing.

    Nobody can set the time of a file's last change back, as can be done with its content's.
    """
    latest = time.time_ns() - _AT_REST
    mark: _Mark = []
    for path in paths:
        try:
            facts = os.stat(path)  # noqa: PTH116 - three for each run: a Path takes twice the time
        except OSError:
            return None
        if max(facts.st_mtime_ns, facts.st_ctime_ns) > latest:
            return None
        mark += [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
    return mark
