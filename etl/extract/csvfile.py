"""Reading a CSV with certainty, or refusing it.

The module ``csv`` parses it in strict mode. The delimiter is not guessed: it is the one that leads
to the required columns.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from functools import partial
from typing import TYPE_CHECKING

from etl.errors import InputError
from etl.extract.cells import CellText
from etl.extract.layout import EMPTY_FILE, Layout, RawRow
from etl.rows import Change
from etl.text import isolated, quote, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SAVE_AS = "save it in Excel as “CSV UTF-8”"
_AS_WORKBOOK = "open it in Excel and save it as .xlsx"
_EXPORT_AGAIN = "export the clients as a CSV or an Excel workbook"
# How files of other kinds begin, in lower case and without the zeros of UTF-16, and what helps.
_OTHER_KINDS = (
    (
        rb"pk[\x03\x05]",
        "an Excel workbook or another zip archive",
        f"let the name of a workbook end in .xlsx, or {_SAVE_AS}",
    ),
    (
        rb"\xd0\xcf\x11\xe0|\x09[\x02\x04\x08][\x06\x08\x10]",
        "an old or protected Excel workbook",
        _AS_WORKBOOK,
    ),
    (rb"<(?:!doctype html|html|head|meta|body|table|style|div)\b", "a web page", _AS_WORKBOOK),
    (rb"<(?:\?xml|workbook)\b", "XML", _AS_WORKBOOK),
    (rb"[\[{]\s*[\[{\"]", "JSON", _EXPORT_AGAIN),
    (rb"%pdf-|{\\rtf", "a document", _EXPORT_AGAIN),
    (rb"\x1f\x8b|7z\xbc\xaf|rar!", "a compressed file", "unpack it first"),
)
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?|\n")
_END_OF_FILE = "\x1a"  # Ctrl-Z, which DOS programs write after a text
_CHUNK = 1 << 20
_START = 1_000  # bytes, which show what kind of file it is
_LONGEST_CELL = 1 << 20  # characters; a cell over Excel's limit is a fault of its row alone
csv.field_size_limit(_LONGEST_CELL)
_FORMULA_OF_TEXT = re.compile(r'\s*="((?:[^"]|"")*)"\s*')  # keeps Excel from reading a number
_QUOTED_LATE = re.compile(r'(?:\s+|\s*=\s*)"')
_SPACE_AFTER_QUOTE = re.compile(r'"[^\S\r\n]+(?:[,;\t|]|$)', re.MULTILINE)
_NAME_IT = (
    f"{_SAVE_AS}, or name its encoding, e.g. --encoding cp1256 (Arabic Windows) or cp1252 (Western"
    " Windows)"
)


def layouts(path: Path, encoding: str | None) -> list[Layout]:
    """Return the ways to read a CSV file, one for each delimiter that it may have.

    Raises:
        InputError: the file is empty or of another kind, or its first line cannot be decoded.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    _require_csv(start)
    codec = _codec(start, encoding)
    first = next(iter(_Lines(path, codec)), None)
    if first is None:
        raise InputError(EMPTY_FILE)
    declared = _SEP_LINE.fullmatch(first)
    delimiters = [declared[1]] if declared else list(_DELIMITERS)
    return [
        Layout(
            _DELIMITERS.get(delimiter, delimiter),
            partial(_read, path, codec, delimiter, skipped=1 if declared else 0),
        )
        for delimiter in delimiters
    ]


def _require_csv(start: bytes) -> None:
    """Check that a file does not begin like a workbook, a web page or JSON.

    Raises:
        InputError: it does.
    """
    text = start.replace(b"\0", b"").lower()
    for mark in _BYTE_ORDER_MARKS:
        text = text.removeprefix(mark)
    for pattern, kind, help_ in _OTHER_KINDS:
        if re.match(pattern, text.lstrip(b" \r\n")):
            raise InputError(f"the file is {kind}, not a CSV; {help_}")


def _codec(start: bytes, encoding: str | None) -> str:
    """Return the encoding: that of a byte order mark, else the one that was named."""
    for mark, codec in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return codec
    return encoding or "utf-8"


def shown(cell: str) -> CellText:
    """Return the text of a CSV's cell as Excel shows it: that of ``="00974"`` is ``00974``."""
    formula = _FORMULA_OF_TEXT.fullmatch(cell) if '="' in cell else None
    if formula is None:
        return CellText(unguard_formula(cell))
    text = formula[1].replace('""', '"')
    return CellText(text, change=Change("the formula {} was read as its text", (cell,)))


