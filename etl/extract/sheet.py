"""Reading the rows of one sheet from its XML as a stream.

In its streaming mode openpyxl recognises neither merged nor uncalculated cells, and takes half a
minute for a sheet with a million formatted, blank rows. expat parses the XML here. To save its
calls, two regular expressions first take out what most cells are: cells with only a format, and
rows of numbers and short texts. Source of the elements: ECMA-376 part 1, 18.3.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import IO, TYPE_CHECKING

from etl.extract.layout import RawRow, SparseCells
from etl.extract.markup import (
    CHUNK,
    MalformedError,
    chunks,
    is_true,
    local_name,
    new_parser,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from etl.extract.cells import RawCell

MOST_ROWS = 1_048_576
_MOST_COLUMNS = 16_384
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
_MERGED = re.compile(
    rb"<(?:\w+:)?mergeCell\s[^<>]*?ref=[\"']([A-Z]{1,3}[0-9]{1,7}:[A-Z]{1,3}[0-9]{1,7})[\"']"
)
_MOST_MERGED = 200_000
_MOST_MERGED_AT_ONCE = 200
_LONGEST_MERGED = 200  # bytes of such an element
_LONGEST_CELL = 1 << 20  # characters, escaped; Excel holds 32,767

# Only these elements have a meaning, each only inside of the one before it. Form controls and
# extensions have elements of the same names: <xdr:row> is the row of a button's corner.
_CHILDREN: Mapping[str, Collection[str]] = {
    "": {"worksheet"},
    "worksheet": {"sheetData"},
    "sheetData": {"row"},
    "row": {"c"},
    "c": {"v", "f", "is"},
    "is": {"t", "r"},
    "r": {"t"},  # a run of rich text; <rPh>, how the text is pronounced, is not the text itself
    "v": (),
    "f": (),
    "t": (),
}

# A cell with only a format. A sheet may have millions, and expat makes two calls for each. One
# before a cell without a reference is needed to place that cell.
_VALUELESS = re.compile(
    rb'<c r="[A-Z]{1,3}[0-9]{1,7}"(?: s="[0-9]{1,5}")?/>(?=\s*(?:<c r="|</row>))'
)
# A row of numbers, shared texts and inline texts, as Excel, LibreOffice and most libraries write
# them. For each cell expat makes five to seven calls, which take three times as long as these
# expressions. U+F000 to U+FFFF are left to expat, because XML forbids the last two.
_PLAIN_ROW = re.compile(
    rb'(<row r="([1-9][0-9]{0,6})"[^<>/]*)>('
    rb'(?:<c r="[A-Z]{1,3}\2"(?: s="[0-9]{1,5}")?'
    rb'(?:(?: t="[ns]")?><v>[0-9.Ee+-]{1,99}</v>'
    rb'| t="inlineStr"><is><t(?: xml:space="preserve")?>'
    rb"[ -%'-;=?-~\x80-\xee\xf0-\xf4]++</t></is>)</c>)++)</row>"
)
# The column, style, type and value of each cell of such a row.
_PLAIN_CELL = re.compile(
    r'<c r="([A-Z]+)[0-9]+"(?: s="([0-9]+)")?(?: t="(\w+)")?><(?:v|is><t[^>]*)>([^<]+)'
)


@dataclass(frozen=True, slots=True)
class Merged:
    """A merged range: its first and last row, counted from 1, and the columns that it takes away.

    ``columns`` are indexes. The first cell of a range of one row shows the value of that row, so
    it is not among them.
    """

    first_row: int
    last_row: int
    columns: range


def merged_ranges(xml: IO[bytes]) -> list[Merged]:
    """Return the merged ranges of a sheet, sorted by row; in the XML they follow the rows."""
    ranges = []
    rest = b""
    while chunk := xml.read(CHUNK):
        block = rest + chunk
        end = 0
        for match in _MERGED.finditer(block) if b"mergeCell" in block else ():
            ranges.append(_merged(match[1].decode()))
            end = match.end()
        if len(ranges) > _MOST_MERGED:
            raise MalformedError("too many merged ranges for a client list")
        rest = block[max(end, len(block) - _LONGEST_MERGED) :]
    return sorted(ranges, key=lambda merged: merged.first_row)


def is_right_to_left(xml: IO[bytes]) -> bool:
    """Whether a sheet shows its first column at the right; the XML has this above the rows.

    Raises:
        MalformedError, ExpatError: this is not the XML of a sheet.
    """
    parser = new_parser()
    right_to_left = False
    above_rows = True

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal above_rows, right_to_left
        tag = local_name(name)
        above_rows = above_rows and tag != "sheetData"
        if above_rows and tag == "sheetView":
            right_to_left = right_to_left or is_true(attributes.get("rightToLeft"))

    parser.StartElementHandler = start
    while above_rows and (chunk := xml.read(CHUNK)):
        parser.Parse(chunk)
    return right_to_left


def read_rows(
    xml: IO[bytes], typed: Callable[[str, str, int], RawCell], merged: Sequence[Merged]
) -> Iterator[RawRow]:
    """Yield the rows of a sheet.

    ``typed`` makes a cell of the value, type and style in the XML.

    Raises:
        MalformedError, ExpatError: this is not the XML of a sheet.
    """
    parser = _SheetParser(typed)
    waiting = list(reversed(merged))
    active: list[Merged] = []
    columns: list[range] = []
    until = MOST_ROWS  # the row up to which no active range ends
    for row in parser.rows(xml):
        begins = waiting and waiting[-1].first_row <= row.row
        if begins or row.row > until:
            while waiting and waiting[-1].first_row <= row.row:
                active.append(waiting.pop())
            active = [each for each in active if each.last_row >= row.row]
            if len(active) > _MOST_MERGED_AT_ONCE:
                raise MalformedError("too many merged ranges in one row")
            columns = [each.columns for each in active]
            until = min((each.last_row for each in active), default=MOST_ROWS)
        yield row._replace(merged=columns) if columns else row


def _merged(reference: str) -> Merged:
    (first_row, first_column), (last_row, last_column) = map(_position, reference.split(":"))
    hidden_from = first_column + (first_row == last_row)
    return Merged(first_row, last_row, range(hidden_from, last_column + 1))


def _position(reference: str) -> tuple[int, int]:
    """Return the row, counted from 1, and the column index of a reference such as B7."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise MalformedError(reference)
    row = int(match[2])
    if not 1 <= row <= MOST_ROWS:
        raise MalformedError(reference)
    return row, _column_index(match[1])


