"""Jobs for `etl.pipeline`, without a command line."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pydantic import SecretStr

from etl.config import load_settings
from etl.console import Silence
from etl.load.access import Access
from etl.load.pacing import Pace
from etl.load.tokens import ExchangedToken, GivenToken
from etl.pipeline import Job
from etl.runs.folder import RunsFolder
from etl.runs.manifest import Invocation
from etl.stopping import StopRequest

if TYPE_CHECKING:
    from pathlib import Path

    from etl.load.tokens import Tokens


def job(
    url: str, runs: Path, key: str | None = None, *, timeout: float = 10, **settings: object
) -> Job:
    """Return a job that sends there, with an API key or an invented token; see `load_settings`.

    A setting such as ``api.pause`` is given as ``api__pause``.
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
    return Job(
        chosen,
        lambda _ids: nullcontext(access),
        StopRequest(),
        Silence(),
        Invocation("a test", "invented"),
        "invented",
    )
