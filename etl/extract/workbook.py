"""Opening a workbook: what it is, that it is no bomb, and the sheets that a person sees.

openpyxl reads what is small, the list of sheets and the styles. The texts and the rows, of which
there may be a million, stream by: ``strings`` and ``sheet`` read them.
"""

from __future__ import annotations

import zipfile
import zlib
from contextlib import contextmanager
from functools import partial
from typing import IO, TYPE_CHECKING
from xml.parsers.expat import ExpatError

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import from_excel, from_ISO8601
from openpyxl.xml.constants import ARC_STYLE, SHARED_STRINGS, SHEET_MAIN_NS
from openpyxl.xml.functions import fromstring

from etl.errors import InputError
from etl.extract.cells import TypedCell, unescaped
from etl.extract.formats import GENERAL
from etl.extract.layout import Layout
from etl.extract.sheet import merged_ranges, read_rows
from etl.extract.strings import SharedStrings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date, datetime, time
    from pathlib import Path

    from etl.extract.cells import RawCell
    from etl.extract.layout import RawRow

_OLD_EXCEL = b"\xd0\xcf\x11\xe0"  # MS-CFB, 2.2: .xls files, and .xlsx files behind a password
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")  # MS-OFFCRYPTO, 2.3.4.4
_ZIP = b"PK"

_MEBIBYTE = 1 << 20
_LARGEST_SHEET = 512 * _MEBIBYTE  # unpacked; a million rows of a client list have about 400
_LARGEST_TEXTS = 128 * _MEBIBYTE
_LARGEST_OTHER = 16 * _MEBIBYTE
_LOCKED = 1  # the flag bit of an encrypted part; PKWARE APPNOTE, 4.4.4
_LARGEST_RATIO = 200  # unpacked to packed; real workbooks have 5 to 50

_TRIPPED_OVER = (
    ArithmeticError,
    AttributeError,
    EOFError,
    ExpatError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)
_DAMAGED = "the workbook is damaged; open it in Excel, look at it, and save it again as .xlsx"


@contextmanager
def layouts(path: Path, sheet: str | None) -> Iterator[list[Layout]]:
    """Give the sheets that a person sees, or the one named, while the workbook is open.

    Raises:
        InputError: it is no workbook, it is damaged or a bomb, or has no visible sheet of the name.
    """
    _require_workbook(path)
    with path.open("rb") as file:
        with _damage_in_one_sentence():
            package = _Package(file)
            shown = list(package.visible_sheets())
        chosen = [(name, part) for name, part in shown if sheet in {None, name}]
        if not chosen:
            names = ", ".join(repr(name) for name, _ in shown) or "none that is visible"
            wanted = f"sheet {sheet!r}" if sheet is not None else "visible sheet"
            raise InputError(f"there is no {wanted}; the file has {names}")
        yield [Layout(name, partial(package.rows, part)) for name, part in chosen]


def _require_workbook(path: Path) -> None:
    """Check by its first bytes that a file is what its name says."""
    with path.open("rb") as file:
        start = file.read(512)
        if start.startswith(_OLD_EXCEL):
            if _ENCRYPTED in start + file.read():
                raise InputError("the workbook has a password; take it off in Excel (File, Info)")
            raise InputError("it is an .xls file whatever its name; save it in Excel as .xlsx")
    if not start:
        raise InputError("the file is empty")
    if start.startswith(_ZIP):
        return
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InputError("it is a web page whatever its name; open it in Excel, save it as .xlsx")
    raise InputError("it is no workbook; if it is a text file, let its name end in .csv")


class _Package(ExcelReader):
    """The parts of an open workbook."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read the parts that are small, once it is sure that they are."""
        super().__init__(file, read_only=True, data_only=True, keep_links=False)
        _require_reasonable(self.archive)
        self.read_manifest()
        self.read_workbook()
        self._formats = self._number_formats()
        self._texts = SharedStrings()
        texts = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
        if texts is not None:
            with self.archive.open(texts.PartName[1:]) as xml:
                self._texts.read(xml)

    def visible_sheets(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the part of each sheet of cells that a person sees."""
        for sheet, relation in self.parser.find_sheets():
            if relation.Type.endswith("/worksheet") and sheet.state == "visible":
                yield sheet.name, relation.target

    def rows(self, part: str) -> Iterator[RawRow]:
        """Yield the rows of a sheet."""
        with _damage_in_one_sentence():
            with self.archive.open(part) as xml:
                merged = merged_ranges(xml)
            with self.archive.open(part) as xml:
                yield from read_rows(xml, self._cell, merged)

    def _cell(self, text: str, kind: str, style: int) -> RawCell:
        """Return the cell that has this value, type (ECMA-376 part 1, 18.18.11) and style."""
        if kind == "s":
            return unescaped(self._texts[int(text)])
        if kind in {"inlineStr", "str", "e"}:
            return unescaped(text)
        if kind == "b":
            return TypedCell(text == "1")
        number_format = self._formats[style] if self._formats else GENERAL
        if kind == "d":
            moment: datetime | date | time = from_ISO8601(text)  # type: ignore[no-untyped-call]
            return TypedCell(moment, number_format)
        number = int(text) if text.isdigit() else float(text)
        if not is_date_format(number_format):
            return TypedCell(number, number_format)
        is_duration = is_timedelta_format(number_format)
        return TypedCell(from_excel(number, self.wb.epoch, timedelta=is_duration), number_format)

    def _number_formats(self) -> list[str]:
        """Return the number format of each style.

        openpyxl would read colours and borders too, and refuses a workbook for one that is odd.
        """
        if ARC_STYLE not in self.valid_files:
            return []
        styles = fromstring(self.archive.read(ARC_STYLE))
        formats = dict(BUILTIN_FORMATS)
        for own in styles.findall(f"{{{SHEET_MAIN_NS}}}numFmts/"):
            formats[int(own.attrib["numFmtId"])] = own.attrib["formatCode"]
        used = styles.findall(f"{{{SHEET_MAIN_NS}}}cellXfs/")
        return [formats.get(int(each.get("numFmtId", 0)), GENERAL) for each in used]


def _require_reasonable(archive: zipfile.ZipFile) -> None:
    """Check that unpacking the workbook cannot fill the memory or take the night.

    zipfile itself makes sure that no part unpacks to more than it declares.
    """
    for part in archive.infolist():
        if part.flag_bits & _LOCKED:
            raise InputError("the workbook has a password; take it off in Excel (File, Info)")
        largest = _LARGEST_OTHER
        if "/worksheets/" in part.filename:
            largest = _LARGEST_SHEET
        elif "sharedStrings" in part.filename:
            largest = _LARGEST_TEXTS
        bomb = part.file_size > _MEBIBYTE and part.file_size > _LARGEST_RATIO * part.compress_size
        if bomb or (part.file_size > largest and part.filename.endswith(".xml")):
            raise InputError(
                f"the workbook unpacks to {part.file_size / _MEBIBYTE:.0f} MiB, more than a client"
                " list has; delete what is not needed, or save it as 'CSV UTF-8'"
            )


@contextmanager
def _damage_in_one_sentence() -> Iterator[None]:
    """Whatever the libraries trip over in a damaged file, operations read the same sentence."""
    try:
        yield
    except _TRIPPED_OVER:
        raise InputError(_DAMAGED) from None
