"""A hostile or large file needs little time and memory, and ends in a sentence or a summary."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from itertools import chain, repeat
from typing import TYPE_CHECKING

import pytest

from program import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

MEBIBYTE = 1 << 20
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SMALL_PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
        <Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>
        <Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>
        <Override PartName="/xl/sharedStrings.xml" ContentType="{KIND}.sharedStrings+xml"/>
        </Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>
        </Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>
        <sheet name="Clients" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
        <Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>
        </Relationships>""",
}
BEGIN = f'<worksheet xmlns="{MAIN}"><sheetData>'
HEADER = """<row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c>
    <c r="B1" t="inlineStr"><is><t>email</t></is></c></row>"""
CLIENT = """<row r="2"><c r="A2"><v>1</v></c>
    <c r="B2" t="inlineStr"><is><t>a@example.com</t></is></c></row>"""
END = "</sheetData></worksheet>"
NO_TEXTS = "<sst/>"


# A child of a large process inherits its peak memory, so a small process in between measures it.
MEASURE = """
import os, resource, subprocess, sys
program = [sys.argv[1], "-m", "etl", "check", sys.argv[2]]
code = subprocess.run(program, env={**os.environ, "NO_COLOR": "1", "COLUMNS": "500"}).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(code, used.ru_maxrss, used.ru_utime + used.ru_stime)
"""


@dataclass(frozen=True)
class Ended:
    """The exit code of a check, its output, its peak memory in MiB and its CPU time in seconds."""

    code: int
    lines: list[str]
    memory: float
    seconds: float


def workbook(path: Path, sheet: Iterable[str], texts: Iterable[str] = (NO_TEXTS,)) -> Path:
    """Writes a workbook with this XML in pieces, and returns its path."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, text in SMALL_PARTS.items():
            archive.writestr(name, text)
        for name, pieces in {"worksheets/sheet1": sheet, "sharedStrings": texts}.items():
            with archive.open(f"xl/{name}.xml", "w", force_zip64=True) as part:
                part.writelines(piece.encode() for piece in pieces)
    return path


def check(path: Path) -> Ended:
    """Checks a file in a process of its own, whose memory and time are measured."""
    ended = subprocess.run(
        [sys.executable, "-I", "-c", MEASURE, sys.executable, path.name],
        cwd=path.parent,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=600,
        check=True,
    )
    output, _, measured = ended.stdout.rstrip("\n").rpartition("\n")
    code, kibibytes, seconds = measured.split()
    return Ended(int(code), output.splitlines(), int(kibibytes) / 1024, float(seconds))


def rows(count: int, row: str, first: int = 3) -> Iterable[str]:
    """Yields ``count`` rows from the first on, with the row number in place of ``#``."""
    return (row.replace("#", str(number)) for number in range(first, first + count))


@pytest.mark.slow
def test_texts_that_unpack_to_two_gigabytes_are_refused(tmp_path: Path) -> None:
    """A workbook that unpacks to two gigabytes is refused by its directory, without unpacking."""
    texts = repeat("0" * MEBIBYTE, 2048)
    ended = check(workbook(tmp_path / "bomb.xlsx", [BEGIN, HEADER, CLIENT, END], texts))
    assert ended.code == 3
    (sentence,) = ended.lines
    assert "bomb.xlsx: the workbook unpacks to 2,048 MiB, too much for a client list;" in sentence
    assert ended.memory < 300


@pytest.mark.slow
def test_value_in_the_last_cell_is_one_sentence(tmp_path: Path) -> None:
    """A stray value at XFD1048576 does not make a table of 17 billion cells."""
    last = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    ended = check(workbook(tmp_path / "last.xlsx", [BEGIN, HEADER, CLIENT, last, END]))
    assert ended.code == 3
    (sentence,) = ended.lines
    assert "row 1048576 has a value (“1”) beyond the last header;" in sentence
    assert ended.memory < 300


@pytest.mark.slow
def test_formatted_blank_rows_are_skipped(tmp_path: Path) -> None:
    """A sheet with formatted columns has no more rows than one without."""
    blank = '<row r="#"><c r="A#" s="1"/><c r="B#" s="1"/><c r="C#" s="1"/><c r="D#" s="1"/></row>'
    sheet = chain([BEGIN, HEADER, CLIENT], rows(200_000, blank), [END])
    ended = check(workbook(tmp_path / "blank.xlsx", sheet))
    assert ended.code == 0
    assert ended.lines == [
        "blank.xlsx: 1 row; 200,000 blank rows were skipped; nothing to fix",
        "Sent: id ← “id”, email ← “email”.",
    ]
    assert ended.memory < 300
    assert ended.seconds < 20


@pytest.mark.slow
@pytest.mark.parametrize(
    ("merged", "count"), [("A2:B1048576", 201), ("A#:B#", 250_000)], ids=["deep", "many"]
)
def test_too_many_merged_ranges_are_one_sentence(tmp_path: Path, merged: str, count: int) -> None:
    """A workbook with too many merged ranges, in one row or in all, is refused within seconds."""
    ranges = rows(count, f'<mergeCell ref="{merged}"/>')
    sheet = chain([BEGIN, HEADER, CLIENT, "</sheetData>"], ranges, ["</worksheet>"])
    ended = check(workbook(tmp_path / "merged.xlsx", sheet))
    assert ended.code == 3
    (sentence,) = ended.lines
    assert "merged.xlsx: the workbook is damaged" in sentence
    assert ended.memory < 300
    assert ended.seconds < 20


@pytest.mark.slow
def test_one_long_text_in_thousands_of_cells_is_held_once(tmp_path: Path) -> None:
    """A shared text is small in the workbook, and must not need a gigabyte in the job."""
    names = [f'<c r="{column}1" t="inlineStr"><is><t>{column}</t></is></c>' for column in "CDEFG"]
    header = HEADER.replace("</row>", "".join(names) + "</row>")
    cells = "".join(f'<c r="{column}#" t="s"><v>0</v></c>' for column in "CDEFG")
    client = '<c r="A#"><v>#</v></c><c r="B#" t="inlineStr"><is><t>a@example.com</t></is></c>'
    sheet = chain([BEGIN, header], rows(3_000, f'<row r="#">{client}{cells}</row>', first=2), [END])
    text = f"<sst><si><t>{'word ' * 6_400}</t></si></sst>"
    ended = check(workbook(tmp_path / "long.xlsx", sheet, [text]))
    assert (ended.code, ended.lines[0]) == (0, "long.xlsx: 3,000 rows; nothing to fix")
    assert ended.memory < 300


@pytest.mark.slow
def test_large_csv_is_checked_in_little_memory(tmp_path: Path) -> None:
    """A CSV of 100,000 rows is checked in less than 400 MiB."""
    path = tmp_path / "large.csv"
    with path.open("w") as file:
        file.write("id,email,name,phone\n")
        file.writelines(f"{n},c{n}@example.com,Client {n},+974{n:08}\n" for n in range(1, 100_001))
    ended = check(path)
    assert ended.code == 0
    assert "large.csv: 100,000 rows; nothing to fix" in ended.lines
    assert ended.memory < 400
