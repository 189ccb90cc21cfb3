"""Opening a spreadsheet of any format as one table of text."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from etl.codes import Code
from etl.errors import InputError
from etl.extract import csvfile
from etl.extract.cells import CellText, plain_text, to_text
from etl.extract.header import Header, Lookalikes, known_names, match
from etl.extract.layout import SparseCells
from etl.files import WORKBOOKS
from etl.rows import Change, Origin, Record
from etl.text import is_blank, quote, quoted_together, strip_edges, unguard_formula

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.extract.cells import RawCell
    from etl.extract.layout import Layout, RawRow
    from etl.fields import Field

_ROW_NUMBER = re.compile(r"[1-9][0-9]{0,9}")
_HEADER_WITHIN = 30  # rows; above the header there may be a title, a date, or a logo
_SEVERAL_SHEETS = (
    "several sheets have the required columns: {}; hide the ones that should not be sent, or choose"
    " one with --sheet"
)
_SEVERAL_DELIMITERS = (
    "several delimiters lead to the required columns: {}; put a line above the header that names"
    " the right one, such as sep=;"
)


@dataclass(slots=True)
class Tally:
    """The number of blank and of hidden rows, complete once all records have been read."""

    blank_rows: int = 0
    hidden_rows: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a spreadsheet under one header.

    ``names`` are the headers of the operator's own columns, ``columns`` is the index of each field
    among them. ``sheet`` is the name of the sheet, None for a CSV. ``records`` can be read once.
    ``right_to_left`` means that the sheet shows its first column at the right. ``lookalikes`` has
    the columns that are not sent but may be meant to be, once all records have been read.
    """

    names: tuple[str, ...]
    columns: Mapping[Field, int]
    sheet: str | None
    records: Iterator[Record]
    lookalikes: Lookalikes
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
    """Open a spreadsheet; the ending of its name decides the format.

    Raises:
        InputError: the file cannot be read with certainty; also while the records are read.
    """
    known = known_names(aliases or {})
    if path.suffix.lower() in WORKBOOKS:
        # Imported here, because a CSV does not need the memory and time that openpyxl takes.
        from etl.extract import workbook  # noqa: PLC0415

        with workbook.layouts(path, sheet) as layouts:
            yield _table(layouts, known, _SEVERAL_SHEETS)
    else:
        layouts = csvfile.layouts(path, encoding)
        yield replace(_table(layouts, known, _SEVERAL_DELIMITERS), sheet=None)


def _table(layouts: Sequence[Layout], known: Mapping[str, Field], several: str) -> Table:
    layout, header = _choose(layouts, known, several)
    place = {index: new for new, index in enumerate(header.kept)}
    names = tuple(header.names[index] for index in header.kept)
    columns = {field: place[index] for field, index in header.columns.items()}
    lookalikes, tally = Lookalikes(names, columns, known), Tally()
    return Table(
        names=names,
        columns=columns,
        sheet=layout.name,
        records=_records(layout, header, tally, lookalikes),
        lookalikes=lookalikes,
        tally=tally,
        right_to_left=layout.right_to_left(),
    )


def _choose(
    layouts: Sequence[Layout], known: Mapping[str, Field], several: str
) -> tuple[Layout, Header]:
    """Return the one layout with the required columns; ``several`` is the error if more have."""
    complete: list[tuple[Layout, Header]] = []
    best: Header | None = None
    failure: InputError | None = None
    for layout in layouts:
        try:
            header = _find_header(layout, known)
        except InputError as error:
            failure = failure or error
            continue
        if header is not None and not header.missing:
            complete.append((layout, header))
        elif header is not None and (best is None or len(header.names) > len(best.names)):
            best = header
    if len(complete) > 1:
        names = quoted_together(*(layout.name for layout, _ in complete))
        raise InputError(several.format(", ".join(names)))
    if complete:
        complete[0][1].require_distinct()
        return complete[0]
    if failure is not None and (best is None or len(best.names) == 1):
        raise failure
    raise InputError(_no_columns(best))


def _find_header(layout: Layout, known: Mapping[str, Field]) -> Header | None:
    """Return the first row with all required columns, else the one with the most fields."""
    best: Header | None = None
    for raw in islice(layout.rows(), _HEADER_WITHIN):
        texts = [_shown(raw, cell).text if cell else "" for cell in raw.cells]
        while texts and is_blank(texts[-1]):
            texts.pop()
        header = match(raw.row, texts, known)
        if texts and not header.missing:
            return header
        if texts and (best is None or len(header.columns) > len(best.columns)):
            best = header
    return best


