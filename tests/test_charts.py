"""The shapes of the charts are within the chart, and as large as what they show."""

from __future__ import annotations

from itertools import pairwise

import pytest

from etl.report.charts import (
    MOST_COLUMNS,
    Stretch,
    attempts_chart,
    brief,
    columns_of,
    durations_chart,
    outcome_bar,
    percentile,
    time_chart,
)
from etl.rows import Status
from pages import BEGUN, ENDED

TOP, BOTTOM = 22, 178


def stretch(seconds: float, *columns: dict[Status, int]) -> Stretch:
    """Return a stretch of time with these columns."""
    return Stretch(BEGUN, ENDED, seconds, columns)


def test_parts_of_the_bar_fill_it_in_the_order_of_the_statuses() -> None:
    """The parts of the bar are side by side, as wide as their shares."""
    shapes = outcome_bar({Status.SUCCESS: 75, Status.FAILED: 0, Status.UNKNOWN: 25})
    assert [(each.name, each.x, each.width) for each in shapes] == [
        ("SUCCESS", 0, 75),
        ("UNKNOWN", 75, 25),
    ]


def test_one_row_of_a_million_is_visible() -> None:
    """The smallest share can be seen, and the bar keeps its length."""
    shapes = outcome_bar({Status.SUCCESS: 999_999, Status.REJECTED: 1})
    assert shapes[1].width > 1
    assert shapes[1].x + shapes[1].width == pytest.approx(100, abs=0.01)


def test_bar_of_no_rows_is_empty() -> None:
    """A bar of no rows has no parts."""
    assert outcome_bar(dict.fromkeys(Status, 0)) == []


@pytest.mark.parametrize(
    ("seconds", "attempts", "columns"),
    [
        ([10], 1_000_000, [MOST_COLUMNS]),
        ([10], 1, [12]),
        ([10], 200, [50]),
        ([30, 10], 1_000_000, [90, 30]),
        ([100, 0.001], 1_000, [119, 1]),
    ],
)
def test_time_is_divided_into_equal_columns(
    seconds: list[float], attempts: int, columns: list[int]
) -> None:
    """The number of columns depends on the screen and on the number of attempts."""
    assert columns_of(seconds, attempts) == columns


def test_columns_are_as_high_as_attempts_a_second() -> None:
    """The statuses are stacked, and the scale is a round number above the highest column."""
    chart = time_chart([stretch(4, {Status.SUCCESS: 6, Status.FAILED: 2}, {}, {Status.FAILED: 4})])
    assert [mark.text for mark in chart.upwards] == ["3/s", "6/s"]
    per_attempt = (BOTTOM - TOP) / 6 * 3 / 4
    success, failed, last = chart.shapes
    assert (success.y, success.height) == (BOTTOM - 6 * per_attempt, 6 * per_attempt)
    assert (failed.y, failed.height) == (success.y - 2 * per_attempt, 2 * per_attempt)
    assert (last.name, last.x) == ("FAILED", 66.667)


def test_stretches_have_pauses_between_them_and_share_the_width() -> None:
    """Pauses have a fixed width, and all parts fill the chart."""
    chart = time_chart([stretch(30, {Status.SUCCESS: 30}), stretch(10, {Status.SUCCESS: 10})])
    (pause,) = chart.pauses
    first, second = chart.shapes
    assert (first.x, pause.x, pause.width) == (0, 72.75, 3)
    assert second.x == 75.75
    assert [(mark.at, mark.anchor) for mark in chart.across] == [(0, "start"), (75.75, "start")]


def test_times_of_day_do_not_cover_one_another() -> None:
    """Times of day do not overlap."""
    chart = time_chart([stretch(1, {Status.SUCCESS: 1})] * 12)
    places = [mark.at for mark in chart.across]
    assert len(chart.pauses) == 11
    assert all(after - before >= 22 for before, after in pairwise(places))


@pytest.mark.parametrize(
    "durations",
    [
        [(0, 5)],
        [(1, 1), (2, 2), (3, 3)],
        [(21, 100), (22, 50), (29, 3)],
        [(1, 1), (45, 9), (120_000, 2)],
        [(3, 1), (3_600_000, 1)],
    ],
)
def test_every_attempt_is_in_one_bar(durations: list[tuple[int, int]]) -> None:
    """Every attempt is in one bar, for any durations."""
    chart = durations_chart(durations)
    counts = [int(shape.label.split(": ")[1]) for shape in chart.shapes]
    assert sum(counts) == sum(count for _, count in durations)
    assert counts[0]
    assert counts[-1]
    assert len(counts) <= 12
    assert all(shape.x >= 0 and shape.x + shape.width <= 100 for shape in chart.shapes)
    assert all(shape.y >= TOP and shape.y + shape.height == BOTTOM for shape in chart.shapes)


def test_bar_includes_its_bound() -> None:
    """A bar includes its bound, and bounds of a second or more are written in seconds."""
    chart = durations_chart([(100, 1), (101, 2), (1_200, 4)])
    labels = [shape.label for shape in chart.shapes]
    assert (labels[0], labels[1], labels[-1]) == ("100: 1", "120: 2", "1.2s: 4")


def test_rows_with_very_many_attempts_share_a_bar() -> None:
    """A row that was tried a hundred times does not make a hundred bars."""
    chart = attempts_chart({1: 50, 3: 2, 10: 1, 100: 1})
    assert [mark.text for mark in chart.across] == [*map(str, range(10)), "10+"]
    assert chart.shapes[-1].label == "10+: 2"
    assert [mark.text for mark in chart.upwards][:4] == ["", "50", "", "2"]


def test_percentile_is_the_time_in_which_that_share_ended() -> None:
    """The median of four attempts is the time within which two of them ended."""
    durations = [(10, 1), (20, 2), (900, 1)]
    assert [percentile(durations, share) for share in (0.25, 0.5, 0.95, 1)] == [10, 20, 900, 900]


@pytest.mark.parametrize(
    ("number", "text"),
    [(0.5, "0.5"), (950, "950"), (1_200, "1.2k"), (34_000, "34k"), (250_000, "250k"), (5e6, "5M")],
)
def test_number_on_a_bar_is_brief(number: float, text: str) -> None:
    """A number on a bar is short enough for a phone."""
    assert brief(number) == text
