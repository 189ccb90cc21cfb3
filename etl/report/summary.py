"""The sheet that a results workbook opens with: the run, its results, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.report.look import LINE, lines_of, set_paper
from etl.report.sentences import (
    IN_SANDBOX,
    approval_in_words,
    columns_in_words,
    confirmation_in_words,
    open_in_words,
    plan_in_words,
    rows_in_words,
    updated_in_words,
)
from etl.report.words import utc
from etl.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from etl.codes import Code
    from etl.manifest import Manifest
    from etl.report.look import Look
    from etl.rows import OpenRows, Totals

_WIDTHS = (28, 12, 58, 84)  # of the sheet's columns, in characters
_COUNT = 1  # the column of numbers
_LAST = len(_WIDTHS) - 1
_LONGEST = 3_000  # characters of a cell; no row is high enough to show more
_EVERYWHERE = 2  # on screen and on paper
_TITLE = 24  # the height of its line, in points


@dataclass(frozen=True, slots=True)
class SummaryFacts:
    """What the sheet shows; ``manifest`` is None if the file was only checked.

    ``verdict`` is the outcome in a sentence, and ``advice`` is what to do, if there is anything.
    ``codes`` counts the rows that were not updated for each reason. ``reworked`` is what is still
    open of the files that this one corrects.
    """

    file: str
    manifest: Manifest | None
    totals: Totals
    verdict: str
    codes: Mapping[Code, int]
    advice: Sequence[str]
    reworked: Sequence[OpenRows] = ()


def write_summary(sheet: Worksheet, facts: SummaryFacts, look: Look) -> None:
    """Write the sheet from top to bottom, the only order in which a workbook can be streamed."""
    for column, width in enumerate(_WIDTHS):
        sheet.set_column(column, column, width)
    set_paper(sheet)
    sheet.hide_gridlines(_EVERYWHERE)
    page = _Page(sheet, look)
    if facts.totals.sandbox:
        page.title(IN_SANDBOX, look.sandbox)
    page.title("Results" if facts.manifest else "Check", look.title)
    page.across("Result", facts.verdict, look.verdicts[not facts.advice])
    for label, text in _identity(facts):
        page.across(label, text)
    page.block("What to do", facts.advice or ["Nothing."])
    page.block("Still open after this rework", map(_named, facts.reworked))
    page.skip()
    page.header("Status", "Rows", "Meaning")
    for status, count in facts.totals.counts.items():
        page.line(status, count, look.statuses[status], status.meaning)
    page.line("Total", facts.totals.rows, look.label)
    if facts.codes:
        page.skip()
        page.header("Reason", "Rows", "What is wrong", "How to fix it")
        for code, count in facts.codes.items():
            page.line(code.name, count, look.label, code.meaning, code.fix)


def _identity(facts: SummaryFacts) -> Iterator[tuple[str, str]]:
    """Yield the lines about the file and the run: each line's label, and its text."""
    yield "File", one_line(facts.file)
    if run := facts.manifest:
        yield "Started", utc(run.sessions[0].begun)
        yield "Run", run.run
        yield "Fatora API", run.api
    yield "Rows", rows_in_words(facts.totals)
    if run:
        yield "Updated", updated_in_words(facts.totals)
        yield from _comparison(run)
    yield "Columns", columns_in_words(facts.totals)


def _comparison(run: Manifest) -> Iterator[tuple[str, str]]:
    """Yield the lines about what a run changes, and who approved or confirmed it."""
    if run.undoes:
        yield "Undoes", f"Run {run.undoes}"
    if run.plan:
        verb = "would change" if run.unsent_plan else "change"
        yield "Changes", f"{plan_in_words(run.plan, run.rows, verb)}."
    for approval in run.approvals:
        yield "Approved", approval_in_words(approval)
    for confirmation in run.confirmations:
        yield "Confirmed", confirmation_in_words(confirmation)


def _named(rows: OpenRows) -> str:
    return f"{one_line(rows.file)} (run {rows.run}): {open_in_words(rows)}"


class _Page:
    """Lines of text, one below the other."""

    def __init__(self, sheet: Worksheet, look: Look) -> None:
        self._sheet, self._look = sheet, look
        self._row = 0

    def skip(self) -> None:
        """Leave a line blank."""
        self._row += 1

    def title(self, text: str, style: Format) -> None:
        """Write a large line."""
        self._sheet.set_row(self._row, _TITLE)
        self._merged(0, text, style)
        self._row += 1

    def block(self, label: str, texts: Iterable[str]) -> None:
        """Write a blank line and texts that belong together, if there are any."""
        for number, text in enumerate(texts):
            if number == 0:
                self.skip()
            self.across("" if number else label, text)

    def across(self, label: str, text: str, style: Format | None = None) -> None:
        """Write a text across the sheet, on as many lines as it needs."""
        self._set_height([text], [sum(_WIDTHS[1:])])
        self._put(0, label, self._look.label)
        self._merged(1, text, style or self._look.prose)
        self._row += 1

    def header(self, *names: str) -> None:
        """Write the header of a small table."""
        for column, name in enumerate(names):
            style = self._look.count_header if column == _COUNT else self._look.prose_header
            self._put(column, name, style)
        self._row += 1

    def line(self, word: str, count: int, style: Format, *texts: str) -> None:
        """Write a line of a small table."""
        self._set_height(texts, _WIDTHS[2:])
        self._put(0, word, style)
        self._sheet.write_number(self._row, _COUNT, count, self._look.count)
        for column, text in enumerate(texts, 2):
            self._put(column, text, self._look.prose)
        self._row += 1

    def _set_height(self, texts: Sequence[str], widths: Sequence[int]) -> None:
        """Make the current line high enough for texts in columns of these widths."""
        lines = max(map(lines_of, texts, widths), default=1)
        self._sheet.set_row(self._row, LINE * lines)

    def _merged(self, first: int, text: str, style: Format) -> None:
        """Write a text into the cells from column ``first`` to the last, merged into one."""
        self._sheet.merge_range(self._row, first, self._row, _LAST, "", style)
        self._put(first, text, style)  # as text: merge_range would write =1+1 as a formula

    def _put(self, column: int, text: str, style: Format) -> None:
        """Write a cell; characters that UTF-8 cannot encode are written as escapes."""
        if text:
            writable = text[:_LONGEST].encode(errors="backslashreplace").decode()
            self._sheet.write_string(self._row, column, writable, style)
