"""``fatora-clients sandbox``: runs a local sandbox of the API."""

from __future__ import annotations

import click

from etl.commands import console, options
from etl.commands.options import number
from etl.errors import ConfigError
from etl.sandbox.app import Behaviour
from etl.sandbox.server import Sandbox

_PORT = 8042


@click.command(
    name="sandbox",
    epilog=options.examples(
        "sandbox", "sandbox --latency 0.2 --fail-share 0.05", "sandbox --churn 10 --normalises"
    ),
)
@click.option(
    "--port",
    type=number(least=0, most=65535),
    metavar="N",
    default=_PORT,
    show_default=True,
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--latency",
    type=number(float, least=0),
    default=0.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait before each answer.",
)
@click.option(
    "--fail-share",
    type=number(float, least=0, most=1),
    default=0.0,
    show_default=True,
    metavar="SHARE",
    help="Share of requests (0 to 1) that fail with HTTP 503, half of them after the update.",
)
@click.option(
    "--throttle",
    type=number(least=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Requests per second; more are answered with HTTP 429. 0 means no limit.",
)
@click.option(
    "--churn",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Every N-th request about clients comes with a change by somebody else: another client,"
    " usually one that was asked for before, is changed, added or removed. 0 means never.",
)
@click.option(
    "--replaces",
    is_flag=True,
    help="An update clears the fields that it leaves out. Without this, it keeps them.",
)
@click.option(
    "--normalises",
    is_flag=True,
    help="An update stores its values tidied up, and its answer shows them so: a phone has only +"
    " and digits (00974… becomes +974…), an e-mail address is in lower case, and a name or an"
    " address has no needless spaces.",
)
def command(
    port: int,
    latency: float,
    fail_share: float,
    throttle: int,
    churn: int,
    replaces: bool,
    normalises: bool,
) -> None:
    """Run a sandbox of the API until Ctrl-C. Nothing sent to it leaves this machine.

    It has the clients 1 to 999,999 and forgets all updates when it stops. To get a specific HTTP
    status, put it in the e-mail address: a row with anything+409@example.com is answered with
    HTTP 409.
    """
    behaviour = Behaviour(latency=latency, fail_share=fail_share, throttle=throttle)
    try:
        sandbox = Sandbox(
            behaviour=behaviour, port=port, churn=churn, replaces=replaces, normalises=normalises
        )
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
    console.flush()
