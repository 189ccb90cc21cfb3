"""The run gives up if the API refuses the account or cannot serve any row."""

from __future__ import annotations

from itertools import cycle, islice

import pytest

from etl.codes import Code
from etl.load.breaker import Breaker
from etl.load.judge import Verdict
from etl.rows import PendingRow, Status

ROW = PendingRow(2, 1024, {"email": "sara@example.com"})
UPDATED = Verdict(Status.SUCCESS, http_status=200)
REFUSED = Verdict(Status.REJECTED, Code.API_NOT_FOUND, http_status=404)
FORBIDDEN = Verdict(
    Status.FAILED,
    Code.API_AUTH,
    answer="HTTP 403 from api.fatora.io: The account is inactive",
    http_status=403,
)
PROXY_AUTH = Verdict(
    Status.FAILED, Code.API_AUTH, cause="HTTP 407 from api.fatora.io", http_status=407
)
THROTTLED = Verdict(
    Status.FAILED, Code.API_THROTTLED, cause="HTTP 429 from api.fatora.io", http_status=429
)
UNREACHABLE = Verdict(
    Status.FAILED,
    Code.NETWORK_UNREACHABLE,
    cause="no connection to api.fatora.io (connection refused)",
)
BROKEN = Verdict(
    Status.UNKNOWN, Code.API_UNAVAILABLE, cause="HTTP 503 from api.fatora.io", http_status=503
)
UNREADABLE = Verdict(
    Status.UNKNOWN,
    Code.API_UNREADABLE,
    cause="an answer from api.fatora.io that could not be understood (HTTP 200)",
    http_status=200,
)


def stops_at(stop_after: int, *verdicts: Verdict) -> int | None:
    """The number of the row, counted from 1, after which the run must stop, if it must."""
    breaker = Breaker(stop_after, give_up=5)
    return next((n for n, each in enumerate(verdicts, 1) if breaker.watch(each, ROW)), None)


@pytest.mark.parametrize("verdict", [THROTTLED, UNREACHABLE, BROKEN, UNREADABLE, PROXY_AUTH])
@pytest.mark.parametrize("stop_after", [1, 3, 10])
def test_the_run_stops_after_so_many_rows_that_were_not_served(
    stop_after: int, verdict: Verdict
) -> None:
    """The run stops exactly at the configured number of rows, for any kind of failure."""
    assert stops_at(stop_after, *[verdict] * 20) == stop_after


def test_reasons_for_not_serving_a_row_add_up() -> None:
    """Different failures in a row count together."""
    assert stops_at(4, THROTTLED, UNREACHABLE, BROKEN, UNREADABLE) == 4


@pytest.mark.parametrize("served", [UPDATED, REFUSED])
def test_a_row_that_was_served_starts_the_count_again(served: Verdict) -> None:
    """An updated or refused row shows that the API works, and ends a series of failures."""
    assert stops_at(3, BROKEN, BROKEN, served, BROKEN, BROKEN, served) is None
    assert stops_at(3, BROKEN, BROKEN, served, BROKEN, BROKEN, BROKEN) == 6


@pytest.mark.parametrize("served", [UPDATED, REFUSED])
def test_rows_that_are_served_never_stop_the_run(served: Verdict) -> None:
    """A file is sent to its end even if every row is refused."""
    assert stops_at(1, *[served] * 100) is None


def test_the_third_403_in_a_row_stops_the_run() -> None:
    """Three 403s in a row mean that the account or its key is inactive, and stop the run."""
    assert stops_at(10, FORBIDDEN, FORBIDDEN, FORBIDDEN) == 3


@pytest.mark.parametrize("other", [UPDATED, REFUSED, BROKEN])
def test_403s_that_are_not_in_a_row_do_not_stop_the_run(other: Verdict) -> None:
    """A 403 between other answers concerns its client only."""
    assert stops_at(10, FORBIDDEN, FORBIDDEN, other, FORBIDDEN, FORBIDDEN) is None


def test_a_403_between_failures_does_not_hide_them() -> None:
    """Failures still count in a row if there is a 403 between them."""
    assert stops_at(5, *islice(cycle([BROKEN, FORBIDDEN]), 30)) is not None


def reason(stop_after: int, *verdicts: Verdict) -> str | None:
    """Why the run must stop after the last of these."""
    breaker = Breaker(stop_after, give_up=5)
    return [breaker.watch(each, ROW) for each in verdicts][-1]


@pytest.mark.parametrize(
    ("stop_after", "verdict", "sentence"),
    [
        (10, BROKEN, "10 rows in a row got HTTP 503 from api.fatora.io."),
        (
            2,
            UNREACHABLE,
            "2 rows in a row: no connection to api.fatora.io (connection refused).",
        ),
        (1, THROTTLED, "1 row got HTTP 429 from api.fatora.io."),
        (
            3,
            UNREADABLE,
            f"3 rows in a row got {UNREADABLE.cause}.",
        ),
    ],
)
def test_the_reason_names_http_status_and_host(
    stop_after: int, verdict: Verdict, sentence: str
) -> None:
    """The summary shows the HTTP status and the host."""
    assert reason(stop_after, *[verdict] * stop_after) == sentence


def test_the_reason_names_each_cause_the_most_frequent_first() -> None:
    """Several causes are listed by frequency, not by time."""
    assert reason(4, UNREACHABLE, BROKEN, BROKEN, BROKEN) == (
        "4 rows in a row failed: 3 with HTTP 503 from api.fatora.io, 1 with no connection to"
        " api.fatora.io (connection refused)."
    )


def test_the_reason_leaves_out_what_was_before_a_row_that_was_served() -> None:
    """Only causes since the last served row are listed."""
    sentence = "2 rows in a row got HTTP 503 from api.fatora.io."
    assert reason(2, UNREACHABLE, UPDATED, BROKEN, BROKEN) == sentence


def test_the_reason_for_403s_quotes_fatora() -> None:
    """Fatora's words may say whether the account or the key is inactive."""
    assert reason(10, FORBIDDEN, FORBIDDEN, FORBIDDEN) == (
        "Fatora refused access (403) three times in a row: the account or key may be inactive."
        " The last answer was HTTP 403 from api.fatora.io: The account is inactive."
    )
