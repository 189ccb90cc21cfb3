"""``fatora-clients approve``: lets a run that waits for approval be sent."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

import etl
from etl.commands import console, options
from etl.commands.layout import say_wrapped
from etl.commands.options import settings_of
from etl.text import without_isolates


@click.command(
    name="approve",
    epilog=options.examples(
        'approve latest --note "checked with Sara"', "approve latest --signature plan.sig"
    ),
)
@click.argument("run")
@click.option("--note", metavar="TEXT", default="", help="Record this with the approval.")
@click.option(
    "--signature",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="SSH signature of the plan's digest, by one of guard.signers.",
)
@options.config
@options.runs_dir
@options.as_json
def command(
    run: str,
    note: str,
    signature: Path | None,
    config: Path | None,
    runs_dir: Path | None,
    as_json: bool,
) -> None:
    """Let a run that waits for approval be sent, exactly as it was planned.

    RUN is a run's id, its first characters, or 'latest'. Look at its report.html first. Then run
    'fatora-clients update' with the same file again to send it. If anything about the plan changes
    until then, nothing is sent.

    \b
    Exit codes:
      0   approved, now or before
      2   nothing to approve, or an approval that does not count
      4   the run was modified since its plan was made
      75  another run is using the runs folder
    """  # noqa: D301 - click keeps the lines behind this mark
    settings = settings_of(config, runs__dir=runs_dir, load__compare=True)  # each plan has compared
    approved = etl.approve(run, settings, note=note, signature=signature)
    if as_json:
        sentence = without_isolates(approved.sentence)
        facts = {**asdict(approved), "folder": str(approved.folder), "sentence": sentence}
        console.say_json(facts)
    else:
        say_wrapped(approved.sentence)
