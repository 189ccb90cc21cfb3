"""``fatora-clients plan``: what an update would change, without sending anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from etl.commands import options
from etl.commands.sending import takes_inputs, update

if TYPE_CHECKING:
    from pathlib import Path

    from etl.errors import ExitCode


@click.command(
    name="plan",
    epilog=options.examples("plan clients.xlsx", "plan clients.xlsx --sandbox"),
)
@takes_inputs
def command(
    inputs: tuple[Path, ...],
    **given: Any,  # noqa: ANN401 - the options of `takes_inputs`
) -> ExitCode:
    """Read each client, and show what an update of these spreadsheets would change.

    Nothing is sent. Each file gets a run whose report, results and summary show every change. To
    send exactly these changes, run 'fatora-clients update' with the same file.

    \b
    Exit codes:
      0   nothing would change
      1   nothing would change, but some rows have errors
      2   wrong usage, configuration or credentials
      3   a file could not be used
      4   there are changes to send, or not every client could be read
      70  internal error
      75  another run is using the runs folder
    """  # noqa: D301 - click keeps the lines behind this mark
    return update(inputs, given, compare=True, only_plan=True)
