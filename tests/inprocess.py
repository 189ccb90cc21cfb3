"""The program's commands in this process: whole runs within milliseconds, over real sockets."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from etl.cli import run
from etl.jobs.prune import older_than, prune
from etl.runs.folder import RunsFolder
from etl.runs.listing import entries
from spreadsheets import read_csv, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    import pytest

    from etl.sandbox.server import Sandbox


@dataclass
class Commands:
    """The commands, in an empty folder, as a person with this environment would start them."""

    folder: Path
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]

    def use(self, sandbox: Sandbox) -> None:
        """Send to a sandbox from now on."""
        self.patch.setenv("FATORA_API_KEY", sandbox.api_key)
        self.patch.setenv("FATORA_API_URL", sandbox.url)

    def use_script(self, url: str) -> None:
        """Send to a scripted server from now on, with a token that is given."""
        self.patch.delenv("FATORA_API_KEY", raising=False)
        self.patch.setenv("FATORA_BEARER_TOKEN", "invented-bearer-token")
        self.patch.setenv("FATORA_API_URL", url)

    def settings(self, *lines: str) -> None:
        """Let these lines be the configuration file."""
        path = self.folder / "job.toml"
        path.write_text("\n".join(lines), encoding="utf-8")
        self.patch.setenv("FATORA_CONFIG", str(path))

    def file(self, *rows: Sequence[str], name: str = "clients.csv") -> Path:
        """Write a file of these rows, the header first."""
        return write_csv(self.folder / name, rows)

    def __call__(self, *arguments: object) -> tuple[int, str]:
        """Run a command; return its exit code, and what it printed."""
        self.capture.readouterr()
        code = run([str(each) for each in arguments])
        printed = self.capture.readouterr()
        return code, printed.out + printed.err

    def runs(self) -> list[Path]:
        """Return the folders of all runs, the oldest first."""
        return sorted(path for path in (self.folder / "runs").glob("2*") if path.is_dir())

    def results(self) -> list[dict[str, str]]:
        """Return the results of the newest run."""
        return read_csv(self.runs()[-1] / "results.csv")

    def statuses(self) -> list[str]:
        """Return the status of each row of the newest run."""
        return [row["update_status"] for row in self.results()]

    def prune(self) -> None:
        """Remove the personal data of all runs, however young."""
        runs = RunsFolder(self.folder / "runs")
        assert not any(prune(older_than(timedelta(0), entries(runs)), runs))

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        """Return what the journal of the newest run answers."""
        with closing(sqlite3.connect(self.runs()[-1] / "journal.sqlite3")) as db:
            return db.execute(question).fetchall()

    def age(self, seconds: float) -> None:
        """Let so much time have passed since the clients of the newest run were read."""
        with closing(sqlite3.connect(self.runs()[-1] / "journal.sqlite3")) as db, db:
            db.execute(
                "UPDATE readings SET"
                " time = strftime('%Y-%m-%dT%H:%M:%f+00:00', julianday(time) - ? / 86400.0)",
                (seconds,),
            )


def bytes_of(folders: Iterable[Path]) -> bytes:
    """Return every byte of every file below some folders."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return b"\n".join(file.read_bytes() for file in files)
