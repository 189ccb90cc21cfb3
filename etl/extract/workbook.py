"""Opening a workbook: checking its type and size, and finding its visible sheets.

Small parts are read at once: the list of sheets and the number formats. The texts and the rows, of
which there may be a million, are streamed by ``strings`` and ``sheet``. openpyxl only helps with
dates and formats: it would refuse a workbook because of an unusual colour, and does not find the
sheets of one that Excel saved as Strict Open XML.
"""

from __future__ import annotations

import lzma
import posixpath
import re
import struct
import zipfile
import zlib
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote
from xml.parsers.expat import ExpatError

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import (
    MAC_EPOCH,
    WINDOWS_EPOCH,
    from_excel,
    from_ISO8601,
)

from etl.errors import InputError
from etl.extract.cells import TypedCell, unescaped
from etl.extract.formats import GENERAL
from etl.extract.layout import EMPTY_FILE, Layout
from etl.extract.markup import MalformedError, is_true, parse
from etl.extract.sheet import is_right_to_left, merged_ranges, read_rows
from etl.extract.strings import SharedStrings
from etl.text import quote, quoted_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime, time, timedelta
    from pathlib import Path
    from xml.etree.ElementTree import Element

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

_DAMAGE_ERRORS = (
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
    lzma.LZMAError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
# Numbers of built-in formats that ECMA-376 part 1, 18.8.30, gives no code or one for each language.
_LOCAL_DATES = frozenset([*range(27, 37), *range(50, 59)])
_LOCAL_AMOUNTS = frozenset([*range(5, 9), *range(41, 45)])

_NUMBER = re.compile(r"-?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?")
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}
_is_date_format = lru_cache(1_000)(is_date_format)  # a sheet has few formats and a million numbers
_HIDING = {"hidden", "veryHidden"}  # ECMA-376 part 1, 18.18.68; exceljs also writes "show"
_NO_STYLES = b"<styleSheet/>"
_ENCRYPTED_WORKBOOK = (
    "the workbook is protected (by a password or a sensitivity label); save it in Excel as a new"
    " .xlsx without protection"
)
_TWO_PARTS = (
    "the workbook has two parts named {}, so that programs may show different rows; open it in"
    " Excel, check it, and save it as a new .xlsx"
)
_DAMAGED = "the workbook is damaged; open it in Excel, check it, and save it again as .xlsx"


@contextmanager
def layouts(path: Path, sheet: str | None) -> Iterator[list[Layout]]:
    """Yield the visible sheets, or the one of this name, while the workbook is open.

    Raises:
        InputError: the file is not a workbook, is damaged or far too large when unpacked, or has no
            such visible sheet.
    """
    _require_workbook(path)
    with path.open("rb") as file:
        with _damage_in_one_sentence():
            package = _Package(file)
            visible = list(package.visible_sheets())
        chosen = [(name, part) for name, part in visible if sheet in {None, name}]
        if not chosen:
            raise InputError(_no_sheet(sheet, [name for name, _ in visible]))
        yield [
            Layout(name, partial(package.rows, part), partial(package.is_right_to_left, part))
            for name, part in chosen
        ]


def _no_sheet(wanted: str | None, visible: Sequence[str]) -> str:
    """Return the sentence for a workbook without visible sheets, or without the one wanted."""
    if wanted is None or not visible:
        return "the workbook has no visible sheet; unhide the sheet with the clients in Excel"
    named, *others = quoted_together(wanted, *visible)
    return (
        f"there is no visible sheet {named}, only {', '.join(others)}; rename or unhide the sheet,"
        " or choose another with --sheet"
    )


def _require_workbook(path: Path) -> None:
    """Check by the first bytes of a file that it is a workbook, as its name says."""
    with path.open("rb") as file:
        start = file.read(512)
        if start.startswith(_OLD_EXCEL):
            if _ENCRYPTED in start + file.read():
                raise InputError(_ENCRYPTED_WORKBOOK)
            raise InputError("an old .xls workbook; open it in Excel and save it as .xlsx")
    if not start:
        raise InputError(EMPTY_FILE)
    if start.startswith(_ZIP):
        return
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        raise InputError("a web page, not an Excel workbook; open it in Excel and save it as .xlsx")
    raise InputError("not an Excel workbook; if it is a text file, rename it to end in .csv")


