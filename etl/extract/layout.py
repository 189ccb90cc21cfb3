"""What both readers give: rows of raw cells, and the ways in which a file may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from etl.codes import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from etl.extract.cells import RawCell


class RawRow(NamedTuple):
    """A row of the file before its header is known.

    ``line`` is the physical line on which it begins, where the file has lines. ``whole`` is False
    for a last line without an end: it may have been cut. ``hidden``: a person does not see it.
    ``uncalculated`` are the indexes of cells whose formula has no value, ``merged`` the ranges of
    indexes that are part of merged cells.
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
        """Whether the row says where it ends; that of a workbook goes on with blank cells."""
        return self.line is not None

    def fault_at(self, index: int) -> Code | None:
        """Return what is wrong with a cell whatever its text is."""
        if self.merged and any(index in columns for columns in self.merged):
            return Code.CELL_MERGED
        return Code.CELL_ERROR if index in self.uncalculated else None

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        return f"row {self.row}" if self.line is None else f"line {self.line}"


def _left_to_right() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to read a file: a delimiter of a CSV, a sheet of a workbook.

    ``rows`` starts anew; ``right_to_left`` tells whether the first column is the rightmost.
    """

    name: str
    rows: Callable[[], Iterator[RawRow]]
    right_to_left: Callable[[], bool] = _left_to_right
