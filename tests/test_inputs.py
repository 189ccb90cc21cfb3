"""The spreadsheets are found in files and folders, without half-written ones."""

from __future__ import annotations

import os
import re
import time
from typing import TYPE_CHECKING

import pytest

from etl.errors import InputError
from etl.extract.inputs import Inputs, find_inputs, require_readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


UNSUPPORTED = (
    "not a supported spreadsheet (.csv .tsv .txt .xlsx .xlsm); save it in one of these formats"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


def put(folder: Path, *names: str, age: float = 3600) -> list[Path]:
    """Creates files in a folder that were changed so many seconds ago."""
    files = [folder / name for name in names]
    for file in files:
        file.touch()
        os.utime(file, (time.time() - age, time.time() - age))
    return files


def test_folder_gives_its_spreadsheets_in_order(folder: Path) -> None:
    """Files are sorted by name, endings match in any case, and subfolders are ignored."""
    put(folder, "b.xlsx", "c.CSV", "a.xlsm", "d.tsv", "e.txt", "readme.md", "csv")
    (folder / "old.csv").mkdir()
    put(folder / "old.csv", "z.csv")
    names = ["a.xlsm", "b.xlsx", "c.CSV", "d.tsv", "e.txt"]
    assert find_inputs([folder], settle=0) == Inputs([folder / name for name in names])


@pytest.mark.parametrize(
    "name", ["~$clients.xlsx", ".clients.csv", "a.csv.tmp", "a.csv.part", "a.xlsx.crdownload"]
)
def test_temporary_files_of_programs_are_skipped(folder: Path, name: str) -> None:
    """Lock files, dot files and unfinished downloads are skipped."""
    put(folder, name)
    assert find_inputs([folder], settle=0) == Inputs()


@pytest.mark.parametrize("name", ["a.xls", "a.xlsb", "a.ods"])
def test_spreadsheet_of_another_kind_is_not_skipped_silently(folder: Path, name: str) -> None:
    """An .xls file in a folder is found, so that a message refuses it."""
    files = put(folder, name)
    assert find_inputs([folder], settle=5).files == files


@pytest.mark.parametrize(
    ("age", "settle", "settled"),
    [
        (90, 60, True),
        (1, 60, False),
        (1, 0, True),
        (-2, 60, False),
        (-90, 60, True),
        (-90, 0, True),
    ],
)
def test_file_that_just_changed_is_left_for_later(
    folder: Path, age: float, settle: float, *, settled: bool
) -> None:
    """A file must be unchanged for a while; one that a wrong clock dated ahead may be read."""
    files = put(folder, "a.csv", age=age)
    expected = Inputs(files=files) if settled else Inputs(unsettled=files)
    assert find_inputs([folder], settle) == expected


def test_named_file_is_always_an_input(folder: Path) -> None:
    """Named files are inputs in the order given, of any age and kind."""
    files = put(folder, "b.csv", "~$a.md", age=0)
    files.append(folder / "absent.csv")
    assert find_inputs(files, settle=60).files == files


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.txt", "a.xlsx", "a.XlsM"])
def test_spreadsheet_is_readable(folder: Path, name: str) -> None:
    """Files of every kind that the job reads are accepted."""
    (file,) = put(folder, name)
    require_readable(file)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.xls", ".xls is not supported; open the file in Excel and save it as .xlsx"),
        ("a.XLSB", ".xlsb is not supported; open the file in Excel and save it as .xlsx"),
        ("a.ods", ".ods is not supported; open the file in Excel and save it as .xlsx"),
        ("a.pdf", UNSUPPORTED),
        ("clients", UNSUPPORTED),
    ],
)
def test_file_of_another_kind_is_refused(folder: Path, name: str, sentence: str) -> None:
    """A file that cannot be used is refused with a sentence that says what to do."""
    (file,) = put(folder, name)
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        require_readable(file)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent.csv", "there is no such file; check its name and folder"),
        ("clients.csv/a.csv", "the file cannot be read (Not a directory); check its path"),
        (f"{'a' * 300}.csv", "the file cannot be read (File name too long); check its path"),
        ("pipe.csv", "not a regular file; give a spreadsheet or a folder"),
        (".", "permission denied; give the job's user access to the folder"),
    ],
)
def test_anything_but_a_file_is_refused(folder: Path, name: str, sentence: str) -> None:
    """An error of the system concerns this file only; the others are still inputs."""
    put(folder, "clients.csv")
    os.mkfifo(folder / "pipe.csv")
    inputs = find_inputs([folder / name, folder / "clients.csv"], settle=0)
    assert inputs.files[-1:] == [folder / "clients.csv"]
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        require_readable(folder / name)


def test_folder_without_permission_is_an_input(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder without permission is left for `require_readable` to refuse.

    The error is simulated, because the superuser of a container may read every folder.
    """

    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(folder), "iterdir", refuse)
    assert find_inputs([folder], settle=0).files == [folder]


def test_file_without_permission_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says that a permission is missing, and whose.

    The error is simulated, because the superuser of a container may read every file.
    """

    def refuse(_: Path) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(folder), "stat", refuse)
    with pytest.raises(InputError, match=r"^permission denied; give the job's user access to"):
        require_readable(folder / "a.csv")


def test_one_file_is_not_several(folder: Path) -> None:
    """A folder or a second path makes several inputs, even if the folder is empty."""
    (file,) = put(folder, "a.csv")
    (folder / "empty").mkdir()
    assert not find_inputs([file], settle=0).several
    for named in ([folder], [folder / "empty"], [file, folder / "empty"], [file, file]):
        assert find_inputs(named, settle=0).several


def test_file_that_is_being_written_is_left_for_later(folder: Path) -> None:
    """A file that a program is writing is left, even if it pauses for longer than ``settle``."""
    (file,) = put(folder, "b.xlsx")
    with file.open("ab"):
        inputs = find_inputs([folder], settle=0)
        assert [file.name for file in inputs.unsettled] == ["b.xlsx"]
    assert find_inputs([folder], settle=0).unsettled == []


def test_file_that_is_only_read_is_an_input(folder: Path) -> None:
    """A file that a program has open only for reading is an input."""
    (file,) = put(folder, "b.xlsx")
    with file.open("rb"):
        assert find_inputs([folder], settle=0).unsettled == []


def test_file_that_is_removed_meanwhile_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file may vanish between the listing of the folder and the look at it."""
    (gone,) = put(folder, "b.xlsx")
    is_file = type(gone).is_file

    def vanishing(file: Path) -> bool:
        was_there = is_file(file)
        gone.unlink(missing_ok=True)
        return was_there

    monkeypatch.setattr(type(gone), "is_file", vanishing)
    inputs = find_inputs([folder], settle=0)
    assert gone not in inputs.files
