"""What the commands that talk to Fatora share: their options, and how their session is run."""

from __future__ import annotations

import logging
import os
import resource
import shlex
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from etl.commands.progress import Bar, Silence
    from etl.config import Credentials, Settings
    from etl.errors import ExitCode
    from etl.jobs.summary import Summary
    from etl.stopping import StopRequest

_READING = (
    options.sheet,
    options.encoding,
    click.option("--again", is_flag=True, help="Take a file again that was already processed."),
)
_CONNECTING = (
    options.config,
    options.runs_dir,
    options.override(
        "--workers", setting="load.workers", type=number(), metavar="N", help="Parallel requests"
    ),
    options.override(
        "--rate",
        setting="load.rate",
        type=number(float),
        metavar="N",
        help="Maximum requests per second, all workers together; 0 means no limit",
    ),
    options.override(
        "--api-url",
        setting="api.url",
        envvar="FATORA_API_URL",
        metavar="URL",
        help="Base URL of the API, including its version",
    ),
    options.override(
        "--timeout",
        setting="api.timeout",
        type=number(float),
        metavar="S",
        help="Total timeout per attempt, in seconds",
    ),
    options.override(
        "--attempts",
        setting="api.attempts",
        type=number(),
        metavar="N",
        help="Maximum attempts per row and session",
    ),
)
_ON_SANDBOX = (
    click.option(
        "--sandbox", is_flag=True, help="Send to a sandbox on this machine instead of Fatora."
    ),
)
_PRINTING = (
    options.as_json,
    click.option(
        "--quiet",
        is_flag=True,
        help="Print only why a file could not be used or a run stopped early.",
    ),
    click.option("--verbose", is_flag=True, help="Also print the log."),
)


def takes_inputs(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the arguments and options of a command that compares or sends spreadsheets."""
    own = (options.inputs, options.results, *_READING, *_ON_SANDBOX)
    return _declare(command, *own, *_CONNECTING, *_PRINTING)


def takes_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the argument and options of a command that asks Fatora about an earlier run."""
    return _declare(command, click.argument("run"), *_CONNECTING, *_PRINTING)


def _declare(command: Callable[..., Any], *parameters: Callable[..., Any]) -> Callable[..., Any]:
    for parameter in reversed(parameters):
        command = parameter(command)
    return command


@dataclass(frozen=True, slots=True)
class Session:
    """What a command needs to talk to Fatora; ``command`` is the command line."""

    settings: Settings
    credentials: Credentials | None
    stop: StopRequest
    progress: Silence | Bar
    command: str


@contextmanager
def session(given: Mapping[str, Any], **more: object) -> Iterator[Session]:
    """Yield a session with the options that were ``given`` and with ``more`` settings.

    Raises:
        ConfigError: settings or credentials are wrong.
    """
    require_memory()
    sandbox = given.get("sandbox", False)
    settings = settings_of(
        given["config"],
        api__url=SANDBOX_URL if sandbox else given["api_url"],
        api__timeout=given["timeout"],
        api__attempts=given["attempts"],
        load__workers=given["workers"],
        load__rate=given["rate"],
        runs__dir=given["runs_dir"],
        input__sheet=given.get("sheet"),
        input__encoding=given.get("encoding"),
        **more,
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold the credentials
    credentials = None if sandbox else read_credentials(os.environ)
    if given["verbose"]:
        _log_to_console()
    is_quiet = given["quiet"] or given["as_json"]
    with stop_on_signals() as stop, progress(enabled=not is_quiet) as bar:
        yield Session(
            settings, credentials, stop, bar, shlex.join(["fatora-clients", *sys.argv[1:]])
        )


def update(
    inputs: Sequence[Path],
    given: Mapping[str, Any],
    *,
    compare: bool | None,
    only_plan: bool = False,
    limit: int | None = None,
) -> ExitCode:
    """Send spreadsheets, or only plan it, with the options that were ``given``, and print it."""
    with session(given, load__compare=compare) as asked:
        summaries = etl.update(
            inputs,
            asked.settings,
            asked.credentials,
            stop=asked.stop,
            progress=asked.progress,
            sandbox=given["sandbox"],
            limit=limit,
            again=given["again"],
            only_plan=only_plan,
            results=given["results"],
            command=asked.command,
        )
    return report(summaries, inputs, given)


def report(
    summaries: Sequence[Summary], inputs: Sequence[Path], given: Mapping[str, Any]
) -> ExitCode:
    """Print the result of each file, and return the exit code of all."""
    night = Night(inputs, summaries, datetime.now().astimezone())
    if given["as_json"]:
        night.say_json()
    elif not given["quiet"]:
        night.say()
    if given["quiet"] or given["as_json"] or not shares_a_reader():
        night.complain(quiet=given["quiet"])
    return night.exit_code


def _log_to_console() -> None:
    handler = console.ToConsole()
    handler.setFormatter(JsonLines())
    logging.getLogger("etl").addHandler(handler)
