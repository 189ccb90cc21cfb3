"""LibreOffice opens the workbooks of a run and shows the same cells."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import zipfile
from typing import TYPE_CHECKING

import pytest

from etl.extract.table import open_table
from etl.text import unguard_formula
from spreadsheets import read_csv, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from program import Program

SOFFICE = shutil.which("soffice")

# Comma, quotation mark, UTF-8, from line 1, cells as they are shown, every sheet.
EVERY_SHEET = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"

TEXTS = [
    "000123", "+97433123456", "0097433", "-5", "0.10", "1,000", "1e5", "1E+20", "12345678901234567",
    "NA", "#N/A", "TRUE", "null", "2024-01-05", "1/2", "3:15", "5 Jan", "50%", "$5",
    "=1+1", "@SUM(A1)", '=HYPERLINK("http://localhost")', "{=1}", "-1+2", "'Abdulaziz",
    "line\nbreak", "  spaces  ", 'a "quoted", b', "<b>&amp;", "_x000D_", "٠١٢٣",
    "سارة بنت محمد", "شارع 12، Doha", "x" * 32_767,
]  # fmt: skip
HEADER = ["رقم العميل", "البريد الإلكتروني", "الاسم", "=الفرع"]
# Every other row is to be corrected, so that each workbook has some of every kind.
ROWS = [
    [str(number), f"c{number}@example.com" if good else "none", "سارة", text]
    for good in (True, False)
    for number, text in enumerate(TEXTS, 1000 if good else 2000)
]


def shown(workbooks: list[Path], folder: Path) -> dict[str, list[list[str]]]:
    """Returns the cells of each sheet as LibreOffice shows them."""
    subprocess.run(
        [
            str(SOFFICE),
            f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            "--headless",
            "--convert-to",
            EVERY_SHEET,
            "--outdir",
            str(folder),
            *map(str, workbooks),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )
    sheets = {}
    for path in folder.glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            sheets[path.stem] = list(csv.reader(file))
    return sheets


def by_name(rows: list[list[str]]) -> list[dict[str, str]]:
    """Returns the rows of a sheet by header."""
    header, *cells = rows
    return [dict(zip(header, row, strict=True)) for row in cells]


@pytest.mark.slow
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice (soffice) is not installed")
def test_another_program_shows_every_cell_as_it_was(program: Program, tmp_path: Path) -> None:
    """LibreOffice shows zeros, signs, dates, formulas and Arabic unchanged."""
    source = write_xlsx(tmp_path / "clients.xlsx", [HEADER, *ROWS], right_to_left=True)
    assert program.run("update", source).returncode == 1
    run = program.only_run()
    target = tmp_path / "shown"
    target.mkdir()
    sheets = shown([run / "results.xlsx", run / "rework.xlsx"], target)
    assert sorted(sheets) == ["results-Clients", "results-Summary", "rework-Clients"]
    results = by_name(sheets["results-Clients"])
    assert [[row[name] for name in HEADER] for row in results] == ROWS
    assert results == [
        {unguard_formula(name): unguard_formula(cell) for name, cell in row.items()}
        for row in read_csv(run / "results.csv")
    ]
    rework = by_name(sheets["rework-Clients"])
    assert [[row[name] for name in HEADER] for row in rework] == ROWS[len(TEXTS) :]
    assert ["SUCCESS", str(len(TEXTS)), "Updated"] in [row[:3] for row in sheets["results-Summary"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param("results.xlsx", marks=pytest.mark.slow), "rework.xlsx"]
)
def test_workbook_of_a_run_can_be_sent_again(program: Program, tmp_path: Path, name: str) -> None:
    """A workbook of a run has the input's direction and is read as the same cells."""
    source = write_xlsx(tmp_path / "clients.xlsx", [HEADER, *ROWS], right_to_left=True)
    assert program.run("update", source).returncode == 1
    path = program.only_run() / name
    with zipfile.ZipFile(path) as package:
        xml = package.read("xl/worksheets/sheet1.xml").decode()
    assert not re.search("<(f|v)[ />]", xml)
    assert set(re.findall(r'<c r="\w+"(?: s="\d+")?([^>]*[^/])>', xml)) == {' t="inlineStr"'}
    assert 'rightToLeft="1"' in xml
    with open_table(path) as table:
        assert (list(table.names), table.sheet, table.right_to_left) == (HEADER, "Clients", True)
        found = [list(record.cells) for record in table.records]
    assert found == (ROWS if name == "results.xlsx" else ROWS[len(TEXTS) :])
    assert program.run("check", path).returncode == 1
