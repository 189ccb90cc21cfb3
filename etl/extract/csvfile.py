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
from etl.extract.layout import EMPTY_FILE, Layout, RawRow
from etl.text import isolated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import TextIO

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n?|\n")
_END_OF_FILE = "\x1a"  # Ctrl-Z, which DOS programs write after a text
_CHUNK = 1 << 20
csv.field_size_limit(1 << 20)  # characters; a cell over Excel's limit is a fault of its row alone
_SAVE_AS = "save it in Excel as “CSV UTF-8”"
_NAME_IT = (
    f"{_SAVE_AS}, or name its encoding, e.g. --encoding cp1256 (Arabic Windows) or cp1252 (Western"
    " Windows)"
)


def layouts(path: Path, encoding: str | None) -> list[Layout]:
    """Return the ways to read a CSV file, one for each delimiter that it may have.

    Raises:
        InputError: the file is empty, or its first line cannot be decoded.
    """
    codec = _codec(path, encoding)
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


def _codec(path: Path, encoding: str | None) -> str:
    """Return the encoding: that of a byte order mark, else the one that was named."""
    with path.open("rb") as file:
        start = file.read(4)
    for mark, codec in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return codec
    return encoding or "utf-8"


class _Lines:
    """The lines of a file with their ends, strictly decoded; ``last`` is the last one read."""

    def __init__(self, path: Path, codec: str) -> None:
        self._path, self._codec = path, codec
        self.last = ""

    def __iter__(self) -> Iterator[str]:
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
            self.last = line
            yield line


def _read(path: Path, codec: str, delimiter: str, skipped: int) -> Iterator[RawRow]:
    """Yield each record; the first ``skipped`` lines are not counted as rows."""
    lines = _Lines(path, codec)
    source = iter(lines)
    for _ in range(skipped):
        next(source)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    row, line = 0, skipped + 1
    try:
        for row, cells in enumerate(reader, 1):
            yield RawRow(row, cells, line, whole=lines.last.endswith(("\n", "\r")))
            line = skipped + reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"line {line} starts a record that cannot be read ({isolated(str(error))});"
            " look for a quotation mark that is not closed"
        ) from None


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
