"""The first sheet of a results workbook: what ran, what became of it, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etl.outcome import rows_in_words
from etl.report.look import LINE, lines_of, set_up
from etl.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

    from etl.codes import Code
    from etl.outcome import OpenRows, Totals
    from etl.report.look import Look

_WIDTHS = (24, 10, 60, 80)  # of the sheet's columns, in characters
_LAST = len(_WIDTHS) - 1
_EVERYWHERE = 2  # on the screen and on paper
_TITLE = 24  # the height of its line, in points


@dataclass(frozen=True, slots=True)
class SummaryFacts:
    """What the sheet says. ``run``, ``api`` and ``started`` are empty where nothing was sent.

    ``codes`` counts the rows that were not updated for each reason, ``advice`` says what to do,
    ``reworked`` what is open of the files that this one corrects.
    """

    file: str
    run: str
    api: str
    started: str
    totals: Totals
    codes: Mapping[Code, int]
    advice: Sequence[str]
    reworked: Sequence[OpenRows] = ()


def write_summary(sheet: Worksheet, facts: SummaryFacts, look: Look) -> None:
    """Write the sheet, from its top to its bottom: a workbook that streams takes no other order."""
    set_up(sheet, _WIDTHS, look)
    sheet.hide_gridlines(_EVERYWHERE)
    page = _Page(sheet, look)
    page.title("Results")
    for label, text in (
        ("File", facts.file),
        ("Run", facts.run or "none"),
        ("Rows", rows_in_words(facts.totals)),
    ):
        page.across(label, text)
    page.skip()
    for label, text in zip(["What to do", *[""] * len(facts.advice)], facts.advice, strict=False):
        page.across(label, text)
    page.skip()
    page.header("Status", "Count", "Meaning")
    for status, count in facts.totals.counts.items():
        page.line(status, count, look.statuses[status], status.meaning)
    if facts.codes:
        page.skip()
        page.header("Reason", "Count", "What is wrong", "How to fix it")
        for code, count in facts.codes.items():
            page.line(code.name, count, look.label, code.meaning, code.fix)


class _Page:
    """Lines of text, one below the other."""

    def __init__(self, sheet: Worksheet, look: Look) -> None:
        self._sheet, self._look = sheet, look
        self._row = 0

    def skip(self) -> None:
        """Leave a line blank."""
        self._row += 1

    def title(self, text: str) -> None:
        """Write what the sheet is about."""
        self._sheet.set_row(self._row, _TITLE)
        self._merged(0, text, self._look.title)
        self._row += 2

    def across(self, label: str, text: str) -> None:
        """Write a text that has the width of the sheet, and as many lines as that takes."""
        told = one_line(text)
        self._sheet.set_row(self._row, LINE * lines_of(told, sum(_WIDTHS[1:])))
        self._put(0, label, self._look.label)
        self._merged(1, told, self._look.told)
        self._row += 1

    def header(self, *names: str) -> None:
        """Write the header of a small table."""
        for column, name in enumerate(names):
            self._put(column, name, self._look.told_header)
        self._row += 1

    def line(self, word: str, count: int, style: Format, *texts: str) -> None:
        """Write a line of a small table."""
        self._put(0, word, style)
        self._put(1, str(count), self._look.count)
        for column, text in enumerate(texts, 2):
            self._put(column, text, self._look.told)
        self._row += 1

    def _merged(self, first: int, text: str, style: Format) -> None:
        self._sheet.merge_range(self._row, first, self._row, _LAST, "", style)
        self._put(first, text, style)  # as text: merging would take =1+1 for a formula

    def _put(self, column: int, text: str, style: Format) -> None:
        if text:
            self._sheet.write_string(self._row, column, text, style)
