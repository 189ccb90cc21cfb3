"""The bench works: it counts nothing here but that every row arrives, from every tool there is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent / "bench" / "bench.py"


def test_the_bench_runs() -> None:
    """It ends well only where each tool's rows arrived exactly once and whole."""
    command = [sys.executable, str(BENCH), "--short"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if line.startswith("fatora-clients")]
    assert len(lines) == 2
