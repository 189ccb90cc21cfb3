"""The functions for other Python programs, and the name of the package."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import etl
from etl.sandbox.server import Sandbox
from program import ROOT
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
ROWS = [("id", "email"), ("1024", "sara@example.com"), ("1025", "no address")]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that the examples run in, with a key and an API that takes it."""
    write_csv(tmp_path / "clients.csv", ROWS)
    for name in ("data", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "inbox").mkdir()
    monkeypatch.chdir(tmp_path)
    with Sandbox() as sandbox:
        monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
        monkeypatch.setenv("FATORA_API_URL", sandbox.url)
        yield tmp_path


@pytest.mark.usefixtures("folder")
def test_the_examples_of_the_guide_run(capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever copies an example of the guide gets what it promises."""
    write_csv(Path("inbox/clients.csv"), ROWS[:2])
    os.utime("inbox/clients.csv", (0, 0))
    examples = re.findall(r"^```python\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(examples) == 4
    for example in examples:
        exec(compile(example, "docs/python.md", "exec"), {"__name__": "example"})  # noqa: S102
    printed = capfd.readouterr()
    assert "rows were not updated. Fix the" in printed.out
    assert "rows sent" in printed.out
    assert "EMAIL_INVALID" in printed.out
    assert printed.err == ""


def test_the_guide_names_every_function() -> None:
    """The guide has each public function, and no other."""
    named = set(re.findall(r"^\| `etl\.(\w+)\(", GUIDE, re.MULTILINE))
    public = {name for name in etl._PUBLIC if name.islower()}  # noqa: SLF001
    assert named | {"load_settings", "read_credentials"} == public


@pytest.mark.parametrize("name", sorted(etl._PUBLIC))  # noqa: SLF001
def test_every_public_name_is_there(name: str) -> None:
    """Each name that the package offers can be used, and has a docstring."""
    assert getattr(etl, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name is an ordinary error."""
    with pytest.raises(AttributeError, match="has no attribute 'updat'"):
        _ = etl.updat


@pytest.mark.usefixtures("folder")
def test_an_update_in_a_thread_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    """An update in another thread sends, prints nothing, and leaves the signals alone."""
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    settings = etl.load_settings(overrides={"runs.dir": Path("runs")})
    found: list[etl.Summary] = []

    def task() -> None:
        found.extend(etl.update([Path("clients.csv")], settings, None, sandbox=True))

    thread = threading.Thread(target=task)
    thread.start()
    thread.join()
    (summary,) = found
    assert (summary.exit_code, summary.totals.updated) == (etl.ExitCode.NOT_ALL_UPDATED, 1)
    assert capfd.readouterr() == ("", "")
    after = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert after == handlers


@pytest.mark.usefixtures("folder")
def test_an_api_that_is_down_is_not_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """What is logged goes to the run's log, and not to the program that calls."""
    url = "http://127.0.0.1:9/v1"
    settings = etl.load_settings(
        overrides={"runs.dir": Path("runs"), "api.url": url, "api.attempts": 1}
    )
    credentials = etl.read_credentials(os.environ)
    (summary,) = etl.update([Path("clients.csv")], settings, credentials)
    assert summary.totals.left == 1
    assert summary.folder is not None
    assert "no_token_yet" in (summary.folder / "run.log").read_text(encoding="utf-8")
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("folder")
def test_a_request_to_stop_ends_an_update() -> None:
    """The update stops before anything is sent, and the same call sends the file later."""
    settings = etl.load_settings(overrides={"runs.dir": Path("runs")})
    stop = etl.StopRequest()
    stop.ask("The maintenance window is over.")
    (stopped,) = etl.update([Path("clients.csv")], settings, None, sandbox=True, stop=stop)
    assert stopped.exit_code is etl.ExitCode.STOPPED
    assert "The maintenance window is over." in stopped.sentence
    (sent,) = etl.update([Path("clients.csv")], settings, None, sandbox=True)
    assert sent.totals.updated == 1


@pytest.mark.usefixtures("folder")
def test_an_update_without_credentials_sends_nothing() -> None:
    """A program that forgot the credentials does not get the sandbox instead."""
    settings = etl.load_settings(overrides={"runs.dir": Path("runs")})
    with pytest.raises(etl.ConfigError, match="no credentials"):
        etl.update([Path("clients.csv")], settings, None)
    assert not Path("runs").exists()


def test_files_that_just_changed_are_reported(folder: Path) -> None:
    """A file that is still being written is left alone, and is returned as skipped."""
    write_csv(folder / "inbox" / "new.csv", ROWS)
    settings = etl.load_settings(overrides={"runs.dir": Path("runs"), "input.settle": 3600})
    (summary,) = etl.update([folder / "inbox"], settings, None, sandbox=True)
    (check,) = etl.check([folder / "inbox"], settings)
    assert (summary.skipped, summary.run, summary.exit_code) == (True, None, 0)
    assert (check.skipped, check.exit_code) == (True, 0)


def test_the_command_is_safe_from_another_etl(tmp_path: Path) -> None:
    """The command runs its own package although PYTHONPATH names a project with a folder etl."""
    (tmp_path / "etl").mkdir()
    (tmp_path / "etl" / "__init__.py").write_text("raise SystemExit('another etl')\n")
    script = tmp_path / "bin" / "fatora-clients"
    script.parent.mkdir()
    script.write_text("from fatora_clients import main\nmain()\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script, "--version"],
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        f"fatora-clients, version {etl.__version__}\n",
        "",
    )
