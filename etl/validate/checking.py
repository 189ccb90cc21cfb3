"""Validating the records of a table, a chunk at a time."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import pandas as pd

from etl.fields import Field
from etl.rows import CheckedRow, Fault, Record
from etl.text import quoted_together
from etl.validate.clean import change_of, clean_column
from etl.validate.schema import ClientSchema

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from etl.codes import Code
    from etl.rows import Change

_MOST_ROWS = 10_000  # of a chunk; pandera takes some 40 ms for each, however short it is
_MOST_CHARACTERS = 4_000_000


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """The columns of the file, and the settings for each field.

    ``names`` are the headers, ``columns`` is the index of each field among them. ``cleared`` are
    the fields for which a blank cell empties the stored value.
    """

    names: tuple[str, ...]
    columns: Mapping[Field, int]
    max_lengths: Mapping[Field, int]
    cleared: frozenset[Field] = frozenset()


def check_records(records: Iterable[Record], rules: ColumnRules) -> Iterator[CheckedRow]:
    """Yield each record with all its faults, in the order of the file.

    Raises:
        InconsistentError: the schema let a bad row pass.
    """
    schema = ClientSchema(rules.max_lengths)
    for chunk in _chunks(records):
        yield from _check_chunk(chunk, rules, schema)
        del chunk  # its memory is needed for the next one


def _chunks(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield the records in lists that are long enough for a frame, and small enough for memory."""
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
    cells = list(map(list, zip(*(record.cells for record in chunk), strict=True)))
    columns = {field: clean_column(cells[index], field) for field, index in rules.columns.items()}
    blank = [""] * len(chunk)
    frame = pd.DataFrame(
        {field: columns.get(field, blank) for field in Field},
        index=[record.row for record in chunk],
        dtype=str,
    )
    faults = schema.faults(frame)
    faulty = {row for row, _ in faults}
    changed = _changed(columns, cells, rules)
    rows = zip(chunk, columns[Field.ID], _bodies(columns, rules.cleared), strict=True)
    for at, (record, client_id, body) in enumerate(rows):
        if not (record.marks or record.changes or record.row in faulty or at in changed):
            yield CheckedRow(record, int(client_id), body)
            continue
        codes = _codes(record, faults, rules)
        values = {field: texts[at] for field, texts in columns.items()}
        yield CheckedRow(
            record=record,
            client_id=None if Field.ID in codes else int(client_id),
            body=body,
            faults=tuple(_fault(code, record, rules, field) for field, code in codes.items()),
            warnings=tuple(_warnings(record, values, rules)),
        )


def _bodies(
    columns: Mapping[Field, Sequence[str]], cleared: Collection[Field]
) -> Iterator[dict[str, str]]:
    """Yield the body of each row: its values, and blank ones only if they clear what is stored."""
    sent = {field: texts for field, texts in columns.items() if field is not Field.ID}
    keys = [field.value for field in sent]  # orjson refuses members of an enumeration as keys
    kept = [[True] * len(texts) if field in cleared else texts for field, texts in sent.items()]
    rows = zip(*sent.values(), strict=True)
    for texts, keeps in zip(rows, zip(*kept, strict=True), strict=True):
        yield dict(compress(zip(keys, texts, strict=True), keeps))


def _changed(
    columns: Mapping[Field, Sequence[str]], cells: Sequence[Sequence[str]], rules: ColumnRules
) -> set[int]:
    """Return the places in the chunk of the rows of which a value is not the text of its cell."""
    return {
        at
        for field, index in rules.columns.items()
        if columns[field] != cells[index]
        for at, (value, cell) in enumerate(zip(columns[field], cells[index], strict=True))
        if value != cell
    }


def _codes(
    record: Record, faults: Mapping[tuple[int, Field], Code], rules: ColumnRules
) -> dict[Field, Code]:
    """Return the code of each faulty field of a record; a mark comes before the schema's code."""
    codes = {
        field: record.marks.get(index) or faults.get((record.row, field))
        for field, index in rules.columns.items()
    }
    return {field: code for field, code in codes.items() if code is not None}


def _warnings(record: Record, values: Mapping[Field, str], rules: ColumnRules) -> Iterator[str]:
    """Yield a warning for each change on the way from the cells to the body."""
    for field, index in rules.columns.items():
        cell = record.cells[index]
        cleaned = None if values[field] == cell else change_of(cell, field)
        for change in (record.changes.get(index), cleaned):
            if change is not None:
                yield _warning(rules.names[index], change)


def _warning(name: str, change: Change) -> str:
    column, *values = quoted_together(name, *change.quoted)
    return f"Column {column}: {change.words.format(*values)}"


def _fault(code: Code, record: Record, rules: ColumnRules, field: Field) -> Fault:
    name, text = rules.names[rules.columns[field]], record.cells[rules.columns[field]]
    quoted = quoted_together(name, text) if text else quoted_together(name)
    return Fault(code, f"{code.meaning} (column {': '.join(quoted)}).", field)
