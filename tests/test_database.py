"""The journal's file: JSON in one form, and errors that name the file."""

from __future__ import annotations

import errno
import json
import os
import re
import resource
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fields import Field
from etl.rows import Status
from etl.runs.database import Database, as_json, transaction
from etl.runs.staging import StagingJournal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from([*Status, *Field])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(VALUES)
def test_value_is_stored_as_the_standard_library_writes_it(value: object) -> None:
    """Compact, with readable letters, and the same byte for byte for every value."""
    assert as_json(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "\x00\x1f\x7f\u2028", '"\\/', "é e\u0301 😀"]
)
def test_text_comes_back_unchanged(text: str) -> None:
    """Even a surrogate without its partner, which is not Unicode, is kept."""
    assert json.loads(as_json([text, {text: text}])) == [text, {text: text}]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """An empty journal in the folder of a run."""
    path = tmp_path / "journal.sqlite3"
    with StagingJournal(path):
        pass
    return path


def grow(path: Path) -> None:
    """Add to a journal that may not grow."""
    with Database(path, "rw", "PRAGMA max_page_count = 1") as database:
        database._db.execute("INSERT INTO staged VALUES (?)", ("x" * 100_000,))  # noqa: SLF001


def change(path: Path) -> None:
    """Change a journal that was opened for reading."""
    with Database(path, "ro") as database:
        database._db.execute("DELETE FROM staged")  # noqa: SLF001


@pytest.mark.parametrize(
    ("use", "number"), [(grow, errno.ENOSPC), (change, errno.EROFS)], ids=["full", "read-only"]
)
def test_what_sqlite_reports_names_the_file(
    journal: Path, use: Callable[[Path], None], number: int
) -> None:
    """It is the error of the system that it comes from, with the path."""
    with pytest.raises(OSError, match=re.escape(str(journal))) as raised:
        use(journal)
    assert raised.value.errno == number


def test_a_file_that_may_not_be_opened_is_named(journal: Path) -> None:
    """SQLite says only that it cannot open it; here too many files are open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match=re.escape(str(journal.parent))) as raised:
            Database(journal, "ro")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised.value.errno == errno.EMFILE


def test_a_path_that_is_too_long_for_sqlite_is_named(tmp_path: Path) -> None:
    """It is not taken for a damaged journal."""
    folder = tmp_path.joinpath(*["x" * 100] * 5)
    folder.mkdir(parents=True)
    (folder / "journal.sqlite3").touch()
    with pytest.raises(OSError, match="too long") as raised:
        Database(folder / "journal.sqlite3", "ro")
    assert raised.value.errno == errno.ENAMETOOLONG


def test_a_rollback_that_fails_hides_no_error(journal: Path) -> None:
    """SQLite rolls back by itself when the disk is full; that is what is reported."""
    with (
        pytest.raises(OSError, match="No space left"),
        Database(journal, "rw", "PRAGMA max_page_count = 1") as database,
        transaction(database._db),  # noqa: SLF001
    ):
        database._db.execute("INSERT INTO staged VALUES (?)", ("x" * 100_000,))  # noqa: SLF001


@pytest.mark.parametrize("name", ["it's", "سارة", os.fsdecode(b"caf\xe9"), "a;b?c#d"])
def test_temporary_files_are_in_the_folder_or_in_memory(tmp_path: Path, name: str) -> None:
    """A folder whose name SQLite cannot take is no error: it sorts in memory then."""
    path = tmp_path / name / "journal.sqlite3"
    path.parent.mkdir()
    with StagingJournal(path):
        pass
    with Database(path, "ro") as database:
        (in_memory,) = database._db.execute("PRAGMA temp_store").fetchone()  # noqa: SLF001
        if in_memory:
            assert not name.isprintable()
        else:
            set_to = database._db.execute("PRAGMA temp_store_directory").fetchone()  # noqa: SLF001
            assert set_to == (str(path.parent),)
