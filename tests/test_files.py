"""Files are private, and complete or absent."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from etl.files import create, flush, is_inside, replacing


def mode_of(path: Path) -> int:
    """Returns the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def names_in(folder: Path) -> list[str]:
    """Returns the names in a folder, with those of hidden files."""
    return sorted(file.name for file in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of a test's file."""
    return tmp_path / "results.csv"


@pytest.fixture(params=[0o000, 0o022, 0o077])
def _umask(request: pytest.FixtureRequest) -> object:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
def test_new_file_is_empty_and_private(path: Path) -> None:
    """The user's umask does not matter."""
    create(path)
    assert (path.read_bytes(), mode_of(path)) == (b"", 0o600)


@pytest.mark.parametrize("kind", ["file", "link", "broken link", "folder"])
def test_file_is_never_created_over_another(kind: str, tmp_path: Path, path: Path) -> None:
    """A link with the name is not followed either."""
    target = tmp_path / "target"
    match kind:
        case "file":
            path.write_bytes(b"there")
        case "link":
            target.write_bytes(b"there")
            path.symlink_to(target)
        case "broken link":
            path.symlink_to(target)
        case _:
            path.mkdir()
    before = names_in(tmp_path)
    with pytest.raises(FileExistsError):
        create(path)
    assert names_in(tmp_path) == before


@pytest.mark.usefixtures("_umask")
def test_file_is_replaced_as_a_whole(path: Path) -> None:
    """The new file has the name and is private, and no temporary file is left."""
    path.write_bytes(b"old")
    path.chmod(0o644)
    with replacing(path) as new:
        new.write_bytes(b"new")
        assert (path.read_bytes(), mode_of(new)) == (b"old", 0o600)
    assert (path.read_bytes(), mode_of(path)) == (b"new", 0o600)
    assert names_in(path.parent) == [path.name]


def test_absent_file_is_created(path: Path) -> None:
    """The file appears only when it is complete."""
    with replacing(path) as new:
        new.write_bytes(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError(), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [b"old", None])
def test_after_an_error_nothing_has_changed(
    path: Path, before: bytes | None, error: BaseException
) -> None:
    """The old file, if there was one, is unchanged, and no temporary file is left."""
    if before is not None:
        path.write_bytes(before)
    names = names_in(path.parent)

    def fail() -> None:
        with replacing(path) as new:
            new.write_bytes(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert names_in(path.parent) == names
    assert (path.read_bytes() if path.exists() else None) == before


def test_leftover_of_a_killed_program_is_replaced(path: Path) -> None:
    """The half-written file of a killed program is removed."""
    path.with_name(f".{path.name}.new").write_bytes(b"half, and longer than the whole")
    with replacing(path) as new:
        assert new.read_bytes() == b""
        new.write_bytes(b"new")
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == [path.name]


def test_writer_may_rename_another_file_to_the_path(path: Path) -> None:
    """A library may write the new file by renaming one of its own."""
    with replacing(path) as new:
        other = new.with_name("other")
        other.write_bytes(b"new")
        other.replace(new)
    assert path.read_bytes() == b"new"


def test_file_is_flushed_before_it_is_renamed_and_its_folder_after(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any other order a power cut could leave an empty file or the old one."""
    steps: list[str] = []
    fsync, rename = os.fsync, Path.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def noted_rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_rename)
    with replacing(path) as new:
        new.write_bytes(b"new")
    assert steps == ["file", "rename", "folder"]


def test_flushing_a_folder_needs_one(tmp_path: Path) -> None:
    """An absent folder is an error, and no descriptor stays open."""
    descriptors = Path("/dev/fd")
    before = names_in(descriptors)
    flush(tmp_path)
    with pytest.raises(FileNotFoundError):
        flush(tmp_path / "gone")
    assert names_in(descriptors) == before


@pytest.mark.parametrize(
    ("path", "inside"),
    [
        ("runs/results.csv", True),
        ("runs/20261128/results.csv", True),
        ("runs", True),
        ("other/../runs/results.csv", True),
        ("link/results.csv", True),
        ("other/link.csv", True),
        ("runs/out.csv", True),
        ("runs2/results.csv", False),
        ("other/results.csv", False),
        ("runs/../results.csv", False),
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_path_inside_a_folder_is_recognised(
    tmp_path: Path,
    path: str,
    inside: bool,  # noqa: FBT001
    exists: bool,  # noqa: FBT001
) -> None:
    """Whatever links and dots it has, and whether or not the folder exists."""
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("runs")
    (tmp_path / "other" / "link.csv").symlink_to("../runs/results.csv")
    if exists:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / "out.csv").symlink_to("../other/out.csv")
    assert is_inside(tmp_path / path, tmp_path / "runs") == inside
