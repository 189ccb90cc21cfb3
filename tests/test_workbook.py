"""A workbook is read as a person sees it, or refused in one sentence."""

from __future__ import annotations

import io
import re
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import openpyxl
import pytest

from etl.errors import InputError
from etl.extract.cells import TypedCell
from etl.extract.workbook import layouts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from etl.extract.layout import RawRow

    Save = Callable[[Mapping[str, Sequence[Sequence[object]]]], Path]

CORPUS = Path(__file__).parent / "corpus"
SHEET = "xl/worksheets/sheet1.xml"
UNUSABLE = "workbook is damaged|old .xls workbook|not an Excel workbook|is empty|is protected"
CLIENTS = {"Clients": [["id", "email"], ["1", "sara@example.com"]]}


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Returns a function that saves a workbook with these rows in these sheets."""

    def _save(sheets: Mapping[str, Sequence[Sequence[object]]]) -> Path:
        book = openpyxl.Workbook(write_only=True)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        path = tmp_path / "clients.xlsx"
        book.save(path)
        return path

    return _save


def edit(path: Path, part: str, old: str, new: str) -> None:
    """Replaces the first match in one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts[part].decode()
    parts[part] = re.sub(old, new, text, count=1).encode()
    assert parts[part].decode() != text
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def read(path: Path, sheet: str | None = None) -> list[RawRow]:
    """Returns the rows of the first sheet."""
    with layouts(path, sheet) as sheets:
        return list(sheets[0].rows())


def names(path: Path, sheet: str | None = None) -> list[str]:
    """Returns the names of the sheets."""
    with layouts(path, sheet) as sheets:
        return [layout.name for layout in sheets]


def test_text_is_not_changed(save: Save) -> None:
    """Zeros, signs, blanks and words such as NA are text."""
    row = ["000123", "+974", " NA ", "TRUE", "1e5", "سارة"]
    assert list(read(save({"A": [row]}))[0].cells) == row


def test_other_values_come_with_their_format(save: Save) -> None:
    """Numbers, truth values and dates keep their type until their column is known."""
    moment = datetime(2024, 1, 5)  # noqa: DTZ001 - cells have no time zone
    cells = read(save({"A": [[1024, 97433123456.0, True, moment, None, "x"]]}))[0].cells
    assert list(cells) == [
        TypedCell(1024),
        TypedCell(97433123456.0),
        TypedCell(value=True),
        TypedCell(moment, "yyyy-mm-dd h:mm:ss"),
        "",
        "x",
    ]


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ("a_x000D_b", "a\rb"),
        ("_x0041__x0042_", "AB"),
        ("_x005F_x000D_", "_x000D_"),
        ("_xD83D__xDE00_", "\U0001f600"),
        ("_xD800_", "\ufffd"),
        ("_x00_ _xyz_", "_x00_ _xyz_"),
    ],
)
def test_escaped_characters_are_decoded(save: Save, stored: str, text: str) -> None:
    """An escape is decoded once, and only if it is a character."""
    assert read(save({"A": [[stored]]}))[0].cells == [text]


def test_formula_is_the_value_that_was_calculated(save: Save) -> None:
    """The value of a formula is its result."""
    path = save({"A": [[1]]})
    edit(path, SHEET, "<v>1</v>", "<f>1+1</f><v>2</v>")
    assert read(path)[0].cells == [TypedCell(2)]


def test_rows_have_the_numbers_that_excel_shows(save: Save) -> None:
    """Row numbers count the rows that the file omits."""
    path = save({"A": [["a"], [], [None], ["b"]]})
    assert [(row.row, row.place) for row in read(path) if any(row.cells)] == [
        (1, "row 1"),
        (4, "row 4"),
    ]


