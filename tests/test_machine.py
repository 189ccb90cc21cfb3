"""How the machine affects a run: a full disk, cron's environment, a closed console."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.cli import run
from etl.errors import ExitCode
from etl.files import remove_unfinished
from etl.manifest import Manifest
from faults import Refusal
from program import ROOT, Program
from spreadsheets import read_csv, statuses, write_csv, write_xlsx
from warm import WarmProgram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etl.sandbox.server import Sandbox

KIB = 1024
REFUSALS = (errno.EACCES, errno.EMFILE, errno.ENOLCK)
ROWS = 150


def few_of(first: object, *others: object) -> list[object]:
    """Parameters of which only the first is tried among the quick tests."""
    return [first, *(pytest.param(other, marks=pytest.mark.slow) for other in others)]


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmProgram]:
    """The program, already imported."""
    with WarmProgram(tmp_path_factory.mktemp("warm"), {}) as program:
        yield program


def many(count: int, first: int = 1) -> list[tuple[str, ...]]:
    """A header and this many good rows."""
    return [
        ("id", "email"),
        *((str(i), f"new-{i}@example.com") for i in range(first, first + count)),
    ]


def recorded(runs: Path) -> set[int]:
    """The clients with a recorded attempt."""
    clients: set[int] = set()
    with tempfile.TemporaryDirectory() as roomy:
        shutil.copytree(runs, roomy, dirs_exist_ok=True)
        for path in Path(roomy).glob("2*/journal.sqlite3"):
            with contextlib.closing(sqlite3.connect(path)) as db:
                rows = db.execute("SELECT client_id FROM rows JOIN attempts USING (row)")
                clients.update(client for (client,) in rows)
    return clients


def updated(sandbox: Sandbox) -> set[int]:
    """The clients that the API has updated."""
    return {
        client
        for client in range(1, 2 * ROWS + 1)
        if sandbox.store.get(client).email.startswith("new-")
    }


def digests(folder: Path) -> dict[str, str]:
    """The digest of each file of a folder."""
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())}


# A full disk


def run_on_a_full_disk(
    program: WarmProgram, sandbox: Sandbox, *, largest_file: int = -1, runs: str = "runs"
) -> int:
    """Run without enough space, check what must hold, and return the exit code."""
    options = ("--runs-dir", runs, "--workers", 4)
    source = write_csv(program.folder / "today.csv", many(ROWS, 1 + ROWS))
    code = program.run("update", source, *options, largest_file=largest_file)
    assert code in {ExitCode.DONE, ExitCode.STOPPED}, program.output()
    if code == ExitCode.STOPPED:
        assert re.search(
            r"(The disk is full|The disk is failing|A file may not grow any more): \S+/\S+\. ",
            program.output(),
        )
        assert "Traceback" not in program.output()
    assert updated(sandbox) <= recorded(program.folder / runs)
    return code


@pytest.fixture
def full(warm: WarmProgram, sandbox: Sandbox, tmp_path: Path) -> WarmProgram:
    """The program in a folder with a finished earlier run."""
    warm.folder = tmp_path
    warm.environment = {"FATORA_API_KEY": sandbox.api_key, "FATORA_API_URL": sandbox.url}
    return warm


@pytest.mark.parametrize("kibibytes", few_of(96, 1, 4, 16, 32, 48, 64, 128, 192, 256, 4096))
def test_a_file_that_may_not_grow_stops_the_run(
    full: WarmProgram, sandbox: Sandbox, kibibytes: int
) -> None:
    """A file that may not grow stops the run: every request is recorded, and it resumes."""
    assert full.run("update", write_csv(full.folder / "yesterday.csv", many(ROWS))) == 0
    (yesterday,) = (full.folder / "runs").glob("2*")
    before = digests(yesterday)
    code = run_on_a_full_disk(full, sandbox, largest_file=kibibytes * KIB)
    assert digests(yesterday) == before
    assert (code == ExitCode.STOPPED) == (kibibytes < 4096)
    assert full.run("update", full.folder / "today.csv") == 0
    today = max((full.folder / "runs").glob("2*"))
    assert statuses(read_csv(today / "results.csv")) == ["SUCCESS"] * ROWS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize("kibibytes", few_of(128, 8, 32, 64, 96, 192, 256, 384, 512, 768, 8192))
def test_a_full_disk_stops_the_run(full: WarmProgram, sandbox: Sandbox, kibibytes: int) -> None:
    """A full disk stops the run, which resumes once there is space."""
    small = full.folder / "small"
    small.mkdir()
    with mounted(small, kibibytes):
        code = run_on_a_full_disk(full, sandbox, runs="small")
        assert (code == ExitCode.DONE) >= (kibibytes == 8192)
        shutil.copytree(small, full.folder / "runs")
    assert full.run("update", full.folder / "today.csv") == 0
    (run,) = (full.folder / "runs").glob("2*")
    assert statuses(read_csv(run / "results.csv")) == ["SUCCESS"] * ROWS


@contextlib.contextmanager
def mounted(folder: Path, kibibytes: int) -> Iterator[None]:
    """Mount a disk of this size on the folder."""
    size = f"size={kibibytes}k"
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["/bin/umount", folder], check=True)


@pytest.mark.parametrize("runs", ["file/runs", "loop"])
def test_a_runs_folder_that_cannot_be_made_ends_with_2(
    program: Program, sandbox: Sandbox, runs: str
) -> None:
    """A runs folder that cannot be created ends with 2 before any request."""
    (program.folder / "file").touch()
    (program.folder / "loop").symlink_to("loop")
    source = write_csv(program.folder / "clients.csv", many(1))
    wrong = program.run("update", source, "--runs-dir", runs)
    assert wrong.returncode == 2
    assert "choose another folder with --runs-dir" in wrong.stderr
    assert sandbox.requests_seen == 0


@pytest.mark.parametrize(("size", "code"), [(443, 0), (444, 2), (3_000, 2), (5_000, 2)])
def test_a_runs_folder_with_too_long_a_path_ends_with_2(
    full: WarmProgram, sandbox: Sandbox, size: int, code: int
) -> None:
    """The longest path that works does, and a longer one is refused before any request."""
    runs = full.folder
    while len(str(runs)) < size - 102:  # so that at least one letter is left for the last name
        runs /= "r" * 100
    runs /= "r" * (size - len(str(runs)) - 1)
    assert len(str(runs)) == size
    source = write_csv(full.folder / "clients.csv", many(2))
    assert full.run("update", source, "--runs-dir", runs) == code
    assert ("is too long" in full.output()) == (code == 2)
    assert sandbox.requests_seen == (3 if code == 0 else 0)


# A program that locks the journal


@contextlib.contextmanager
def locked_journal(run: Path) -> Iterator[None]:
    """Lock a journal as a backup does."""
    with contextlib.closing(sqlite3.connect(run / "journal.sqlite3")) as backup:
        backup.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT")
        yield


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    "command",
    ["update c.csv", "show latest", "history --client 1", "verify latest", "update c.csv --json"],
)
def test_a_journal_that_stays_locked_ends_with_4(
    tmp_path: Path,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every command waits, and then names the path and says to run it again."""
    monkeypatch.chdir(tmp_path)
    write_csv(Path("c.csv"), many(2))
    assert run(["update", "c.csv"]) == 0
    (folder,) = Path("runs").glob("2*")
    monkeypatch.setattr("etl.runs.database.PATIENCE", 0.3)
    capsys.readouterr()
    with locked_journal(folder):
        assert run(command.split()) == 4
    error = capsys.readouterr().err
    assert f"Another program, such as a backup, keeps {folder}/journal.sqlite3 locked." in error
    assert "run the command again." in error
    assert run(command.split()) == 0


