"""The program's entry: ``fatora-clients``, or ``python -m etl``."""

from __future__ import annotations

import sys

from etl.cli import run


def main() -> None:
    """Run the command line and end with the contract's exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
