"""Asking the API again about the clients of a run, and settling what got no answer.

A confirmation is no session of the run: it sends nothing, and how the run ended stays on record.
The manifest keeps its numbers, and the journal what was read.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from etl.config import SANDBOX_URL
from etl.errors import ConfigError, ExitCode
from etl.jobs.context import Context, Progress
from etl.jobs.sending import Loading, connected
from etl.jobs.summary import exit_code_of
from etl.jobs.target import target_of
from etl.jobs.writing import write_files
from etl.limits import require_room_for
from etl.load.breaker import Breaker
from etl.manifest import Confirmation
from etl.rows import Status
from etl.runs.confirming import SETTLED, ConfirmedRow, ConfirmingJournal, Outcome
from etl.runs.folder import RunsFolder
from etl.runs.known import is_same_api, known_runs
from etl.runs.listing import run_of
from etl.runs.lock import locked
from etl.runs.log import logging_to
from etl.stopping import StopRequest, stop_on_refusal
from etl.text import counted, utc_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from etl.config import Credentials, Settings
    from etl.jobs.sending import Connection
    from etl.jobs.target import Target
    from etl.manifest import Manifest
    from etl.runs.folder import RunFolder
    from etl.runs.known import KnownRuns
    from etl.runs.listing import Run

log = logging.getLogger(__name__)

_RECENT = 86_400  # seconds for which what an unfinished confirmation read counts
_SENT = (Status.SUCCESS, Status.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What the API holds of the clients of a run now; ``sentence`` says it to people.

    ``asked`` is how many rows it was asked about, and ``outcomes`` how many of them have each
    outcome; those left over could not be read. ``differing`` has each row whose client is not as
    the row left it. ``stopped`` says in full sentences why not every client was read, if a stop was
    the reason. ``knows_before`` is whether the run compared, so that it is known what its clients
    held before.
    """

    run: str
    folder: Path
    exit_code: ExitCode
    sentence: str
    asked: int = 0
    outcomes: Mapping[Outcome, int] = field(default_factory=dict)
    differing: Sequence[ConfirmedRow] = ()
    stopped: str | None = None
    knows_before: bool = False

    @property
    def clients(self) -> int:
        """How many clients were read."""
        return sum(self.outcomes.values())

    @property
    def unread(self) -> int:
        """How many clients could not be read, or were not read before the stop."""
        return self.asked - self.clients

    @property
    def settled(self) -> int:
        """How many rows were UNKNOWN and are not any more."""
        return sum(self.outcomes.get(outcome, 0) for outcome in SETTLED)


@stop_on_refusal()
def confirm(  # noqa: PLR0913 - each has a default, and a name in the call
    run: str,
    settings: Settings,
    credentials: Credentials | None,
    *,
    sample: int | None = None,
    stop: StopRequest | None = None,
    progress: Progress | None = None,
    command: str = "etl.confirm",
) -> Confirmed:
    """Read every client that a run sent, and say whether it is still as the run left it.

    Nothing is sent. Rows that are UNKNOWN become SUCCESS if their client holds the values, and
    FAILED if not. The run's files are written again and sealed with what was found. How a client
    is judged is explained in `etl.runs.confirming`.

    A confirmation that was stopped or killed is continued by the next one of the same run: clients
    that it read in the last 24 hours are not read again. It is recorded in the manifest once it has
    reached its end.

    Args:
        run: An id, the beginning of an id, or ``latest``.
        settings: See `etl.load_settings`.
        credentials: See `etl.read_credentials`.
        sample: Ask only about so many of the updated rows, picked by chance, and about all that
            are UNKNOWN.
        stop: Lets another thread or a signal handler stop it.
        progress: Watches it.
        command: What the log records as the command line.

    Raises:
        ConfigError: settings or credentials are wrong, or the run cannot be confirmed: there is no
            such run, it has not finished, it was pruned, or another account, API or sandbox has its
            clients. Nothing was changed.
        BusyError: another run is using the runs folder.
        DamagedError: the run is damaged.
        StoppedError: the disk is full, or the system refused something else.
    """
    target = target_of(settings, credentials, sandbox=False)
    require_room_for(settings.load.workers, sandbox=False)
    runs = RunsFolder(settings.runs.dir)
    runs.require_existing()
    breaker = Breaker(settings.load.stop_after, settings.load.give_up)
    context = Context(
        settings, target, stop or StopRequest(), progress or Progress(), breaker, command
    )
    with locked(runs.path), known_runs(runs) as known:
        found = run_of(runs.find(run))
        require_confirmable(found.manifest, target)
        # Not from the journal: one that was killed may have to be opened for writing first.
        if not any(found.manifest.counts.get(status) for status in _SENT):
            sentence = "The run updated no client: there is nothing to confirm."
            return Confirmed(found.folder.run, found.folder.path, ExitCode.DONE, sentence)
        with connected(context, ()) as connection:
            return _Confirming(found, context, known, connection).go(sample)


