"""Delivering results to operations, and moving finished inputs out of their folder."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from etl.errors import ConfigError, ExitCode
from etl.files import create, flush, replacing, sha256_of
from etl.runs.folder import RunFolder
from etl.text import quoted_path

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.summary import Summary
    from etl.manifest import Manifest

_ENDINGS = (".csv", ".xlsx")
_UNSAFE = re.compile(r"[^\w -]+")  # in a folder's name, for any file manager
_LONGEST_STEM = 60
_EXECUTE = 0o111
_READ_TO_EXECUTE = 2  # bits: whoever may read the files may enter their folder


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where and how the files of a run are delivered to operations.

    ``mode`` is the mode of the files. ``group`` is the id of the group that owns them, None for the
    program's own group.
    """

    folder: Path
    mode: int
    group: int | None = None

    def require_writable(self) -> None:
        """Check that files can be delivered, before anything is sent.

        Raises:
            ConfigError: they cannot.
        """
        probe = self.folder / f".probe-{secrets.token_hex(4)}"
        try:
            create(probe)
            try:
                self._hand_to_group(probe)
            finally:
                probe.unlink()
        except OSError as error:
            raise ConfigError(
                f"results cannot be delivered to {quoted_path(self.folder)} ({error.strerror});"
                " nothing was sent: correct deliver.dir or deliver.group in the configuration"
            ) from None

    def deliver(self, run: RunFolder, input_name: str) -> Path:
        """Copy the results, the rework and the report of a run into a new folder.

        Each file is renamed into place. A file that the run no longer has is removed.

        Raises:
            OSError: a file cannot be written.
        """
        target = self._place(run, input_name)
        target.mkdir(exist_ok=True)
        self._hand_to_group(target)
        target.chmod(self.mode | (self.mode >> _READ_TO_EXECUTE & _EXECUTE))
        for file in (run.report, *map(run.results, _ENDINGS), *map(run.rework, _ENDINGS)):
            copy = target / file.name
            if not file.exists():
                copy.unlink(missing_ok=True)
                continue
            with replacing(copy) as new:
                shutil.copyfile(file, new)
                self._hand_to_group(new)
                new.chmod(self.mode)
        flush(self.folder)
        return target

    def has(self, run: RunFolder, input_name: str) -> bool:
        """Whether the run was delivered."""
        return (self._place(run, input_name) / run.report.name).exists()

    def _place(self, run: RunFolder, input_name: str) -> Path:
        return self.folder / f"{_safe_stem(input_name)} {run.run}"

    def _hand_to_group(self, path: Path) -> None:
        if self.group is not None:
            os.chown(path, -1, self.group)


def _safe_stem(input_name: str) -> str:
    stem = input_name.rpartition(".")[0] or input_name
    return _UNSAFE.sub("-", stem)[:_LONGEST_STEM].strip() or "input"


def require_movable(folder: Path) -> None:
    """Check that files can be moved out of a folder, before anything is sent.

    Raises:
        ConfigError: they cannot.
    """
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"finished files cannot be moved out of {folder} (permission denied); nothing was sent:"
            ' allow it, or set input.done = "keep"'
        )


def put_away(file: Path, kind: str, sha256: str, sentence: str = "") -> Path | None:
    """Move an input to the subfolder ``kind``, with a sentence in a text file beside it, if any.

    A file that changed meanwhile has new content that was not read: it stays, and None is returned.
    No earlier file is overwritten.

    Raises:
        OSError: it cannot be moved.
    """
    folder = file.parent / kind
    folder.mkdir(exist_ok=True)
    target = _free_name(folder, file)
    file.rename(target)
    # Checked after the move, since the file could be replaced between a check and the move.
    if sha256_of(target) != sha256:
        target.rename(file)
        return None
    if sentence:
        _note_beside(target, sentence)
    return target


def _note_beside(file: Path, sentence: str) -> None:
    """Write why a file was refused, if its name leaves room: it is in the history anyway."""
    note = file.with_name(f"{file.name}.txt")  # which an earlier input may be called
    with suppress(OSError), note.open("x", encoding="utf-8-sig", errors="backslashreplace") as new:
        # Our own words come first: an Arabic header at its start would turn the sentence around.
        new.write(f"The file could not be used: {sentence}.\n")


def _free_name(folder: Path, file: Path) -> Path:
    names = (f"{file.stem} ({number}){file.suffix}" for number in range(2, 1_000_000))
    target = folder / file.name
    while target.exists():
        target = folder / next(names)
    return target


def delivered(summary: Summary, manifest: Manifest, delivery: Delivery | None) -> Summary:
    """Deliver the files of a run, if the settings ask for it.

    If that fails, the run itself is not affected, and running the same file again delivers them.
    """
    if delivery is None or summary.folder is None:
        return summary
    try:
        place = delivery.deliver(RunFolder(summary.folder), manifest.input.name)
    except OSError as error:
        sentence = (
            f"{summary.sentence} The results could not be delivered to {delivery.folder}"
            f" ({error.strerror}). Run the same file again to deliver them."
        )
        return replace(summary, sentence=sentence, exit_code=ExitCode.STOPPED)
    return replace(summary, delivered=place)
