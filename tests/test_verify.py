"""Every change in a run's folder is found and named, and pruned runs still verify."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import shutil
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import TYPE_CHECKING

import jsonschema
import pytest

from etl.cli import run
from etl.fields import Field
from etl.jobs.pipeline import update_file
from etl.jobs.verify import problems_of, verify_all
from etl.manifest import Manifest
from etl.runs.folder import RunFolder, RunsFolder
from etl.runs.listing import Run, entries
from etl.sandbox.server import Sandbox
from jobs import job, sent_to
from spreadsheets import write_csv, write_xlsx

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from etl.manifest import Columns

TABLE = [
    ("id", "email", "name", "phone", "note to self"),
    ("1", "sara@example.com", "سارة الاختبار", "+97455550001", "private"),
    ("2", "omar+409@example.com", "Omar Invented", "0097455550002", "=1+1"),
    ("x", "lina-invented", "Lina Invented", "", ""),
]
PERSONAL = ["sara@", "سارة", "97455550001", "omar+409", "Omar Inv", "lina-inv", "private"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with three runs, the second of which was resumed after the third."""
    folder = tmp_path_factory.mktemp("made")
    runs = folder / "runs"
    with Sandbox() as sandbox:
        one = sent_to(job(sandbox.url, runs, sandbox.api_key), account="sandbox")
        update_file(write_xlsx(folder / "1.xlsx", TABLE), one)
        second = write_xlsx(folder / "2.xlsx", [*TABLE, ("3", "a@example.com")])
        update_file(second, replace(one, limit=1))
        update_file(write_xlsx(folder / "3.xlsx", TABLE[:2]), one)
        update_file(second, one)
    return runs


@pytest.fixture
def runs(made: Path, tmp_path: Path) -> RunsFolder:
    """A copy of the runs folder, for damaging."""
    shutil.copytree(made, tmp_path / "runs")
    return RunsFolder(tmp_path / "runs")


def problems(runs: RunsFolder) -> list[str]:
    """Return the problems of all runs."""
    return [str(problem) for problem in verify_all(runs).problems]


def manifests(runs: RunsFolder) -> list[Manifest]:
    """Return the manifests of all runs."""
    return [entry.manifest for entry in entries(runs) if isinstance(entry, Run)]


def problems_in(folder: RunFolder) -> list[str]:
    """Return the problems of one run, without its id."""
    return [f"{problem.file}: {problem.problem}" for problem in problems_of(folder)]


def forged(folder: RunFolder, change: Callable[[Manifest], Manifest]) -> None:
    """Change a manifest and correct its own hash and those of its files."""
    manifest = change(Manifest.read(folder.manifest))
    manifest = replace(manifest, files=folder.hashes())
    folder.manifest.write_bytes(manifest.as_bytes())


def without_lookalikes(manifest: Manifest) -> Columns:
    """Return the columns of a run as its manifest named them in version 0.1.0."""
    return replace(manifest.columns, lookalikes={})


def resume(folder: RunFolder) -> None:
    """Do only the first step of a session, as if the program was killed then."""
    manifest = Manifest.read(folder.manifest)
    invocation = manifest.sessions[0].invocation
    resumed = manifest.reopened(folder.continued).begin_session(invocation, manifest.api, {})
    resumed.write(folder.manifest)


def test_intact_runs_verify(runs: RunsFolder) -> None:
    """Intact runs verify, also if one was resumed after a later one."""
    assert problems(runs) == []
    assert run(["verify", "--all", "--runs-dir", str(runs.path)]) == 0
    assert run(["verify", "latest", "--runs-dir", str(runs.path)]) == 0


def test_a_run_that_was_resumed_with_other_settings_verifies(tmp_path: Path) -> None:
    """A run that was resumed with other settings verifies."""
    source, config = tmp_path / "clients.csv", tmp_path / "job.toml"
    source.write_bytes(
        "Kunde,email,الاسم\n1,a@example.com,سارة\n2,b@example.com,عمر\n".encode("cp1256")
    )
    config.write_text('[columns.id]\naliases = ["Kunde"]\n')
    runs = RunsFolder(tmp_path / "runs")
    sending = ["update", str(source), "--sandbox", "--quiet", "--runs-dir", str(runs.path)]
    assert run([*sending, "--limit", "1", "--encoding", "cp1256", "--config", str(config)]) == 4
    assert run(sending) == 0
    assert problems(runs) == []
    assert run([*sending, "--again", "--encoding", "cp1256", "--config", str(config)]) == 0
    assert problems(runs) == []


