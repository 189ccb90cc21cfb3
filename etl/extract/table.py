"""Opening a spreadsheet, whatever its format, as one table of text."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from etl.codes import Code
from etl.errors import InputError
from etl.extract import csvfile
from etl.extract.cells import CellText, to_text
from etl.extract.header import Header, known_names, match
from etl.files import WORKBOOKS
from etl.rows import Origin, Record
from etl.text import is_blank, quote, strip_edges, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.extract.layout import Layout, RawRow
    from etl.fields import Field

_ROW_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_HEADER_WITHIN = 30  # rows: a title, a date, a logo's empty cells; no more stands above a header


@dataclass(slots=True)
class Tally:
    """What was passed over or is worth telling; complete once all records have been read."""

    blank_rows: int = 0
    hidden_rows: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """A spreadsheet's rows under one header.

    ``names`` are the operator's own columns, ``columns`` the index of each field among them,
    ``sheet`` the sheet's name, None for a CSV. ``records`` can be read once.
    ``right_to_left``: a person sees the first column as the rightmost.
    """

    names: tuple[str, ...]
    columns: Mapping[Field, int]
    sheet: str | None
    records: Iterator[Record]
    tally: Tally = field(default_factory=Tally)
    right_to_left: bool = False


@contextmanager
def open_table(
    path: Path,
    *,
    sheet: str | None = None,
    encoding: str | None = None,
    aliases: Mapping[Field, Sequence[str]] | None = None,
) -> Iterator[Table]:
    """Open a spreadsheet; its format follows from the ending of its name.

    Raises:
        InputError: here or while the records are read: the file cannot be read with certainty.
    """
    known = known_names(aliases or {})
    if path.suffix.lower() in WORKBOOKS:
        # Only here: openpyxl takes memory and time that a CSV need not wait for.
        from etl.extract import workbook  # noqa: PLC0415

        with workbook.layouts(path, sheet) as layouts:
            yield _table(layouts, known)
    else:
        yield replace(_table(csvfile.layouts(path, encoding), known), sheet=None)


def _table(layouts: Sequence[Layout], known: Mapping[str, Field]) -> Table:
    layout, header = _choose(layouts, known)
    place = {index: new for new, index in enumerate(header.kept)}
    tally = Tally()
    return Table(
        names=tuple(header.names[index] for index in header.kept),
        columns={field: place[index] for field, index in header.columns.items()},
        sheet=layout.name,
        records=_records(layout, header, tally),
        tally=tally,
        right_to_left=layout.right_to_left(),
    )


def _choose(layouts: Sequence[Layout], known: Mapping[str, Field]) -> tuple[Layout, Header]:
    """Return the one layout that has the required columns."""
    found: list[tuple[Layout, Header]] = []
    best: Header | None = None
    failure: InputError | None = None
    for layout in layouts:
        try:
            header = _find_header(layout, known)
        except InputError as error:
            failure = failure or error
            continue
        if header is not None and not header.missing:
            found.append((layout, header))
        elif header is not None and (best is None or len(header.names) > len(best.names)):
            best = header
    if len(found) > 1:
        names = ", ".join(repr(layout.name) for layout, _ in found)
        raise InputError(f"several sheets have the columns: {names}; pick one with --sheet")
    if found:
        found[0][1].require_distinct()
        return found[0]
    if failure is not None and (best is None or len(best.names) == 1):
        raise failure
    raise InputError(_nothing_found(best))


def _find_header(layout: Layout, known: Mapping[str, Field]) -> Header | None:
    """Return the first row that has all required columns, else the most header-like one."""
    best: Header | None = None
    for raw in islice(layout.rows(), _HEADER_WITHIN):
        texts = [to_text(cell, None).text for cell in raw.cells]
        while texts and is_blank(texts[-1]):
            texts.pop()
        header = match(raw.row, texts, known)
        if texts and not header.missing:
            return header
        if texts and (best is None or len(header.columns) > len(best.columns)):
            best = header
    return best


def _nothing_found(best: Header | None) -> str:
    if best is None:
        return "the file has no rows"
    missing = " and ".join(best.missing)
    headers = ", ".join(quote(name) for name in best.names)
    return (
        f"no column for {missing}; the headers found in row {best.row} are {headers};"
        " rename a column, or add its name to the aliases in the configuration"
    )


def _records(layout: Layout, header: Header, tally: Tally) -> Iterator[Record]:
    fields = {index: field for field, index in header.columns.items()}
    kept = [(index, fields.get(index)) for index in header.kept]
    origin = header.origin
    before, untold = header.row, 0
    for raw in layout.rows():
        if raw.row <= header.row:
            continue
        untold += raw.row - before - 1  # a workbook need not tell of a blank row
        before = raw.row
        record = None if _is_bare(raw) else _record(raw, len(header.names), kept)
        if record is None or (all(map(is_blank, record.cells)) and not raw.uncalculated):
            tally.blank_rows += 1
            continue
        tally.blank_rows += untold
        untold = 0
        tally.hidden_rows += raw.hidden
        yield record if origin is None else replace(record, origin=_origin(raw, *origin))


def _is_bare(raw: RawRow) -> bool:
    """Whether nothing stands in the row: a sheet may have a million such rows below its last."""
    if raw.uncalculated or not raw.whole:
        return False
    return all(isinstance(cell, str) and is_blank(cell) for cell in raw.cells)


def _record(raw: RawRow, width: int, kept: Sequence[tuple[int, Field | None]]) -> Record:
    cut = len(raw.cells) < width
    if cut and not raw.whole:
        raise InputError(f"{raw.place}: the last record is cut short; ask for the file once more")
    for cell in raw.cells[width:]:
        text = to_text(cell, None).text
        if not is_blank(text):
            raise InputError(f"{raw.place}: {quote(text)} stands in a column without a header")
    if raw.delimited and not cut:  # a CSV's cells are mere text, of which there is no more to tell
        return Record(raw.row, tuple(unguard_formula(str(raw.cells[index])) for index, _ in kept))
    cells: list[str] = []
    marks: dict[int, Code] = {}
    changes: dict[int, str] = {}
    for index, feeds in kept:
        text, fault, change = _cell_text(raw, index, feeds)
        if feeds is not None and fault is not None:
            marks[len(cells)] = fault
        if feeds is not None and change is not None:
            changes[len(cells)] = change
        cells.append(text)
    return Record(raw.row, tuple(cells), marks, changes)


def _origin(raw: RawRow, run_at: int, row_at: int) -> Origin | None:
    """Return the row of an earlier run that this one says it corrects."""
    if max(run_at, row_at) >= len(raw.cells):
        return None
    run, row = (strip_edges(to_text(raw.cells[index], None).text) for index in (run_at, row_at))
    return Origin(run, int(row)) if run and _ROW_NUMBER.fullmatch(row) else None


def _cell_text(raw: RawRow, index: int, field: Field | None) -> CellText:
    if index < len(raw.cells):
        found = to_text(raw.cells[index], field)
    else:
        cut_off = field is not None and field.required and raw.delimited
        found = CellText("", Code.ROW_MALFORMED if cut_off else None)
    fault = raw.fault_at(index)
    return found if fault is None else found._replace(fault=fault)
