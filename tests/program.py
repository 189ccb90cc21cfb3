"""The program as cron runs it: as a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
# Where the coverage of a child is written, if it is measured; else nothing.
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COVERAGE_")}


@dataclass
class Program:
    """The program, as cron runs it: a process with little in its environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: object, **options: Any) -> subprocess.Popen[str]:  # noqa: ANN401
        """Start a command and return its process."""
        return subprocess.Popen(
            [sys.executable, "-m", "etl", *map(str, arguments)],
            cwd=self.folder,
            env={"PYTHONPATH": str(ROOT), **MEASURED, **self.environment},
            text=True,
            encoding="utf-8",
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def run(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def runs(self) -> list[Path]:
        """Return the folders of all runs, the oldest first."""
        return sorted(path for path in (self.folder / "runs").glob("2*") if path.is_dir())

    def only_run(self) -> Path:
        """Return the folder of the only run."""
        (run,) = self.runs()
        return run
