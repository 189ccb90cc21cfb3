"""``fatora-clients update``: the job, which sends spreadsheets to Fatora."""

from __future__ import annotations

import logging
import os
import resource
import shlex
import sys
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import TYPE_CHECKING

import click
from pydantic import SecretStr

from etl import console
from etl.commands import options
from etl.commands.night import Night, shares_a_reader
from etl.commands.options import require_place, settings_of
from etl.config import read_credentials
from etl.extract.inputs import find_inputs
from etl.load.access import Access
from etl.load.pacing import Pace
from etl.load.tokens import ExchangedToken, GivenToken
from etl.runs.folder import RunsFolder
from etl.runs.lock import locked
from etl.runs.log import JsonLines
from etl.runs.manifest import Invocation
from etl.sandbox import API_KEY
from etl.stopping import stop_on_signals
from etl.urls import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from etl.config import Credentials, Settings
    from etl.errors import ExitCode
    from etl.load.tokens import Tokens
    from etl.pipeline import Connect

_THIS_MACHINE = "http://127.0.0.1/v1"  # the API address of a run with --sandbox
_SANDBOX_ACCOUNT = "sandbox"


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
    "--workers", setting="load.workers", type=int, metavar="N", help="Parallel requests"
)
@options.override(
    "--rate",
    setting="load.rate",
    type=float,
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
    type=float,
    metavar="S",
    help="Total timeout per attempt, in seconds",
)
@options.override(
    "--attempts",
    setting="api.attempts",
    type=int,
    metavar="N",
    help="Maximum attempts per row and session",
)
@options.sheet
@options.encoding
@click.option(
    "--limit",
    type=click.IntRange(min=1),
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
    # Not for --help, which would wait for pandas.
    from etl.pipeline import Job, update_each  # noqa: PLC0415

    settings = settings_of(
        config,
        api__url=_THIS_MACHINE if sandbox else api_url,
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
    connect = _to_api(settings, credentials) if credentials else _to_sandbox(settings)
    is_sandbox = credentials is None or _is_of_sandbox(credentials, settings)
    account = _SANDBOX_ACCOUNT if credentials is None or is_sandbox else credentials.account
    found = find_inputs(inputs, settings.input.settle)
    require_place(results, found)
    if verbose:
        _log_to_console()
    runs = RunsFolder(settings.runs.dir)
    runs.prepare()
    with (
        locked(runs.path),
        stop_on_signals() as stop,
        console.progress(wanted=not (quiet or as_json)) as progress,
    ):
        job = Job(
            settings,
            connect,
            stop,
            progress,
            _invocation(credentials),
            account,
            sandbox=is_sandbox,
            limit=limit,
            again=again,
            results=results,
            folders=frozenset(found.folders),
        )
        summaries = list(update_each(found.files, job))
    night = Night(found, summaries, datetime.now().astimezone(), job.sandbox)
    if as_json:
        night.say_json()
    elif not quiet:
        night.say()
    if quiet or as_json or not shares_a_reader():
        night.complain(quiet=quiet)
    return night.exit_code


def _invocation(credentials: Credentials | None) -> Invocation:
    command = shlex.join(["fatora-clients", *sys.argv[1:]])
    return Invocation(command, credentials.fingerprint if credentials else "the sandbox's own")


def _is_of_sandbox(credentials: Credentials, settings: Settings) -> bool:
    """Whether the API is the program's own sandbox, which is recognised by its key.

    Its address would prove nothing: a port of this machine may be a tunnel to the real API.
    """
    has_sandbox_key = credentials.secret.get_secret_value() == API_KEY
    return has_sandbox_key and is_loopback(settings.api.url)


def _to_api(settings: Settings, credentials: Credentials) -> Connect:
    api = settings.api
    tokens: Tokens = (
        ExchangedToken(credentials.secret, api.url)
        if credentials.is_api_key
        else GivenToken(credentials.secret)
    )
    proxy = api.proxy.get_secret_value() if api.proxy else None
    access = Access(api.url, tokens, Pace(settings.load.rate), api.timeout, proxy, api.ca_bundle)
    return lambda _client_ids: nullcontext(access)


def _to_sandbox(settings: Settings) -> Connect:
    # Imports a web server, which the nightly job does not need.
    from etl.sandbox.server import Sandbox  # noqa: PLC0415

    pace = Pace(settings.load.rate)

    @contextmanager
    def connect(client_ids: Iterable[int]) -> Iterator[Access]:
        with Sandbox(client_ids) as sandbox:
            tokens = ExchangedToken(SecretStr(sandbox.api_key), sandbox.url)
            yield Access(sandbox.url, tokens, pace, settings.api.timeout)

    return connect


def _log_to_console() -> None:
    handler = console.ToConsole()
    handler.setFormatter(JsonLines())
    logging.getLogger("etl").addHandler(handler)
