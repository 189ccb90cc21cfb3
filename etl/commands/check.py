"""``fatora-clients check``: finds the errors in spreadsheets without sending anything."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import click

from etl import console
from etl.commands import options
from etl.commands.options import require_place, say_what_is_left, settings_of
from etl.errors import ExitCode, InputError
from etl.extract.inputs import find_inputs
from etl.outcome import Totals, columns_in_words, rows_in_words
from etl.stopping import stop_on_signals
from etl.text import counted, visible, without_isolates
from etl.writing import Origin, write_results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from etl.codes import Code
    from etl.config import Settings
    from etl.runs.reader import JournalReader
    from etl.stopping import StopRequest

_TOTALS = ("rows", "blank_rows", "hidden_rows", "counts", "sent", "not_sent")


@click.command(
    name="check",
    epilog=options.examples("check clients.xlsx", "check inbox/ --json"),
)
@options.inputs
@options.config
@options.results
@options.sheet
@options.encoding
@options.as_json
def command(
    inputs: tuple[Path, ...],
    config: Path | None,
    results: Path | None,
    sheet: str | None,
    encoding: str | None,
    as_json: bool,
) -> ExitCode:
    """Read and validate spreadsheets and print every error, without sending anything.

    INPUT is a spreadsheet (.csv .tsv .txt .xlsx .xlsm) or a folder of them. No network or
    credentials are needed, and no run folder is made.

    \b
    Exit codes:
      0  nothing to fix
      1  some rows need fixing
      2  wrong usage or configuration
      3  a file could not be used
    """  # noqa: D301 - click keeps the lines behind this mark
    settings = settings_of(config, input__sheet=sheet, input__encoding=encoding)
    found = find_inputs(inputs, settings.input.settle)
    require_place(results, found)
    objects = []
    exit_code = ExitCode.DONE
    with stop_on_signals() as stop:
        for file in found.files:
            try:
                with _checked(file, settings, stop, bar=not as_json) as journal:
                    code = _exit_code(journal.totals())
                    if as_json:
                        objects.append(_json_object(file, code, journal))
                    else:
                        _print_problems(file, journal)
                    if results:
                        write_results(results, journal, Origin(file.name))
            except InputError as error:
                code = error.exit_code
                console.complain(f"fatora-clients: {file}: {error}")
                objects.append(_unusable(file, error))
            exit_code = ExitCode.worst([exit_code, code])
    if as_json:
        several = {"runs": objects, "exit_code": exit_code}
        console.say_json(several if found.several else objects[0])
    else:
        say_what_is_left(found)
    return exit_code


@contextmanager
def _checked(
    file: Path, settings: Settings, stop: StopRequest, *, bar: bool
) -> Iterator[JournalReader]:
    """Give the journal of a checked file; the bar is removed before anything is printed."""
    # Not for --help, which would wait for pandas.
    from etl.pipeline import checked  # noqa: PLC0415

    with ExitStack() as stack:
        with console.progress(wanted=bar) as progress:
            journal = stack.enter_context(checked(file, settings, stop, progress))
        yield journal


def _exit_code(totals: Totals) -> ExitCode:
    return ExitCode.NOT_ALL_UPDATED if totals.to_fix else ExitCode.DONE


def _verdict(totals: Totals) -> str:
    return f"{rows_in_words(totals)}; {f'{totals.to_fix:,}' if totals.to_fix else 'nothing'} to fix"


def _print_problems(file: Path, journal: JournalReader) -> None:
    totals = journal.totals()
    console.say(f"{visible(str(file))}: {_verdict(totals)}")
    console.say(columns_in_words(totals))
    for code, total in journal.fault_counts().items():
        console.say()
        console.say(f"{code.name}, {counted(total, 'row')}: {code.meaning}")
        console.say(f"  {code.fix}")
        for text, rows in _faults(journal, code):
            cell = text.removeprefix(f"{code.meaning} (").removesuffix(").")
            console.say(f"    {_row_numbers(rows)}: {cell}")


def _json_object(file: Path, exit_code: ExitCode, journal: JournalReader) -> dict[str, Any]:
    totals = journal.totals()
    problems = [
        {"code": code.name, "rows": rows, "text": without_isolates(text), "fix": code.fix}
        for code in journal.fault_counts()
        for text, rows in _faults(journal, code)
    ]
    return _facts(file, exit_code, f"{_verdict(totals)}.", totals, problems)


def _unusable(file: Path, error: InputError) -> dict[str, Any]:
    return _facts(file, error.exit_code, without_isolates(str(error)), Totals(), [])


def _facts(
    file: Path,
    exit_code: ExitCode,
    sentence: str,
    totals: Totals,
    problems: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return what `check` prints as JSON for a file, under the same names as `update`."""
    numbers = {name: value for name, value in asdict(totals).items() if name in _TOTALS}
    facts = {"input": str(file), "exit_code": exit_code, "sentence": sentence}
    return {**facts, **numbers, "problems": problems}


def _faults(journal: JournalReader, code: Code) -> Iterator[tuple[str, list[int]]]:
    """Yield each different fault of a code, with the rows that have it."""
    for fault, equal in groupby(journal.faults(code), key=itemgetter(0)):
        yield fault.text, [row for _, row in equal]


def _row_numbers(rows: list[int]) -> str:
    """Return row numbers as people write them: row 3, or rows 3, 7-9."""
    runs: list[list[int]] = []
    for row in rows:
        if runs and row == runs[-1][1] + 1:
            runs[-1][1] = row
        else:
            runs.append([row, row])
    named = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in runs)
    return f"row {named}" if named.isdigit() else f"rows {named}"
