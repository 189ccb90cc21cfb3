"""``fatora-clients sandbox``: a local stand-in for the API."""

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
    help="The port of this machine to answer at; 0: a free one.",
)
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="S",
    help="Seconds before each answer.",
)
@click.option(
    "--fail-share",
    type=click.FloatRange(0, 1),
    default=0.0,
    metavar="SHARE",
    help="Share of the requests that fail with 503, half of them after they were carried out.",
)
@click.option(
    "--throttle",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Requests a second above which the answer is 429; 0: no limit.",
)
def command(port: int, latency: float, fail_share: float, throttle: int) -> None:
    """Run a local stand-in for the API until Ctrl-C; nothing it is sent leaves this machine.

    It knows every client from 1 to 999999. An e-mail address such as anything+409@example.com is
    answered with the status in it, here 409.
    """
    behaviour = Behaviour(latency=latency, fail_share=fail_share, throttle=throttle)
    try:
        sandbox = Sandbox(behaviour=behaviour, port=port)
    except OSError as error:
        raise ConfigError(f"port {port} cannot be used: {error.strerror}") from None
    with sandbox:
        sandbox.serve_forever(announce=lambda: _announce(sandbox))


def _announce(sandbox: Sandbox) -> None:
    console.say(f"The sandbox answers at {sandbox.url}. In another terminal:")
    console.say(
        f"  FATORA_API_KEY={sandbox.api_key} fatora-clients update clients.csv"
        f" --api-url {sandbox.url}"
    )
    console.let_go()
