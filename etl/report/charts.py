"""The geometry of the report's charts.

Horizontal values are percents of the chart's width, so that a chart fits any screen while its text
keeps its size. Vertical values are pixels of a fixed height.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from etl.rows import Status

MOST_COLUMNS = 120
MOST_STRETCHES = 12
_FEWEST_COLUMNS = 12
_ATTEMPTS_PER_COLUMN = 4  # on average; with fewer a column means little

_TOP, _BOTTOM = 22.0, 178.0  # pixels: the plot, with labels above and below it
_THINNEST = 1.5  # percent: the least width of a part of the bar
_PAUSE = 3.0  # percent: the width of a pause
_LABEL = 22.0  # percent of the width that a time of day needs on a phone

_SCALES = (  # for durations, from fine to coarse: the bounds between 1 and 10
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1,),
)
_MOST_BARS = 12
_FEWEST_BARS = 6  # with fewer, the bars keep this width and leave space at the right
_MANY_ATTEMPTS = 9  # rows with more of them share a bar
_SECOND = 1_000  # milliseconds
_HUNDRED = 100
_ROUND = (1, 1.5, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A period in which rows were sent without interruption.

    ``seconds`` is more than 0. ``columns`` are equal parts of it, each with the number of attempts
    that ended in it, by status.
    """

    started: str
    ended: str
    seconds: float
    columns: Sequence[Mapping[Status, int]]


class Shape(NamedTuple):
    """A rectangle; ``name`` is the status that it shows, ``label`` describes it in words."""

    name: str
    x: float
    y: float
    width: float
    height: float
    label: str = ""


class Mark(NamedTuple):
    """A label of an axis, and its place."""

    at: float
    text: str
    anchor: str = "middle"


class Chart(NamedTuple):
    """A drawing: its shapes, the labels of its axes, and the pauses in it."""

    shapes: Sequence[Shape]
    across: Sequence[Mark]
    upwards: Sequence[Mark] = ()
    pauses: Sequence[Shape] = ()


