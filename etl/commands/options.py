"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from etl.commands import console
from etl.config import Settings, load_settings
from etl.extract.inputs import SKIPPED
from etl.runs.folder import RunsFolder
from etl.text import quote, quoted_path, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from etl.jobs.check import Check
    from etl.jobs.summary import Summary

RUNS_DIR = "FATORA_RUNS_DIR"
_DEFAULTS = Settings().with_sources()


class _Override(click.Option):
    """An option that overrides a setting; its help has the setting's default."""

    def __init__(self, names: Sequence[str], setting: str, **details: Any) -> None:  # noqa: ANN401
        default = _DEFAULTS[setting]["value"]
        if isinstance(default, float):
            default = f"{default:g}"
        shown = default is not None and not isinstance(default, bool)
        details["help"] += f" (default {default})." if shown else "."
        super().__init__(names, **details)
        self.setting = setting

    @property
    def given_as(self) -> str:
        """The option or the environment variable that gave the value."""
        source = click.get_current_context().get_parameter_source(self.name or "")
        from_environment = source is ParameterSource.ENVIRONMENT
        return str(self.envvar) if from_environment else self.opts[0]


def override(name: str, setting: str, **details: Any) -> Callable[..., Any]:  # noqa: ANN401
    """Declare an option that overrides a setting such as ``load.workers``."""
    details["show_envvar"] = "envvar" in details
    return click.option(name, cls=_Override, setting=setting, **details)


def number(
    kind: type[int | float] = int, *, least: float = -math.inf, most: float = math.inf
) -> Callable[[str | float], int | float]:
    """Return the type of an option that takes a number, a whole one unless ``kind`` is float."""
    allowed = "a whole number" if kind is int else "a number"
    if most < math.inf:
        allowed += f" from {least} to {most}"
    elif least > -math.inf:
        allowed += f", at least {least}"

    def parsed(text: str | float) -> int | float:  # a default is not a text
        with suppress(ValueError):
            value = kind(text)
            if least <= value <= most:
                return value
        raise click.BadParameter(f"must be {allowed}, not {quote(str(text))}")

    return parsed


def examples(*lines: str) -> str:
    """Return the end of a command's help: examples of what to type."""
    return "\n".join(["\b", "Examples:", *(f"  fatora-clients {line}" for line in lines)])


inputs = click.argument(
    "inputs",
    metavar="INPUT...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, readable=False),  # each input is checked on its own, later
)
config = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="FATORA_CONFIG",
    show_envvar=True,
    help="Configuration file (TOML).",
)
runs_dir = override(
    "--runs-dir",
    setting="runs.dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    envvar=RUNS_DIR,
    help="Folder that holds all runs",
)
sheet = override(
    "--sheet",
    setting="input.sheet",
    metavar="NAME",
    help="Sheet of the workbook to read (default: the one that has the columns)",
)
encoding = override(
    "--encoding",
    setting="input.encoding",
    metavar="NAME",
    help="Encoding of a CSV without a byte order mark (default: UTF-8)",
)
results = click.option(
    "--results",
    metavar="FILE",
    type=click.Path(path_type=Path),
    callback=lambda _context, _parameter, path: _checked_results(path),
    help="Also write the results to this file (.csv or .xlsx).",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON and nothing else on standard output."
)


def settings_of(config: Path | None, **options: object) -> Settings:
    """Return the settings of the configuration file, replaced by the options that were given.

    ``options`` are named ``section__key``; None means that an option was not given.

    Raises:
        ConfigError: keys or values are wrong.
    """
    given = {key.replace("__", "."): value for key, value in options.items() if value is not None}
    declared = click.get_current_context().command.params
    names = {
        option.setting: option.given_as for option in declared if isinstance(option, _Override)
    }
    return load_settings(config, given, names)


def existing_runs(config: Path | None, runs_dir: Path | None) -> RunsFolder:
    """Return the folder of all runs.

    Raises:
        ConfigError: it does not exist or cannot be read, or the settings are wrong.
    """
    runs = RunsFolder(settings_of(config, runs__dir=runs_dir).runs.dir)
    runs.require_existing()
    return runs


def is_single(inputs: Sequence[Path], files: Sequence[Summary | Check]) -> bool:
    """Whether the command line names a single file rather than several files, or a folder."""
    return len(inputs) == 1 and [file.input for file in files] == list(inputs)


def say_skipped(skipped: Sequence[Path], processed: int) -> None:
    """Print which files were skipped, or that there were none at all."""
    for file in skipped:
        console.say(f"{visible(str(file))}: {SKIPPED}")
    if not (processed or skipped):
        console.say("Nothing to do: the folder contains no spreadsheets.")


def _checked_results(path: Path | None) -> Path | None:
    if path is None:
        return None
    if path.suffix.lower() not in {".csv", ".xlsx"}:
        raise click.BadParameter(f"must end in .csv or .xlsx, not {quote(path.name)}")
    # isdir, unlike a Path's method, takes a name that is too long for one that is not there.
    if os.path.isdir(path):  # noqa: PTH112
        raise click.BadParameter(f"must be a file, but {quoted_path(path)} is a folder")
    if not os.path.isdir(path.parent):  # noqa: PTH112
        raise click.BadParameter(f"there is no folder {quoted_path(path.parent)}")
    return path