# Temporary files

WATCHED = """
import json, os, sys
written = set()
def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, (str, bytes)) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            written.add(os.path.realpath(os.fsdecode(path)))
    elif event in {"os.mkdir", "os.rename"}:
        written.add(os.path.realpath(os.fsdecode(arguments[event == "os.rename"])))
sys.addaudithook(hook)
from etl.cli import run
code = run(sys.argv[2:])
open(sys.argv[1], "w").write(json.dumps([code, sorted(written)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_nothing_is_written_outside_the_runs_folder(
    program: Program, write: Callable[[Path, list[tuple[str, ...]]], Path]
) -> None:
    """TMPDIR may be missing: no command but `check` needs it, and results go beside their copy."""
    program.environment["TMPDIR"] = str(program.folder / "missing")
    source = write(program.folder / f"c.{write.__name__[-4:].strip('_')}", many(3))
    (program.folder / "out").mkdir()
    copy, facts = program.folder / "out" / "copy.xlsx", program.folder / "facts.json"
    for command in (
        ["update", str(source), "--results", str(copy)],
        ["verify", "latest"],
        ["show", "latest"],
    ):
        subprocess.run(
            [sys.executable, "-B", "-c", WATCHED, facts, *command],
            cwd=program.folder,
            env={"PYTHONPATH": str(ROOT), **program.environment},
            check=True,
            timeout=60,
        )
        code, written = json.loads(facts.read_text())
        assert code == 0, command
        places = (f"{program.folder}/runs", f"{program.folder}/out/", "/dev/", str(facts))
        assert [path for path in written if not path.startswith(places)] == []
    assert [file.name for file in copy.parent.iterdir()] == ["copy.xlsx"]
    assert list(program.only_run().glob(".*")) == []


_SORTING = """
import os, sys
from pathlib import Path
from etl.codes import Code
from etl.rows import CheckedRow, Fault, Record
from etl.runs.reader import JournalReader
from etl.runs.staging import StagingJournal

