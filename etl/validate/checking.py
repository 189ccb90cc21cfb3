"""Validating a table's records, a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from etl.fields import Field
from etl.rows import CheckedRow, Fault, Record
from etl.text import quote
from etl.validate.clean import Cleaned, clean
from etl.validate.schema import ClientSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from etl.codes import Code

_MOST_ROWS = 5_000  # of a chunk
_MOST_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """Where the fields stand in the file, and what the configuration says of each.

    ``names`` are the headers, ``columns`` the index of each field among them; ``cleared`` are the
    fields for which a blank cell empties the stored value.
    """

    names: tuple[str, ...]
    columns: Mapping[Field, int]
    max_lengths: Mapping[Field, int]
    cleared: frozenset[Field] = frozenset()


def check_records(records: Iterable[Record], rules: ColumnRules) -> Iterator[CheckedRow]:
    """Yield each record with all that is wrong with it, in the order of the file.

    Raises:
        InconsistentError: the schema is not in force.
    """
    schema = ClientSchema(rules.max_lengths)
    for chunk in _chunks(records):
        yield from _check_chunk(chunk, rules, schema)


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in lists that make a frame worth its while, but can be held."""
    chunk: list[Record] = []
    characters = 0
    for record in records:
        chunk.append(record)
        characters += sum(map(len, record.cells))
        if len(chunk) == _MOST_ROWS or characters > _MOST_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _check_chunk(
    chunk: list[Record], rules: ColumnRules, schema: ClientSchema
) -> Iterator[CheckedRow]:
    cleaned = {
        field: [clean(record.cells[index], field) for record in chunk]
        for field, index in rules.columns.items()
    }
    blank = [""] * len(chunk)
    frame = pd.DataFrame(
        {
            field: [each.text for each in cleaned[field]] if field in cleaned else blank
            for field in Field
        },
        index=[record.row for record in chunk],
        dtype=str,
    )
    found = schema.faults(frame)
    for position, record in enumerate(chunk):
        values = {field: cells[position] for field, cells in cleaned.items()}
        yield _checked(record, values, found, rules)


def _checked(
    record: Record,
    values: Mapping[Field, Cleaned],
    found: Mapping[tuple[int, Field], Code],
    rules: ColumnRules,
) -> CheckedRow:
    faults = []
    for field, index in rules.columns.items():
        code = record.marks.get(index) or found.get((record.row, field))
        if code is not None:
            faults.append(_fault(code, rules.names[index], record.cells[index]))
    id_is_good = (record.row, Field.ID) not in found and rules.columns[Field.ID] not in record.marks
    return CheckedRow(
        record=record,
        client_id=int(values[Field.ID].text) if id_is_good else None,
        body=dict(_sent(values, rules)),
        faults=tuple(faults),
        warnings=tuple(_warnings(record, values, rules)),
    )


def _warnings(record: Record, values: Mapping[Field, Cleaned], rules: ColumnRules) -> Iterator[str]:
    """Yield what was changed on the way from the cell to the body."""
    for field, index in rules.columns.items():
        for change in (record.changes.get(index), values[field].change):
            if change is not None:
                yield f"{rules.names[index]}: {change}"


def _sent(values: Mapping[Field, Cleaned], rules: ColumnRules) -> Iterator[tuple[str, str]]:
    """Yield what the body holds: a blank cell leaves the stored value alone, or empties it."""
    for field, value in values.items():
        if field is Field.ID:
            continue
        if value.text:
            yield field.value, value.text
        elif field in rules.cleared:
            yield field.value, ""


def _fault(code: Code, name: str, text: str) -> Fault:
    value = f" {quote(text)}" if text else ""
    return Fault(code, f"{name}{value}: {code.meaning}")
