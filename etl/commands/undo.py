"""``fatora-clients undo``: gives clients back the values from before a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

import etl
from etl.commands import options
from etl.commands.sending import report, session, takes_run

if TYPE_CHECKING:
    from etl.errors import ExitCode


@click.command(
    name="undo",
    epilog=options.examples(
        "undo latest", "undo 20261128T0215 --plan", "undo latest --client 1024 --client 1025"
    ),
)
@takes_run
@click.option(
    "--client",
    "clients",
    type=int,
    multiple=True,
    metavar="ID",
    help="Undo only this client; may be given several times.",
)
@click.option(
    "--plan",
    "only_plan",
    is_flag=True,
    help="Show what would be restored, and send nothing; run undo again to send it.",
)
def command(
    run: str,
    clients: tuple[int, ...],
    only_plan: bool,
    **given: Any,  # noqa: ANN401 - the options of `takes_run`
) -> ExitCode:
    """Give the clients that a run updated the values back that they had before.

    RUN is a run's id, its first characters, or 'latest', which is the newest run that is not an
    undo. It must have been made with --compare. A client that somebody changed in Fatora since
    keeps its values and is a CONFLICT. The undo is a run of its own, with its own folder. It can be
    planned, approved, resumed and undone itself.

    \b
    Exit codes:
      0   every client has its values from before, or was already undone
      1   some clients were not restored
      2   wrong usage, configuration or credentials, or the run cannot be undone
      4   stopped early, or only planned; run undo again to go on
      70  internal error
      75  another run is using the runs folder; nothing was sent
    """  # noqa: D301 - click keeps the lines behind this mark
    with session(given, load__compare=True) as asked:
        summary = etl.undo(
            run,
            asked.settings,
            asked.credentials,
            stop=asked.stop,
            progress=asked.progress,
            clients=clients or None,
            only_plan=only_plan,
            command=asked.command,
        )
    return report([summary], [summary.input], given)