path = Path(sys.argv[1])
with StagingJournal(path) as staging:
    long = Fault(Code.EMAIL_INVALID, "x" * 300)
    records = (Record(row, (str(row),)) for row in range(2, 20_002))
    for _ in staging.add(CheckedRow(record, record.row, {}, (long,)) for record in records):
        pass
with JournalReader(path) as journal:
    faults = journal.faults(Code.EMAIL_INVALID)
    next(faults)
    # As links: the files themselves have no name any more.
    opened = [os.path.realpath(each) for each in Path("/dev/fd").iterdir()]
print({str(Path(name).parent) for name in opened if "etilqs" in name})
"""


def test_sqlite_sorts_beside_the_runs(tmp_path: Path) -> None:
    """The temporary files of a statement that sorts more than its cache are beside the runs."""
    path = tmp_path / "run" / "journal.sqlite3"
    path.parent.mkdir()
    command = [sys.executable, "-c", _SORTING, str(path)]  # a process sets the folder once
    shown = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=True, text=True
    )
    assert shown.stdout.strip() == str({str(tmp_path)})


def test_check_without_a_folder_for_temporary_files_ends_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The sentence says to set TMPDIR."""
    source = write_csv(tmp_path / "c.csv", many(1))

    def missing() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    monkeypatch.setattr(tempfile, "gettempdir", missing)
    assert run(["check", str(source)]) == 2
    assert "set TMPDIR to one that this user may write to" in capsys.readouterr().err


def test_what_a_killed_session_left_half_written_is_removed(tmp_path: Path) -> None:
    """So is a folder of temporary files, but not what a link in its place points to."""
    (tmp_path / "kept").mkdir()
    (tmp_path / ".abc.new").mkdir()
    (tmp_path / ".abc.new" / "part").touch()
    (tmp_path / ".results.csv.new").touch()
    (tmp_path / ".link.new").symlink_to(tmp_path / "kept")
    remove_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


# A system that refuses