class _Package:
    """The parts of an open workbook, found by their relationships (ECMA-376 part 2, 6.5)."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read the small parts, each after a check of its size."""
        self._archive = zipfile.ZipFile(file)
        self._parts = _by_name(self._archive.infolist())
        (book,) = _parts(self._relations("").values(), "officeDocument")
        self._workbook = self._tree(book)
        self._related = self._relations(book)
        settings = self._workbook.find("{*}workbookPr")
        from_1904 = settings is not None and is_true(settings.get("date1904"))
        self._epoch = MAC_EPOCH if from_1904 else WINDOWS_EPOCH
        self._formats = self._number_formats()
        self._texts = SharedStrings()
        for part in _parts(self._related.values(), "sharedStrings"):
            with self._open(part, _LARGEST_TEXTS) as xml:
                self._texts.read(xml)

    def visible_sheets(self) -> Iterator[tuple[str, str]]:
        """Yield the name and the part of each visible sheet that has cells.

        What a hidden one leads to is never opened, because it may not be there.
        """
        for sheet in self._workbook.findall("{*}sheets/"):
            if sheet.get("state") in _HIDING:
                continue
            (number,) = (value for key, value in sheet.items() if key.endswith("}id"))
            for part in _parts([self._related[number]], "worksheet"):
                yield sheet.attrib["name"], part

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """Return the type and the target of each relationship of a part, by its id."""
        folder, name = posixpath.split(part)
        tree = self._tree(_part_name(folder, "_rels", f"{name}.rels"))
        relations: dict[str, tuple[str, str]] = {}
        for each in tree.findall("{*}Relationship"):
            relation = (each.attrib["Type"], _part_name(folder, each.attrib["Target"]))
            if relations.setdefault(each.attrib["Id"], relation) != relation:
                raise MalformedError("two relationships with one id")
        return relations

    def _tree(self, part: str) -> Element:
        with self._open(part, _LARGEST_OTHER) as xml:
            return parse(xml.read())

    def _open(self, part: str, largest: int) -> IO[bytes]:
        """Open a part after a check that it cannot fill the memory or take hours.

        zipfile itself ensures that no part unpacks to more bytes than it declares.
        """
        facts = self._parts[part]
        if facts.flag_bits & _LOCKED:
            raise InputError(_ENCRYPTED_WORKBOOK)
        most = max(_MEBIBYTE, min(largest, _LARGEST_RATIO * facts.compress_size))
        if facts.file_size > most:
            raise InputError(
                f"the workbook unpacks to {facts.file_size / _MEBIBYTE:,.0f} MiB, too much for a"
                " client list; delete what is not needed, or save it as “CSV UTF-8”"
            )
        return self._archive.open(facts)

    def rows(self, part: str) -> Iterator[RawRow]:
        """Yield the rows of a sheet."""
        with _damage_in_one_sentence():
            with self._open(part, _LARGEST_SHEET) as xml:
                merged = merged_ranges(xml)
            with self._open(part, _LARGEST_SHEET) as xml:
                yield from read_rows(xml, self._cell, merged)

    def is_right_to_left(self, part: str) -> bool:
        """Whether a sheet shows its first column at the right."""
        with _damage_in_one_sentence(), self._open(part, _LARGEST_SHEET) as xml:
            return is_right_to_left(xml)

    def _cell(self, text: str, kind: str, style: int) -> RawCell:
        """Return the cell with this value, type (ECMA-376 part 1, 18.18.11) and style."""
        if kind == "s":
            shared = self._texts[int(text)]
            return unescaped(shared) if "_x" in shared else shared
        if kind in {"inlineStr", "str", "e"}:
            return unescaped(text)
        if kind == "b":
            return TypedCell(_BOOLEANS[text])
        number_format = self._formats[style] if self._formats else GENERAL
        if kind == "d":
            return TypedCell(from_ISO8601(text), number_format)  # type: ignore[no-untyped-call]
        if text.isascii() and text.isdigit():
            number: float = int(text)
        elif _NUMBER.fullmatch(text):  # Python also reads 1_0 and nan
            number = float(text)
        else:
            raise ValueError("not a number")
        moment = self._moment(number, number_format)
        return TypedCell(number if moment is None else moment, number_format)

    def _moment(self, number: float, number_format: str) -> datetime | time | timedelta | None:
        """Return the date or time that a number means, if its format makes it one."""
        if not _is_date_format(number_format) or number <= 0:  # Excel has no dates before day 1
            return None
        is_duration = is_timedelta_format(number_format)
        try:
            moment: datetime | time | timedelta | None = from_excel(
                number, self._epoch, timedelta=is_duration
            )
        except (OverflowError, ValueError):  # such as a phone formatted as a date, shown as ####
            return None
        return moment

    def _number_formats(self) -> list[str]:
        """Return the number format of each style."""
        styles = parse(_NO_STYLES)
        for part in _parts(self._related.values(), "styles"):
            styles = self._tree(part)
        own = {
            int(each.attrib["numFmtId"]): each.attrib["formatCode"]
            for each in styles.findall("{*}numFmts/")
        }
        used = [int(each.get("numFmtId", 0)) for each in styles.findall("{*}cellXfs/")]
        return [own.get(number) or _format_code(number) for number in used]


def _format_code(number: int) -> str:
    """Return the code of a built-in format, for a workbook that has only its number.

    A code in brackets is one that Excel chooses by the reader's language or currency, so that what
    is shown cannot be determined.
    """
    if number in _LOCAL_DATES:
        return f"[built-in {number}] date"
    if number in _LOCAL_AMOUNTS or number not in BUILTIN_FORMATS:
        return f"[built-in {number}]"
    code: str = BUILTIN_FORMATS[number]
    return code


def _part_name(*path: str) -> str:
    """Return what all spellings of a part's name have in common: ECMA-376 part 2, 6.2.2.

    Names differ in case, some libraries write backslashes, and some escape blanks.
    """
    slashed = (each.replace("\\", "/") for each in path)
    return posixpath.normpath(unquote(posixpath.join("/", *slashed))).lower()


def _by_name(members: Iterable[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
    """Return the parts in a zip by their names.

    Raises:
        InputError: two have one name, and programs differ in which of them they show.
    """
    parts: dict[str, zipfile.ZipInfo] = {}
    for member in members:
        if member.filename.endswith(("/", "\\")):  # a folder
            continue
        if parts.setdefault(_part_name(member.filename), member) is not member:
            raise InputError(_TWO_PARTS.format(quote(member.filename)))
    return parts


def _parts(relations: Iterable[tuple[str, str]], kind: str) -> list[str]:
    """Return the parts of one kind, in either of the two namespaces of workbooks."""
    return [target for type_, target in relations if type_.endswith(f"/{kind}")]


@contextmanager
def _damage_in_one_sentence() -> Iterator[None]:
    """Raise the same sentence for every error of a library in a damaged workbook."""
    try:
        yield
    except _DAMAGE_ERRORS:
        raise InputError(_DAMAGED) from None
