"""Rows with the same id but different values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.codes import Code
from etl.fields import Field
from etl.rows import Fault
from etl.text import quoted_together

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMED = 5


def duplicate_fault(name: str, client_id: int, row: int, first: Sequence[int], count: int) -> Fault:
    """Return the fault of a row that shares its id, but not its values, with other rows.

    ``name`` is the header of the id's column. ``first`` are the first of the ``count`` rows that
    have the id.
    """
    others = [str(other) for other in first if other != row][:_MOST_NAMED]
    unnamed = count - 1 - len(others)
    more = f" and {unnamed:,} more" if unnamed else ""
    noun = "row" if count == 2 else "rows"  # noqa: PLR2004 - this row and one other
    cell = ": ".join(quoted_together(name, str(client_id)))
    see = f"see also {noun} {', '.join(others)}{more}"
    text = f"{Code.ID_DUPLICATE.meaning} (column {cell}, {see})."
    return Fault(Code.ID_DUPLICATE, text, Field.ID)