@pytest.fixture
def credentials(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the program in this process use the sandbox."""
    monkeypatch.setenv("FATORA_API_KEY", sandbox.api_key)
    monkeypatch.setenv("FATORA_API_URL", sandbox.url)


def refused_update(runs: Path, source: Path, refusal: Refusal) -> int:
    """Run the program in this process while the refusal is in force, and return the exit code."""
    with refusal.in_force():
        return run(["update", str(source), "--runs-dir", str(runs)])


@pytest.mark.slow
@pytest.mark.usefixtures("credentials")
# XlsxWriter does not close its temporary files if it cannot write the workbook.
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_no_refusal_of_the_system_is_a_fault_of_the_program(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    write: Callable[[Path, list[tuple[str, ...]]], Path],
    first: int,
) -> None:
    """Whichever call fails, the update ends with a sentence, and the same command finishes it."""
    source = write(tmp_path / ("c.csv" if write is write_csv else "c.xlsx"), many(3))
    whole = Refusal(errno.EIO, fails=0)
    assert refused_update(tmp_path / "whole", source, whole) == 0
    for fails in range(first, whole.seen + 1, 47):
        runs = tmp_path / str(fails)
        capsys.readouterr()
        code = refused_update(runs, source, Refusal(REFUSALS[fails % len(REFUSALS)], fails))
        written = capsys.readouterr()
        assert code in {0, 2, 3, 4}, written
        assert (code == 0) or str(tmp_path) in written.err
        assert "internal error" not in written.out + written.err
        assert run(["update", str(source), "--runs-dir", str(runs)]) == 0
        (folder,) = runs.glob("2*")
        assert statuses(read_csv(folder / "results.csv")) == ["SUCCESS"] * 3


# Cron's environment


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"},
        {"TZ": "Asia/Beirut"},
    ],
    ids=["nothing", "C", "ASCII", "a time zone"],
)
def test_program_needs_little_of_its_environment(
    program: Program, environment: dict[str, str]
) -> None:
    """Arabic names of files, sheets and clients need no locale, and ids are in UTC anywhere."""
    program.environment.update(environment)
    table = [("رقم العميل", "email", "الاسم"), ("7", "new-7@example.com", "سارة")]
    for source in (
        write_csv(program.folder / "عملاء.csv", table),
        write_xlsx(program.folder / "عملاء.xlsx", table),
    ):
        done = program.run("update", source)
        assert (done.returncode, done.stderr) == (0, "")
        results = read_csv(program.runs()[-1] / "results.csv")
        assert [row["الاسم"] for row in results] == ["سارة"]
        start = datetime.strptime(program.runs()[-1].name[:15] + "Z", "%Y%m%dT%H%M%S%z")
        assert abs((datetime.now(UTC) - start).total_seconds()) < 60
    assert program.run("history").returncode == program.run("show", "latest").returncode == 0


@pytest.mark.slow
def test_no_variable_keeps_a_bad_row_from_being_found(program: Program, sandbox: Sandbox) -> None:
    """Environment variables cannot switch off validation."""
    program.environment["PANDERA_VALIDATION_ENABLED"] = "False"
    program.environment["PANDERA_VALIDATION_DEPTH"] = "SCHEMA_ONLY"
    table = [("id", "email"), ("1", "no address"), ("-3", "new-3@example.com")]
    done = program.run("update", write_csv(program.folder / "clients.csv", table))
    assert done.returncode == 1
    assert statuses(read_csv(program.only_run() / "results.csv")) == ["INVALID"] * 2
    assert sandbox.requests_seen == 0


def test_no_variable_changes_where_the_token_goes(program: Program, sandbox: Sandbox) -> None:
    """Proxies, netrc and certificates of the environment are ignored."""
    (program.folder / ".netrc").write_text("default login a password b\n", encoding="utf-8")
    (program.folder / ".netrc").chmod(0o600)
    nowhere = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https", "all", "HTTP")}
    missing = dict.fromkeys(
        ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), "missing.pem"
    )
    program.environment |= {**nowhere, **missing, "HOME": str(program.folder)}
    done = program.run("update", write_csv(program.folder / "clients.csv", many(3)))
    assert done.returncode == 0
    assert updated(sandbox) == {1, 2, 3}


# A console that cannot be used


@pytest.mark.slow
@pytest.mark.parametrize(
    "redirection", few_of(">/dev/full", ">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full")
)
@pytest.mark.parametrize("option", ["--json", "--verbose"])
def test_a_console_that_cannot_be_written_to_changes_nothing(
    program: Program, redirection: str, option: str
) -> None:
    """A closed or full console changes neither the run nor the exit code."""
    rows = [*many(3), ("9", "taken+409@example.com")]
    source = write_csv(program.folder / "clients.csv", rows)
    command = [sys.executable, "-m", "etl", "update", str(source), option]
    code = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *command],
        cwd=program.folder,
        env={"PYTHONPATH": str(ROOT), **program.environment},
        check=False,
        capture_output=True,
        timeout=60,
    ).returncode
    assert code == 1
    run = program.only_run()
    assert statuses(read_csv(run / "results.csv")) == ["SUCCESS"] * 3 + ["REJECTED"]
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"]["journal.sqlite3"] == digests(run)["journal.sqlite3"]


# A clock that jumps


@pytest.mark.slow
def test_a_clock_set_back_hides_no_unfinished_run(program: Program) -> None:
    """An unfinished run is found even if the clock was set back."""
    source = write_csv(program.folder / "clients.csv", many(4))
    program.run("update", source)
    program.run("update", source, "--again", "--limit", 1)
    done, left = program.runs()
    earlier = left.rename(left.with_name("20010101T000000.000Z-000000"))
    manifest = Manifest.read(earlier / "manifest.json")
    opened = replace(manifest, run=earlier.name, sealed=None, sealed_as=None)
    opened.write(earlier / "manifest.json")
    assert program.run("update", source).returncode == 0
    results = read_csv(earlier / "results.csv")
    assert statuses(results) == ["SUCCESS"] * 4
    assert program.runs()[-1] == done
