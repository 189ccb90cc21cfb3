"""The rows of raw cells that both readers yield, and the ways to read a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from etl.codes import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from etl.extract.cells import RawCell


EMPTY_FILE = "the file is empty; save or export it again"


class RawRow(NamedTuple):
    """A row of the file before its header is known.

    ``line`` is the line of a CSV on which the row begins. ``whole`` is False for a last line
    without a line end, which may be cut off. ``hidden`` means that the spreadsheet program does not
    show the row. ``uncalculated`` has the indexes of cells whose formula has no value, ``merged``
    the ranges of indexes that belong to merged cells.
    """

    row: int
    cells: Sequence[RawCell]
    line: int | None = None
    whole: bool = True
    hidden: bool = False
    uncalculated: Collection[int] = ()
    merged: Sequence[range] = ()

    @property
    def delimited(self) -> bool:
        """Whether the row has an end, as in a CSV; blank cells follow a workbook's row."""
        return self.line is not None

    def fault_at(self, index: int) -> Code | None:
        """Return the fault of a cell that does not depend on its text."""
        if self.merged and any(index in columns for columns in self.merged):
            return Code.CELL_MERGED
        return Code.CELL_ERROR if index in self.uncalculated else None

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
