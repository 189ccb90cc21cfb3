"""``fatora-clients check``: what would be wrong, without sending anything."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import click

from etl import console
from etl.commands import options
from etl.commands.options import require_place, say_what_is_left, settings_of
from etl.errors import ExitCode, InputError
from etl.extract.inputs import find_inputs
from etl.outcome import columns_in_words, rows_in_words
from etl.pipeline import checked
from etl.rows import Status
from etl.stopping import stop_on_signals
from etl.text import counted, without_isolates
from etl.writing import Origin, write_results

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from etl.runs.reader import JournalReader


@click.command(name="check")
@options.inputs
@options.config
@options.results
@options.sheet
@options.encoding
def command(
    inputs: tuple[Path, ...],
    config: Path | None,
    results: Path | None,
    sheet: str | None,
    encoding: str | None,
) -> ExitCode:
    """Read and validate spreadsheets, or folders of them, and print every problem.

    Needs no network and no credentials, and leaves no run folder.

    Exit codes: 0 nothing to correct, 1 some rows to correct, 2 wrong usage, 3 a file that cannot
    be used.
    """
    settings = settings_of(config, input__sheet=sheet, input__encoding=encoding)
    found = find_inputs(inputs, settings.input.settle)
    require_place(results, found)
    codes = []
    with stop_on_signals() as stop:
        for file in found.files:
            try:
                with (
                    console.progress(wanted=True) as progress,
                    checked(file, settings, stop, progress) as journal,
                ):
                    codes.append(_print_problems(file, journal))
                    if results:
                        write_results(results, journal, Origin(file.name))
            except InputError as error:
                console.complain(f"fatora-clients: {file}: {error}")
                codes.append(error.exit_code)
    say_what_is_left(found)
    return ExitCode.worst(codes)


def _print_problems(file: Path, journal: JournalReader) -> ExitCode:
    totals = journal.totals()
    wrong = totals.counts[Status.INVALID]
    console.say(f"{file}: {rows_in_words(totals)}; {f'{wrong:,}' if wrong else 'nothing'} to fix")
    console.say(without_isolates(columns_in_words(totals)))
    for code, total in journal.fault_counts().items():
        console.say(f"\n{code.name}, {counted(total, 'row')}: {code.meaning}")
        console.say(f"  {code.fix}")
        for fault, equal in groupby(journal.faults(code), key=itemgetter(0)):
            cell = fault.text.removeprefix(f"{code.meaning} (").removesuffix(").")
            console.say(f"    {_row_numbers(row for _, row in equal)}: {without_isolates(cell)}")
    return ExitCode.NOT_ALL_UPDATED if wrong else ExitCode.DONE


def _row_numbers(rows: Iterable[int]) -> str:
    """Return row numbers as people write them: row 3, or rows 3, 7-9."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][1] + 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    named = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
    return f"row {named}" if named.isdigit() else f"rows {named}"
