"""Rows that contradict one another about a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

from etl.codes import Code
from etl.rows import Fault

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMED = 5


def duplicate_fault(name: str, client_id: int, row: int, rows: Sequence[int]) -> Fault:
    """Return the fault of a row that shares its id, but not its values, with other rows.

    ``name`` is the header of the id's column; ``rows`` are all that have the id.
    """
    others = [str(other) for other in rows if other != row]
    named = ", ".join(others[:_MOST_NAMED])
    more = f" and {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
    code = Code.ID_DUPLICATE
    return Fault(code, f"{name} `{client_id}`: {code.meaning}; see also row {named}{more}")