def _no_columns(best: Header | None) -> str:
    if best is None:
        return (
            f"the first {_HEADER_WITHIN} rows are blank; put the column headers, at least id and"
            " email, in the first row"
        )
    missing = " and ".join(best.missing)
    headers = ", ".join(quoted_together(*best.names))
    return (
        f"no column for {missing} among the headers in row {best.row}: {headers}; rename a column,"
        " or add its name to the aliases in the configuration"
    )


def _records(
    layout: Layout, header: Header, tally: Tally, lookalikes: Lookalikes
) -> Iterator[Record]:
    fields = {index: field for field, index in header.columns.items()}
    kept = [(index, fields.get(index)) for index in header.kept]
    pick = itemgetter(*header.kept)  # which are two columns at least
    origin = header.origin
    previous, omitted = header.row, 0
    for raw in layout.rows():
        if raw.row <= header.row:
            continue
        omitted += raw.row - previous - 1  # a workbook may omit blank rows
        previous = raw.row
        # Below the last row with text there may be a million rows that only have a format.
        has_cells = raw.cells or raw.errors or not raw.whole
        record = _record(raw, len(header.names), kept, pick) if has_cells else None
        if record is None or (all(map(is_blank, record.cells)) and not raw.errors):
            tally.blank_rows += 1
            continue
        tally.blank_rows += omitted
        omitted = 0
        tally.hidden_rows += raw.hidden
        lookalikes.watch(record.cells)
        yield record if origin is None else record._replace(origin=_origin(raw, *origin))


def _record(
    raw: RawRow,
    width: int,
    kept: Sequence[tuple[int, Field | None]],
    pick: Callable[[Sequence[RawCell]], tuple[RawCell, ...]],
) -> Record:
    if len(raw.cells) != width:
        _require_complete(raw, width)
    texts = _plain_texts(raw, width, pick)
    if texts is not None:
        return Record(raw.row, texts)
    cells: list[str] = []
    marks: dict[int, Code] = {}
    changes: dict[int, Change] = {}
    for index, target in kept:
        text, fault, change = _cell_text(raw, index, target)
        if target is not None and fault is not None:
            marks[len(cells)] = fault
        if target is not None and change is not None:
            changes[len(cells)] = change
        cells.append(text)
    return Record(raw.row, tuple(cells), marks, changes)


def _plain_texts(
    raw: RawRow, width: int, pick: Callable[[Sequence[RawCell]], tuple[RawCell, ...]]
) -> tuple[str, ...] | None:
    """Return the texts of a row without marks and changes; None if it may have some."""
    if raw.merged or raw.errors or (raw.delimited and len(raw.cells) < width):
        return None
    if isinstance(raw.cells, SparseCells):
        picked = pick(raw.cells.until(width))
        texts = tuple([text for cell in picked if (text := plain_text(cell)) is not None])
        if len(texts) < len(picked):
            return None
    else:  # a CSV's cells are text
        texts = cast("tuple[str, ...]", pick(raw.cells))
    joined = "".join(texts)
    if '="' in joined and raw.delimited:
        return None
    return tuple(map(unguard_formula, texts)) if "'" in joined else texts


def _require_complete(raw: RawRow, width: int) -> None:
    """Check that a row is not cut off, and has no value beyond the ``width`` columns with headers.

    Raises:
        InputError: it is, or it has one.
    """
    if len(raw.cells) < width and not raw.whole:
        raise InputError(
            f"{raw.place}, the last one, is incomplete: it has fewer cells than the header, and no"
            " line end; export or copy the file again, or put a line end after the last line, or"
            " delete it"
        )
    for cell in raw.beyond(width):
        text = _shown(raw, cell).text
        if not is_blank(text):
            raise InputError(
                f"{raw.place} has a value ({quote(text)}) beyond the last header; delete it, or add"
                " a header above it"
            )


def _origin(raw: RawRow, run_at: int, row_at: int) -> Origin | None:
    """Return the row of an earlier run that this row names and so corrects."""
    if max(run_at, row_at) >= len(raw.cells):
        return None
    run, row = (strip_edges(_shown(raw, raw.cells[index]).text) for index in (run_at, row_at))
    return Origin(run, int(row)) if run and _ROW_NUMBER.fullmatch(row) else None


def _shown(raw: RawRow, cell: RawCell, field: Field | None = None) -> CellText:
    """Return the text of a row's cell; ``field`` is its column's, None if it is not sent."""
    if raw.delimited:  # a CSV has nothing but text
        return csvfile.shown(cast("str", cell))
    return to_text(cell, field)


def _cell_text(raw: RawRow, index: int, field: Field | None) -> CellText:
    if index < len(raw.cells):
        cell = _shown(raw, raw.cells[index], field)
    else:
        cut_off = field is not None and field.required and raw.delimited
        cell = CellText("", Code.ROW_MALFORMED if cut_off else None)
    fault = raw.fault_at(index)
    return cell if fault is None else cell._replace(fault=fault)
