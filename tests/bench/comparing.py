"""What it costs to read every client before it is updated; run by ``make bench``.

The same file is sent to the same server in several nights: without comparing, and with it while
every client, one in a hundred, or none has other values than its row. The nights take turns, and
the median is shown. The requests per second are those of a phase, as the server sees it, from its
first request to its last answer. Planning is the time between the two phases. Seconds are those of
the whole command. The CPU time leaves out what a file of one row takes.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from server import rows_in

from bench import US, Setting, Tool, WrongError, send, show, write_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench import Spent

SETTING = Setting(0.02, 32)
COMPARING = Tool("fatora-clients --compare", options=("--compare",))


@dataclass(frozen=True)
class Night:
    """A way to send the file: of every so many rows, one changes its client, or None does."""

    name: str
    tool: Tool = COMPARING
    one_in: int | None = None


NIGHTS = [
    Night("without comparing", US, 1),
    Night("every row changes", one_in=1),
    Night("1 % of rows change", one_in=100),
    Night("no row changes"),
]


@dataclass(frozen=True)
class Took:
    """What a night took: requests and, by method, when the server saw the first and the last."""

    spent: Spent
    requests: int
    times: dict[str, tuple[float, float]]

    def rate(self, method: str, requests: int) -> float:
        """Return the requests per second of a phase that had so many."""
        first, last = self.times[method]
        return requests / (last - first)

    @property
    def planning(self) -> float:
        """The seconds between the two phases."""
        return self.times["PUT"][0] - self.times["GET"][1]


def changed(rows: list[dict[str, str]], one_in: int | None) -> list[dict[str, str]]:
    """Return the rows that change their client."""
    return rows[::one_in] if one_in else []


def write_held(path: Path, rows: list[dict[str, str]], one_in: int | None) -> None:
    """Write what the API holds before the night."""
    for row in changed(rows, one_in):
        row["phone"] = row["phone"].replace("+97455", "+97433")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def measure(night: Night, count: int) -> Took:
    """Spend a night with so many rows."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        rows, held = Path(name) / "rows.csv", Path(name) / "held.csv"
        write_rows(rows, count)
        write_held(held, rows_in(rows), night.one_in)
        holding = ["--held", str(held)] if night.tool is COMPARING else []
        came, spent = send(night.tool, SETTING, rows, *holding)
    if came["wrong"]:
        raise WrongError(f"{night.name}: of {count} rows the server saw {came}")
    return Took(spent, came["requests"], came["times"])


def cells(night: Night, starts: list[Took], nights: list[Took], count: int) -> Iterator[str]:
    """Yield what is shown of a night."""
    updates = len(range(count)[:: night.one_in]) if night.one_in else 0
    reads = night.tool is COMPARING
    yield f"{median(each.spent.seconds for each in nights):.1f}"
    yield str(nights[0].requests)
    yield f"{median(each.rate('GET', count) for each in nights):.0f}" if reads else "-"
    yield f"{median(each.rate('PUT', updates) for each in nights):.0f}" if updates else "-"
    yield f"{median(each.planning for each in nights):.2f}" if reads and updates else "-"
    start, cpu = (median(each.spent.cpu for each in of) for of in (starts, nights))
    yield f"{1000 * (cpu - start) / max(count - 1, 1):.2f}"
    yield f"{median(each.spent.memory for each in nights):.0f}"


HEADER = ["seconds", "requests", "GETs/s", "PUTs/s", "planning, s", "CPU ms/row", "MB"]


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a night failed or other requests came than should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="200 rows once: only whether it works")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--nights", type=int, nargs="*", help="which ones, counted from 0")
    chosen = parser.parse_args(arguments)
    count, rounds = (200, 1) if chosen.short else (chosen.rows, chosen.rounds)
    nights = [NIGHTS[each] for each in chosen.nights] if chosen.nights else NIGHTS
    starts: dict[Night, list[Took]] = {night: [] for night in nights}
    whole: dict[Night, list[Took]] = {night: [] for night in nights}
    try:
        for _ in range(rounds):
            for night in nights:
                starts[night].append(measure(night, 1))
                whole[night].append(measure(night, count))
    except WrongError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    show(f"{SETTING}: {count} rows")
    show("", *HEADER)
    for night in nights:
        show(night.name, *cells(night, starts[night], whole[night], count))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
