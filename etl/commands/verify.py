"""``fatora-clients verify``: checks that the files of runs are intact."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from etl import console
from etl.commands import options
from etl.commands.options import settings_of
from etl.errors import ExitCode
from etl.runs.folder import RunsFolder
from etl.text import counted
from etl.verification import verify, verify_all

if TYPE_CHECKING:
    from pathlib import Path

    from etl.verification import Verification


@click.command(name="verify")
@click.argument("runs", metavar="RUN...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every run, and the chain that they form.")
@options.config
@options.runs_dir
@options.as_json
def command(
    runs: tuple[str, ...], every: bool, config: Path | None, runs_dir: Path | None, as_json: bool
) -> ExitCode:
    """Check that the files of runs are intact, and name each that was modified.

    RUN is a run's id, a unique beginning of it, or 'latest'.

    Exit codes: 0 all files intact, 1 problems found, 2 there is no such run or runs folder.
    """
    if bool(runs) == every:
        raise click.UsageError("give one or more runs, or --all")
    kept = RunsFolder(settings_of(config, runs__dir=runs_dir).runs.dir)
    verified = verify_all(kept) if every else verify([kept.find(name) for name in runs])
    exit_code = ExitCode.NOT_ALL_UPDATED if verified.problems else ExitCode.DONE
    if as_json:
        told = {**asdict(verified), "exit_code": exit_code}
        console.say(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        _print(verified)
    return exit_code


def _print(verified: Verification) -> None:
    for problem in verified.problems:
        console.say(str(problem))
    found = counted(len(verified.problems), "problem")
    outcome = f"{found} found" if verified.problems else "all files intact"
    console.say(f"{counted(len(verified.runs), 'run')} verified: {outcome}.")
    if last := verified.newest_seal:
        console.say(f"Newest seal: run {last.run}, SHA-256 {last.sha256}")
