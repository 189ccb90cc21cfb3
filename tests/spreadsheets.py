"""Writing spreadsheets as operations do, and reading what the program wrote."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import openpyxl
import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def write_csv(path: Path, rows: Iterable[Sequence[str]]) -> Path:
    """Write a CSV of these cells, and return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def write_xlsx(path: Path, rows: Iterable[Sequence[str]], *, right_to_left: bool = False) -> Path:
    """Write a workbook of these text cells, and return its path."""
    with xlsxwriter.Workbook(path) as workbook:
        sheet = workbook.add_worksheet("Clients")
        if right_to_left:
            sheet.right_to_left()
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(number, column, text)
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a CSV that the program wrote, as a dictionary per row."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def read_xlsx(path: Path) -> list[dict[str, object]]:
    """Read the first sheet of a workbook that the program wrote, as a dictionary per row."""
    header, *rows = openpyxl.load_workbook(path).worksheets[0].values
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]


def statuses(rows: Iterable[Mapping[str, object]]) -> list[object]:
    """Return the status of each row."""
    return [row["update_status"] for row in rows]
