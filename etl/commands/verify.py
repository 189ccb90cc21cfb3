"""``fatora-clients verify``: proves that the files of runs are as they were written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from etl import console
from etl.commands import options
from etl.commands.options import existing_runs
from etl.errors import ExitCode
from etl.text import counted
from etl.verification import end_of_chain, problems_of, problems_of_chain

if TYPE_CHECKING:
    from pathlib import Path


@click.command(name="verify", epilog=options.examples("verify latest", "verify --all"))
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option(
    "--all", "every", is_flag=True, help="Verify every run, and the chain that links them."
)
@options.config
@options.runs_dir
def command(
    runs: tuple[str, ...], every: bool, config: Path | None, runs_dir: Path | None
) -> ExitCode:
    """Check that the files of runs are intact, and list every one that was modified.

    RUN is a run's id, the first characters of it, or 'latest'.

    \b
    Exit codes:
      0  all files are intact
      1  a file was modified, or is missing
      2  there is no such run
    """  # noqa: D301 - click keeps the lines behind this mark
    if bool(runs) == every:
        raise click.UsageError("give one or more runs, or --all")
    kept = existing_runs(config, runs_dir)
    folders = kept.all() if every else [kept.find(name) for name in runs]
    found = [f"{folder.run}: {problem}" for folder in folders for problem in problems_of(folder)]
    if every:
        found += [f"the chain: {problem}" for problem in problems_of_chain(kept)]
    for problem in found:
        console.say(problem)
    told = f"{counted(len(found), 'problem')} found" if found else "all as it was written"
    console.say(f"{counted(len(folders), 'run')} verified: {told}.")
    if every and (last := end_of_chain(kept)):
        console.say(f"The newest manifest is that of run {last.run}: SHA-256 {last.sha256}")
    return ExitCode.NOT_ALL_UPDATED if found else ExitCode.DONE
