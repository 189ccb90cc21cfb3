"""The program, already imported: it starts within milliseconds and can be killed hundreds of times.

Run as a script, this is the waiting process. For each line on its standard input, a JSON object
that says what to start, it forks a child that runs the program, prints the child's process id,
waits for its end, and prints how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parent.parent
_IMPORTED = ("etl.commands.update", "etl.commands.check", "pandera.pandas", "xlsxwriter")


class WarmProgram:
    """Starts the program in a folder, one process at a time; use as a context manager."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            env={"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.communicate(timeout=30)

    def start(self, *arguments: object, largest_file: int = -1) -> int:
        """Start a command and return its process id; ``largest_file`` limits its files, in bytes.

        Its output is in ``output.txt`` of its folder.
        """
        request = {
            "arguments": list(map(str, arguments)),
            "environment": self.environment,
            "folder": str(self.folder),
            "largest_file": largest_file,
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return self._reply()

    def wait(self) -> int:
        """Return the exit code of the started command, or minus the signal that ended it."""
        return self._reply()

    def run(self, *arguments: object, largest_file: int = -1) -> int:
        """Run a command to its end and return its exit code."""
        self.start(*arguments, largest_file=largest_file)
        return self.wait()

    def output(self) -> str:
        """Return what the latest command printed."""
        return (self.folder / "output.txt").read_text(encoding="utf-8")

    def _reply(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


def _serve() -> None:
    for module in _IMPORTED:
        __import__(module)
    _warm_up()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become_the_program(**json.loads(line))
        print(child, flush=True)  # noqa: T201 - the parent process reads it
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201 - the same


def _warm_up() -> None:
    """Check a small file, so that the libraries do their one-time work before the first fork."""
    from etl.cli import run  # noqa: PLC0415 - users of the class do not need the program

    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        source = Path(folder) / "clients.csv"
        source.write_text("id,email\n1,sara@example.com\n", encoding="utf-8")
        with contextlib.redirect_stdout(nowhere):
            run(["check", str(source)])


def _become_the_program(
    arguments: list[str], environment: dict[str, str], folder: str, largest_file: int
) -> None:
    from etl.cli import run  # noqa: PLC0415 - users of the class do not need the program

    os.chdir(folder)
    os.environ.update(environment)
    output: Any = os.open("output.txt", os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))
    os._exit(run(arguments))


if __name__ == "__main__":
    _serve()
