"""The folder of a run, and the folder of all runs."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from etl.errors import ConfigError, DamagedError, InputError
from etl.files import (
    PRIVATE_FOLDER,
    create,
    flush,
    is_workbook,
    naming,
    remove_unfinished,
    sha256_of,
)
from etl.manifest import InputFacts
from etl.runs.database import LONGEST_PATH
from etl.stopping import is_disk_full
from etl.text import quote, quoted_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

_STAGING = ".staging-"
_SANDBOX = "-SANDBOX"
_RUN_ID = re.compile(rf"[0-9]{{8}}T[0-9]{{6}}\.[0-9]{{3}}Z-[0-9a-f]{{6}}(?:{_SANDBOX})?")
LATEST = "latest"
_JOURNAL = "journal.sqlite3"
_LONGEST_NAMES = f"/{_STAGING}20261128T021500.409Z-abcdef{_SANDBOX}/{_JOURNAL}"
_LONGEST_PATH = LONGEST_PATH - len(_LONGEST_NAMES)
_BEST_FIRST = (".xlsx", ".csv")
_BLOCK = 1 << 20


def is_run_id(text: str) -> bool:
    """Whether the text has the form of a run's id."""
    return _RUN_ID.fullmatch(text) is not None


def _may_hold_a_run(entry: os.DirEntry[str]) -> bool:
    # isdir, unlike the method of an entry, raises nothing for a link to where nobody may look.
    visible = not entry.name.startswith(".")
    return visible and (is_run_id(entry.name) or os.path.isdir(entry))  # noqa: PTH112


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run, which is named after the run's id, and the paths of its files."""

    path: Path

    @property
    def run(self) -> str:
        """The run's id, which begins with the UTC time of its start."""
        return self.path.name.removeprefix(_STAGING)

    @property
    def journal(self) -> Path:
        """The record of each row."""
        return self.path / _JOURNAL

    @property
    def log(self) -> Path:
        """The log, as JSON lines."""
        return self.path / "run.log"

    @property
    def manifest(self) -> Path:
        """The manifest."""
        return self.path / "manifest.json"

    @property
    def inputs(self) -> list[Path]:
        """The copy of the file that operations sent; empty after pruning."""
        return sorted(self.path.glob("input.*"))

    @property
    def input(self) -> Path:
        """The copy of the file that operations sent.

        Raises:
            DamagedError: it is missing.
        """
        if inputs := self.inputs:
            return inputs[0]
        raise DamagedError(f"the input of run {self.run} is missing: see fatora-clients verify")

    @property
    def is_workbook(self) -> bool:
        """Whether the input is a workbook; otherwise it is a CSV."""
        return is_workbook(self.input.name)

    def results(self, ending: str) -> Path:
        """The results file with this ending, ``.csv`` or ``.xlsx``."""
        return self.path / f"results{ending}"

    def rework(self, ending: str) -> Path:
        """The file of rows to fix, with this ending."""
        return self.path / f"rework{ending}"

    @property
    def results_to_open(self) -> Path | None:
        """The results file that people open: the workbook where there is one."""
        return self._first(map(self.results, _BEST_FIRST))

    @property
    def rework_to_fix(self) -> Path | None:
        """The file of rows to fix, if there are any."""
        return self._first(map(self.rework, _BEST_FIRST))

    @staticmethod
    def _first(files: Iterable[Path]) -> Path | None:
        return next((file for file in files if file.exists()), None)

    @property
    def continued(self) -> tuple[Path, Path]:
        """The files that resuming or pruning changes in place; others are replaced or removed."""
        return self.journal, self.log

    @property
    def report(self) -> Path:
        """The report, a page for the browser."""
        return self.path / "report.html"

    def take_input(self, source: Path) -> InputFacts:
        """Copy the file that operations sent, and return its facts; it is read only this once.

        Raises:
            InputError: it cannot be read.
        """
        target = self.path / f"input{source.suffix.lower()}"
        create(target)
        digest, size = hashlib.sha256(), 0
        with (
            reading_input(),
            source.open("rb") as original,
            naming(target),
            target.open("wb") as copy,
        ):
            while block := _block_of(original):
                digest.update(block)
                size += copy.write(block)
            copy.flush()
            os.fsync(copy.fileno())
        return InputFacts(source.name, size, digest.hexdigest())

    def clear_unfinished(self) -> None:
        """Remove files that a killed session had not finished writing."""
        remove_unfinished(self.path)

    def hashes(self) -> dict[str, str]:
        """Return the SHA-256 of every file of the run but the manifest, by name."""
        return {
            file.name: sha256_of(file)
            for file in sorted(self.path.iterdir())
            if file.is_file() and file != self.manifest
        }


@contextmanager
def reading_input() -> Iterator[None]:
    """Say in plain words why a block cannot read an input that was there a moment ago.

    Raises:
        InputError: it is gone, or may not be read.
    """
    try:
        yield
    except PermissionError:
        raise InputError("permission denied") from None
    except FileNotFoundError:
        raise InputError("the file was removed while it was being read") from None


