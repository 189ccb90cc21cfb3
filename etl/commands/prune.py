"""``fatora-clients prune``: removes the personal data of old runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from etl.commands import console, options
from etl.commands.options import existing_runs
from etl.errors import ExitCode
from etl.jobs.prune import older_than, prune
from etl.runs.listing import Kind, Stranger, entries
from etl.text import counted, quote

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.jobs.prune import OldRun
    from etl.runs.folder import RunsFolder

_AGE = re.compile(r"([1-9][0-9]{0,4})d")


def _checked_age(_context: click.Context, _parameter: click.Parameter, value: str) -> timedelta:
    age = _AGE.fullmatch(value)
    if age is None:
        raise click.BadParameter(f"must be a number of days, such as 400d, not {quote(value)}")
    return timedelta(days=int(age[1]))


@click.command(name="prune", epilog=options.examples("prune --older-than 400d"))
@click.option(
    "--older-than",
    "age",
    metavar="DAYS",
    required=True,
    callback=_checked_age,
    help="Prune runs older than this many days, e.g. 400d.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@options.config
@options.runs_dir
def command(age: timedelta, yes: bool, config: Path | None, runs_dir: Path | None) -> ExitCode:
    """Remove the personal data of old runs: input, results, rework, report and journal cells.

    The manifests stay, with the counts and a record of the pruning. The status, codes and time of
    each row stay too, so the runs can still be verified. Runs that still have rows to send are not
    pruned. Shows what will be removed and asks for confirmation.

    \b
    Exit codes:
      0  pruned, or nothing to prune
      1  a run was not pruned: it was modified, moved or copied, or is unreadable
      4  not confirmed
      75 another run is using the runs folder; run prune again
    """  # noqa: D301 - click keeps the lines behind this mark
    runs = existing_runs(config, runs_dir)
    runs.prepare()
    found = entries(runs)
    strangers = [entry for entry in found if isinstance(entry, Stranger)]
    for stranger in strangers:
        console.complain(f"fatora-clients: {stranger.sentence}")
    is_complete = all(stranger.kind is Kind.FOREIGN for stranger in strangers)
    old_runs = older_than(age, found)
    for old in old_runs:
        names = ["the journal's cells", *(file.name for file in old.personal)]
        what = "kept, because it still has rows to send" if old.unfinished else ", ".join(names)
        console.say(f"{old.folder.run}  {old.manifest.input.name}: {what}")
    chosen = [old for old in old_runs if not old.unfinished]
    if chosen:
        question = f"Remove the personal data of {counted(len(chosen), 'run')}?"
        if not yes and not click.confirm(question):
            return ExitCode.STOPPED
        is_complete &= _prune(chosen, runs)
    else:
        console.say("Nothing to prune.")
    return ExitCode.DONE if is_complete else ExitCode.NOT_ALL_UPDATED


def _prune(chosen: Sequence[OldRun], runs: RunsFolder) -> bool:
    """Prune runs and print how many; return whether all of them were."""
    pruned = 0
    try:
        for problem in prune(chosen, runs):
            if problem:
                console.complain(f"fatora-clients: {problem}")
            else:
                pruned += 1
    finally:
        console.say(f"{counted(pruned, 'run')} pruned.")
    return pruned == len(chosen)
