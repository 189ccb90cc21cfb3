"""The rows of raw cells that both readers yield, and the ways to read a file."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, Self

from etl.codes import Code
from etl.extract.markup import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from etl.extract.cells import RawCell


_LONGEST_ROW = 1 << 22  # characters; many cells may share one long text

EMPTY_FILE = "the file is empty; save or export it again"


class SparseCells:
    """The cells of a workbook's row, of which only those in the file take time and memory.

    In a list, one cell in the last column would cost as much as 16,384 cells.
    """

    __slots__ = ("_by_column", "_length", "_width")

    def __init__(self) -> None:
        """Create a row without cells."""
        self._by_column: dict[int, RawCell] = {}
        self._width = self._length = 0

    @classmethod
    def of(cls, columns: Sequence[int], cells: Sequence[RawCell]) -> Self:
        """Create a row of these cells; the indexes in ``columns`` ascend.

        Raises:
            MalformedError: it is too long.
        """
        row = cls()
        row._by_column = dict(zip(columns, cells, strict=True))
        row._width = columns[-1] + 1
        row._add_length(sum([len(cell) for cell in cells if isinstance(cell, str)]))
        return row

    def put(self, column: int, cell: RawCell) -> None:
        """Add a cell at this index.

        Raises:
            MalformedError: it does not follow those that are there, or the row becomes too long.
        """
        if column < self._width:
            raise MalformedError(f"column {column + 1} is there twice or out of order")
        self._width = column + 1
        self._by_column[column] = cell
        if isinstance(cell, str):
            self._add_length(len(cell))

    def _add_length(self, characters: int) -> None:
        self._length += characters
        if self._length > _LONGEST_ROW:
            raise MalformedError("a row that is too long for a client list")

    def __len__(self) -> int:
        return self._width

    def __getitem__(self, column: int) -> RawCell:
        return self._by_column.get(column, "")

    __hash__ = None  # type: ignore[assignment]  # cells can be added

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | SparseCells) and list(self) == list(other)

    def __iter__(self) -> Iterator[RawCell]:
        return map(self._by_column.get, range(self._width), repeat(""))

    def until(self, width: int) -> list[RawCell]:
        """Return the cells of the first ``width`` columns, blank ones included."""
        return list(map(self._by_column.get, range(width), repeat("")))

    def beyond(self, width: int) -> Iterator[RawCell]:
        """Yield the cells after the first ``width`` columns."""
        return (cell for column, cell in self._by_column.items() if column >= width)


class RawRow(NamedTuple):
    """A row of the file before its header is known.

    ``line`` is the line of a CSV on which the row begins. ``whole`` is False for a last line
    without a line end, which may be cut off. ``hidden`` means that the spreadsheet program does not
    show the row. ``errors`` has the indexes of cells that hold an error of the spreadsheet program
    or a formula without a value, ``merged`` the ranges of indexes that belong to merged cells.
    """

    row: int
    cells: Sequence[RawCell] | SparseCells
    line: int | None = None
    whole: bool = True
    hidden: bool = False
    errors: Collection[int] = ()
    merged: Sequence[range] = ()

    @property
    def delimited(self) -> bool:
        """Whether the row has an end, as in a CSV; blank cells follow a workbook's row."""
        return self.line is not None

    def beyond(self, width: int) -> Iterable[RawCell]:
        """Return the cells after the first ``width`` columns; those not in the file may miss."""
        cells = self.cells
        return cells.beyond(width) if isinstance(cells, SparseCells) else cells[width:]

    def fault_at(self, index: int) -> Code | None:
        """Return the fault of a cell that does not depend on its text."""
        if self.merged and any(index in columns for columns in self.merged):
            return Code.CELL_MERGED
        return Code.CELL_ERROR if index in self.errors else None

    @property
    def place(self) -> str:
        """The position of the row, for messages."""
        return f"row {self.row}" if self.line is None else f"line {self.line}"


def _left_to_right() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to read a file: a delimiter of a CSV, a sheet of a workbook.

    ``rows`` reads from the start each time. ``right_to_left`` returns whether the sheet shows its
    first column at the right.
    """

    name: str
    rows: Callable[[], Iterator[RawRow]]
    right_to_left: Callable[[], bool] = _left_to_right
