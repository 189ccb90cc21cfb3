"""The entry point of the command, which runs the `etl` beside it and no other.

`etl` is a common name. A folder of that name on ``PYTHONPATH`` comes before the installed packages,
so the command would run that folder instead. ``python -m fatora_clients`` is as safe.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path

_USAGE = 2  # wrong usage or configuration: etl.errors.ExitCode, which may not be importable


def main() -> None:
    """Run the command line and end with its exit code.

    Python would end with 1 after a failed import, which means that rows were not updated.
    """
    try:
        own = PathFinder.find_spec("etl", [str(Path(__file__).parent)])
        if own is not None and own.loader is not None:
            sys.modules["etl"] = package = module_from_spec(own)
            own.loader.exec_module(package)
        from etl.cli import run  # noqa: PLC0415 - only now is it certain which etl this is
    except Exception as error:  # noqa: BLE001 - PYTHONPATH may have anything of a library's name
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        sys.stderr.write(
            f"fatora-clients: a library cannot be loaded ({reason}); nothing was sent: check"
            " PYTHONPATH, or install fatora-clients again\n"
        )
        sys.exit(_USAGE)
    sys.exit(run())


if __name__ == "__main__":
    main()
