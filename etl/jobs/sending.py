"""Sending the pending rows of a run to the API."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.load.judge import judge_probe
from etl.load.loader import Loader
from etl.load.retries import Policy
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.workers import Workers
from etl.rows import rows_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from etl.config import Settings
    from etl.jobs.comparing import Comparison
    from etl.jobs.context import Context
    from etl.load.access import Access
    from etl.load.api import Api
    from etl.load.judge import Reply, Verdict
    from etl.load.pacing import Pace
    from etl.rows import PendingRow, RowResult
    from etl.runs.journal import Journal

log = logging.getLogger(__name__)


def send(
    journal: Journal, context: Context, comparison: Comparison | None
) -> tuple[str | None, bool]:
    """Send the pending rows, and return why the run stopped early, if it did.

    It also returns whether that was since the guard held the plan back.

    With a ``comparison``, all clients are read and the plan is made before the first row is sent.

    Raises:
        ConfigError: the API refused the key, or the token has expired; nothing was sent.
    """
    if not rows_left(journal.counts()):
        return None, False
    with connected(context, journal.client_ids()) as connection:
        loading = Loading(journal, context, connection)
        if comparison is None:
            return loading.send(journal.pending(context.limit)), False
        stopped = loading.read(journal.unread(context.limit))
        comparison.plan(journal)
        if stopped is None and (why := comparison.why_held_back(journal)):
            return why, True
        if stopped or context.only_plan:
            return stopped, False
        rows = comparison.rows(journal, context.limit)
        return loading.send(rows, journal.planned_rows()), False


@dataclass(frozen=True, slots=True)
class Connection:
    """What all requests of a session share; ``probed`` is the API for probes."""

    access: Access
    probed: Api
    workers: Workers


@contextmanager
def connected(context: Context, client_ids: Iterable[int]) -> Iterator[Connection]:
    """Yield a connection that has a token, if the API gives one now.

    ``client_ids`` are the clients that requests will be about.

    Raises:
        ConfigError: the API refused the key, or the token has expired.
    """
    with context.target.connect(client_ids) as access:
        api = access.api()
        _sign_in(api, access.pace, context.settings.api.retry_after_max)
        with Workers(context.settings.load.workers, access.api) as workers:
            yield Connection(access, api, workers)


@dataclass(frozen=True, slots=True)
class Loading:
    """How the requests about the rows of a journal are made."""

    journal: Journal
    context: Context
    connection: Connection

    def read(self, rows: Iterator[PendingRow]) -> str | None:
        """Read the clients of rows, and return why the run stopped early, if it did."""
        self.context.progress.reading(self._at_most(self.journal.unread_rows()))
        return self.load(rows, self.context.progress.read)

    def send(self, rows: Iterator[PendingRow], number: int | None = None) -> str | None:
        """Send a number of rows, by default all that are left.

        Returns why the run stopped early, if it did.
        """
        counts = self.journal.counts()
        number = rows_left(counts) if number is None else number
        self.context.progress.sending(counts, self._at_most(number))
        return self.load(rows, self.context.progress.sent)

    def _at_most(self, rows: int) -> int:
        limit = self.context.limit
        return rows if limit is None else min(limit, rows)

    def load(
        self, rows: Iterator[PendingRow], watch: Callable[[Sequence[RowResult]], None]
    ) -> str | None:
        """Make the next request for each row, and return why the run stopped early, if it did.

        ``watch`` takes note of rows that are finished.
        """
        context, connection = self.context, self.connection
        loader = Loader(
            rows,
            self.journal,
            connection.workers,
            _policy(context.settings, renewable=connection.access.tokens.renewable),
            context.stop,
            connection.access.pace,
            context.breaker,
            lambda: _probe(connection.probed),
            on_stopping=context.progress.stopping,
        )
        for results in loader.run():
            watch(results)
        return loader.stopped


def _policy(settings: Settings, *, renewable: bool) -> Policy:
    api, load = settings.api, settings.load
    return Policy(
        workers=load.workers,
        attempts=api.attempts,
        pause=api.pause,
        pause_max=api.pause_max,
        retry_after_max=api.retry_after_max,
        patience=load.patience,
        give_up=load.give_up,
        renewable=renewable,
        fresh=load.fresh,
    )


def _probe(api: Api) -> Verdict:
    try:
        reply: Reply = api.probe()
    except Exception as error:  # noqa: BLE001 - every error is judged
        reply = error
    verdict = judge_probe(reply, api.host)
    log.info("probe", extra={"fields": {"status": verdict.status, "cause": verdict.cause}})
    return verdict


def _sign_in(api: Api, pace: Pace, longest_wait: float) -> None:
    """Get a token before the first row.

    If the API cannot be reached now, each row asks for a token again, and the loader decides when
    to stop. If the API asks to wait, nothing is sent for that long, but at most for
    ``longest_wait`` seconds.
    """
    try:
        api.sign_in()
    except TokenRefusedError as error:
        raise ConfigError(f"{error}; nothing was sent") from None
    except TokenUnavailableError as error:
        pace.hold(min(error.retry_after or 0, longest_wait))
        log.warning("no_token_yet")
