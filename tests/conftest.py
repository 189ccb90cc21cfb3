"""Fixtures for all tests: a sandbox, the program, and a clean environment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from etl.sandbox.server import Sandbox
from program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# How long an example takes depends on what else the machine does.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """Start one worker more than there are cores: many tests wait for a program or a clock."""
    return (os.cpu_count() or 1) + 1


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """Let Ctrl-C interrupt what tests start, even if the shell runs the tests in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def clean_environ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a developer's own credentials, settings and proxies out of every test."""
    for name in list(os.environ):
        if name.startswith("FATORA_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox with the clients 1 to 999,999."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def program(tmp_path: Path, sandbox: Sandbox) -> Program:
    """The program in an empty folder, set up to use the sandbox."""
    return Program(tmp_path, {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url})