@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_verifies_whether_its_manifest_names_lookalikes_or_not(
    sandbox: Sandbox,
    tmp_path: Path,
    earlier: bool,  # noqa: FBT001
) -> None:
    """A run verifies with lookalikes in its manifest, and without, as earlier versions wrote it."""
    runs = RunsFolder(tmp_path / "runs")
    context = sent_to(job(sandbox.url, runs.path, sandbox.api_key), account="sandbox")
    rows = [("id", "email", "Kontakt"), ("1", "a@example.com", "+97433123456")]
    update_file(write_csv(tmp_path / "clients.csv", rows), context)
    (folder,) = runs.all()
    if earlier:
        forged(folder, lambda manifest: replace(manifest, columns=without_lookalikes(manifest)))
    assert ("lookalikes" in folder.manifest.read_text(encoding="utf-8")) is not earlier
    assert problems(runs) == []


NAMES = ["input.xlsx", "results.csv", "results.xlsx", "rework.xlsx", "report.html", "run.log"]
NAMES += ["journal.sqlite3", "manifest.json"]


def test_every_file_of_a_run_is_covered(runs: RunsFolder) -> None:
    """NAMES, which other tests are run for, has every file of a run."""
    oldest = runs.all()[-1]
    assert sorted(file.name for file in oldest.path.iterdir()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_flipped_bit_is_found_wherever_it_is(runs: RunsFolder, name: str) -> None:
    """A flipped bit is found anywhere in a file."""
    folder = runs.all()[-1]
    path = folder.path / name
    whole = path.read_bytes()
    for place in {0, len(whole) - 1, *range(0, len(whole), max(len(whole) // 23, 1))}:
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        reported = list(problems_of(folder))
        assert reported, f"byte {place} of {name} was changed and nobody noticed"
        assert (reported[0].run, reported[0].file) == (folder.run, name)
    path.write_bytes(whole)
    assert problems(runs) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "manifest.json"])
def test_a_file_that_is_gone_is_named(runs: RunsFolder, name: str) -> None:
    """A missing or shortened file is named."""
    folder = runs.all()[-1]
    path = folder.path / name
    path.write_bytes(path.read_bytes()[:-1])
    assert problems_in(folder) == [f"{name}: modified since the run"]
    path.unlink()
    assert problems_in(folder) == [f"{name}: missing"]


def test_a_file_that_was_added_is_named(runs: RunsFolder) -> None:
    """An added file or folder is named."""
    folder = runs.all()[-1]
    (folder.path / "results (corrected).csv").touch()
    (folder.path / "more").mkdir()
    assert problems_in(folder) == [
        "more: not written by the run",
        "results (corrected).csv: not written by the run",
    ]


def test_reordered_results_are_found_even_with_correct_hashes(runs: RunsFolder) -> None:
    """Reordered results are found even if all hashes were corrected."""
    folder = runs.all()[-1]
    path = folder.results(".csv")
    header, first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([header, second, first, *rest]))
    forged(folder, lambda manifest: manifest)
    assert problems_in(folder) == ["results.csv: rows differ from journal.sqlite3"]


def test_a_replaced_input_is_found_even_with_correct_hashes(
    runs: RunsFolder, tmp_path: Path
) -> None:
    """A replaced input is found even if all hashes were corrected."""
    folder = runs.all()[-1]
    other = write_xlsx(tmp_path / "other.xlsx", [TABLE[0], ("1", "eve@example.com"), *TABLE[2:]])
    folder.input.write_bytes(other.read_bytes())
    forged(folder, lambda manifest: manifest)
    assert problems_in(folder) == [
        "input.xlsx: not the file that was submitted",
        "journal.sqlite3: rows differ from the input",
    ]


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE rows SET status = 'SUCCESS' WHERE row = 3", "counts differ"),
        ("DELETE FROM attempts", "attempts are missing"),
        ("UPDATE rows SET cells = json_set(cells, '$[2]', 'Eve') WHERE row = 2", "rows differ"),
    ],
)
def test_a_modified_journal_is_found_even_with_correct_hashes(
    runs: RunsFolder, statement: str, problem: str
) -> None:
    """A modified journal is found even if all hashes were corrected."""
    folder = runs.all()[-1]
    with contextlib.closing(sqlite3.connect(folder.journal)) as db, db:
        db.execute(statement)
    forged(folder, lambda manifest: manifest)
    assert any(problem in reported for reported in problems_in(folder))


