"""``fatora-clients update``: the job, which sends spreadsheets to Fatora."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.commands import options
from etl.commands.options import number
from etl.commands.sending import takes_inputs, update

if TYPE_CHECKING:
    from pathlib import Path

    from etl.errors import ExitCode


@click.command(
    name="update",
    epilog=options.examples(
        "update clients.xlsx --sandbox",
        "update clients.xlsx",
        "update inbox/ --config configs/job.toml",
    ),
)
@takes_inputs
@options.override(
    "--compare",
    setting="load.compare",
    is_flag=True,
    default=None,
    help="Read each client first, and send only what changes",
)
@click.option(
    "--limit",
    type=number(least=1),
    metavar="N",
    help="Send only the first N valid rows; run the file again to send the others.",
)
def command(
    inputs: tuple[Path, ...],
    compare: bool | None,
    limit: int | None,
    **given: Any,  # noqa: ANN401 - the options of `takes_inputs`
) -> ExitCode:
    """Read spreadsheets, validate them, send each row to Fatora and write the results.

    INPUT is a spreadsheet (.csv .tsv .txt .xlsx .xlsm) or a folder of them. Each file is one run
    with its own folder in --runs-dir. A file that was already processed is not sent twice. If a run
    stopped early, run the same file again to send the remaining rows.

    Set FATORA_API_KEY or FATORA_BEARER_TOKEN to your credentials, or FATORA_API_KEY_FILE or
    FATORA_BEARER_TOKEN_FILE to the path of a file that contains them.

    \b
    Exit codes:
      0   every row was updated, or there was nothing to do
      1   some rows were not updated
      2   wrong usage, configuration or credentials; nothing was sent
      3   a file could not be used; nothing of it was sent
      4   stopped early; run again to send the remaining rows
      70  internal error
      75  another run is using the runs folder; nothing was sent
    """  # noqa: D301 - click keeps the lines behind this mark
    return update(inputs, given, compare=compare, limit=limit)
