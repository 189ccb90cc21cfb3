"""How long to wait between the attempts of a row, and when the API asks for it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.load.pacing import pause_before, seconds_asked_for, wait_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = "Wed, 21 Oct 2015 12:00:00 GMT"


@pytest.fixture(params=["UTC", "Asia/Qatar", "America/New_York"])
def _time_zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(("attempt", "seconds"), [(2, 0.5), (3, 1), (4, 2), (5, 4), (8, 32)])
def test_a_pause_doubles_from_attempt_to_attempt(attempt: int, seconds: float) -> None:
    """Pauses double from the second attempt on, each up to a quarter longer or shorter."""
    pauses = [pause_before(attempt, 0.5, 60) for _ in range(200)]
    assert seconds * 0.75 <= min(pauses)
    assert max(pauses) <= seconds * 1.25


def test_pauses_are_spread() -> None:
    """Workers that failed at the same time do not come back at the same time, at the cap too."""
    for attempt in (2, 5, 20):
        pauses = [pause_before(attempt, 0.5, 60) for _ in range(200)]
        assert max(pauses) - min(pauses) > 0.3 * max(pauses)


@given(st.integers(2, 10_000), st.floats(0.001, 1e6), st.floats(0.001, 1e6))
def test_no_pause_is_longer_than_the_longest(attempt: int, first: float, longest: float) -> None:
    """No pause is longer than the maximum, with jitter and after any number of attempts."""
    assert 0 < pause_before(attempt, first, longest) <= longest


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Wed, 21 Oct 2015 12:00:30 GMT", 30),
        ("Wed, 21 Oct 2015 11:00:00 GMT", 0),
        ("Wednesday, 21-Oct-15 12:00:30 GMT", 30),
        ("Wed Oct 21 12:00:30 2015", 30),
        ("Wed, 21 Oct 2015 12:00:30 -0000", 30),
        ("Wed, 21 Oct 2015 15:00:30 +0300", 30),
    ],
)
@pytest.mark.usefixtures("_time_zone")
def test_both_forms_of_retry_after_are_read(header: str, seconds: float) -> None:
    """A Retry-After may have seconds or a date in any form of RFC 9110, 5.6.7, in any time zone."""
    assert seconds_asked_for(header, NOON) == seconds


@pytest.mark.parametrize(
    "header",
    [
        *["", "soon", "-5", "1.5", "1e3", "٥", "5, 5", "Wed, 99 Oct 2015 12:00:30 GMT"],
        "Wed, 21 Oct 99999999999999999999 12:00:30 GMT",
    ],
)
def test_a_retry_after_that_says_nothing_asks_for_nothing(header: str) -> None:
    """A malformed Retry-After is ignored."""
    assert seconds_asked_for(header, NOON) == 0


@pytest.mark.parametrize("date", [None, "", "noon"])
def test_without_the_apis_clock_this_machines_is_taken(date: str | None) -> None:
    """Without a Date header, this machine's clock is used."""
    in_a_minute = formatdate(time.time() + 60, usegmt=True)
    assert 50 < seconds_asked_for(in_a_minute, date) <= 60


def test_a_retry_after_of_any_length_is_a_long_time() -> None:
    """A Retry-After of any length is a long wait, not an error."""
    assert seconds_asked_for("9" * 1_000, NOON) > 1e9


@given(st.text() | st.from_regex(r"\w{3}, ?[\d ]+ \w{3} [\d.:]+ [\d:.]+ ?[+-]?\w+", fullmatch=True))
def test_no_retry_after_is_an_error(header: str) -> None:
    """Whatever a Retry-After header contains, reading it raises no error."""
    assert seconds_asked_for(header, NOON) >= 0


WAITS = [
    (3_600, "Fatora asked us to wait 1 hour. Run again after 00:37 UTC."),
    (121, "Fatora asked us to wait 3 minutes. Run again after 23:40 UTC."),
    (58.2, "Fatora asked us to wait 59 seconds. Run again after 23:38 UTC."),
    (59.2, "Fatora asked us to wait 1 minute. Run again after 23:38 UTC."),
    (1, "Fatora asked us to wait 1 second. Run again after 23:38 UTC."),
    (60, "Fatora asked us to wait 1 minute. Run again after 23:38 UTC."),
    (5_400, "Fatora asked us to wait 1 hour 30 minutes. Run again after 01:07 UTC."),
    (7_200, "Fatora asked us to wait 2 hours. Run again after 01:37 UTC."),
    (86_400, "Fatora asked us to wait 24 hours. Run again after 28 Nov, 23:37 UTC."),
    (3e6, "Fatora asked us to wait more than 30 days."),
    (float("inf"), "Fatora asked us to wait more than 30 days."),
]


@pytest.mark.parametrize(("seconds", "sentence"), WAITS)
def test_a_wait_says_how_long_and_until_when(seconds: float, sentence: str) -> None:
    """A wait is shown with its length and end, both rounded up."""
    now = datetime(2026, 11, 27, 23, 37, tzinfo=UTC)
    assert wait_in_words(seconds, now.timestamp()) == sentence


@given(st.floats(0.001, 2_592_000), st.floats(0, 4e9))
def test_a_wait_never_ends_too_early(seconds: float, now: float) -> None:
    """The shown end of a wait is never too early."""
    words = wait_in_words(seconds, now)
    clock = words.removesuffix(" UTC.")[-5:]
    end = datetime.fromtimestamp(now + seconds + 60, UTC)
    earliest = datetime.fromtimestamp(now + seconds, UTC)
    assert clock in {f"{each:%H:%M}" for each in (end, earliest)}
    assert clock != f"{earliest:%H:%M}" or earliest.second == earliest.microsecond == 0