def _block_of(source: IO[bytes]) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror}); check its disk") from None


@dataclass(frozen=True, slots=True)
class RunsFolder:
    """The folder that holds every run."""

    path: Path

    def prepare(self) -> None:
        """Create the folder if needed, and check that runs can be written there.

        Raises:
            ConfigError: runs cannot be written there.
        """
        self._require_short_path()
        try:
            missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            for made in missing:
                flush(made.parent)
            probe = self.path / f".probe-{secrets.token_hex(4)}"
            create(probe)
            probe.unlink()
        except OSError as error:
            if is_disk_full(error):
                raise
            raise ConfigError(
                f"the runs folder {quoted_path(self.path)} cannot be written ({error.strerror});"
                " nothing was sent: choose another folder with --runs-dir"
            ) from None

    def require_existing(self, *, may_be_missing: bool = False) -> None:
        """Check that the folder exists and can be read.

        Raises:
            ConfigError: the folder cannot be read, or does not exist and not ``may_be_missing``.
        """
        try:
            with os.scandir(self.path):
                return
        except (FileNotFoundError, NotADirectoryError) as error:
            if may_be_missing and isinstance(error, FileNotFoundError):
                return
            raise ConfigError(
                f"there is no runs folder {quoted_path(self.path)}; name it with --runs-dir"
            ) from None
        except OSError as error:
            raise ConfigError(
                f"the runs folder {quoted_path(self.path)} cannot be read: {error.strerror}"
            ) from None

    @contextmanager
    def staging(self, started: datetime, *, sandbox: bool = False) -> Iterator[RunFolder]:
        """Yield a hidden folder in which to prepare a run; it is deleted unless it is published.

        A visible run folder therefore always holds a file that was completely read and validated.
        The id of a sandbox run ends in ``-SANDBOX``, so that it is recognised everywhere.
        """
        stamp = started.strftime("%Y%m%dT%H%M%S.%f")[:-3]
        run = f"{stamp}Z-{secrets.token_hex(3)}" + (_SANDBOX if sandbox else "")
        with self.workplace(run) as place:
            yield RunFolder(place)

    @contextmanager
    def workplace(self, name: str) -> Iterator[Path]:
        """Yield a hidden folder on the file system of the runs, and delete it afterwards.

        If the program is killed, `clear_staging` deletes it. The caller must have locked the
        runs folder.
        """
        place = self.path / f"{_STAGING}{name}"
        place.mkdir(PRIVATE_FOLDER)
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def publish(self, staged: RunFolder) -> RunFolder:
        """Turn a staged folder into a run, durably."""
        flush(staged.path)
        final = self.path / staged.run
        staged.path.rename(final)
        flush(self.path)
        return RunFolder(final)

    def folders(self) -> list[RunFolder]:
        """Return every visible folder, and all that is named like a run, the newest run first."""
        try:
            with os.scandir(self.path) as entries:
                names = [entry.name for entry in entries if _may_hold_a_run(entry)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [self.folder(name) for name in sorted(names, reverse=True)]

    def all(self) -> list[RunFolder]:
        """Return the folder of every run, the newest first; what is in it is not looked at."""
        return [folder for folder in self.folders() if is_run_id(folder.run)]

    def folder(self, run: str) -> RunFolder:
        """Return the folder of the run with this id, which need not exist."""
        return RunFolder(self.path / run)

    def find(self, name: str) -> RunFolder:
        """Return the run with this id, or whose id begins with it, or the ``latest``.

        Raises:
            ConfigError: there is no such run, or there are several.
        """
        runs = self.all()
        if name == LATEST:
            matching = runs[:1]
        else:
            matching = [run for run in runs if run.run == name] or [
                run for run in runs if run.run.startswith(name)
            ]
        if len(matching) == 1:
            return matching[0]
        problem = f"{len(matching)} runs begin with" if matching else "there is no run"
        raise ConfigError(f"{problem} {quote(name)} in {self.path}; see fatora-clients history")

    @property
    def refused(self) -> Path:
        """A line of JSON for each time that an input could not be used."""
        return self.path / "refused.jsonl"

    def _require_short_path(self) -> None:
        """Check that SQLite can open a journal here, which it does by its path without links."""
        paths = (self.path.absolute(), os.path.realpath(self.path))
        size = max(len(os.fsencode(path)) for path in paths)
        if size > _LONGEST_PATH:
            raise ConfigError(
                f"the path of the runs folder {quoted_path(self.path)} is too long: it has {size:,}"
                f" bytes, but may have {_LONGEST_PATH}; nothing was sent: choose another folder"
                " with --runs-dir"
            )

    @property
    def index(self) -> Path:
        """What `etl.runs.index` remembers of runs and inputs; it may be deleted at any time."""
        return self.path / ".index.json"

    def clear_staging(self) -> None:
        """Remove what a killed program had staged; the caller must have locked the folder."""
        for folder in self.path.glob(f"{_STAGING}*"):
            shutil.rmtree(folder, ignore_errors=True)
