"""The chain of all runs: normal use keeps it intact, and tampering breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from etl.manifest import InputFacts, Manifest, Seal, Version
from etl.runs.chain import breaks, newest
from etl.sandbox.server import Sandbox
from spreadsheets import write_csv

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "changed",
    [
        ("--rate", "500"),
        ("--attempts", "2"),
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
    """A run still verifies if it is resumed with another option after a later run was sealed."""
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


def sealed(run: str, previous: Seal | None, *earlier: Version) -> Manifest:
    """Return a manifest that was sealed after ``previous``."""
    facts = InputFacts("clients.csv", 10, "ab" * 32)
    return Manifest(run, "https://api.example.com/v1", facts, 1, 0, 0, earlier=earlier).seal(
        previous, {}
    )


def seal_of(manifest: Manifest) -> Seal:
    """Return the seal of a manifest."""
    return Seal(manifest.run, manifest.sha256)


def line_of(*runs: str) -> list[Manifest]:
    """Return the manifests of these runs, sealed one after the other."""
    made: list[Manifest] = []
    for each in runs:
        made.append(sealed(each, seal_of(made[-1]) if made else None))
    return made


def test_the_order_of_sealing_counts_and_not_that_of_the_ids() -> None:
    """The newest seal is the last one, even if the id of its run is not the latest."""
    made = line_of("3", "1", "2")
    assert breaks(made) == {}
    assert newest(made) == seal_of(made[-1])


def test_there_may_be_no_seal_yet() -> None:
    """Before the first run, the chain is empty."""
    assert newest([]) is None
    assert breaks([]) == {}


def test_a_missing_run_is_named_and_no_other() -> None:
    """A missing run is reported, and the run before it is not blamed."""
    first, _, third, fourth = line_of("1", "2", "3", "4")
    assert breaks([first, third, fourth]) == {"2": "missing, but run 3 was sealed after it"}


@pytest.mark.parametrize("lost", range(4))
def test_after_a_loss_the_chain_continues_at_its_end(lost: int) -> None:
    """New runs follow the last seal, so that the chain is intact again after a restore."""
    made = line_of("5", "2", "3", "1", "4")
    left = [each for each in made if each is not made[lost]]
    end = newest(left)
    assert end == seal_of(made[-1])
    assert breaks([*made, sealed("6", end)]) == {}


def test_an_inserted_run_is_named() -> None:
    """A run that was inserted into the chain is reported."""
    made = line_of("1", "2", "3")
    forged = sealed("9", seal_of(made[0]))
    assert breaks([*made, forged]) == {"9": "not linked to the other runs"}
    assert newest([*made, forged]) == seal_of(made[-1])


def test_a_second_first_run_is_named() -> None:
    """A second first run is reported."""
    made = line_of("1", "2")
    assert breaks([*made, sealed("9", None)]) == {"9": "not linked to the other runs"}


def test_a_loop_in_the_chain_is_found() -> None:
    """A loop among the earlier seals of a manifest is reported."""
    one = sealed("1", None)
    two = sealed("2", seal_of(one))
    circle = sealed("1", seal_of(two), Version(one.sha256, seal_of(two)))
    assert breaks([circle, two]) == {"1": "the chain has no first run"}
