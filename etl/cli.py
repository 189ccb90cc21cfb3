"""The command line: which commands there are, and the exit code of whatever happens.

A command's module is imported when the command runs, so that ``--help`` does not wait for pandas.
"""

from __future__ import annotations

from importlib import import_module

import click

from etl import __version__, console
from etl.errors import ExitCode, FatoraClientsError, in_one_sentence
from etl.stopping import stop_on_full_disk

COMMANDS = {
    "update": "Read, validate and send spreadsheets; write what became of each row.",
    "check": "Read and validate only: no network, no credentials, no run folder.",
    "history": "List the runs, or what became of one client over all runs.",
    "show": "Show one run: its summary and the rows that were not updated.",
    "verify": "Prove that the files of runs are as they were written.",
    "prune": "Remove the personal data of old runs; keep what proves what was done.",
    "sandbox": "Run a local stand-in for the API, for trying things out.",
}


class _Commands(click.Group):
    """The commands by name, each in the module of that name in ``etl.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"etl.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fatora-clients")
def commands() -> None:
    """Update a merchant's clients on Fatora from spreadsheets, and prove what was done."""


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; print one sentence where it could not go on."""
    console.open_missing()
    try:
        with stop_on_full_disk():
            code = commands.main(arguments, prog_name="fatora-clients", standalone_mode=False)
        return int(code or ExitCode.DONE)
    except click.ClickException as error:
        console.complain(f"fatora-clients: {error.format_message()}")
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        console.complain("fatora-clients: interrupted")
        return ExitCode.STOPPED
    except FatoraClientsError as error:
        console.complain(f"fatora-clients: {error}")
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the one place: cron needs a code and a sentence
        console.complain(f"fatora-clients: {in_one_sentence(error)}")
        return ExitCode.INTERNAL
    finally:
        console.let_go()
