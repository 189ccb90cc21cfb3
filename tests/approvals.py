"""What the tests of the guard, of approvals and of their signatures share."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

import etl
from etl.cli import run
from etl.manifest import Manifest
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from etl.manifest import Plan
    from etl.sandbox.server import Sandbox

KEYGEN = shutil.which("ssh-keygen")
needs_keygen = pytest.mark.skipif(KEYGEN is None, reason="ssh-keygen is not installed")
NAMESPACE = "fatora-clients"


@dataclass
class Desk:
    """A folder with a file of clients and a configuration, and a sandbox that has the clients.

    The command line runs in this process.
    """

    folder: Path
    sandbox: Sandbox
    capfd: pytest.CaptureFixture[str]
    guard: dict[str, object] = field(default_factory=dict)
    compares: bool = True

    @property
    def configuration(self) -> Path:
        """The path of a configuration with the settings of the guard."""
        path = self.folder / "job.toml"
        guard = "".join(f"{key} = {json.dumps(value)}\n" for key, value in self.guard.items())
        text = (
            f'[api]\nurl = "{self.sandbox.url}"\n[load]\ncompare = {str(self.compares).lower()}\n'
            f'[runs]\ndir = "{self.folder / "runs"}"\n'
            f'[columns.phone]\nblank = "clear"\n[guard]\n{guard}'
        )
        path.write_text(text, encoding="utf-8")
        return path

    @property
    def settings(self) -> etl.Settings:
        """The same for functions."""
        return etl.load_settings(self.configuration)

    def clients(self, rows: Sequence[Sequence[str]], name: str = "clients.csv") -> Path:
        """Write a file of clients: id, e-mail, phone."""
        path = self.folder / name
        write_csv(path, [("id", "email", "phone"), *rows])
        return path

    def run(self, *arguments: object) -> tuple[int, str]:
        """Run a command, and return its exit code and all that it printed."""
        self.capfd.readouterr()
        code = run([*map(str, arguments), "--config", str(self.configuration)])
        out, err = self.capfd.readouterr()
        return code, " ".join((out + err).split())

    @property
    def path(self) -> Path:
        """The folder of the only run."""
        (path,) = (self.folder / "runs").glob("2*")
        return path

    @property
    def manifest(self) -> Manifest:
        """The manifest of the only run."""
        return Manifest.read(self.path / "manifest.json")

    @property
    def plan(self) -> Plan:
        """The plan of the only run."""
        plan = self.manifest.plan
        assert plan is not None
        return plan

    @property
    def sent(self) -> int:
        """How many updates were sent."""
        return self.sandbox.requests_of("PUT")


def new_key(folder: Path, name: str) -> Path:
    """Make a key pair without a passphrase, and return the path of the private key."""
    path = folder / name
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def line_of(key: Path, principal: str, options: str = "") -> str:
    """Return the line of a file of allowed signers that lets the owner of a key sign."""
    kind, public, *_ = key.with_suffix(".pub").read_text(encoding="ascii").split()
    return " ".join(filter(None, [principal, options, kind, public]))


def sign(key: Path, text: str, namespace: str = NAMESPACE) -> Path:
    """Sign a text, and return the path of the signature."""
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    done = subprocess.run(command, input=text, capture_output=True, check=True, encoding="ascii")
    path = key.with_name("plan.sig")
    path.write_text(done.stdout, encoding="ascii")
    return path
