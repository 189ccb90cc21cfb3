"""The command line: the commands, and an exit code for everything that can happen.

A command's module is imported when the command runs, so that ``--help`` does not wait for pandas.
"""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module

import click

from etl.commands import console
from etl.errors import ExitCode, FatoraClientsError, in_one_sentence
from etl.stopping import stop_on_refusal
from etl.text import visible, without_isolates
from etl.version import __version__

COMMANDS = {
    "update": "Send spreadsheets to Fatora and write the result of each row.",
    "plan": "Show what an update would change, without sending anything.",
    "approve": "Let a run that waits for approval be sent.",
    "undo": "Give clients back the values that they had before a run.",
    "confirm": "Ask Fatora whether the clients of a run are still as it left them.",
    "check": "Find the errors in spreadsheets without sending anything.",
    "history": "List all runs, or one client's history across them.",
    "show": "Show one run and the rows that were not updated.",
    "verify": "Check that the files of runs are intact.",
    "prune": "Remove the personal data of old runs, but keep the audit trail.",
    "sandbox": "Run a local sandbox of the API to try things out.",
}


class _Commands(click.Group):
    """The commands by name, each in the module of that name in ``etl.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        if cmd_name not in COMMANDS:
            likely = get_close_matches(cmd_name, COMMANDS, n=1)
            suggestion = f" Did you mean '{likely[0]}'?" if likely else ""
            ctx.fail(f"No such command '{cmd_name}'.{suggestion}")
        command: click.Command = import_module(f"etl.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Run 'fatora-clients COMMAND --help' for the options of a command and examples.",
)
@click.version_option(__version__, prog_name="fatora-clients")
def commands() -> None:
    """Update a merchant's clients on Fatora from spreadsheets, and keep an audit trail."""


def run(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code; print one sentence if it failed."""
    console.open_missing()
    try:
        with stop_on_refusal():
            code = commands.main(arguments, prog_name="fatora-clients", standalone_mode=False)
        return int(code or ExitCode.DONE)
    except click.ClickException as error:
        console.complain(_in_words(error))
        return ExitCode.USAGE
    except (click.Abort, KeyboardInterrupt):
        console.complain("fatora-clients: interrupted")
        return ExitCode.STOPPED
    except FatoraClientsError as error:
        console.complain(f"fatora-clients: {visible(without_isolates(str(error)))}")
        return error.exit_code
    except ImportError as error:  # of a command's module, before it does anything
        console.complain(
            f"fatora-clients: a library cannot be loaded ({visible(str(error))}); check PYTHONPATH,"
            " or install fatora-clients again"
        )
        return ExitCode.USAGE
    except Exception as error:  # noqa: BLE001 - cron needs an exit code and a sentence
        console.complain(f"fatora-clients: {in_one_sentence(error)}")
        return ExitCode.INTERNAL
    finally:
        console.flush()


def _in_words(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and how to get help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    message = error.format_message()
    if isinstance(error, click.BadParameter) and error.param and error.message:
        message = f"{error.param.opts[0]}: {error.message}"  # as a wrong setting is named
    message = visible(without_isolates(message))
    lines = [f"fatora-clients: {message[:1].lower()}{message[1:]}"]
    if isinstance(error, click.MissingParameter) and error.ctx:
        lines.insert(0, error.ctx.get_usage())
    if isinstance(error, click.UsageError) and error.ctx:
        lines.append(f"Try '{error.ctx.command_path} --help'.")
    return "\n".join(lines)
