"""Many runs in a short time: copies of one run, each of a file of its own, in one chain."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from etl.jobs.pipeline import update_file
from etl.manifest import Manifest, Seal
from etl.runs.folder import RunFolder, RunsFolder
from etl.sandbox.server import Sandbox
from jobs import job
from spreadsheets import write_csv

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [("id", "email"), ("1", "a@example.com"), ("2", "b@example.com"), ("3", "no address")]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class ManyRuns:
    """A folder of inputs, and a runs folder with a run of each; `add` makes more of both."""

    folder: Path
    made: list[RunFolder] = field(default_factory=list)
    seal: Seal | None = None

    def __post_init__(self) -> None:
        self.inputs = self.folder / "inputs"
        self.inputs.mkdir(parents=True)
        self.runs = RunsFolder(self.folder / "runs")
        self.runs.prepare()
        with Sandbox() as sandbox:
            context = job(sandbox.url, self.folder / "template", sandbox.api_key)
            summary = update_file(write_csv(self.folder / "1.csv", ROWS), context)
        assert summary.folder is not None
        self.template = RunFolder(summary.folder)
        self.manifest = Manifest.read(self.template.manifest)

    def add(self, number: int) -> None:
        """Make so many inputs and runs, whose sessions ended long ago."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", lambda _descriptor: None)
            for _ in range(number):
                self._add_one(len(self.made))

    def _add_one(self, number: int) -> None:
        email = f"a{number}@example.com"
        source = write_csv(self.inputs / f"{number:05}.csv", [*ROWS[:1], ("1", email), *ROWS[2:]])
        content = source.read_bytes()
        started = LONG_AGO + timedelta(minutes=number)
        os.utime(source, (started.timestamp(), started.timestamp()))
        facts = replace(
            self.manifest.input,
            name=source.name,
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
        )
        time = started.isoformat(timespec="milliseconds")
        session = replace(self.manifest.sessions[0], begun=time, ended=time)
        with self.runs.staging(started) as staged:
            for file in self.template.path.iterdir():
                if file != self.template.manifest:
                    shutil.copy2(file, staged.path / file.name)
            staged.input.write_bytes(content)
            opened = replace(
                self.manifest,
                run=staged.run,
                input=facts,
                sessions=(session,),
                api="http://127.0.0.1/v1",
                account="sandbox",
                sealed=None,
                sealed_as=None,
            )
            manifest = opened.seal(self.seal, staged.hashes())
            manifest.write(staged.manifest)
            self.made.append(self.runs.publish(staged))
        self.seal = Seal(manifest.run, manifest.sealed_as or "")