def columns_of(seconds: Sequence[float], attempts: int) -> list[int]:
    """Return the number of columns for each stretch, so that all columns last about as long."""
    total = min(MOST_COLUMNS, max(_FEWEST_COLUMNS, attempts // _ATTEMPTS_PER_COLUMN))
    whole = sum(seconds)
    return [max(1, math.floor(total * part / whole)) for part in seconds]


def outcome_bar(counts: Mapping[Status, int]) -> list[Shape]:
    """Return a bar's part for each status: as wide as its share, but wide enough to be seen."""
    rows = sum(counts.values())
    widths = {s: max(100 * count / rows, _THINNEST) for s, count in counts.items() if count}
    shapes, x = [], 0.0
    for status, width in widths.items():
        part = 100 * width / sum(widths.values())
        shapes.append(Shape(status, round(x, 3), 0, round(part, 3), 100))
        x += part
    return shapes


def time_chart(stretches: Sequence[Stretch]) -> Chart:
    """Return requests per second over the time of sending; all pauses have the same width."""
    seconds = sum(stretch.seconds for stretch in stretches)
    percent_per_second = (100 - _PAUSE * (len(stretches) - 1)) / seconds
    top = _round_up(max(map(_peak, stretches)))
    shapes: list[Shape] = []
    marks: list[Mark] = []
    pauses: list[Shape] = []
    x = 0.0
    for stretch in stretches:
        if x:
            pauses.append(Shape("pause", round(x, 3), _TOP, _PAUSE, _BOTTOM - _TOP))
            x += _PAUSE
        width = stretch.seconds * percent_per_second
        shapes.extend(_columns(stretch, x, width, top))
        if not marks or x - marks[-1].at >= _LABEL:
            marks.append(Mark(round(x, 3), stretch.started, "start"))
        x += width
    if x - marks[-1].at >= 2 * _LABEL:
        marks.append(Mark(100, stretches[-1].ended, "end"))
    return Chart(shapes, marks, _scale(top), pauses)


def durations_chart(durations: Sequence[tuple[int, int]]) -> Chart:
    """Return how many attempts took how long; the bars' durations grow exponentially."""
    shortest, longest = durations[0][0], durations[-1][0]
    bounds: list[int] = []
    for scale in _SCALES:
        bounds = _bounds(scale, shortest, longest)
        if len(bounds) <= _MOST_BARS:
            break
    counts = [0] * len(bounds)
    for ms, count in durations:
        counts[bisect_left(bounds, ms)] += count
    return _histogram([(_length(ms), count) for ms, count in zip(bounds, counts, strict=True)])


def attempts_chart(attempts: Mapping[int, int]) -> Chart:
    """Return how many rows took how many attempts."""
    last = min(max(attempts), _MANY_ATTEMPTS)
    bars = [(str(number), attempts.get(number, 0)) for number in range(last + 1)]
    many = sum(count for number, count in attempts.items() if number > _MANY_ATTEMPTS)
    return _histogram([*bars, (f"{_MANY_ATTEMPTS + 1}+", many)] if many else bars)


def percentile(durations: Sequence[tuple[int, int]], share: float) -> int:
    """Return the milliseconds within which this share of the attempts, which are sorted, ended."""
    left = math.ceil(share * sum(count for _, count in durations))
    for ms, count in durations:
        left -= count
        if left <= 0:
            return ms
    return 0


def brief(number: float) -> str:
    """Return a number in at most four characters or so: 950, 1.2k, 34k, 5M."""
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            digits = ".2g" if number < _HUNDRED * size else ".0f"
            return f"{number / size:{digits}}{unit}"
    return f"{number:g}"


def _peak(stretch: Stretch) -> float:
    """Return the attempts per second in the highest column of a stretch."""
    return max(sum(counts.values()) for counts in stretch.columns) / _column_seconds(stretch)


def _column_seconds(stretch: Stretch) -> float:
    return stretch.seconds / len(stretch.columns)


def _columns(stretch: Stretch, x: float, width: float, top: float) -> list[Shape]:
    """Return the columns of one stretch, in which the statuses are stacked.

    The stretch begins at ``x`` and is ``width`` wide; ``top`` is the requests per second at _TOP.
    """
    shapes = []
    step = width / len(stretch.columns)
    for number, counts in enumerate(stretch.columns):
        left, y = x + number * step, _BOTTOM
        for status, count in counts.items():
            height = (_BOTTOM - _TOP) * count / _column_seconds(stretch) / top
            y -= height
            shapes.append(
                Shape(status, round(left, 3), round(y, 2), round(step * 0.88, 3), round(height, 2))
            )
    return shapes


def _histogram(bars: Sequence[tuple[str, int]]) -> Chart:
    """Return a bar for each label and count; a bar of any count but 0 can be seen."""
    highest = max(count for _, count in bars) or 1
    step = 100 / max(len(bars), _FEWEST_BARS)
    shapes, across, upwards = [], [], []
    for number, (label, count) in enumerate(bars):
        height = max((_BOTTOM - _TOP) * count / highest, 1.5 if count else 0)
        x = number * step
        words = f"{label}: {count:,}"
        shapes.append(Shape("", x, _BOTTOM - height, step * 0.84, height, words))
        across.append(Mark(x + step * 0.42, label))
        upwards.append(Mark(_BOTTOM - height - 5, brief(count) if count else ""))
    return Chart(shapes, across, upwards)


def _bounds(scale: Sequence[float], shortest: int, longest: int) -> list[int]:
    """Return the bounds of a scale, repeated for each power of ten, that cover all durations."""
    powers = range(len(str(longest)) + 1)
    numbers = sorted({math.ceil(digit * 10**power) for power in powers for digit in scale})
    return numbers[bisect_left(numbers, shortest) : bisect_left(numbers, longest) + 1]


def _length(ms: int) -> str:
    """Return a duration as a label: milliseconds without a unit, or seconds such as 1.5s."""
    return str(ms) if ms < _SECOND else f"{ms / _SECOND:g}s"


def _scale(top: float) -> list[Mark]:
    """Return the labels of the vertical axis, at half its height and at its top."""
    return [
        Mark(_BOTTOM - (_BOTTOM - _TOP) * share, f"{brief(top * share)}/s") for share in (0.5, 1)
    ]


def _round_up(number: float) -> float:
    """Return the next number that is one of _ROUND times a power of ten."""
    power = 10.0 ** math.floor(math.log10(number))
    return next(digit * power for digit in _ROUND if digit * power >= number)
