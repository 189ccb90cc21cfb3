"""Options that several commands take, and how they become settings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from etl.config import load_settings

if TYPE_CHECKING:
    from etl.config import Settings

inputs = click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path)
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


def _checked_results(path: Path | None) -> Path | None:
    if path is None:
        return None
    if path.suffix.lower() not in {".csv", ".xlsx"}:
        raise click.BadParameter("its name must end in .csv or .xlsx")
    if not path.parent.is_dir():
        raise click.BadParameter(f"there is no folder {path.parent}")
    return path