def require_confirmable(manifest: Manifest, target: Target) -> None:
    """Check that the clients of a run can be asked for.

    Raises:
        ConfigError: they cannot.
    """
    run = manifest.run
    if manifest.pruned:
        raise ConfigError(f"run {run} was pruned, and the values that it sent are gone")
    if manifest.exit_code is None:
        raise ConfigError(f"run {run} has not finished: run its file again, then confirm it")
    if manifest.sandbox and manifest.api == SANDBOX_URL:
        raise ConfigError(
            f"run {run} used a sandbox that ended with the run: there is nobody to ask about its"
            " clients"
        )
    if not is_same_api(manifest.api, target.url) or manifest.account != target.account:
        raise ConfigError(
            f"run {run} updated clients of account {manifest.account} at {manifest.api}, but the"
            f" credentials are those of account {target.account} at {target.url}"
        )


@dataclass(frozen=True, slots=True)
class _Confirming:
    """One confirmation of a run, from reading its clients to its seal."""

    run: Run
    context: Context
    known: KnownRuns
    connection: Connection

    @property
    def folder(self) -> RunFolder:
        return self.run.folder

    def go(self, sample: int | None) -> Confirmed:
        folder, manifest = self.folder, self.run.manifest
        _ = folder.input  # without it, the results could not be written
        # From here on until the seal, `verify` says that this was interrupted.
        manifest = manifest.reopened(folder.continued)
        folder.clear_unfinished()
        manifest.write(folder.manifest)
        self.known.note(folder, manifest)
        with logging_to(folder.log, folder.run), ConfirmingJournal(folder.journal) as journal:
            number = len(manifest.confirmations) + 1
            asked = journal.ask(folder.run, number, utc_time(time.time() - _RECENT), sample)
            log.info("confirming", extra={"fields": {"rows": asked, "confirmation": number}})
            stopped = self._read(journal)
            journal.judge()
            confirmed = self._confirmed(journal, asked, stopped)
            manifest = self._recorded(manifest, journal, confirmed)
            fields = {"outcomes": confirmed.outcomes, "exit_code": confirmed.exit_code}
            log.info("confirmed", extra={"fields": fields})
            journal.finish()
        manifest = manifest.seal(self.known.newest, folder.hashes())
        manifest.write(folder.manifest)
        self.known.note(folder, manifest)
        return self._delivered(confirmed)

    def _read(self, journal: ConfirmingJournal) -> str | None:
        """Read the clients, and return why that stopped early, if it did."""
        left = journal.left_to_ask()
        if not left:
            return None
        progress = self.context.progress
        progress.reading(left)
        loading = Loading(journal, self.context, self.connection)
        return loading.load(journal.unasked(), progress.read)

    def _confirmed(self, journal: ConfirmingJournal, asked: int, stopped: str | None) -> Confirmed:
        confirmed = Confirmed(
            self.folder.run,
            self.folder.path,
            ExitCode.DONE,
            "",
            asked,
            journal.outcomes(),
            list(journal.differing()),
            knows_before=self.run.manifest.compares,
        )
        if not confirmed.unread:
            stopped = None
        exit_code = ExitCode.NOT_ALL_UPDATED if confirmed.differing else ExitCode.DONE
        if confirmed.unread:
            exit_code = ExitCode.STOPPED if stopped else ExitCode.NOT_ALL_UPDATED
        confirmed = replace(confirmed, exit_code=exit_code, stopped=stopped)
        return replace(confirmed, sentence=sentence_of(confirmed))

    def _recorded(
        self, manifest: Manifest, journal: ConfirmingJournal, confirmed: Confirmed
    ) -> Manifest:
        """Return the manifest with the new counts, and write the files that people read."""
        folder, known = self.folder, self.known
        journal.mark_corrected(known.reworks.closed_rows(folder.run))
        totals = journal.totals(sandbox=manifest.sandbox)
        exit_code = exit_code_of(totals.counts, manifest.sessions[-1].stopped)
        if manifest.exit_code == ExitCode.USAGE:  # the API had refused the key
            exit_code = ExitCode.USAGE
        manifest = manifest.recounted(totals, exit_code)
        if confirmed.clients and not confirmed.stopped:
            manifest = manifest.confirm(_confirmation(confirmed))
        reworked = known.reworks.open_originals(folder.run) if manifest.reworks else []
        asked_for = self.context.settings.runs.workbooks == "always"
        workbooks = asked_for or folder.results(".xlsx").exists()
        write_files(folder, journal, manifest, reworked, workbooks=workbooks)
        return manifest

    def _delivered(self, confirmed: Confirmed) -> Confirmed:
        """Deliver the results again if rows have another status than before."""
        delivery = self.context.delivery
        if delivery is None or not confirmed.settled:
            return confirmed
        try:
            delivery.deliver(self.folder, self.run.manifest.input.name)
        except OSError as error:
            sentence = (
                f"{confirmed.sentence} The results could not be delivered to {delivery.folder}"
                f" ({error.strerror})."
            )
            return replace(confirmed, sentence=sentence, exit_code=ExitCode.STOPPED)
        return confirmed


