"""``fatora-clients check``: finds the errors in spreadsheets without sending anything."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import click

from etl.commands import console, options
from etl.commands.options import RUNS_DIR, say_skipped, settings_of
from etl.commands.progress import progress
from etl.errors import ExitCode
from etl.limits import require_memory
from etl.report.sentences import columns_in_words
from etl.stopping import stop_on_signals
from etl.text import counted, visible, without_isolates

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.jobs.check import Check

_TOTALS = ("rows", "blank_rows", "hidden_rows", "counts", "sent", "not_sent", "lookalikes")


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
    require_memory()
    # Imported here, so that --help does not wait for pandas.
    from etl.jobs.check import check_each  # noqa: PLC0415

    settings = settings_of(
        config,
        input__sheet=sheet,
        input__encoding=encoding,
        runs__dir=os.environ.get(RUNS_DIR),  # where --results may not be
    )
    files, objects, skipped = [], [], []
    with stop_on_signals() as stop, progress(enabled=not as_json) as bar:
        for check in check_each(inputs, settings, stop=stop, progress=bar, results=results):
            bar.hide()
            files.append(replace(check, problems=()))
            if check.skipped:
                skipped.append(check.input)
            elif as_json:
                objects.append(_json_object(check))
            else:
                _print_check(check)
            if check.exit_code is ExitCode.INPUT_UNUSABLE:
                console.complain(f"fatora-clients: {_name(check)}: {check.sentence}")
    exit_code = ExitCode.worst(file.exit_code for file in files)
    if as_json:
        single = options.is_single(inputs, files)
        console.say_json(objects[0] if single else {"runs": objects, "exit_code": exit_code})
    else:
        say_skipped(skipped, len(files) - len(skipped))
    return exit_code


def _print_check(check: Check) -> None:
    if check.exit_code is ExitCode.INPUT_UNUSABLE:
        return
    console.say(f"{_name(check)}: {check.sentence.removesuffix('.')}")
    console.say(columns_in_words(check.totals))
    for code, problems in groupby(check.problems, key=attrgetter("code")):
        console.say()
        console.say(f"{code.name}, {counted(check.faults[code], 'row')}: {code.meaning}")
        console.say(f"  {code.fix}")
        for problem in problems:
            cell = problem.text.removeprefix(f"{code.meaning} (").removesuffix(").")
            console.say(f"    {_row_numbers(problem.rows)}: {cell}")


def _name(check: Check) -> str:
    return visible(str(check.input))


def _json_object(check: Check) -> dict[str, Any]:
    """Return a file's JSON, whose keys are those that `update` prints too."""
    numbers = {name: value for name, value in asdict(check.totals).items() if name in _TOTALS}
    return {
        "input": str(check.input),
        "exit_code": check.exit_code,
        "sentence": without_isolates(check.sentence),
        **numbers,
        "problems": [
            {
                "code": problem.code.name,
                "rows": problem.rows,
                "text": without_isolates(problem.text),
                "fix": problem.code.fix,
            }
            for problem in check.problems
        ],
    }


def _row_numbers(rows: Sequence[int]) -> str:
    """Return row numbers as people write them: row 3, or rows 3, 7-9."""
    ranges: list[list[int]] = []
    for row in rows:
        if ranges and row == ranges[-1][1] + 1:
            ranges[-1][1] = row
        else:
            ranges.append([row, row])
    numbers = ", ".join(f"{first}-{last}" if last > first else f"{first}" for first, last in ranges)
    return f"row {numbers}" if numbers.isdigit() else f"rows {numbers}"
