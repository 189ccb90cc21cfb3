"""Contexts for `etl.jobs.pipeline`, without a command line."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import SecretStr

from etl.config import load_settings
from etl.jobs.context import Context, Progress
from etl.jobs.target import Target
from etl.load.access import Access
from etl.load.breaker import Breaker
from etl.load.pacing import Pace
from etl.load.tokens import ExchangedToken, GivenToken
from etl.runs.folder import RunsFolder
from etl.stopping import StopRequest

if TYPE_CHECKING:
    from pathlib import Path

    from etl.load.tokens import Tokens


def job(
    url: str, runs: Path, key: str | None = None, *, timeout: float = 10, **settings: object
) -> Context:
    """Return the context of an update that sends there, with an API key or an invented token.

    A setting such as ``api.pause`` is given as ``api__pause``; see `load_settings`.
    """
    overrides = {name.replace("__", "."): value for name, value in settings.items()}
    chosen = load_settings(None, {**overrides, "api.url": url, "runs.dir": runs})

    tokens: Tokens = (
        ExchangedToken(SecretStr(key), url)
        if key
        else GivenToken(SecretStr("invented-bearer-token"))
    )
    access = Access(url, tokens, Pace(chosen.load.rate), timeout)

    RunsFolder(runs).prepare()
    target = Target(
        url, "invented", "invented", sandbox=False, connect=lambda _ids: nullcontext(access)
    )
    breaker = Breaker(chosen.load.stop_after, chosen.load.give_up)
    return Context(chosen, target, StopRequest(), Progress(), breaker, "a test")


def sent_to(context: Context, **changes: object) -> Context:
    """Return a context with a changed target, such as another account."""
    return replace(context, target=replace(context.target, **changes))  # type: ignore[arg-type]
