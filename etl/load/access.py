"""Everything that workers need to reach the API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from etl.load.api import Api
from etl.load.transport import Transport
from etl.urls import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from etl.load.pacing import Pace
    from etl.load.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API.

    ``timeout`` is in seconds, for a whole attempt. ``proxy`` is a proxy's address, which is not
    used for an API on this machine, and ``ca_bundle`` a file of certificates to trust instead of
    the public ones. All workers share one ``pace``, also across several files.
    """

    url: str
    tokens: Tokens
    pace: Pace
    timeout: float
    proxy: str | None = field(default=None, repr=False)  # it may hold a password
    ca_bundle: Path | None = None

    def api(self) -> Api:
        """Return the API over a new connection, for one thread."""
        proxy = None if is_loopback(self.url) else self.proxy  # which would call itself
        return Api(self.url, self.tokens, Transport(self.timeout, proxy, self.ca_bundle))
