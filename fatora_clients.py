"""The entry point of the command, which runs the `etl` beside it and no other.

`etl` is a common name. A folder of that name on ``PYTHONPATH`` comes before the installed packages,
so the command would run that folder instead.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def main() -> None:
    """Run the command line and end with its exit code."""
    own = PathFinder.find_spec("etl", [str(Path(__file__).parent)])
    if own is not None and own.loader is not None:
        sys.modules["etl"] = package = module_from_spec(own)
        own.loader.exec_module(package)
    from etl.cli import run  # noqa: PLC0415 - only now is it certain which etl this is

    sys.exit(run())
