"""What one session of `update` knows of the runs: it reads them once, and takes note of its own."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.files import sha256_of
from etl.manifest import InputFacts, Seal
from etl.rows import Status, rows_left
from etl.runs.chain import newest
from etl.runs.folder import reading_input
from etl.runs.index import Index, abridged
from etl.runs.listing import Kind, Run, Stranger, entries, unreadable
from etl.runs.rework import Reworks
from etl.urls import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.manifest import Manifest
    from etl.runs.folder import RunFolder, RunsFolder


@contextmanager
def known_runs(runs: RunsFolder) -> Iterator[KnownRuns]:
    """Yield what is known of the runs, and remember it for the next session.

    Raises:
        ConfigError: this user may not read a run.
    """
    known = KnownRuns(runs)
    try:
        yield known
    finally:
        known.save()


class KnownRuns:
    """The runs of a folder. Whoever uses it must have locked the folder: nobody else changes it."""

    def __init__(self, runs: RunsFolder) -> None:
        """Read the runs.

        Raises:
            ConfigError: this user may not read one of them; it may be the run of any file.
        """
        runs.clear_staging()
        self._runs = runs
        self._index = Index(runs.index)
        self._manifests: dict[str, Manifest] = {}
        self._of_bytes: dict[str, dict[str, RunFolder]] = {}
        strangers = []
        for entry in reversed(entries(runs, self._index.manifest)):
            if isinstance(entry, Run):
                self._note(entry.folder, entry.manifest)
            elif entry.kind is Kind.UNREADABLE:
                raise entry.error
            else:
                strangers.append(entry)
        self._claims = list(self._claims_of(strangers))
        misplaced = [each.manifest for each in strangers if each.manifest]
        self._newest = newest([*self._manifests.values(), *misplaced])
        self._reworks: Reworks | None = None

    @property
    def newest(self) -> Seal | None:
        """The newest seal, which the next one must name."""
        return self._newest

    @property
    def reworks(self) -> Reworks:
        """Which runs correct rows of which other runs."""
        if self._reworks is None:
            self._reworks = Reworks(self._runs, self._manifests, self._index.counts)
        return self._reworks

    def facts_of(self, source: Path) -> InputFacts:
        """Return the name, the size and the SHA-256 of an input.

        Raises:
            InputError: it cannot be read.
        """
        with reading_input():
            return InputFacts(source.name, source.stat().st_size, self._index.sha256_of(source))

    def of_same(self, facts: InputFacts, api: str, account: str) -> list[Run]:
        """Return the runs of the same bytes and sheet, API and account, the latest first.

        All addresses of this machine are one API, whatever their ports.

        Raises:
            DamagedError: a damaged or renamed run has these bytes, so that it is unknown which of
                their rows were sent.
        """

        def is_same(manifest: Manifest) -> bool:
            return (
                manifest.input.sha256 == facts.sha256
                and manifest.input.sheet == facts.sheet
                and is_same_api(manifest.api, api)
                and manifest.account == account
            )

        for sha256, stranger in self._claims:
            if sha256 == facts.sha256 and (stranger.manifest is None or is_same(stranger.manifest)):
                raise stranger.error
        folders = self._of_bytes.get(facts.sha256, {})
        same = [Run(folder, self._manifests[run]) for run, folder in folders.items()]
        same.sort(key=lambda run: run.folder.run, reverse=True)
        return [run for run in same if is_same(run.manifest)]

    def earlier_updates(self, manifest: Manifest) -> Iterator[RunFolder]:
        """Yield the other runs that updated clients of the same account, the latest first."""
        for run in sorted(self._manifests, reverse=True):
            other = self._manifests[run]
            is_same = other.account == manifest.account and is_same_api(other.api, manifest.api)
            if run != manifest.run and is_same and other.counts.get(Status.SUCCESS):
                yield self._runs.folder(run)

    def newest_update(self, manifest: Manifest) -> str:
        """Return when the latest session began of another run of the same account; empty if none.

        Only one session at a time works in a runs folder, so what was read after that time was read
        after its updates, too.
        """
        others = (
            other.sessions[-1].begun
            for run, other in self._manifests.items()
            if run != manifest.run
            and other.sessions
            and not other.sessions[-1].invocation.only_plan
            and other.account == manifest.account
            and is_same_api(other.api, manifest.api)
        )
        return max(others, default="")

    def undone_by(self, run: str) -> list[Run]:
        """Return the runs that take back what a run changed, the latest first."""
        return [
            Run(self._runs.folder(later), self._manifests[later])
            for later in sorted(self._manifests, reverse=True)
            if self._manifests[later].undoes == run
        ]

    def undo_of(self, run: str) -> str | None:
        """Return the latest run that took back updates of a run, unless that was taken back, too.

        A plan of an undo, which sent nothing, does not count.
        """
        undone = (each.manifest for each in self.undone_by(run))
        sent = (each.run for each in undone if each.counts.get(Status.SUCCESS))
        return next((later for later in sent if self.undo_of(later) is None), None)

    def has_rows_left(self, run: Run) -> bool:
        """Whether running the file of a run again would send rows.

        Raises:
            DamagedError: the run's journal is damaged.
        """
        if run.manifest.exit_code is None:
            return True
        return rows_left(self._index.counts(run.folder)) > 0

    def note(self, folder: RunFolder, manifest: Manifest) -> None:
        """Take note of the manifest that this session has just written."""
        self._index.forget(folder.run)
        self._note(folder, abridged(manifest))
        self._reworks = None
        if manifest.sealed_as:  # nothing is sealed after it yet
            self._newest = Seal(manifest.run, manifest.sealed_as)

    def save(self) -> None:
        """Remember what is known for the next session."""
        self._index.save(self._manifests)

    def _note(self, folder: RunFolder, manifest: Manifest) -> None:
        self._manifests[folder.run] = manifest
        self._of_bytes.setdefault(manifest.input.sha256, {})[folder.run] = folder

    def _claims_of(self, strangers: list[Stranger]) -> Iterator[tuple[str, Stranger]]:
        """Yield the SHA-256 of each input of which a damaged or renamed run may have sent rows."""
        for stranger in strangers:
            if stranger.manifest and stranger.manifest.run not in self._manifests:
                yield stranger.manifest.input.sha256, stranger
            elif stranger.kind is Kind.DAMAGED:
                for file in filter(Path.is_file, stranger.folder.inputs):
                    try:
                        yield sha256_of(file), stranger
                    except OSError as error:
                        raise ConfigError(unreadable(file, error)) from None


def is_same_api(one: str, other: str) -> bool:
    """Whether two addresses are one API: all of this machine are."""
    return one == other or (is_loopback(one) and is_loopback(other))
