"""Reading and validating a whole file before anything of it is sent."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etl.extract.table import open_table
from etl.fields import Field
from etl.runs.reader import Staged
from etl.validate.checking import ColumnRules, check_records
from etl.validate.duplicates import duplicate_fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.config import Settings
    from etl.jobs.context import Progress
    from etl.runs.staging import StagingJournal
    from etl.stopping import StopRequest


def stage(
    source: Path,
    journal: StagingJournal,
    settings: Settings,
    stop: StopRequest,
    progress: Progress,
) -> Staged:
    """Read and validate every row of a file into a journal, and return the facts about the file.

    Raises:
        InputError: the file cannot be used.
        StoppedError: ``stop`` was requested.
    """
    columns, reading = settings.columns, settings.input
    with (
        _only_new_objects_collected(),
        open_table(
            source, sheet=reading.sheet, encoding=reading.encoding, aliases=columns.aliases
        ) as table,
    ):
        rules = ColumnRules(
            names=table.names,
            columns=table.columns,
            max_lengths={field: columns.of(field).max_length for field in Field},
            cleared=frozenset(field for field in Field if columns.of(field).blank == "clear"),
        )
        rows = 0
        for rows in journal.add(check_records(table.records, rules)):
            stop.check()
            progress.staging(rows)
        id_name = table.names[table.columns[Field.ID]]
        journal.add_faults((row.row, duplicate_fault(id_name, *row)) for row in journal.conflicts())
        staged = Staged(
            names=table.names,
            columns=table.columns,
            sheet=table.sheet,
            rows=rows,
            blank_rows=table.tally.blank_rows,
            hidden_rows=table.tally.hidden_rows,
            right_to_left=table.right_to_left,
            lookalikes=table.lookalikes.found,
        )
    journal.seal(staged)
    return staged


@contextmanager
def _only_new_objects_collected() -> Iterator[None]:
    """Keep the garbage collector from objects that are there already, such as the libraries'.

    It would look through these 300,000 for every few thousand rows, a tenth of the time in all.
    """
    if gc.get_freeze_count():  # the calling program has frozen objects, and they stay so
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
