"""Sending the pending rows of a run to the API."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from etl.errors import ConfigError
from etl.load.judge import judge_probe
from etl.load.loader import Loader, Policy
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.workers import Workers
from etl.rows import rows_left

if TYPE_CHECKING:
    from etl.jobs.context import Context
    from etl.load.api import Api
    from etl.load.judge import Reply, Verdict
    from etl.load.pacing import Pace
    from etl.runs.journal import Journal

log = logging.getLogger(__name__)


def send(journal: Journal, context: Context) -> str | None:
    """Send the pending rows, and return why the run stopped early, if it did.

    Raises:
        ConfigError: the API refused the key, or the token has expired; nothing was sent.
    """
    counts = journal.counts()
    pending = rows_left(counts)
    if not pending:
        return None
    api, load = context.settings.api, context.settings.load
    with context.target.connect(journal.client_ids()) as access:
        one_api = access.api()
        _sign_in(one_api, access.pace, api.retry_after_max)
        policy = Policy(
            workers=load.workers,
            attempts=api.attempts,
            pause=api.pause,
            pause_max=api.pause_max,
            retry_after_max=api.retry_after_max,
            patience=load.patience,
            give_up=load.give_up,
            renewable=access.tokens.renewable,
        )
        limit = context.limit
        context.progress.sending(counts, pending if limit is None else min(limit, pending))
        with Workers(load.workers, access.api) as workers:
            loader = Loader(
                journal.pending(limit),
                journal,
                workers,
                policy,
                context.stop,
                access.pace,
                context.breaker,
                lambda: _probe(one_api),
                on_stopping=context.progress.stopping,
            )
            for results in loader.run():
                context.progress.sent(results)
        return loader.stopped


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