def _confirmation(confirmed: Confirmed) -> Confirmation:
    outcomes = confirmed.outcomes
    return Confirmation.now(
        clients=confirmed.clients,
        unchanged=outcomes[Outcome.STILL_SO],
        changed=outcomes[Outcome.CHANGED] + outcomes[Outcome.DELETED],
        not_as_sent=outcomes[Outcome.NOT_AS_SENT],
        settled=confirmed.settled,
        unread=confirmed.unread,
    )


def sentence_of(confirmed: Confirmed) -> str:
    """Return what was found, in a few sentences."""
    outcomes = confirmed.outcomes
    found = _in_words(outcomes)
    sentences = [f"{counted(confirmed.clients, 'client')} read{found and ': '}{found}."]
    if confirmed.settled:
        updated, failed = (outcomes[outcome] for outcome in SETTLED)
        sentences.append(
            f"Settled {counted(confirmed.settled, 'row')} without confirmation:"
            f" {updated:,} updated, {failed:,} not updated."
        )
        if failed:
            sentences.append(f"Run the same file again to send {'it' if failed == 1 else 'them'}.")
    if confirmed.unread:
        sentences.append(f"{counted(confirmed.unread, 'client')} could not be confirmed.")
    if confirmed.stopped:
        sentences.append(f"{confirmed.stopped} Run the command again to go on.")
    if outcomes[Outcome.CHANGED] and not confirmed.knows_before:
        sentences.append(
            "The run did not compare, so what the clients held before is not known: some of them"
            " may never have taken the values."
        )
    return " ".join(sentences)


def _in_words(outcomes: Mapping[Outcome, int]) -> str:
    """Return how many clients are as the run left them or not; empty if all rows were settled."""
    words = {
        "still so": outcomes[Outcome.STILL_SO],
        "changed since": outcomes[Outcome.CHANGED],
        "deleted since": outcomes[Outcome.DELETED],
        "not as sent": outcomes[Outcome.NOT_AS_SENT],
    }
    return ", ".join(f"{number:,} {what}" for what, number in words.items() if number)
