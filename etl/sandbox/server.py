"""Runs the sandbox on this machine, in its own thread."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from typing import TYPE_CHECKING, Self

import uvicorn

from etl.sandbox import API_KEY
from etl.sandbox.app import FAULTLESS, Api, Behaviour
from etl.sandbox.churn import Churn
from etl.sandbox.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from etl.sandbox.store import Client


class Sandbox:
    """The API on a port of 127.0.0.1, from ``with`` to the end of its block.

    The port is open and ``url`` is set as soon as the object exists. ``store`` has the clients: a
    test reads them there, and changes them as somebody else would who works in Fatora meanwhile.

    Args:
        client_ids: The clients that exist, with placeholder values. Without ``client_ids`` and
            ``clients``, all of ``store.EVERY_ID`` exist.
        behaviour: The faults of the server.
        port: Where it listens; 0 picks a free port.
        clients: Further clients that exist, with these values.
        replaces: A PUT clears the fields that it leaves out, instead of keeping them.
        normalises: A PUT stores its values normalised, and answers with what it stored.
        churn: Every so many requests about clients, somebody else changes, adds or removes another
            client (``churn.Churn``); 0 means never.
        seed: Which clients and fields the churn picks.

    Raises:
        OSError: the port is taken or not allowed.
    """

    def __init__(  # noqa: PLR0913 - each has a default, and a name in the call
        self,
        client_ids: Iterable[int] | None = None,
        behaviour: Behaviour = FAULTLESS,
        port: int = 0,
        *,
        clients: Iterable[Client] | None = None,
        replaces: bool = False,
        normalises: bool = False,
        churn: int = 0,
        seed: int = 0,
    ) -> None:
        self.api_key = API_KEY
        self.store = Store(client_ids, clients, replaces=replaces, normalises=normalises)
        self._api = Api(self.store, behaviour, Churn(self.store, churn, seed) if churn else None)
        self._socket = socket.create_server(("127.0.0.1", port))
        # asyncio sets this only on sockets made with an explicit protocol; without it, each answer
        # on a kept connection waits 40 ms for the caller's delayed acknowledgement (RFC 1122).
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._server = uvicorn.Server(_settings(self._api))
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name="sandbox",
            daemon=True,
        )

    @property
    def requests_seen(self) -> int:
        """The number of requests so far, of any kind."""
        return self._api.requests.total()

    def requests_of(self, method: str) -> int:
        """Return the number of requests so far with this method, such as ``PUT``."""
        return self._api.requests[method]

    def __enter__(self) -> Self:
        # A request that comes before the thread is ready waits in the socket's queue.
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()

    def serve_forever(self, announce: Callable[[], None]) -> None:
        """Wait until Ctrl-C or SIGTERM; only for the main thread.

        ``announce`` is called once both signals are handled, so that whatever starts the sandbox
        can wait for the announcement and then end it cleanly.
        """
        with contextlib.suppress(KeyboardInterrupt):
            previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
            try:
                announce()
                # A signal that another thread receives is handled between two waits.
                while self._thread.is_alive():
                    self._thread.join(timeout=0.5)
            finally:
                signal.signal(signal.SIGTERM, previous)


def _settings(api: Api) -> uvicorn.Config:
    """Return uvicorn's settings; none depends on the environment or on other installed packages.

    Idle connections stay open for 75 s, longer than callers pause, so that they never use a closed
    one. Requests that are still under way when the sandbox ends have a second to finish.
    """
    return uvicorn.Config(
        api,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        workers=1,
        proxy_headers=False,
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
