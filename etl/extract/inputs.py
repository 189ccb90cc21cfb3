"""Finding the spreadsheets among what was named on the command line."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.extract.table import WORKBOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_READABLE = WORKBOOKS | {".csv", ".tsv", ".txt"}
_TO_BE_CONVERTED = frozenset({".xls", ".xlsb", ".ods"})


@dataclass(slots=True)
class Inputs:
    """The files to process, in order, and those of a folder that are still being written."""

    files: list[Path] = field(default_factory=list)
    unsettled: list[Path] = field(default_factory=list)


def find_inputs(named: Iterable[Path], settle: float) -> Inputs:
    """Return the spreadsheets: a named file as it is, of a named folder those directly in it.

    A file in a folder that changed within the last ``settle`` seconds is left for the next time;
    lock files of office programs, dot files and unfinished downloads are passed over.
    """
    inputs = Inputs()
    for path in named:
        if not path.is_dir():
            inputs.files.append(path)
            continue
        for file in sorted(path.iterdir(), key=lambda each: each.name):
            if not _is_spreadsheet(file):
                continue
            recent = abs(time.time() - file.stat().st_mtime) < settle
            (inputs.unsettled if recent else inputs.files).append(file)
    return inputs


def _is_spreadsheet(file: Path) -> bool:
    """Whether it is one by its name; an unfinished download has an ending of its own."""
    if file.name.startswith(("~$", ".")):
        return False
    return file.is_file() and file.suffix.lower() in _READABLE | _TO_BE_CONVERTED


def require_readable(file: Path) -> None:
    """Check that a file is there and is of a kind that the job reads.

    Raises:
        InputError: it is not.
    """
    ending = file.suffix.lower()
    if not file.is_file():
        raise InputError("there is no such file")
    if ending in _TO_BE_CONVERTED:
        raise InputError(f"{ending} files are not read; open it in Excel and save it as .xlsx")
    if ending not in _READABLE:
        raise InputError(f"{ending or 'a file without an ending'} is no spreadsheet that is read")
