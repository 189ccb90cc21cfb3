"""Where the rows of an update are sent: to Fatora, or to a sandbox on this machine."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from etl.config import SANDBOX_URL
from etl.errors import ConfigError
from etl.load.access import Access
from etl.load.pacing import Pace
from etl.load.tokens import ExchangedToken, GivenToken
from etl.sandbox import API_KEY
from etl.urls import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from etl.config import Credentials, Settings
    from etl.load.tokens import Tokens

    # Takes the ids of the clients that will be updated; the sandbox makes just these.
    Connect: TypeAlias = Callable[[Iterable[int]], AbstractContextManager[Access]]

_SANDBOX_ACCOUNT = "sandbox"


@dataclass(frozen=True, slots=True)
class Target:
    """The API that an update sends to, and on whose behalf.

    ``account`` is whose clients are updated, and ``credentials`` the kind and fingerprint of the
    key or token. ``sandbox`` means that nothing is sent to Fatora.
    """

    url: str
    account: str
    credentials: str
    sandbox: bool
    connect: Connect


def target_of(settings: Settings, credentials: Credentials | None, *, sandbox: bool) -> Target:
    """Return where an update sends its rows; with ``sandbox`` each file gets one of its own.

    Raises:
        ConfigError: there are no credentials.
    """
    if sandbox:
        connect = _to_own_sandbox(settings)
        return Target(SANDBOX_URL, _SANDBOX_ACCOUNT, "the sandbox's own", sandbox, connect)
    if credentials is None:
        raise ConfigError("no credentials: give them, or use the sandbox")
    is_sandbox = _is_of_sandbox(credentials, settings)
    account = _SANDBOX_ACCOUNT if is_sandbox else credentials.account
    connect = _to_api(settings, credentials)
    return Target(settings.api.url, account, credentials.fingerprint, is_sandbox, connect)


def _is_of_sandbox(credentials: Credentials, settings: Settings) -> bool:
    """Whether the API is the program's own sandbox, which is recognised by its key.

    Its address would prove nothing: a port of this machine may be a tunnel to the real API.
    """
    has_sandbox_key = credentials.secret.get_secret_value() == API_KEY
    return has_sandbox_key and is_loopback(settings.api.url)


def _to_api(settings: Settings, credentials: Credentials) -> Connect:
    api = settings.api
    tokens: Tokens = (
        ExchangedToken(credentials.secret, api.url)
        if credentials.is_api_key
        else GivenToken(credentials.secret)
    )
    proxy = api.proxy.get_secret_value() if api.proxy else None
    pace = Pace(settings.load.rate, api.pause, api.pause_max)
    access = Access(api.url, tokens, pace, api.timeout, proxy, api.ca_bundle)
    return lambda _client_ids: nullcontext(access)


def _to_own_sandbox(settings: Settings) -> Connect:
    # Imports a web server, which the nightly job does not need.
    from etl.sandbox.server import Sandbox  # noqa: PLC0415

    pace = Pace(settings.load.rate, settings.api.pause, settings.api.pause_max)

    @contextmanager
    def connect(client_ids: Iterable[int]) -> Iterator[Access]:
        with Sandbox(client_ids) as sandbox:
            tokens = ExchangedToken(SecretStr(sandbox.api_key), sandbox.url)
            yield Access(sandbox.url, tokens, pace, settings.api.timeout)

    return connect
