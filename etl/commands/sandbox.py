"""``fatora-clients sandbox``: a copy of the API on this machine, for trying things out."""

from __future__ import annotations

import click

from etl import console
from etl.errors import ConfigError
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox


@click.command(name="sandbox")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8042,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait before each answer.",
)
@click.option(
    "--fail-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Share of requests (0 to 1) that fail with HTTP 503, half of them after the update.",
)
@click.option(
    "--throttle",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Requests per second; more are answered with HTTP 429. 0 is no limit.",
)
def command(port: int, latency: float, fail_share: float, throttle: int) -> None:
    """Run a sandbox of the API on this machine until Ctrl-C. Nothing reaches Fatora.

    It has the clients 1 to 999,999 and forgets all updates when it stops. To see an error, use an
    e-mail address with its HTTP status: the update of anything+409@example.com is answered with
    HTTP 409.
    """
    behaviour = Behaviour(latency=latency, fail_share=fail_share, throttle=throttle)
    try:
        sandbox = Sandbox(behaviour=behaviour, port=port)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigError(f"the sandbox cannot use port {port}: {reason}") from None
    with sandbox:
        sandbox.serve_forever(announce=lambda: _announce(sandbox))


def _announce(sandbox: Sandbox) -> None:
    console.say(f"The sandbox is running at {sandbox.url}. To use it, run in another terminal:")
    console.say(
        f"  FATORA_API_KEY={sandbox.api_key} fatora-clients update clients.csv"
        f" --api-url {sandbox.url}"
    )
    console.say("Press Ctrl-C to stop it.")
    console.let_go()
