"""The chain of all runs: what people do keeps it whole, and what another hand does breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from etl.sandbox.server import Sandbox
from spreadsheets import write_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "changed",
    [
        ("--rate", "500"),
        ("--attempts", "2"),
        ("--timeout", "9"),
        ("--workers", "1"),
        ("--runs-dir", "{folder}/runs"),
        ("--api-url", "{other}"),
        ("--config", "job.toml"),
    ],
    ids=lambda changed: changed[0],
)
def test_a_run_that_is_resumed_with_another_option_still_verifies(
    changed: tuple[str, str],
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Another run was sealed meanwhile, after the manifest that the resumed one had."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    (tmp_path / "job.toml").write_text("[load]\nstop_after = 7\n", encoding="utf-8")
    rows = [("id", "email"), *((str(n), f"new-{n}@example.com") for n in range(1, 4))]
    first, second = write_csv(tmp_path / "1.csv", rows), write_csv(tmp_path / "2.csv", rows[:2])
    with Sandbox() as other:
        option, value = changed[0], changed[1].format(folder=tmp_path, other=other.url)
        sending = ["update", "--quiet", "--api-url", sandbox.url]
        assert run([*sending, "--limit", "1", str(first)]) == 4
        assert run([*sending, str(second)]) == 0
        assert run([*sending, option, value, str(first)]) == 0
    assert len([*(tmp_path / "runs").glob("2*")]) == 2
    code = run(["verify", "--all"])
    assert code == 0, capfd.readouterr().out
