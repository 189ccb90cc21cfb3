"""Finding the errors in spreadsheets without sending anything."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

from etl.errors import ConfigError, ExitCode, InputError
from etl.extract.inputs import SKIPPED, find_inputs, require_readable
from etl.jobs.context import Progress
from etl.jobs.staging import stage
from etl.jobs.writing import Origin, require_place, write_results
from etl.report.sentences import rows_in_words
from etl.rows import Totals
from etl.runs.reader import JournalReader
from etl.runs.staging import StagingJournal
from etl.stopping import StopRequest, stop_on_refusal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from etl.codes import Code
    from etl.config import Settings


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault, and the numbers of the rows that have it; ``text`` is a sentence for operations."""

    code: Code
    text: str
    rows: Sequence[int]


@dataclass(frozen=True, slots=True)
class Check:
    """What is wrong with one spreadsheet; ``sentence`` explains it to people.

    ``faults`` has the number of rows with a fault of each code, and ``problems`` the faults in the
    same order. ``skipped`` means that the file was left for later, because it has just changed.
    """

    input: Path
    exit_code: ExitCode
    sentence: str
    totals: Totals = field(default_factory=Totals)
    faults: dict[Code, int] = field(default_factory=dict)
    problems: Iterable[Problem] = ()
    skipped: bool = False


def check(
    paths: Sequence[Path],
    settings: Settings,
    *,
    stop: StopRequest | None = None,
    progress: Progress | None = None,
    results: Path | None = None,
) -> list[Check]:
    """Read and validate spreadsheets, and return what is wrong with each, without sending anything.

    No network or credentials are needed, and no run folder is made. Nothing is printed.

    Args:
        paths: Spreadsheets, and folders whose spreadsheets are checked.
        settings: See `etl.load_settings`.
        stop: Lets another thread or a signal handler stop the check.
        progress: Watches the reading.
        results: Where to write the rows with their errors, of a single file only.

    Raises:
        ConfigError: settings or a path are wrong.
        StoppedError: the check was stopped, or the disk is full.
    """
    checks = check_each(paths, settings, stop=stop, progress=progress, results=results)
    return [replace(found, problems=list(found.problems)) for found in checks]


def check_each(
    paths: Sequence[Path],
    settings: Settings,
    *,
    stop: StopRequest | None = None,
    progress: Progress | None = None,
    results: Path | None = None,
) -> Iterator[Check]:
    """Yield the checks that `check` returns, without keeping all problems in memory.

    The problems of a check can be read once, until the next check is asked for.
    """
    inputs = find_inputs(paths, settings.input.settle)
    require_place(results, inputs, settings.runs.dir)
    for file in inputs.files:
        try:
            with _staged(file, settings, stop or StopRequest(), progress or Progress()) as journal:
                yield _check_of(file, journal)
                if results:
                    write_results(results, journal, Origin(file.name))
        except InputError as error:
            yield Check(file, error.exit_code, str(error))
    for file in inputs.unsettled:
        yield Check(file, ExitCode.DONE, SKIPPED, skipped=True)


@contextmanager
def _staged(
    source: Path, settings: Settings, stop: StopRequest, progress: Progress
) -> Iterator[JournalReader]:
    """Read and validate a spreadsheet, and give its journal, which is deleted afterwards."""
    require_readable(source)
    with stop_on_refusal(), _temporary_folder() as name:
        path = Path(name) / "journal.sqlite3"
        with StagingJournal(path) as staging:
            stage(source, staging, settings, stop, progress)
        with JournalReader(path) as journal:
            yield journal


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory()
    except FileNotFoundError:
        raise ConfigError(
            "there is no folder for temporary files: set TMPDIR to one that this user may write to"
        ) from None


def _check_of(file: Path, journal: JournalReader) -> Check:
    totals = journal.totals()
    to_fix = f"{totals.to_fix:,}" if totals.to_fix else "nothing"
    faults = journal.code_counts()
    return Check(
        file,
        ExitCode.NOT_ALL_UPDATED if totals.to_fix else ExitCode.DONE,
        f"{rows_in_words(totals)}; {to_fix} to fix.",
        totals,
        faults,
        (problem for code in faults for problem in _problems(journal, code)),
    )


def _problems(journal: JournalReader, code: Code) -> Iterator[Problem]:
    """Yield each different fault of a code, with the rows that have it."""
    for fault, equal in groupby(journal.faults(code), key=itemgetter(0)):
        yield Problem(code, fault.text, [row for _, row in equal])