@pytest.mark.parametrize(
    "changes", [{"settings": {}}, {"settings": []}, {"counts": 3}, {"input": {}}, {"rows": "many"}]
)
def test_a_modified_manifest_is_found_even_with_a_correct_hash(
    runs: RunsFolder, changes: dict[str, object]
) -> None:
    """A manifest with any other content is reported, and verifying continues."""
    manifest = runs.all()[-1].manifest
    facts = {**json.loads(manifest.read_bytes()), **changes}
    del facts["sha256"]
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    facts["sha256"] = hashlib.sha256(canonical.encode()).hexdigest()
    manifest.write_text(json.dumps(facts, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    assert problems(runs)
    assert run(["verify", "--all", "--runs-dir", str(runs.path)]) == 1


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_forged_manifest_breaks_the_chain(runs: RunsFolder, which: int) -> None:
    """A forged manifest in the middle breaks the chain."""
    folder = runs.all()[which]
    forged(folder, lambda manifest: replace(manifest, program="another"))
    assert problems_in(folder) == []
    assert bool(problems(runs)) == (which != 1)


@pytest.mark.parametrize("which", [0, 2])
def test_a_run_that_is_gone_is_named(runs: RunsFolder, which: int) -> None:
    """A missing run is named, since the next seal refers to it."""
    folder = runs.all()[which]
    shutil.rmtree(folder.path)
    (problem,) = problems(runs)
    assert problem.startswith(f"{folder.run}: manifest.json: missing, but run ")


def test_a_run_without_an_end_does_not_verify(runs: RunsFolder) -> None:
    """A run without an end does not verify."""
    folder = runs.all()[0]
    resume(folder)
    assert problems_in(folder) == [
        "manifest.json: the run has not finished; if it was interrupted, run its file again"
    ]
    assert run(["verify", folder.run, "--runs-dir", str(runs.path)]) == 1


def test_problems_are_named_by_run_and_file(
    runs: RunsFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """Problems are named by run and file, with exit code 1."""
    folder = runs.all()[1]
    folder.log.write_text("forged\n", encoding="utf-8")
    assert run(["verify", "--all", "--runs-dir", str(runs.path)]) == 1
    out = capfd.readouterr().out
    assert f"{folder.run}: run.log: modified since the run\n" in out
    assert "3 runs verified: 1 problem found." in out


def test_the_seal_to_keep_elsewhere_is_printed(
    runs: RunsFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """The seal to keep elsewhere is printed, which need not be the newest run's."""
    run(["verify", "--all", "--runs-dir", str(runs.path)])
    resumed = runs.all()[1]
    printed = json.loads(resumed.manifest.read_text(encoding="utf-8"))["sha256"]
    last = capfd.readouterr().out.splitlines()[-1]
    assert last == f"Newest seal: run {resumed.run}, SHA-256 {printed}"


def test_problems_can_be_printed_as_json(
    runs: RunsFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """The findings are printed as one JSON object."""
    newest, resumed, _ = runs.all()
    newest.log.unlink()
    assert run(["verify", "--all", "--json", "--runs-dir", str(runs.path)]) == 1
    seal = {"run": resumed.run, "sha256": Manifest.read(resumed.manifest).sha256}
    assert json.loads(capfd.readouterr().out) == {
        "runs": [each.run for each in runs.all()],
        "problems": [{"run": newest.run, "file": "run.log", "problem": "missing"}],
        "newest_seal": seal,
        "ignored": [],
        "exit_code": 1,
    }
    assert run(["verify", resumed.run, "--json", "--runs-dir", str(runs.path)]) == 0
    printed = json.loads(capfd.readouterr().out)
    assert printed == {
        "runs": [resumed.run],
        "problems": [],
        "newest_seal": None,
        "ignored": [],
        "exit_code": 0,
    }


@pytest.mark.parametrize("option", ["--all", "latest"])
@pytest.mark.parametrize("name", ["missing", "empty", "file"])
def test_verifying_a_folder_without_runs_is_an_error(
    tmp_path: Path, name: str, option: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """A runs folder without runs is an error."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    assert run(["verify", option, "--runs-dir", str(tmp_path / name)]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert "there " in err
    assert str(tmp_path / name) in err


@pytest.mark.parametrize("which", range(3))
def test_a_run_without_its_manifest_is_named(runs: RunsFolder, which: int) -> None:
    """A run without its manifest is named, also if it was sealed last."""
    folder = runs.all()[which]
    folder.manifest.unlink()
    assert problems(runs) == [f"{folder.run}: manifest.json: missing"]


@pytest.mark.parametrize("is_pruned", [False, True])
def test_a_folder_that_was_renamed_or_copied_is_named(
    runs: RunsFolder,
    is_pruned: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A renamed or copied folder is named, also after pruning."""
    if is_pruned:
        monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
        assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]) == 0
    folder = runs.all()[0]
    other = runs.path / f"{folder.run}-copy"
    shutil.copytree(folder.path, other)
    expected = f"{other.name}: manifest.json: belongs to run {folder.run}, not to this folder"
    assert problems(runs) == [expected]
    shutil.rmtree(folder.path)
    assert problems(runs) == [expected]


def test_a_damaged_manifest_is_one_problem(runs: RunsFolder) -> None:
    """A damaged manifest is one problem, and no other run is blamed."""
    folder = runs.all()[-1]
    folder.manifest.write_text("{}", encoding="utf-8")
    assert problems(runs) == [f"{folder.run}: manifest.json: damaged"]


def test_an_unfinished_manifest_beside_the_sealed_one_is_fine(runs: RunsFolder) -> None:
    """An unfinished manifest beside the sealed one is not a problem."""
    (runs.all()[0].path / ".manifest.json.new").write_text("{", encoding="utf-8")
    assert problems(runs) == []


def test_a_modification_before_a_resume_is_still_found(tmp_path: Path, sandbox: Sandbox) -> None:
    """A modification before a resume is still found after it."""
    one = job(sandbox.url, tmp_path / "runs", sandbox.api_key)
    source = write_xlsx(tmp_path / "1.xlsx", [*TABLE, ("3", "later@example.com")])
    update_file(source, replace(one, limit=1))
    (folder,) = RunsFolder(tmp_path / "runs").all()
    folder.log.write_text("forged\n", encoding="utf-8")
    (folder.path / "more").mkdir()
    update_file(source, one)
    assert problems_in(folder) == [
        "run.log: modified before the run was resumed or pruned",
        "more: not written by the run",
    ]


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "--all", "latest"], ["verify", "19"]])
def test_runs_to_verify_must_be_named(runs: RunsFolder, arguments: list[str]) -> None:
    """Verify needs existing runs or --all."""
    assert run([*arguments, "--runs-dir", str(runs.path)]) == 2


def test_pruned_runs_hold_nothing_personal_and_still_verify(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pruned runs hold no personal data in any byte, and still verify."""
    before = {each.run: each for each in manifests(runs)}
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]) == 0
    assert problems(runs) == []
    for folder in runs.all():
        names = {file.name for file in folder.path.iterdir()}
        assert names == {"manifest.json", "journal.sqlite3", "run.log"}
        left = b"".join(file.read_bytes() for file in folder.path.iterdir())
        assert [text for text in PERSONAL if text.encode() in left] == []
        manifest = Manifest.read(folder.manifest)
        assert manifest.counts == before[folder.run].counts
        assert manifest.pruned is not None
        assert {"input.xlsx", "results.csv", "journal.sqlite3"} <= set(manifest.pruned.files)
    assert run(["show", "latest", "--runs-dir", str(runs.path)]) == 0
    assert run(["history", "--client", "1", "--runs-dir", str(runs.path)]) == 0


def later(days: int) -> type[datetime]:
    """Return a clock that is this many days ahead."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = UTC) -> datetime:  # type: ignore[override]
            assert tz is UTC
            return datetime.now(UTC) + timedelta(days=days)

    return Later


def test_pruned_results_are_not_written_again(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pruned results are not written again, and the file still counts as processed."""
    source = shutil.copy(runs.all()[0].input, runs.path.parent / "3.xlsx")
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)])
    again = ["update", str(source), "--sandbox", "--runs-dir", str(runs.path)]
    results = runs.path.parent / "results.csv"
    assert run([*again, "--results", str(results)]) == 2
    assert "were pruned" in capfd.readouterr().err
    assert not results.exists()
    assert run(again) == 0
    assert "Already processed on" in capfd.readouterr().out


def test_a_damaged_run_does_not_hide_the_others(
    runs: RunsFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    """History shows the other runs, and names the damaged one."""
    newest, damaged, oldest = runs.all()
    damaged.manifest.write_text("{}", encoding="utf-8")
    assert run(["history", "--runs-dir", str(runs.path)]) == 0
    out, err = capfd.readouterr()
    assert [name.run[:20] in out for name in (newest, damaged, oldest)] == [True, False, True]
    assert f"the manifest of run {damaged.run} is damaged" in err


def test_a_modification_before_the_pruning_is_still_found(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A modification before the pruning is still found, and added files are removed."""
    folder = runs.all()[1]
    folder.log.write_text("forged\n", encoding="utf-8")
    (folder.path / "more").mkdir()
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]) == 0
    assert problems(runs) == [
        f"{folder.run}: run.log: modified before the run was resumed or pruned"
    ]


def test_a_run_whose_manifest_was_modified_is_not_pruned(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A run whose manifest was modified is not pruned; the others are."""
    newest, modified, oldest = runs.all()
    text = modified.manifest.read_text(encoding="utf-8")
    modified.manifest.write_text(text.replace('"rows": 4', '"rows": 5'), encoding="utf-8")
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]) == 1
    out, err = capfd.readouterr()
    assert "2 runs pruned." in out
    assert f"the manifest of run {modified.run} was modified after it was sealed" in err
    assert [each.results(".csv").exists() for each in (newest, modified, oldest)] == [
        False,
        True,
        False,
    ]
    assert problems(runs) == [f"{modified.run}: manifest.json: modified since the run"]


def test_a_killed_pruning_is_reported_and_can_be_finished(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pruning that was killed at any point is reported, and can be finished."""
    pruning = ["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    # Threads empty the runs, and those that have not started at the first failure never do.
    all_started = threading.Barrier(len(runs.all()))

    def fail(*_: object) -> None:
        all_started.wait(timeout=30)
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("etl.jobs.prune._remove", fail)
        assert run(pruning) != 0
    interrupted = "manifest.json: the pruning was interrupted; run fatora-clients prune again"
    assert problems(runs) == [f"{folder.run}: {interrupted}" for folder in runs.all()]
    assert run(pruning) == 0
    assert problems(runs) == []
    assert not any(folder.results(".csv").exists() for folder in runs.all())


def test_young_runs_are_not_pruned(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Recent runs are not pruned, and nothing is asked."""
    monkeypatch.setattr("etl.jobs.prune.datetime", later(399))
    assert run(["prune", "--older-than", "400d", "--runs-dir", str(runs.path)]) == 0
    assert all(each.pruned is None for each in manifests(runs))


def test_pruning_needs_confirmation(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Prune shows what it will remove, and does nothing unless it is confirmed."""
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run(["prune", "--older-than", "400d", "--runs-dir", str(runs.path)]) == 4
    assert all(each.pruned is None for each in manifests(runs))
    assert "1.xlsx: the journal's cells, input.xlsx, report.html" in capfd.readouterr().out


def test_a_run_that_ended_with_rows_left_is_not_pruned(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run with rows to send is not pruned, since their values are needed."""
    one = job(sandbox.url, tmp_path / "runs", sandbox.api_key)
    source = write_xlsx(tmp_path / "1.xlsx", [*TABLE, ("3", "later@example.com")])
    update_file(source, replace(one, limit=1))
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", f"{tmp_path}/runs"]) == 0
    update_file(source, one)
    assert sandbox.store.get(3).email == "later@example.com"


def test_a_run_without_an_end_is_not_pruned(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without an end is not pruned, since it could not be resumed."""
    folder = runs.all()[0]
    resume(folder)
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    assert run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)]) == 0
    assert folder.input.exists()


@pytest.mark.parametrize("age", ["400", "0d", "-1d", "1y", ""])
def test_an_invalid_age_is_refused(runs: RunsFolder, age: str) -> None:
    """An invalid age is refused."""
    assert run(["prune", "--older-than", age, "--yes", "--runs-dir", str(runs.path)]) == 2


def test_manifests_match_the_schema(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of finished, pruned and open runs match the schema."""
    schema = json.loads(files("etl").joinpath("manifest.schema.json").read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    folder = runs.all()[0]
    finished = Manifest.read(folder.manifest)
    monkeypatch.setattr("etl.jobs.prune.datetime", later(401))
    run(["prune", "--older-than", "400d", "--yes", "--runs-dir", str(runs.path)])
    pruned = Manifest.read(folder.manifest)
    resume(folder)
    columns = replace(finished.columns, lookalikes={"note to self": Field.NOTES})
    for manifest in (
        finished,
        pruned,
        Manifest.read(folder.manifest),
        replace(finished, columns=columns),
    ):
        jsonschema.validate(json.loads(manifest.as_bytes()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**json.loads(finished.as_bytes()), "token": "invented"}, schema)


def test_verifying_changes_nothing(runs: RunsFolder) -> None:
    """Verifying writes nothing."""
    before = {file: file.stat().st_mtime_ns for file in runs.path.rglob("*")}
    time.sleep(0.01)
    problems(runs)
    assert {file: file.stat().st_mtime_ns for file in runs.path.rglob("*")} == before
