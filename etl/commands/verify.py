"""``fatora-clients verify``: checks that the files of runs are intact."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

import etl
from etl.commands import console, options
from etl.commands.options import settings_of
from etl.errors import ExitCode
from etl.text import counted, visible

if TYPE_CHECKING:
    from pathlib import Path

    from etl.jobs.verify import Verification


@click.command(name="verify", epilog=options.examples("verify latest", "verify --all"))
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option(
    "--all", "every", is_flag=True, help="Verify every run, and the chain that links them."
)
@options.config
@options.runs_dir
@options.as_json
def command(
    runs: tuple[str, ...], every: bool, config: Path | None, runs_dir: Path | None, as_json: bool
) -> ExitCode:
    """Check that the files of runs are intact, and list every one that was modified.

    RUN is a run's id, its first characters, or 'latest'.

    \b
    Exit codes:
      0  all files are intact
      1  a file was modified, or is missing
      2  there is no such run, or no runs folder
    """  # noqa: D301 - click keeps the lines behind this mark
    if bool(runs) == every:
        raise click.UsageError("give one or more runs, or --all")
    verified = etl.verify(settings_of(config, runs__dir=runs_dir), None if every else runs)
    exit_code = ExitCode.NOT_ALL_UPDATED if verified.problems else ExitCode.DONE
    if as_json:
        console.say_json({**asdict(verified), "exit_code": exit_code})
    else:
        _print(verified)
    return exit_code


def _print(verified: Verification) -> None:
    for sentence in verified.ignored:
        console.complain(f"fatora-clients: {sentence}")
    for problem in verified.problems:
        console.say(visible(str(problem)))
    problems = counted(len(verified.problems), "problem")
    outcome = f"{problems} found" if verified.problems else "all files intact"
    console.say(f"{counted(len(verified.runs), 'run')} verified: {outcome}.")
    if last := verified.newest_seal:
        console.say(f"Newest seal: run {last.run}, SHA-256 {last.sha256}")
