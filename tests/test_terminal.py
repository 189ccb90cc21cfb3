"""What a person sees at a terminal, narrow and wide: the bar, Ctrl-C, and help that fits."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from etl.cli import COMMANDS, run
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox
from program import ROOT
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TMUX = shutil.which("tmux")
HEADER = ("رقم العميل", "البريد الإلكتروني", "الاسم", "VIP")
LATENCY = 0.7  # seconds; long enough for requests to be under way when a key is pressed

pytestmark = [
    pytest.mark.skipif(TMUX is None, reason="tmux is not installed"),
    pytest.mark.slow,
]


@dataclass(frozen=True)
class Terminal:
    """A terminal of some width, as tmux draws it, in which a shell runs."""

    socket: Path
    width: int

    def open(self, folder: Path, environment: dict[str, str]) -> None:
        """Start the shell, with little in its environment, and wait for its prompt."""
        shell = folder / "bashrc"
        shell.write_text(f'PS1="$ "; fatora-clients() {{ {sys.executable} -m etl "$@"; }}\n')
        variables = {"LANG": "C.UTF-8", "TERM": "screen", **environment}
        clean = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        size = ("-x", str(self.width), "-y", "80")
        bash = ("/bin/bash", "--rcfile", str(shell))
        self._tmux("new-session", "-d", *size, "-c", str(folder), *clean, *bash)
        self._tmux("pipe-pane", f"cat >> {self._record}")
        self.wait_for(r"^\$$")

    def type(self, *keys: str) -> None:
        """Press keys; C-c is Ctrl-C."""
        self._tmux("send-keys", *keys)

    def run(self, arguments: str) -> None:
        """Type a command and press Enter."""
        self.type(f"fatora-clients {arguments}", "Enter")

    def screen(self, *, joined: bool = False) -> list[str]:
        """Return the lines that can be seen; ``joined`` where the terminal broke one."""
        seen = self._tmux("capture-pane", "-p", *(["-J"] if joined else []))
        return [line.rstrip() for line in seen.rstrip().split("\n")]

    def has_shown(self, pattern: str) -> bool:
        """Whether programs have printed this, even if it was overwritten before one could look."""
        printed = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._record.read_text(encoding="utf-8"))
        return re.search(pattern, printed) is not None

    def cursor_is_visible(self) -> bool:
        """Whether a person sees where they type."""
        return self._tmux("display-message", "-p", "#{cursor_flag}").strip() == "1"

    def wait_for(self, pattern: str) -> list[str]:
        """Return the lines once one of them matches."""
        until = time.monotonic() + 60
        while time.monotonic() < until:
            lines = self.screen()
            if any(re.search(pattern, line) for line in lines):
                return lines
            time.sleep(0.05)
        raise AssertionError("\n".join([f"not seen: {pattern}", *self.screen()]))

    def close(self) -> None:
        """End the shell and whatever runs in it."""
        self._tmux("kill-server")

    @property
    def _record(self) -> Path:
        return self.socket.with_name("printed")

    def _tmux(self, *arguments: str) -> str:
        assert TMUX is not None
        command = [TMUX, "-S", str(self.socket), "-f", "/dev/null", *arguments]
        return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    """A sandbox that takes its time."""
    with Sandbox(behaviour=Behaviour(latency=LATENCY)) as running:
        yield running


@pytest.fixture(params=[80, pytest.param(120, marks=pytest.mark.slow)])
def terminal(
    request: pytest.FixtureRequest, tmp_path: Path, slow_sandbox: Sandbox
) -> Iterator[Terminal]:
    """A terminal in an empty folder, whose programs send to the slow sandbox."""
    opened = Terminal(tmp_path / "tmux", request.param)
    opened.open(
        tmp_path,
        {
            "PYTHONPATH": str(ROOT),
            "FATORA_API_KEY": slow_sandbox.api_key,
            "FATORA_API_URL": slow_sandbox.url,
        },
    )
    yield opened
    opened.close()


def write_clients(folder: Path, rows: int) -> None:
    """Write a spreadsheet in which every tenth row is to be fixed."""
    clients = (
        (str(row), f"c{row}@example" + ("" if row % 10 == 0 else ".com"), "سارة", "x")
        for row in range(1, rows + 1)
    )
    write_csv(folder / "clients.csv", [HEADER, *clients])


def test_a_run_that_is_stopped(tmp_path: Path, terminal: Terminal) -> None:
    """The bar, the stop message and the summary of a stopped run are on separate lines."""
    write_clients(tmp_path, 200)
    terminal.run("update clients.csv")
    (bar,) = [line for line in terminal.wait_for("SUCCESS") if "Sending" in line]
    assert re.fullmatch(
        r". Sending [━╸╺]+ \d+ of 180 ([\d,]+ rows/s  )?SUCCESS \d+  INVALID 20 .*", bar
    )

    terminal.type("C-c")
    stopping = "Stopping after the 8 requests under way. Press Ctrl-C again to stop at once."
    assert stopping in terminal.wait_for("Stopping")

    command, *lines = terminal.wait_for("^Run: ")[:-1]
    assert command == "$ fatora-clients update clients.csv"
    assert lines[0] == stopping
    stayed = re.fullmatch(
        r"Stopped [━╸╺]+ (\d+) of 180 ([\d,]+ rows/s  )?SUCCESS (\d+)  INVALID 20", lines[1]
    )
    assert stayed is not None
    assert stayed[1] == stayed[3]
    assert "clients.csv: 200 rows" in lines
    assert any(re.fullmatch(rf" +{stayed[1]}  SUCCESS   Updated", line) for line in lines)
    assert sum("━" in line for line in lines) == 1


def test_a_run_that_is_stopped_at_once(terminal: Terminal, tmp_path: Path) -> None:
    """The second Ctrl-C returns to the prompt at once, and the next session resumes."""
    write_clients(tmp_path, 200)
    terminal.run("update clients.csv")
    terminal.wait_for("SUCCESS")
    terminal.type("C-c")
    terminal.wait_for("Stopping")
    terminal.type("C-c")
    terminal.type("echo ended with $?", "Enter")
    terminal.wait_for("^ended with 4$")
    assert terminal.cursor_is_visible()


def test_a_run_that_is_finished(tmp_path: Path, terminal: Terminal) -> None:
    """The bar of a finished run is removed."""
    write_clients(tmp_path, 10)
    terminal.run("update clients.csv")
    lines = terminal.wait_for("^Run: ")
    assert lines[0] == "$ fatora-clients update clients.csv"
    assert "clients.csv: 10 rows" in lines
    assert terminal.has_shown("Sending [━╸╺]+ ")
    assert not any("━" in line for line in lines)


def test_a_check(tmp_path: Path, terminal: Terminal) -> None:
    """The bar of a check is removed before the first line is printed."""
    rows = [(str(row), f"c{row}@example.com", "سارة", "x") for row in range(1, 30_001)]
    write_csv(tmp_path / "clients.csv", [HEADER, *rows, ("x", "sara@", "سارة", "x")])
    terminal.run("check clients.csv")
    lines = terminal.wait_for("EMAIL_INVALID")
    assert terminal.has_shown(r"Reading [━╸╺]+ \d+,000 rows")
    assert lines[:2] == [
        "$ fatora-clients check clients.csv",
        "clients.csv: 30,001 rows; 1 to fix",
    ]
    assert not any("━" in line for line in lines)


def test_help_is_not_broken_by_the_terminal(terminal: Terminal) -> None:
    """No line of a help is broken by the terminal."""
    terminal.run("update --help")
    lines = terminal.wait_for("inbox/")
    assert "  Exit codes:" in lines
    assert lines == terminal.screen(joined=True)


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)])
def test_every_help_fits_a_narrow_terminal(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """80 columns are what most terminals open with."""
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*arguments, "--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 80


@pytest.mark.parametrize("terminal", [80], indirect=True)
def test_a_plan_shows_how_many_clients_were_compared(terminal: Terminal, tmp_path: Path) -> None:
    """A plan has a bar of its own, which is gone at the end, also if there is nothing to read."""
    write_clients(tmp_path, 100)
    terminal.run("plan clients.csv")
    (bar,) = [
        line for line in terminal.wait_for(r"Comparing .* [1-9]\d* of") if "Comparing" in line
    ]
    assert re.fullmatch(r". Comparing [━╸╺]+ \d+ of 90 .*", bar)
    lines = terminal.wait_for("^Run: ")
    assert not any("Comparing" in line or "Stopped" in line for line in lines)
    assert any("90 rows would change" in line for line in lines)
    terminal.run("plan clients.csv")
    until = time.monotonic() + 60
    while sum(line.startswith("Run: ") for line in terminal.screen()) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert not any("Stopped" in line for line in terminal.screen())
