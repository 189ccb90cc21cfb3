"""The report of a run: a page for the browser that needs no other file.

Values are always shown as text: the template escapes them, and invisible characters are written
out. A policy in the page allows nothing to run or load except the page's own style and script.

The first rows are part of the page's text, so that they can be read without the script. All rows
are also in the page as JSON, which costs the browser little until the script shows them.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from itertools import chain, islice
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined

from etl.report import charts, words
from etl.report.entries import (
    MOST_CELLS,
    ChangedField,
    ChangeEntry,
    blank_entry,
    change_entry_of,
    entry_of,
)
from etl.report.sentences import (
    approval_in_words,
    columns_in_words,
    confirmation_in_words,
    rows_in_words,
    updated_in_words,
    verdict_of_run,
)
from etl.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from jinja2 import Template

    from etl.codes import Code
    from etl.fields import Field
    from etl.manifest import Manifest, Plan
    from etl.report.charts import Stretch
    from etl.rows import OpenRows, ReportRow, Totals

MOST_SHOWN = 20_000
_FIRST_SHOWN = 100  # without the script, which shows as many at a time
_FIRST_CHANGES = 1_000  # without the script
_SCRIPTS = ("list.js", "rows.js", "changes.js")
_SHORTEST_PICTURE = 10  # seconds; for a shorter run, requests per second mean little


@dataclass(frozen=True, slots=True)
class RunReport:
    """All that the page shows of a run.

    ``names`` are the columns of the input, ``columns`` is the index of each field among them, and
    ``sheet`` is the sheet that was read. ``not_updated`` are the rows to show, which can be read
    once. ``results`` and ``rework`` are the names of the files with all rows and with the rows to
    fix. ``codes`` has the number of rows for each code, ``durations`` the number of attempts for
    each duration in milliseconds, sorted, and ``attempts`` the number of rows for each number of
    attempts. ``seconds`` is how long rows were sent, without pauses. ``earlier`` counts the
    sessions before those in ``stretches``. ``reworked`` is what is still open of the files whose
    rows this one corrects. ``changes`` are the rows that change their client, or whose client
    somebody else changed, ``changed_rows`` is their number, and ``changed_fields`` is in how many
    rows each field changes and becomes blank. They are empty if the run does not compare.
    """

    manifest: Manifest
    sheet: str | None
    totals: Totals
    sentence: str
    codes: Mapping[Code, int]
    seconds: float
    stretches: Sequence[Stretch]
    earlier: int
    durations: Sequence[tuple[int, int]]
    attempts: Mapping[int, int]
    names: Sequence[str]
    columns: Mapping[Field, int]
    not_updated: Iterator[ReportRow]
    results: str
    rework: str | None
    reworked: Sequence[OpenRows] = ()
    changes: Iterator[ReportRow] = field(default_factory=lambda: iter(()))
    changed_rows: int = 0
    changed_fields: Mapping[Field, tuple[int, int]] = field(default_factory=dict)

    @property
    def plan(self) -> Plan | None:
        """What the run would change, if it was only planned."""
        return self.manifest.unsent_plan

    @property
    def changes_shown(self) -> int:
        """The number of changed rows that the page shows."""
        return min(self.changed_rows, MOST_SHOWN)

    @property
    def not_updated_rows(self) -> int:
        """The number of rows that were not updated, but for those of a plan."""
        return self.totals.not_updated - (self.plan.rows if self.plan else 0)

    @property
    def shown(self) -> int:
        """The number of rows that the page shows."""
        return min(self.not_updated_rows, MOST_SHOWN)

    @property
    def attempts_made(self) -> int:
        """The number of attempts that have a known end."""
        return sum(count for _, count in self.durations)

    @property
    def pictured(self) -> bool:
        """Whether the run was long enough for a chart of requests per second."""
        return self.seconds >= _SHORTEST_PICTURE


def write_report(path: Path, report: RunReport) -> None:
    """Write the page; its rows are read one by one."""
    style, script = _source("style.css"), "".join(map(_source, _SCRIPTS))
    changes = (change_entry_of(row, report.columns) for row in islice(report.changes, MOST_SHOWN))
    first_changes = list(islice(changes, _FIRST_CHANGES))
    entries = (entry_of(row, report.columns) for row in islice(report.not_updated, MOST_SHOWN))
    first = list(islice(entries, _FIRST_SHOWN))
    stream = _page().stream(
        report=report,
        manifest=report.manifest,
        first=first,
        entries=chain(first, entries),
        blank=blank_entry(len(report.names)),
        first_changes=first_changes,
        changes=chain(first_changes, changes),
        blank_change=ChangeEntry(),
        blank_field=ChangedField(),
        statuses=tuple(report.totals.counts),
        policy=_policy(style, script),
        style=style,
        script=script,
    )
    stream.enable_buffering(size=200)
    stream.dump(str(path), encoding="utf-8")


_FILTERS = (
    approval_in_words,
    columns_in_words,
    confirmation_in_words,
    counted,
    rows_in_words,
    updated_in_words,
    verdict_of_run,
    words.clock,
    words.cut,
    words.dated,
    words.ending,
    words.local,
    words.number,
    words.open_rows,
    words.parts,
    words.percent,
    words.setting,
    words.span,
    words.utc,
)


@cache
def _page() -> Template:
    environment = Environment(
        loader=PackageLoader("etl.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in _FILTERS})
    environment.globals.update(charts=charts, most_cells=MOST_CELLS, rows_of_page=_FIRST_SHOWN)
    return environment.get_template("report.html.j2")


def _source(name: str) -> str:
    return (files("etl.report") / "templates" / name).read_text(encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Return the policy that allows only the page's own style and script, by their hashes."""
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(source: str) -> str:
    """Return the hash of a style or script as a Content-Security-Policy has it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _shown(value: object) -> object:
    """Return a value as the page shows it: a text has its invisible characters written out."""
    if not isinstance(value, str) or hasattr(value, "__html__"):  # only templates make markup
        return value
    return words.visible_lines(value)