@lru_cache(_MOST_COLUMNS)
def _column_index(letters: str) -> int:
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    if column > _MOST_COLUMNS:
        raise MalformedError(letters)
    return column - 1


@lru_cache(100)  # most rows of a sheet have cells in the same columns
def _column_indexes(letters: Sequence[str]) -> list[int]:
    """Return the column indexes of a row's cells.

    Raises:
        MalformedError: they do not ascend.
    """
    columns = list(map(_column_index, letters))
    for before, column in pairwise(columns):
        if column <= before:
            raise MalformedError(f"column {column + 1} is there twice or out of order")
    return columns


class _SheetParser:
    """Collects rows while expat parses."""

    def __init__(self, typed: Callable[[str, str, int], RawCell]) -> None:
        self._typed = typed
        self._done: list[RawRow] = []
        self._open = [""]
        self._ignored = 0  # elements that are open and not in _CHILDREN, or inside of such a one
        self._number = 0
        self._hidden = False
        self._cells = SparseCells()
        self._plain: dict[int, SparseCells] = {}
        self._errors: set[int] = set()
        self._cell: dict[str, str] = {}
        self._reference, self._behind = "", 0
        self._text = ""
        self._valued = self._unread = self._collects = False

    def rows(self, xml: IO[bytes]) -> Iterator[RawRow]:
        """Yield the rows as soon as they have been read."""
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        for chunk, is_clear in chunks(xml):
            if b"\0" in chunk:  # UTF-16, in which merged, valueless and plain cells would be missed
                raise MalformedError("XML that is not UTF-8")
            parser.Parse(
                _PLAIN_ROW.sub(self._without_cells, _VALUELESS.sub(b"", chunk))
                if is_clear
                else chunk
            )
            yield from self._done
            self._done.clear()
        parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position only
        yield from self._done

    def _without_cells(self, row: re.Match[bytes]) -> bytes:
        """Keep the cells of a plain row until expat reaches it, and return the row without them."""
        start, number, content = row.group(1, 2, 3)
        columns, styles, kinds, values = zip(*_PLAIN_CELL.findall(content.decode()), strict=True)
        cells = [
            self._typed(value, kind or "n", int(style or 0))
            for value, kind, style in zip(values, kinds, styles, strict=True)
        ]
        self._plain[int(number)] = SparseCells.of(_column_indexes(columns), cells)
        return start + b"/>"

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        children = _CHILDREN[self._open[-1]]
        tag = name if name in children else local_name(name)
        if self._ignored or tag not in children:
            self._ignored += 1
            return
        self._open.append(tag)
        if tag == "c":
            self._begin_cell(attributes)
        elif tag in {"v", "is"}:
            self._begin_value(tag)
        elif tag == "t":
            self._collects = self._cell.get("t") == "inlineStr"
        elif tag == "f":
            self._unread = True
        elif tag == "row":
            self._begin_row(attributes)

    def _end(self, _name: str) -> None:
        if self._ignored:
            self._ignored -= 1
            return
        tag = self._open.pop()
        if tag == "c":
            self._end_cell()
        elif tag in {"v", "t"}:
            self._collects = False
        elif tag == "row":
            self._done.append(
                RawRow(self._number, self._cells, hidden=self._hidden, errors=self._errors)
            )

    def _characters(self, text: str) -> None:
        if self._collects and not self._ignored:
            self._text += text
            if len(self._text) > _LONGEST_CELL:
                raise MalformedError("a text that is too long for a cell")

    def _begin_row(self, attributes: dict[str, str]) -> None:
        number = int(attributes.get("r", self._number + 1))
        if not self._number < number <= MOST_ROWS:
            raise MalformedError(f"row {number} after row {self._number}")
        self._number = number
        self._hidden = is_true(attributes.get("hidden"))
        self._cells = self._plain.pop(number) if number in self._plain else SparseCells()
        self._errors = set()
        self._reference, self._behind = "", 0

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._cell = attributes
        self._text, self._valued, self._unread = "", False, False
        reference = attributes.get("r")
        if reference is None:
            self._behind += 1
        else:
            self._reference, self._behind = reference, 0

    def _begin_value(self, tag: str) -> None:
        """Begin the element that has the cell's value: <is> for an inline text, else <v>."""
        if tag != ("is" if self._cell.get("t") == "inlineStr" else "v"):
            self._unread = True
            return
        if self._valued:
            raise MalformedError("a cell with two values")
        self._valued = True
        self._collects = tag == "v"

    def _end_cell(self) -> None:
        kind = self._cell.get("t", "n")
        if self._text:
            column = self._column()
            self._cells.put(column, self._typed(self._text, kind, int(self._cell.get("s", 0))))
            if kind == "e":
                self._errors.add(column)
        elif self._unread and not (self._valued and kind in {"str", "inlineStr"}):
            self._errors.add(self._column())  # a formula without a result

    def _column(self) -> int:
        """Return the column index of the cell; one without a reference is behind the last one."""
        column = self._behind - 1
        if self._reference:
            row, of_reference = _position(self._reference)
            if row != self._number:
                raise MalformedError(f"row {self._number} has a cell of row {row}")
            column += of_reference + 1
        if column >= _MOST_COLUMNS:
            raise MalformedError(f"column {column + 1}")
        return column
