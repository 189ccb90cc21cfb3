"""``fatora-clients update``: the job, which sends spreadsheets to Fatora."""

from __future__ import annotations

import logging
import os
import resource
import shlex
import sys
from datetime import datetime
from typing import TYPE_CHECKING

import click

import etl
from etl.commands import console, options
from etl.commands.night import Night, shares_a_reader
from etl.commands.options import number, settings_of
from etl.commands.progress import progress
from etl.config import SANDBOX_URL, read_credentials
from etl.limits import require_memory
from etl.runs.log import JsonLines
from etl.stopping import stop_on_signals

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
@options.inputs
@options.config
@options.runs_dir
@options.results
@options.override(
    "--workers", setting="load.workers", type=number(), metavar="N", help="Parallel requests"
)
@options.override(
    "--rate",
    setting="load.rate",
    type=number(float),
    metavar="N",
    help="Maximum requests per second, all workers together; 0 means no limit",
)
@options.override(
    "--api-url",
    setting="api.url",
    envvar="FATORA_API_URL",
    metavar="URL",
    help="Base URL of the API, including its version",
)
@options.override(
    "--timeout",
    setting="api.timeout",
    type=number(float),
    metavar="S",
    help="Total timeout per attempt, in seconds",
)
@options.override(
    "--attempts",
    setting="api.attempts",
    type=number(),
    metavar="N",
    help="Maximum attempts per row and session",
)
@options.sheet
@options.encoding
@click.option(
    "--limit",
    type=number(least=1),
    metavar="N",
    help="Send only the first N valid rows; run the file again to send the others.",
)
@click.option("--again", is_flag=True, help="Send a file again that was already processed.")
@click.option(
    "--sandbox", is_flag=True, help="Send to a sandbox on this machine instead of Fatora."
)
@options.as_json
@click.option(
    "--quiet",
    is_flag=True,
    help="Print only why a file could not be used or a run stopped early.",
)
@click.option("--verbose", is_flag=True, help="Also print the log.")
def command(
    inputs: tuple[Path, ...],
    config: Path | None,
    runs_dir: Path | None,
    results: Path | None,
    workers: int | None,
    rate: float | None,
    api_url: str | None,
    timeout: float | None,
    attempts: int | None,
    sheet: str | None,
    encoding: str | None,
    limit: int | None,
    again: bool,
    sandbox: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
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
    require_memory()
    settings = settings_of(
        config,
        api__url=SANDBOX_URL if sandbox else api_url,
        api__timeout=timeout,
        api__attempts=attempts,
        load__workers=workers,
        load__rate=rate,
        input__sheet=sheet,
        input__encoding=encoding,
        runs__dir=runs_dir,
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the credentials
    credentials = None if sandbox else read_credentials(os.environ)
    if verbose:
        _log_to_console()
    with stop_on_signals() as stop, progress(enabled=not (quiet or as_json)) as bar:
        summaries = etl.update(
            inputs,
            settings,
            credentials,
            stop=stop,
            progress=bar,
            sandbox=sandbox,
            limit=limit,
            again=again,
            results=results,
            command=shlex.join(["fatora-clients", *sys.argv[1:]]),
        )
    night = Night(inputs, summaries, datetime.now().astimezone())
    if as_json:
        night.say_json()
    elif not quiet:
        night.say()
    if quiet or as_json or not shares_a_reader():
        night.complain(quiet=quiet)
    return night.exit_code


def _log_to_console() -> None:
    handler = console.ToConsole()
    handler.setFormatter(JsonLines())
    logging.getLogger("etl").addHandler(handler)
