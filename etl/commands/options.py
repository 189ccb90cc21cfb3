"""Options that several commands take, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from etl import console
from etl.config import load_settings
from etl.errors import ConfigError
from etl.files import require_replaceable
from etl.stopping import is_disk_full

if TYPE_CHECKING:
    from etl.config import Settings
    from etl.extract.inputs import Inputs

inputs = click.argument(
    "inputs",
    metavar="INPUT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, readable=False),  # what cannot be read is said of each alone
)
config = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="FATORA_CONFIG",
    show_envvar=True,
    help="The configuration file, in TOML.",
)
runs_dir = click.option(
    "--runs-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar="FATORA_RUNS_DIR",
    show_envvar=True,
    help="The folder of all runs.",
)
sheet = click.option("--sheet", metavar="NAME", help="The sheet to read of a workbook.")
encoding = click.option(
    "--encoding", metavar="NAME", help="The encoding of a CSV without a byte order mark."
)
results = click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=lambda _context, _parameter, path: _checked_results(path),
    help="An extra copy of the results; its ending picks CSV or XLSX.",
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")


def settings_of(config: Path | None, **options: object) -> Settings:
    """Return the settings with the options that were given, named ``section__key``.

    Raises:
        ConfigError: keys or values are wrong.
    """
    given = {key.replace("__", "."): value for key, value in options.items() if value is not None}
    context = click.get_current_context()
    environment = {
        key
        for key in given
        if context.get_parameter_source(key.replace(".", "_")) is ParameterSource.ENVIRONMENT
    }
    return load_settings(config, given, environment)


def require_place(results: Path | None, found: Inputs) -> None:
    """Check that the extra copy of the results is of one input, and has a place of its own.

    Raises:
        ConfigError: it is not, or it cannot be written there.
    """
    if results is None:
        return
    if found.several:
        raise ConfigError("--results goes with one input file")
    if results.resolve() == found.files[0].resolve():
        raise ConfigError(f"--results {results} is the input itself: name another file")
    try:
        require_replaceable(results)
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ConfigError(
            f"--results {results} cannot be written ({error.strerror}); nothing was sent"
        ) from None


def say_what_is_left(found: Inputs) -> None:
    """Say which files were passed over, and where there was none at all."""
    for file in found.unsettled:
        console.say(f"{file}: passed over for now, it changed only just")
    if not (found.files or found.unsettled):
        console.say("Nothing to do: there is no spreadsheet to read.")


def _checked_results(path: Path | None) -> Path | None:
    if path is None:
        return None
    if path.suffix.lower() not in {".csv", ".xlsx"}:
        raise click.BadParameter("its name must end in .csv or .xlsx")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path
