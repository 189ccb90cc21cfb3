"""Finding the spreadsheets among what was named on the command line."""

from __future__ import annotations

import errno
import fcntl
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.files import WORKBOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_READABLE = WORKBOOKS | {".csv", ".tsv", ".txt"}
_TO_BE_CONVERTED = frozenset({".xls", ".xlsb", ".ods"})


@dataclass(slots=True)
class Inputs:
    """The files to process, in order, and those of a folder that are still being written.

    ``several`` unless one file was named: a folder may hold any number of them.
    """

    files: list[Path] = field(default_factory=list)
    unsettled: list[Path] = field(default_factory=list)
    several: bool = field(default=False, compare=False)


def find_inputs(named: Sequence[Path], settle: float) -> Inputs:
    """Return the spreadsheets: a named file as it is, of a named folder those directly in it.

    A file in a folder that changed within the last ``settle`` seconds, or that is being written, is
    left for the next time; lock files of office programs, dot files and unfinished downloads are
    passed over.
    """
    inputs = Inputs(several=len(named) != 1)
    for path in named:
        try:
            found = sorted(path.iterdir(), key=lambda each: each.name)
        except OSError:  # no folder, or none that can be read: `require_readable` says which
            inputs.files.append(path)
            continue
        inputs.several = True
        for file in filter(_is_spreadsheet, found):
            (inputs.files if _is_at_rest(file, settle) else inputs.unsettled).append(file)
    return inputs


def _is_at_rest(file: Path, settle: float) -> bool:
    try:
        recent = abs(time.time() - file.stat().st_mtime) < settle
    except FileNotFoundError:  # it has just been taken away
        return False
    except OSError:  # `require_readable` says why
        return True
    return not recent and not _is_open_for_writing(file)


def _is_open_for_writing(file: Path) -> bool:
    """Ask for a lease, which Linux grants only while nobody has the file open for writing.

    It does so for the user's own files on file systems of this machine (fcntl(2)); of any other
    file it cannot be told, and is taken to be no.
    """
    try:
        with file.open("rb") as opened:
            # Should somebody open it just now, the signal that tells must not end the program.
            fcntl.fcntl(opened, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _is_spreadsheet(file: Path) -> bool:
    """Whether it is one by its name; an unfinished download has an ending of its own."""
    if file.name.startswith(("~$", ".")):
        return False
    return file.suffix.lower() in _READABLE | _TO_BE_CONVERTED and _is_file(file)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # `require_readable` says why
        return True


def require_readable(file: Path) -> None:
    """Check that a file is there and is of a kind that the job reads.

    Raises:
        InputError: it is not.
    """
    ending = file.suffix.lower()
    try:
        file.stat()
    except FileNotFoundError:
        raise InputError("there is no such file") from None
    except OSError as error:
        raise InputError(f"it cannot be read: {error.strerror}") from None
    if file.is_dir():
        raise InputError("the folder cannot be read by this user")
    if not file.is_file():
        raise InputError("it is no file")
    if ending in _TO_BE_CONVERTED:
        raise InputError(f"{ending} files are not read; open it in Excel and save it as .xlsx")
    if ending not in _READABLE:
        raise InputError(f"{ending or 'a file without an ending'} is no spreadsheet that is read")