class _Lines:
    """The lines of a file with their ends, strictly decoded; ``record`` are those since cleared."""

    def __init__(self, path: Path, codec: str) -> None:
        self._path, self._codec = path, codec
        self.record: list[str] = []

    def __iter__(self) -> Generator[str, None, None]:
        with self._path.open(encoding=self._codec, errors="strict", newline="") as text:
            try:
                yield from self._checked(text)
            except UnicodeError:
                raise InputError(_undecodable(self._path, self._codec)) from None

    def _checked(self, text: TextIO) -> Iterator[str]:
        for number, line in enumerate(text, 1):
            if "\0" in line:
                raise InputError(
                    f"line {number} has a NUL character, so the file isn't {_shown(self._codec)}"
                    f" text; {_SAVE_AS}"
                )
            if line == _END_OF_FILE:
                return
            self.record.append(line)
            yield line


def _read(path: Path, codec: str, delimiter: str, skipped: int) -> Iterator[RawRow]:
    """Yield each record; the first ``skipped`` lines are not counted as rows."""
    lines = _Lines(path, codec)
    source = iter(lines)
    for _ in range(skipped):
        next(source)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    row, line = 0, skipped + 1
    lines.record.clear()
    try:
        for row, cells in enumerate(reader, 1):
            if '"' in "".join(cells):
                _require_quotes_at_the_start(cells, "".join(lines.record), line)
            yield RawRow(row, cells, line, whole=lines.record[-1].endswith(("\n", "\r")))
            line = skipped + reader.line_num + 1
            lines.record.clear()
    except csv.Error as error:
        reason = _reason(error, lines.record)
        raise InputError(f"line {line} starts a record that cannot be read: {reason}") from None
    finally:
        source.close()  # the traceback of an error would keep the file open


def _require_quotes_at_the_start(cells: Sequence[str], record: str, line: int) -> None:
    """Check that no cell has its opening quotation mark after a space or an equals sign.

    Such a mark is text for the parser, and a delimiter before the closing one splits the cell. A
    quoted cell may begin with a space and a quotation mark of its own.

    Raises:
        InputError: a cell has.
    """
    for cell in cells:
        late = _QUOTED_LATE.match(cell)
        if late is None or '"{}"'.format(cell.replace('"', '""')) in record:
            continue
        if "=" not in late[0]:
            raise InputError(
                f"line {line} has a space before the quotation mark that opens a cell"
                f" ({quote(cell)}); export the file without such spaces, or {_SAVE_AS}"
            )
        if cell.count('"') % 2:
            raise InputError(
                f"line {line} has a formula that is cut at a delimiter ({quote(cell)}); {_SAVE_AS}"
            )


def _reason(error: csv.Error, record: Sequence[str]) -> str:
    """Return why a record cannot be parsed, and what helps."""
    text = "".join(record)
    if "field limit" in str(error):
        return (
            f"a cell has more than {_LONGEST_CELL:,} characters; look for a quotation mark that is"
            " not closed"
        )
    if '\\"' in record[0]:
        return (
            'it has a backslash before a quotation mark (\\"); export the file with quotation marks'
            ' that are doubled ("")'
        )
    if len(record) > 1 or "end of data" in str(error):
        return "look for a quotation mark that is not closed"
    if _SPACE_AFTER_QUOTE.search(text):
        return (
            "a space follows the quotation mark that closes a cell; export the file without such"
            f" spaces, or {_SAVE_AS}"
        )
    return 'text follows the quotation mark that closes a cell; double the marks inside a cell ("")'


def _undecodable(path: Path, codec: str) -> str:
    """Return the sentence that names the first byte that the encoding does not allow."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(codec)(), translate=True)
    name, line = _shown(codec), 1
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            try:
                line += decoder.decode(chunk).count("\n")
            except UnicodeDecodeError as error:
                good = error.object[: error.start].decode(codec, errors="ignore")
                line += len(_LINE_END.findall(good))
                byte = error.object[error.start]
                return f"the file isn't {name} (byte 0x{byte:02X} on line {line}); {_NAME_IT}"
            except UnicodeError as error:  # a byte order mark is missing that the encoding requires
                why = isolated(str(error))
                return f"the file isn't {name} (line {line}: {why}); {_NAME_IT}"
    return (
        f"the file isn't {name}, or is incomplete (line {line} ends in the middle of a character);"
        " export or copy it again"
    )


def _shown(codec: str) -> str:
    """Return an encoding's name as people write it."""
    return codec.removesuffix("-sig").upper()
