"""What both readers give: rows of raw cells, and the ways in which a file may be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from etl.extract.cells import RawCell


class RawRow(NamedTuple):
    """A row of the file before its header is known.

    ``line`` is the physical line on which it begins, where the file has lines. ``whole`` is False
    for a last line without an end: it may have been cut. ``hidden``: a person does not see it.
    """

    row: int
    cells: Sequence[RawCell]
    line: int | None = None
    whole: bool = True
    hidden: bool = False

    @property
    def delimited(self) -> bool:
        """Whether the row says where it ends; that of a workbook goes on with blank cells."""
        return self.line is not None

    @property
    def place(self) -> str:
        """Where the row stands, for messages."""
        return f"row {self.row}" if self.line is None else f"line {self.line}"


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to read a file: a delimiter of a CSV, a sheet of a workbook; ``rows`` starts anew."""

    name: str
    rows: Callable[[], Iterator[RawRow]]
