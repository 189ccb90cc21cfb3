"""The spreadsheets are found among what was named, and nothing half-written is taken."""

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


def put(folder: Path, *names: str, age: float = 3600) -> list[Path]:
    """Puts files into a folder that were changed so many seconds ago."""
    files = [folder / name for name in names]
    for file in files:
        file.touch()
        os.utime(file, (time.time() - age, time.time() - age))
    return files


def test_folder_gives_its_spreadsheets_in_order(folder: Path) -> None:
    """They are sorted by name, endings match in any case, and subfolders are left alone."""
    put(folder, "b.xlsx", "c.CSV", "a.xlsm", "d.tsv", "e.txt", "readme.md", "csv")
    (folder / "old.csv").mkdir()
    put(folder / "old.csv", "z.csv")
    names = ["a.xlsm", "b.xlsx", "c.CSV", "d.tsv", "e.txt"]
    assert find_inputs([folder], settle=0) == Inputs([folder / name for name in names])


@pytest.mark.parametrize(
    "name", ["~$clients.xlsx", ".clients.csv", "a.csv.tmp", "a.csv.part", "a.xlsx.crdownload"]
)
def test_what_programs_leave_behind_is_passed_over(folder: Path, name: str) -> None:
    """Lock files, dot files and unfinished downloads are no inputs."""
    put(folder, name)
    assert find_inputs([folder], settle=0) == Inputs()


@pytest.mark.parametrize("name", ["a.xls", "a.xlsb", "a.ods"])
def test_spreadsheet_of_another_kind_is_not_passed_over_in_silence(folder: Path, name: str) -> None:
    """It is found, so that it is refused with a sentence."""
    files = put(folder, name)
    assert find_inputs([folder], settle=5).files == files


@pytest.mark.parametrize(
    ("age", "settle", "settled"),
    [(60, 5, True), (1, 5, False), (1, 0, True), (-2, 5, False), (-60, 5, True), (-60, 0, True)],
)
def test_file_that_just_changed_is_left_for_later(
    folder: Path, age: float, settle: float, *, settled: bool
) -> None:
    """A file in a folder must have rested; one that is dated ahead by a wrong clock may be read."""
    files = put(folder, "a.csv", age=age)
    expected = Inputs(files=files) if settled else Inputs(unsettled=files)
    assert find_inputs([folder], settle) == expected


def test_named_file_is_taken_as_it_is(folder: Path) -> None:
    """Who names a file means it: however new, of whatever kind, in the order given."""
    files = put(folder, "b.csv", "~$a.md", age=0)
    files.append(folder / "absent.csv")
    assert find_inputs(files, settle=60).files == files


@pytest.mark.parametrize("name", ["a.csv", "a.TSV", "a.txt", "a.xlsx", "a.XlsM"])
def test_spreadsheet_is_readable(folder: Path, name: str) -> None:
    """The kinds of files that the job reads pass."""
    (file,) = put(folder, name)
    require_readable(file)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a.xls", ".xls files are not read; open it in Excel and save it as .xlsx"),
        ("a.XLSB", ".xlsb files are not read; open it in Excel and save it as .xlsx"),
        ("a.ods", ".ods files are not read; open it in Excel and save it as .xlsx"),
        ("a.pdf", ".pdf is no spreadsheet that is read"),
        ("clients", "a file without an ending is no spreadsheet that is read"),
    ],
)
def test_file_of_another_kind_is_refused(folder: Path, name: str, sentence: str) -> None:
    """The sentence says what to do about it."""
    (file,) = put(folder, name)
    with pytest.raises(InputError, match=f"^{re.escape(sentence)}$"):
        require_readable(file)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("absent.csv", "there is no such file"),
        ("clients.csv/a.csv", "it cannot be read: Not a directory"),
        (f"{'a' * 300}.csv", "it cannot be read: File name too long"),
        ("pipe.csv", "it is no file"),
        (".", "the folder cannot be read by this user"),
    ],
)
def test_what_is_no_file_is_refused(folder: Path, name: str, sentence: str) -> None:
    """Whatever the system says of it is this file's fault, and keeps no other from being sent."""
    put(folder, "clients.csv")
    os.mkfifo(folder / "pipe.csv")
    found = find_inputs([folder / name, folder / "clients.csv"], settle=0)
    assert found.files[-1:] == [folder / "clients.csv"]
    with pytest.raises(InputError, match=f"^{sentence}$"):
        require_readable(folder / name)


def test_folder_that_cannot_be_read_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the user that cron runs the job as; the superuser of a container may read anything."""

    def refuse(_: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(folder), "iterdir", refuse)
    assert find_inputs([folder], settle=0).files == [folder]


def test_one_file_is_not_several(folder: Path) -> None:
    """A folder is, whatever is in it, wherever it is named."""
    (file,) = put(folder, "a.csv")
    (folder / "empty").mkdir()
    assert not find_inputs([file], settle=0).several
    for named in ([folder], [folder / "empty"], [file, folder / "empty"], [file, file]):
        assert find_inputs(named, settle=0).several


def test_file_that_is_being_written_is_left_for_later(folder: Path) -> None:
    """However long ago its last byte came: a slow copy may pause for longer than ``settle``."""
    (file,) = put(folder, "b.xlsx")
    with file.open("ab"):
        found = find_inputs([folder], settle=0)
        assert [file.name for file in found.unsettled] == ["b.xlsx"]
    assert find_inputs([folder], settle=0).unsettled == []


def test_file_that_is_only_read_is_taken(folder: Path) -> None:
    """Somebody who looks at it does not change it."""
    (file,) = put(folder, "b.xlsx")
    with file.open("rb"):
        assert find_inputs([folder], settle=0).unsettled == []


def test_file_that_is_taken_away_meanwhile_is_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing of the folder and the look at the file it is gone."""
    (gone,) = put(folder, "b.xlsx")
    is_file = type(gone).is_file

    def vanishing(file: Path) -> bool:
        was_there = is_file(file)
        gone.unlink(missing_ok=True)
        return was_there

    monkeypatch.setattr(type(gone), "is_file", vanishing)
    found = find_inputs([folder], settle=0)
    assert gone not in found.files
