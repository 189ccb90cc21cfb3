"""Finding the spreadsheets that the command line names, also in folders."""

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

_SUPPORTED = (".csv", ".tsv", ".txt", *WORKBOOKS)
_TO_CONVERT = (".xls", ".xlsb", ".ods")
SKIPPED = "skipped for now, because it has just changed"


@dataclass(slots=True)
class Inputs:
    """The files to process, in order, and those of a folder that are still being written.

    ``several`` is False only if a single file was named: a folder may have any number of them.
    ``folders`` are the folders that were named.
    """

    files: list[Path] = field(default_factory=list)
    unsettled: list[Path] = field(default_factory=list)
    several: bool = field(default=False, compare=False)
    folders: list[Path] = field(default_factory=list, compare=False)


def find_inputs(named: Sequence[Path], settle: float) -> Inputs:
    """Return the spreadsheets: each named file, and those directly in each named folder.

    A file in a folder that changed within the last ``settle`` seconds, or that is being written, is
    skipped for now. Lock files of office programs, dot files and unfinished downloads are
    skipped.
    """
    inputs = Inputs(several=len(named) != 1)
    for path in named:
        try:
            entries = sorted(path.iterdir(), key=lambda entry: entry.name)
        except OSError:  # a file, or a folder without permission: `require_readable` checks
            inputs.files.append(path)
            continue
        inputs.several = True
        inputs.folders.append(path)
        for file in filter(_is_spreadsheet, entries):
            (inputs.files if _is_at_rest(file, settle) else inputs.unsettled).append(file)
    return inputs


def _is_at_rest(file: Path, settle: float) -> bool:
    try:
        recent = abs(time.time() - file.stat().st_mtime) < settle
    except FileNotFoundError:  # it was removed just now
        return False
    except OSError:  # `require_readable` says why
        return True
    return not recent and not _is_open_for_writing(file)


def _is_open_for_writing(file: Path) -> bool:
    """Whether Linux refuses a lease on the file because a program has it open for writing.

    Leases work for the user's own files on local file systems (fcntl(2)). Other files count as not
    open.
    """
    try:
        with file.open("rb") as opened:
            # If a program opens the file just now, the lease's signal must not end this one.
            fcntl.fcntl(opened, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            fcntl.fcntl(opened, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    return False


def _is_spreadsheet(file: Path) -> bool:
    """Whether the file's name is a spreadsheet's; unfinished downloads have other endings."""
    if file.name.startswith(("~$", ".")):
        return False
    return file.suffix.lower() in _SUPPORTED + _TO_CONVERT and _is_file(file)


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # `require_readable` says why
        return True


def require_readable(file: Path) -> None:
    """Check that a file exists and is of a kind that the job reads.

    Raises:
        InputError: it does not exist, is of another kind, or may not be read.
    """
    ending = file.suffix.lower()
    try:
        file.stat()
    except FileNotFoundError:
        raise InputError("there is no such file; check its name and folder") from None
    except PermissionError:
        raise InputError("permission denied; give the job's user access to the file") from None
    except OSError as error:
        raise InputError(f"the file cannot be read ({error.strerror}); check its path") from None
    if file.is_dir():
        raise InputError("permission denied; give the job's user access to the folder")
    if not file.is_file():
        raise InputError("not a regular file; give a spreadsheet or a folder")
    if ending in _TO_CONVERT:
        raise InputError(f"{ending} is not supported; open the file in Excel and save it as .xlsx")
    if ending not in _SUPPORTED:
        endings = " ".join(_SUPPORTED)
        raise InputError(
            f"not a supported spreadsheet ({endings}); save it in one of these formats"
        )
