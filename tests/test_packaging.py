"""What is distributed works without the clone: the wheel runs, and the sdist's tests pass."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path
from sysconfig import get_path

import pytest

from program import ROOT
from spreadsheets import read_csv, statuses

pytestmark = pytest.mark.slow

NOT_SOURCES = shutil.ignore_patterns(
    *(".git", ".venv*", ".*_cache", ".hypothesis", ".coverage*", "__pycache__"),
    *("build", "dist", "*.egg-info"),
)
BUILD_SDIST = "import sys; from setuptools import build_meta; build_meta.build_sdist(sys.argv[1])"
SOME_TESTS = ("test_corpus.py", "test_docs.py", "test_strings.py")


def run(*command: object, folder: Path) -> str:
    """Run a command in a folder, with nothing of the clone in its environment."""
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PIP_NO_INDEX": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked source distribution, built from a copy of the sources."""
    folder = tmp_path_factory.mktemp("sdist")
    shutil.copytree(ROOT, folder / "clone", ignore=NOT_SOURCES)
    run(sys.executable, "-c", BUILD_SDIST, folder, folder=folder / "clone")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(sdist: Path) -> Path:
    """The wheel, built from the source distribution without a network."""
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    run(*pip, "--wheel-dir", sdist.parent, sdist, folder=sdist.parent)
    (built,) = sdist.parent.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path) -> Path:
    """A clean environment with the wheel, and with the libraries of the one that runs the tests.

    A path in a ``.pth`` file gives it the libraries without what is installed in editable mode:
    such an installation is a ``.pth`` file itself, and only those of the environment's own folder
    are read.
    """
    clean = wheel.parent / "environment"
    venv.create(clean)
    python = clean / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps")
    run(*pip, wheel, folder=wheel.parent)
    (packages,) = clean.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text(get_path("purelib"), encoding="utf-8")
    return clean


def test_wheel_has_what_the_program_reads_and_nothing_else(wheel: Path) -> None:
    """The wheel holds each file of the package, the example configuration, and no tests."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = (path for path in (ROOT / "etl").rglob("*.*") if "__pycache__" not in path.parts)
    assert {str(path.relative_to(ROOT)) for path in package} <= names
    top = {name.split("/")[0].partition("-")[0] for name in names}
    assert top == {"etl", "fatora_clients", "fatora_clients.py"}
    assert any(name.endswith("/share/doc/fatora-clients/job.toml") for name in names)


def test_installed_program_sends_and_verifies(environment: Path, tmp_path: Path) -> None:
    """Outside the clone the program updates the sample, with the example configuration."""
    shutil.copy(ROOT / "data" / "clients.csv", tmp_path)
    where = run(
        environment / "bin/python", "-c", "import etl; print(etl.__file__)", folder=tmp_path
    )
    assert Path(where.strip()).is_relative_to(environment)

    program = environment / "bin" / "fatora-clients"
    example = environment / "share" / "doc" / "fatora-clients" / "job.toml"
    update = ("update", "clients.csv", "--sandbox", "--config", example)
    done = subprocess.run(
        [program, *update], cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    (results,) = tmp_path.glob("runs/2*/results.csv")
    assert statuses(read_csv(results)).count("SUCCESS") == 33
    assert "1 run" in run(program, "verify", "latest", folder=tmp_path)


def test_source_distribution_has_tests_that_run(sdist: Path) -> None:
    """Tests that read documents, data, the Makefile and the corpus pass outside the clone."""
    tests = [sdist / "tests" / name for name in SOME_TESTS]
    options = ("-q", "-m", "not slow", "--rootdir", sdist)
    assert " passed" in run(sys.executable, "-m", "pytest", *options, *tests, folder=sdist)