def test_declared_size_of_a_sheet_is_ignored(save: Save) -> None:
    """A sheet that declares a million rows of 16,384 cells has only its real cells."""
    path = save(CLIENTS)
    edit(path, SHEET, "<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>')
    assert [len(row.cells) for row in read(path)] == [2, 2]


@pytest.mark.parametrize("state", ["hidden", "veryHidden"])
def test_hidden_sheet_is_not_read(save: Save, state: str) -> None:
    """Only visible sheets are read, even if a hidden one is named."""
    path = save({"OLD": [["id"]], "Clients": [["id"]]})
    edit(
        path,
        "xl/workbook.xml",
        r'name="OLD"( sheetId="1") state="visible"',
        rf'name="OLD"\1 state="{state}"',
    )
    assert names(path) == ["Clients"]
    with pytest.raises(
        InputError, match=r"^there is no visible sheet “OLD”, only “Clients”; rename or unhide"
    ):
        names(path, "OLD")


def test_named_sheet_is_the_only_one(save: Save) -> None:
    """Of several sheets the named one is read."""
    path = save({"2024": [["a"]], "2025": [["b"]]})
    assert names(path) == ["2024", "2025"]
    assert read(path, "2025")[0].cells == ["b"]


def test_sheet_that_is_not_there_is_refused(save: Save) -> None:
    """The message about an unknown sheet names the visible ones."""
    with pytest.raises(InputError, match=r"^there is no visible sheet “clients”, only “Clients”;"):
        names(save(CLIENTS), "clients")


@pytest.mark.parametrize("sheet", [None, "Clients"])
def test_workbook_without_a_visible_sheet_is_refused(save: Save, sheet: str | None) -> None:
    """The message about a workbook without visible sheets says to unhide one."""
    path = save(CLIENTS)
    edit(path, "xl/workbook.xml", 'state="visible"', 'state="hidden"')
    with pytest.raises(InputError, match=r"^the workbook has no visible sheet; unhide the sheet"):
        names(path, sheet)


def test_sheets_in_a_message_keep_their_order(save: Save) -> None:
    """If one sheet has an Arabic name, all names in the message are isolated."""
    with pytest.raises(
        InputError, match="“\u2068x\u2069”, only “\u2068العملاء\u2069”, “\u20682025\u2069”"
    ):
        names(save({"العملاء": [["id"]], "2025": [["id"]]}), "x")


@pytest.mark.parametrize(
    "data",
    [b"", b"id,email\n1,a@example.com\n", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"<html></html>"],
)
def test_file_that_is_not_a_workbook_is_refused(tmp_path: Path, data: bytes) -> None:
    """Text, an old workbook and a web page are recognised by their first bytes."""
    path = tmp_path / "clients.xlsx"
    path.write_bytes(data)
    with pytest.raises(
        InputError,
        match=UNUSABLE,
    ):
        read(path)


def test_zip_without_a_workbook_is_refused(tmp_path: Path) -> None:
    """A zip with other files is not a workbook."""
    path = tmp_path / "clients.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(
        InputError,
        match=UNUSABLE,
    ):
        read(path)


@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (SHEET, "</sheetData>", ""),
        (SHEET, "</t>", ""),
        (SHEET, 't="inlineStr"><is><t>1</t></is>', 't="s"><v>99</v>'),
        (SHEET, 't="inlineStr"><is><t>1</t></is>', "><v>12..5</v>"),
        (SHEET, 'r="A2"', 'r="2A"'),
        ("xl/styles.xml", "<fonts", "<fnots"),
        ("xl/workbook.xml", "<sheets>", "<sheets"),
        ("xl/workbook.xml", 'name="Clients" ', ""),
    ],
)
def test_damaged_part_is_one_sentence(save: Save, part: str, old: str, new: str) -> None:
    """Every kind of damage leads to the same sentence."""
    path = save(CLIENTS)
    edit(path, part, re.escape(old), new)
    with pytest.raises(
        InputError,
        match=UNUSABLE,
    ):
        read(path)


def test_encrypted_part_is_one_sentence(save: Save) -> None:
    """A workbook whose parts need a password is refused like one that is damaged."""
    path = save(CLIENTS)
    flagged = re.sub(rb"(PK\x01\x02.{4})\x00", b"\\1\x01", path.read_bytes(), flags=re.DOTALL)
    path.write_bytes(flagged)
    with pytest.raises(
        InputError,
        match=UNUSABLE,
    ):
        read(path)


def test_one_flipped_bit_in_a_sheet_is_noticed(save: Save) -> None:
    """No row of a damaged sheet is read."""
    path = save({"Clients": [[str(row), f"client{row}@example.com"] for row in range(200)]})
    good = path.read_bytes()
    with zipfile.ZipFile(io.BytesIO(good)) as archive:
        sheet = archive.getinfo(SHEET)
    begin = sheet.header_offset + 30 + len(SHEET)
    for place in range(begin, begin + sheet.compress_size, 31):
        path.write_bytes(good[:place] + bytes([good[place] ^ 0x10]) + good[place + 1 :])
        with pytest.raises(
            InputError,
            match=UNUSABLE,
        ):
            read(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_copied_workbook_is_refused(save: Save, share: float) -> None:
    """A workbook is read completely or not at all."""
    path = save(CLIENTS)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(
        InputError,
        match=UNUSABLE,
    ):
        read(path)


def test_rows_can_be_read_again(save: Save) -> None:
    """Looking for the header does not use up the rows."""
    with layouts(save(CLIENTS), None) as sheets:
        assert list(sheets[0].rows()) == list(sheets[0].rows()) != []


def test_document_type_is_refused_at_once() -> None:
    """Entities that would expand to a gigabyte are never expanded, in whatever part."""
    for part in ("workbook", "styles"):
        path = CORPUS / f"raw-doctype-{part}.xlsx"
        start = time.process_time()
        with pytest.raises(InputError, match=r"^the workbook is damaged"):
            read(path)
        assert time.process_time() - start < 0.2
