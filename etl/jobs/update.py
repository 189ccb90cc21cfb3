"""Sending spreadsheets to Fatora: the nightly job as a function."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from etl.errors import (
    ConfigError,
    ExitCode,
    InconsistentError,
    InputError,
    StoppedError,
    in_one_sentence,
)
from etl.extract.inputs import SKIPPED, find_inputs
from etl.jobs.context import Context, Progress
from etl.jobs.delivery import put_away
from etl.jobs.pipeline import update_file
from etl.jobs.summary import Summary
from etl.jobs.target import target_of
from etl.jobs.writing import require_place
from etl.limits import require_room_for
from etl.load.breaker import Breaker
from etl.runs.folder import RunsFolder
from etl.runs.known import known_runs
from etl.runs.lock import locked
from etl.runs.refused import note_refused
from etl.stopping import StopRequest, stop_on_refusal
from etl.text import without_isolates

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from etl.config import Credentials, Settings


@stop_on_refusal()
def update(  # noqa: PLR0913 - each has a default, and a name in the call
    paths: Sequence[Path],
    settings: Settings,
    credentials: Credentials | None,
    *,
    stop: StopRequest | None = None,
    progress: Progress | None = None,
    sandbox: bool = False,
    limit: int | None = None,
    again: bool = False,
    only_plan: bool = False,
    results: Path | None = None,
    command: str = "etl.update",
) -> list[Summary]:
    """Send spreadsheets to Fatora, write the result of each row, and return a summary of each file.

    Each file is one run with a folder of its own in ``settings.runs.dir``. A file that was already
    processed is not sent twice; if its run stopped early, the remaining rows are sent. Nothing is
    printed, and no signal is handled: a signal handler of the caller may call ``stop.ask``.

    Args:
        paths: Spreadsheets, and folders whose spreadsheets are sent.
        settings: See `etl.load_settings`.
        credentials: See `etl.read_credentials`; None only with ``sandbox``.
        stop: Lets another thread or a signal handler stop the update, which can be resumed.
        progress: Watches the runs.
        sandbox: Send to a sandbox on this machine, and nothing to Fatora.
        limit: The most rows to send of each file.
        again: Send files again that were already processed.
        only_plan: Compare each row with what Fatora holds, and send nothing.
        results: Where to write an extra copy of the results, of a single file only.
        command: What the manifest records as the command line.

    Raises:
        ConfigError: settings, credentials or a path are wrong, or this process may use too few
            files or threads; nothing was sent.
        BusyError: another run is using the runs folder; nothing was sent.
        StoppedError: the disk is full, or the system refused something else.
    """
    settings.require_comparing()
    target = target_of(settings, credentials, sandbox=sandbox)
    inputs = find_inputs(paths, settings.input.settle)
    require_place(results, inputs, settings.runs.dir)
    require_room_for(settings.load.workers, sandbox=sandbox)
    runs = RunsFolder(settings.runs.dir)
    runs.prepare()
    context = Context(
        settings,
        target,
        stop or StopRequest(),
        progress or Progress(),
        Breaker(settings.load.stop_after, settings.load.give_up),
        command,
        limit,
        again,
        only_plan,
        results,
        frozenset(inputs.folders),
    )
    with locked(runs.path), known_runs(runs) as known:
        summaries = list(update_each(inputs.files, replace(context, known=known)))
    skipped = (Summary(file, ExitCode.DONE, SKIPPED, skipped=True) for file in inputs.unsettled)
    return [*summaries, *skipped]


def update_each(sources: Iterable[Path], context: Context) -> Iterator[Summary]:
    """Send several spreadsheets in order, and yield a summary of each.

    After a run that stopped for a reason that is certain to stop the others too, such as a refused
    key, the remaining files are not started. If it stopped because the API was in trouble, the next
    file starts with one row, which shows whether it still is. A file that cannot be used, that the
    guard holds back or that triggers a bug does not prevent the others from being sent. The caller
    must have prepared and locked the runs folder.

    Raises:
        ConfigError: as `update_file`, for the first file only; for others it is in the summary.
    """
    context.require_places()
    stopped: str | None = None
    for number, source in enumerate(sources):
        if stopped is None:
            summary = _put_away(_update_one(source, context, is_first=number == 0), context)
        else:
            summary = Summary(source, ExitCode.STOPPED, f"Not started. {stopped}", stopped)
        is_of_all = not (context.breaker.is_half_open or summary.held)
        stopped = summary.stopped if is_of_all else None
        in_sandbox = replace(summary.totals, sandbox=context.target.sandbox)
        yield replace(summary, totals=in_sandbox)


def _update_one(source: Path, context: Context, *, is_first: bool) -> Summary:
    try:
        with stop_on_refusal():
            return _update_or_refuse(source, context)
    except StoppedError as error:
        return Summary(source, error.exit_code, str(error), stopped=str(error))
    except InconsistentError as error:
        return Summary(source, error.exit_code, str(error))
    except ConfigError as error:
        if is_first:
            raise
        return Summary(source, ExitCode.STOPPED, error.sentence, stopped=error.sentence)
    except Exception as error:  # noqa: BLE001 - a fault of the program with this file alone
        return Summary(source, ExitCode.INTERNAL, in_one_sentence(error))


def _update_or_refuse(source: Path, context: Context) -> Summary:
    try:
        return update_file(source, context)
    except InputError as error:
        runs = RunsFolder(context.settings.runs.dir)
        refused = note_refused(runs, source, str(error), datetime.now(UTC))
        return Summary(source, error.exit_code, str(error), sha256=refused.sha256)


def _put_away(summary: Summary, context: Context) -> Summary:
    """Move a finished or unusable file out of its folder, if the settings ask for it."""
    source = summary.input
    is_refused = summary.exit_code is ExitCode.INPUT_UNUSABLE
    # What could not be delivered ends with STOPPED too, and needs its file once more.
    is_finished = (
        summary.run is not None
        and not summary.totals.left
        and summary.exit_code is not ExitCode.STOPPED
    )
    if not (context.moves(source) and summary.sha256 and (is_refused or is_finished)):
        return summary
    try:
        if is_refused:
            put_away(source, "refused", summary.sha256, without_isolates(summary.sentence))
        else:
            put_away(source, "done", summary.sha256)
    except OSError as error:
        return replace(summary, not_moved=error.strerror)
    return summary
