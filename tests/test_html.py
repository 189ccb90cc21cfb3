"""The page of a run shows what is recorded, loads nothing, and shows values only as text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import time
import tracemalloc
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etl.codes import Code
from etl.errors import ExitCode
from etl.fields import Field
from etl.images import FieldChange
from etl.manifest import EXITS, Confirmation
from etl.report import html
from etl.report.charts import Stretch
from etl.report.html import MOST_SHOWN, write_report
from etl.rows import NOT_UPDATED, Fault, OpenRows, Status
from etl.runs.folder import RunFolder
from etl.runs.reader import JournalReader
from etl.text import quoted_together, without_isolates
from pages import (
    APPROVAL,
    BEGUN,
    ENDED,
    INVALID,
    NAMES,
    PLANNED,
    REJECTED,
    Page,
    page_of,
    planned_report,
    report_of,
    session_of,
    totals_of,
)
from spreadsheets import write_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etl.rows import ReportRow
    from program import Program

HOSTILE = [
    "<script>alert(1)</script>",
    "</style><img src=x onerror=alert(1)>",
    "</script><svg onload=alert(1)>",
    "\"'><b>bold</b>",
    "javascript:alert(1)",
    "{{ 7 * 7 }} {% for x in y %}",
    "&lt;b&gt; &amp; <!-- ",
    "]]><?php ?>",
]


def hostile_row(text: str) -> ReportRow:
    """Return a row that holds the text wherever a row can hold text from outside."""
    faults = (Fault(Code.API_REJECTED, text),)
    return replace(REJECTED, cells=(text,) * len(NAMES), faults=faults, warning=text)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path for a page."""
    return tmp_path / "report.html"


def plain_elements(path: Path) -> list[tuple[str, list[str]]]:
    """Return the elements of a page about a harmless row, each with the names of its attributes."""
    page = page_of(path, report_of([hostile_row("harmless")], names=("harmless",) * len(NAMES)))
    return [(tag, sorted(attrs)) for tag, attrs in page.elements]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(path: Path, text: str) -> None:
    """No text of a cell, header, error or file name becomes an element."""
    report = report_of(
        [hostile_row(text)],
        names=(text,) * len(NAMES),
        input_name=text,
        sentence=text,
        sheet=text,
        rework=text,
        manifest={
            "sessions": (session_of(user=text, host=text, stopped=text),),
            "api": text,
            "run": text,
            "program": text,
        },
    )
    page = page_of(path, report)
    assert page.texts.count(" ".join(text.split())) >= 12
    assert page.sources["style"] == source("style.css")
    assert page.sources["script"] == "".join(map(source, ("list.js", "rows.js", "changes.js")))
    assert page.entries[0]["cells"] == [text] * len(NAMES)
    written = {tag for tag, _ in page.elements}
    assert written <= {tag for tag, _ in plain_elements(path)}
    assert [name for _, attrs in page.elements for name in attrs if name.startswith("on")] == []


def source(name: str) -> str:
    """Return a part of the page as it is in the program."""
    folder = Path(html.__file__).parent / "templates"
    return (folder / name).read_text(encoding="utf-8")


def test_hostile_rows_have_the_elements_of_harmless_ones(path: Path) -> None:
    """A hostile row has the same elements as a harmless one."""
    expected = plain_elements(path)
    for text in HOSTILE:
        page = page_of(path, report_of([hostile_row(text)], names=(text,) * len(NAMES)))
        assert [(tag, sorted(attrs)) for tag, attrs in page.elements] == expected


def test_unseen_characters_are_written_out(path: Path) -> None:
    """Bidi marks, control characters and surrogates are written out."""
    text = "a\u202eb\u2066c\x00d\x1be\u200ff\ud800g"
    page = page_of(path, report_of([hostile_row(text)], input_name=text, sentence=text))
    shown = "a<U+202E>b<U+2066>c<U+0000>d<U+001B>e<U+200F>f<U+D800>g"
    assert page.texts.count(shown) >= 8
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\u200b-\u200f\x00\x1b]", page.source)


def test_lines_of_a_cell_stay_lines(path: Path) -> None:
    """Line breaks of a cell are kept."""
    page = page_of(path, report_of([REJECTED]))
    assert "two\nlines</bdi>" in page.source


def test_long_text_is_cut_and_many_columns_are_counted(path: Path) -> None:
    """Long texts are cut, and columns beyond the limit are counted."""
    names = [f"column {number}" for number in range(100)]
    row = replace(INVALID, cells=["y" * 32_767] * 100)
    page = page_of(path, report_of([row], names=names, columns={}))
    assert "y" * 500 + "…" in page.texts
    assert "y" * 501 not in page.source
    assert "60 more columns in" in page.texts
    assert "Searches the first 40 of 100 columns." in page.texts


def test_page_refers_to_nothing_outside_itself(path: Path) -> None:
    """No address is loaded or linked; every link leads to a place in the page that is there."""
    page = page_of(path, report_of([INVALID, REJECTED], updated=3))
    places = {attrs["id"] for _, attrs in page.elements if "id" in attrs}
    links = [attrs["href"] or "" for _, attrs in page.elements if "href" in attrs]
    assert links
    assert [link for link in links if link[0] != "#" or link[1:] not in places] == []
    for name in ("src", "srcset", "action", "data", "poster", "background", "style", "xlink:href"):
        assert [tag for tag, attrs in page.elements if name in attrs] == []
    assert not {"link", "iframe", "object", "img", "form", "base"} & {t for t, _ in page.elements}
    assert not re.search(r"@import|url\((?!#)", source("style.css"))


def test_policy_allows_only_the_style_and_script_of_the_page(path: Path) -> None:
    """The policy allows only the style and script of the page, by their hashes."""
    page = page_of(path, report_of([INVALID]))
    (policy,) = (m["content"] or "" for m in page.tags("meta") if "http-equiv" in m)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    hashes = {
        name: base64.b64encode(hashlib.sha256(page.sources[name].encode()).digest()).decode()
        for name in ("style", "script")
    }
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'sha256-{hashes['style']}'",
        "script-src": f"'sha256-{hashes['script']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_headings_are_in_order_and_only_one_is_the_first(path: Path) -> None:
    """No heading level is skipped."""
    page = page_of(path, report_of([INVALID], updated=1))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_unique(path: Path) -> None:
    """No two elements share an id: labels and links lead to one place."""
    page = page_of(path, report_of([INVALID, REJECTED], updated=1))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))


def test_every_picture_is_described_in_words(path: Path) -> None:
    """Every picture has a title and a description, or is hidden from screen readers."""
    page = page_of(path, report_of([INVALID], updated=1))
    pictures = [each for each in page.tags("svg") if each.get("role") == "img"]
    assert len(pictures) == 4
    ids = {
        attrs["id"] for tag, attrs in page.elements if tag in {"title", "desc"} and "id" in attrs
    }
    for each in pictures:
        assert set((each["aria-labelledby"] or "").split()) <= ids
    others = [each for each in page.tags("svg") if each.get("role") != "img"]
    assert {each.get("aria-hidden") for each in others} == {"true"}


@pytest.fixture
def in_qatar() -> Iterator[None]:
    """Set the machine's time zone to Qatar."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "<+03>-3")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_qatar")
def test_facts_of_the_run_are_there(path: Path) -> None:
    """The page has the run, user, times, file, API and settings."""
    sessions = (
        session_of("2026-01-05T10:00:00.000+00:00", None),
        session_of(
            "2026-01-05T22:00:10.000+00:00",
            "2026-01-05T23:02:10.000+00:00",
            "noor",
            "desk",
            "The run was interrupted (Ctrl-C).",
        ),
    )
    totals = totals_of([INVALID], blank_rows=2, hidden_rows=1)
    report = report_of([INVALID], sheet="Clients", totals=totals, manifest={"sessions": sessions})
    text = page_of(path, report).text
    for fact in (
        "20260105T220000.000Z-abcdef",
        "fatora-clients 0.1.0",
        "https://api.fatora.io/v1",
        "12,345 bytes",
        "5e" * 32,
        "Clients",
        "Started",
        "2026-01-05 10:00:00 UTC",
        "(13:00:00 at UTC+03:00)",
        "Resumed",
        "2026-01-05 23:02:10 UTC",
        "(2026-01-06 02:02:10 at UTC+03:00)",
        "1 (some rows need attention)",
        "cron",
        "desk",
        "Interrupted (no end recorded).",
        "The run was interrupted (Ctrl-C).",
        "Finished in 1 h 2 min,",
        "load.workers",
        "Some rows were not updated.",
        "1 row, hidden; 2 blank rows were skipped.",
    ):
        assert fact in text


@pytest.mark.parametrize(
    ("exit_code", "verdict"),
    [
        (ExitCode.DONE, "OK"),
        (ExitCode.NOT_ALL_UPDATED, "Action needed"),
        (ExitCode.STOPPED, "Stopped early"),
    ],
)
def test_header_has_the_date_and_the_verdict(path: Path, exit_code: ExitCode, verdict: str) -> None:
    """The first line says when the latest session started and whether somebody must act."""
    night = session_of("2026-11-28T02:15:40.000+00:00", None)
    report = report_of([INVALID], manifest={"exit_code": exit_code, "sessions": (night,)})
    texts = page_of(path, report).texts
    place = texts.index("28 November 2026, 02:15 UTC")
    assert texts[place : place + 4] == [texts[place], "·", verdict, "0 of 1 rows updated"]


def test_a_run_whose_rows_later_runs_corrected_asks_for_nothing(path: Path) -> None:
    """The page of a resumed run does not ask to fix rows that later runs have corrected."""
    totals = totals_of([INVALID], corrected=1)
    page = page_of(path, report_of([INVALID], totals=totals, rework=None))
    assert "OK" in page.texts
    assert "Action needed" not in page.texts


@pytest.mark.parametrize("exit_code", EXITS)
def test_every_exit_code_has_words(path: Path, exit_code: ExitCode) -> None:
    """Every exit code has an explanation."""
    texts = page_of(path, report_of(manifest={"exit_code": exit_code})).texts
    assert any(text.startswith(f"{exit_code.value} (") for text in texts)


def test_only_our_sandbox_gets_the_banner(path: Path) -> None:
    """Only sandbox runs get the banner; another local address may be a tunnel to Fatora."""
    banner = ["SANDBOX", ": nothing was sent to Fatora."]
    texts = page_of(path, report_of(totals=totals_of(updated=1, sandbox=True))).texts
    place = texts.index("SANDBOX")
    assert texts[place : place + 2] == banner
    assert place < texts.index("clients.csv")
    assert texts[0].startswith("SANDBOX: ")
    tunnel = page_of(path, report_of(updated=1, manifest={"api": "http://127.0.0.1:8080/v1"})).text
    assert "sandbox" not in tunnel.lower()


def test_rows_that_were_stored_differently_are_counted_with_the_results(path: Path) -> None:
    """Rows that were stored differently are counted with the results."""
    words = "25 updated, 25 of them stored differently from what was sent."
    totals = totals_of(updated=25, stored_differently=25)
    texts = page_of(path, report_of(totals=totals)).texts
    (place,) = (place for place, text in enumerate(texts) if text.startswith(words))
    assert texts.index("NOT_SENT") < place < texts.index("Sessions")
    assert "stored differently" not in page_of(path, report_of(updated=25)).text


def test_sent_and_unsent_columns_are_named(path: Path) -> None:
    """The page names the columns that are sent and those that are not."""
    text = page_of(path, report_of(updated=1)).text.replace("\n", "")
    assert "Sent: id ← “Client ID”, email ← “E-mail”, name ← “الاسم”. Not sent: “Notes”." in text


def test_what_is_still_open_of_reworked_files_is_there(path: Path) -> None:
    """The page of a rework says what is still open in the file that it corrects."""
    reworked = [OpenRows("R1", "monday.xlsx", 3, 2), OpenRows("R2", "sunday.csv", 0, 0)]
    texts = page_of(path, report_of(updated=1, reworked=reworked)).texts
    monday = "Still open in “monday.xlsx”: 3 rows to fix, 2 rows to send."
    assert f"{monday} Run that file again to send them." in texts
    assert "Still open in “sunday.csv”: nothing." in texts
    assert {"R1", "R2"} <= set(texts)


def test_rows_come_before_charts_and_technical_details_are_folded(path: Path) -> None:
    """Rows come before the charts, which are folded under the technical details."""
    page = page_of(path, report_of([INVALID], updated=1))
    ids = [attrs.get("id") or "" for _, attrs in page.elements]
    assert [each for each in ids if each in {"results", "rows", "technical", "pace-t"}] == [
        "results",
        "rows",
        "technical",
        "pace-t",
    ]
    folded = next(attrs for tag, attrs in page.elements if attrs.get("class") == "technical")
    assert "open" not in folded
    places = [page.texts.index(each) for each in ("Sessions", "Requests per second", "Settings")]
    assert min(places) > page.texts.index("Technical details", page.texts.index("Results") + 3)


def test_short_run_has_no_chart_of_its_pace(path: Path) -> None:
    """A run under ten seconds has no chart of requests per second."""
    for seconds, pictures in ((9.9, 0), (10, 1)):
        page = page_of(path, report_of(updated=1, seconds=seconds))
        assert [attrs.get("id") for attrs in page.tags("title")].count("pace-t") == pictures
        assert page.texts.count("Requests per second") == 2 * pictures


def test_time_between_two_sessions_is_hatched(path: Path) -> None:
    """The chart has a hatched band between two sessions, which its key explains."""
    stretches = (Stretch(BEGUN, ENDED, 10.0, [{Status.SUCCESS: 4}]),) * 2
    page = page_of(path, report_of(updated=1, stretches=stretches))
    shapes = [attrs.get("class") for attrs in page.tags("rect")]
    assert shapes.count("pause") == 2
    assert "Not running" in page.texts


def test_workbook_s_results_are_in_a_workbook(path: Path) -> None:
    """The page names the files that people who sent a workbook open."""
    texts = page_of(path, report_of([INVALID], results="results.xlsx", rework="rework.xlsx")).texts
    place = texts.index("The rows to fix are in")
    assert texts[place : place + 5] == [
        "The rows to fix are in",
        "rework.xlsx",
        ", in the same folder. This row is also in",
        "results.xlsx",
        ", in the same folder.",
    ]
    assert "results.csv" not in texts


def test_quoted_text_cannot_reorder_a_sentence(path: Path) -> None:
    """Our sentences run from left to right; each Arabic value in them has its own direction."""
    header, value = quoted_together("البريد", "<sara@")
    text = f"The e-mail address is not valid (column {header}: {value})."
    row = replace(INVALID, faults=(Fault(Code.EMAIL_INVALID, text),), warning=text)
    stopped = (session_of(stopped=text),)
    page = page_of(path, report_of([row], sentence=text, manifest={"sessions": stopped}))
    expected = (
        "The e-mail address is not valid (column “<bdi>البريد</bdi>”: “<bdi>&lt;sara@</bdi>”)."
    )
    assert page.source.count(expected) == 4
    for place in re.finditer(re.escape(expected), page.source):
        opening = re.findall(r"<(?:p|div)[^>]*>", page.source[: place.start()])[-1]
        assert 'dir="ltr"' in opening
    assert "".join(page.entries[0]["error"]) == without_isolates(text)


def test_row_shows_its_client_and_what_to_do(path: Path) -> None:
    """Each row has its number, status, code, error, fix and the client's main cells."""
    page = page_of(path, report_of([INVALID]))
    for text in (
        "2",
        "سارة",
        "x7",
        "sara@",
        "INVALID",
        "EMAIL_INVALID",
        INVALID.error,
        INVALID.fix,
    ):
        assert text in page.texts
    assert {"VIP", *NAMES} <= set(page.texts)


def test_each_cell_has_a_direction_of_its_own(path: Path) -> None:
    """Each cell has its own text direction."""
    source = page_of(path, report_of([INVALID])).source
    for cell in (*INVALID.cells, *NAMES):
        assert re.search(rf'<bdi dir="auto"[^>]*>{re.escape(cell)}</bdi>', source)


def test_run_of_no_rows(path: Path) -> None:
    """A file without rows has a page without charts."""
    sentence = "The file contains no rows."
    report = report_of(stretches=(), durations=[], attempts={}, sentence=sentence)
    page = page_of(path, report)
    assert {"No rows", sentence, "Nothing was sent.", "0 rows."} <= set(page.texts)
    assert page.tags("table") == page.tags("script") == []


def test_run_that_updated_everything(path: Path) -> None:
    """If all rows were updated, the page lists none."""
    page = page_of(path, report_of(updated=7))
    assert {"7 of 7 rows updated", "100%"} <= set(page.texts)
    assert "Rows that were not updated" not in page.text
    assert page.tags("table") == page.tags("script") == []


def test_page_with_too_many_rows_says_where_the_rest_is(path: Path) -> None:
    """The page has the first 20,000 rows, and the search says that there are more."""
    rows = (replace(REJECTED, row=number) for number in itertools.count(2))
    totals = totals_of(rows=1_234_567, counts={**totals_of().counts, Status.REJECTED: 1_234_567})
    report = report_of(totals=totals, not_updated=rows, codes={Code.API_CONFLICT: 1_234_567})
    page = page_of(path, report)
    assert [each["row"] for each in page.entries] == list(range(2, 20_002))
    assert next(rows).row == 2 + MOST_SHOWN
    place = page.texts.index("Searches the first 20,000 of 1,234,567 rows; the others are in")
    assert page.texts[place + 1] == "results.csv"
    (search,) = (attrs for attrs in page.tags("input"))
    assert search["aria-describedby"] == "reach"


def test_rows_that_all_fit_are_searched_without_a_reservation(path: Path) -> None:
    """The search has no warning if the page has all rows."""
    text = page_of(path, report_of([INVALID, REJECTED])).text
    assert "Searches the first" not in text
    assert "Scripts are off" not in text


def test_page_is_written_row_by_row(path: Path) -> None:
    """The memory to write a page does not grow with the number of rows."""
    few, many = (memory_of_a_page(path, rows) for rows in (500, 4_000))
    assert path.stat().st_size > 1_500_000
    assert many < few + 100_000


def memory_of_a_page(path: Path, rows: int) -> int:
    """Return the most bytes that were in use while so many rows were written."""
    left = (replace(REJECTED, row=number) for number in range(rows))
    report = report_of(totals=totals_of(rows=rows), not_updated=left)
    tracemalloc.start()
    write_report(path, report)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    ("count", "rows", "share"),
    [
        (0, 9, "0%"),
        (9, 9, "100%"),
        (1, 1_000_000, "0.1%"),
        (999_999, 1_000_000, "99.9%"),
        (1, 3, "33.3%"),
    ],
)
def test_share_is_0_or_100_percent_only_if_that_is_exact(
    path: Path, count: int, rows: int, share: str
) -> None:
    """0% and 100% are shown only if they are exact."""
    counts = dict.fromkeys(Status, 0) | {Status.UNKNOWN: count, Status.SUCCESS: rows - count}
    page = page_of(path, report_of(totals=totals_of(rows=rows, counts=counts)))
    place = page.texts.index("UNKNOWN")
    assert page.texts[place + 2 : place + 4] == [f"{count:,}", share]


def test_sessions_that_do_not_fit_the_picture_are_counted(path: Path) -> None:
    """Sessions that do not fit the chart are counted."""
    words = "earlier sessions are not shown."
    assert f"3 {words}" in page_of(path, report_of(updated=1, earlier=3)).text
    assert words not in page_of(path, report_of(updated=1)).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "40 ms"), (1.24, "1.2 s"), (59.6, "1 min"), (185, "3 min 5 s"), (90_000, "1 d 1 h")],
)
def test_length_of_time_is_in_its_largest_units(path: Path, seconds: float, text: str) -> None:
    """A duration has its two largest units."""
    page = page_of(path, report_of(updated=1, seconds=seconds))
    assert page.texts[page.texts.index("Time spent sending") + 1] == text


def counts_of(page: Page) -> dict[Status, int]:
    """Return the number of rows that a page names for each status."""
    places = {status: page.texts.index(status) for status in Status if status in page.texts}
    return {status: int(page.texts[place + 2]) for status, place in places.items()}


def test_page_of_a_run_agrees_with_its_journal(program: Program) -> None:
    """After a real run, the page has the counts, reasons and rows of the journal."""
    rows = [("id", "email", "name"), ("1", "a@example.com", "سارة"), ("2", "b+409@example.com", "")]
    bad = [("3.5", "c@example.com", ""), ("4", "", ""), ("5", "d+422@example.com", "")]
    source = write_csv(program.folder / "clients.csv", [*rows, *bad])
    assert program.run("update", source).returncode == 1
    folder = RunFolder(program.only_run())
    page = Page(folder.report.read_text(encoding="utf-8"))
    with JournalReader(folder.journal) as journal:
        assert counts_of(page) == journal.counts()
        codes = Counter(code for each in page.entries for code in each["codes"].split("; "))
        for code, count in journal.code_counts().items():
            assert codes[code.name] == count
            place = page.texts.index(code.name)
            assert str(count) in page.texts[place - 5 : place]
        shown = [(each["row"], each["status"]) for each in page.entries]
        left = [(row.row, row.status) for row in journal.rows(statuses=NOT_UPDATED)]
        assert sorted(shown) == left
    assert "rework.csv" in page.texts


@pytest.mark.slow
def test_rows_to_fix_come_before_the_rows_that_were_left(program: Program) -> None:
    """Rows to fix come before rows that were not sent."""
    rows = [("id", "email"), *((str(i), f"c{i}@example.com") for i in range(1, 5)), ("x", "")]
    source = write_csv(program.folder / "clients.csv", rows)
    assert program.run("update", source, "--limit", 2).returncode == 4
    page = Page((program.only_run() / "report.html").read_text(encoding="utf-8"))
    assert [(each["row"], each["status"]) for each in page.entries] == [
        (6, "INVALID"),
        (4, "NOT_SENT"),
        (5, "NOT_SENT"),
    ]


@pytest.mark.slow
def test_page_of_a_resumed_run_shows_both_sessions(program: Program) -> None:
    """After a resume, the page shows both sessions and the new results."""
    source = write_csv(
        program.folder / "clients.csv",
        [("id", "email"), *((str(i), f"c{i}@example.com") for i in range(1, 6))],
    )
    assert program.run("update", source, "--limit", 2).returncode == 4
    report = program.only_run() / "report.html"
    assert "2 of 5 rows updated" in Page(report.read_text(encoding="utf-8")).texts
    assert program.run("update", source).returncode == 0
    page = Page(report.read_text(encoding="utf-8"))
    assert "5 of 5 rows updated" in page.texts
    assert {"Started", "Resumed"} <= set(page.texts)


def test_a_plan_shows_what_would_change(path: Path) -> None:
    """A plan has its numbers, the emptied fields, and each change, but no row twice."""
    page = page_of(path, planned_report())
    assert "1 of 2 rows would change" in page.texts
    assert "Planned" in page.texts
    assert "4 (planned, nothing sent so far)" in page.texts
    assert page.text.count("What changes") >= 2
    assert "notes in 1 row." in page.texts
    assert [each["row"] for each in page.changes] == [4]
    assert [each["row"] for each in page.entries] == [INVALID.row]
    places = [page.texts.index(word) for word in ("before:", "after:")]
    assert [page.texts[place + 1] for place in places] == ["+974555510", "+974555510"]
    assert [page.texts[place + 2] for place in places] == ["00", "37"]
    classes = [each.get("class") for tag in ("del", "ins") for each in page.tags(tag)]
    assert classes == [None, None, "none", "none", None, "none", None, "none"]


def test_changes_are_text_whatever_they_hold(path: Path) -> None:
    """No old or new value becomes an element, in the page or in what its script shows."""
    for text in HOSTILE:
        change = FieldChange(Field.NOTES, f"kept words here {text}", f"kept words here {text} end")
        cells = ("1026", text, text, "")
        row = replace(PLANNED, cells=cells, changes=(change,))
        page = page_of(path, planned_report([row]))
        shown = "".join(page.changes[0]["changes"][0]["new"])
        assert shown == f"kept words here {text} end"
        assert {tag for tag, _ in page.elements} == {
            tag for tag, _ in page_of(path, planned_report([PLANNED])).elements
        }


def test_a_finished_run_marks_what_somebody_else_changed(path: Path) -> None:
    """A run that was sent shows what changed, with the status of each row and why one was not."""
    updated = replace(PLANNED, status=Status.SUCCESS, faults=())
    why = "Somebody changed this client (phone: “1” → “2”)."
    conflict = replace(
        PLANNED, row=5, status=Status.CONFLICT, faults=(Fault(Code.CHANGED_MEANWHILE, why),)
    )
    changes = iter([updated, conflict])
    page = page_of(path, report_of([conflict], 1, changes=changes, changed_rows=2))
    assert page.text.count("What changed") >= 2
    assert [(each["status"], each["note"]) for each in page.changes] == [
        ("SUCCESS", []),
        ("CONFLICT", [why]),
    ]
    assert page.texts.count("CONFLICT") >= 3


def test_approvals_confirmations_and_the_undone_run_have_their_lines(path: Path) -> None:
    """The page says who approved what, what was confirmed, and which run is undone."""
    when = "2026-11-28T02:15:00.000+00:00"
    confirmation = Confirmation(when, "ali", "desk", 3, 3, 0, 0, 0)
    facts = {"undoes": "run-1", "approvals": (APPROVAL,), "confirmations": (confirmation,)}
    page = page_of(path, planned_report(manifest=facts))
    assert "run-1" in page.texts
    assert any("by mona on desk" in text and "<b>Checked</b>" in text for text in page.texts)
    assert any("by ali on desk: 3 clients read, 3 still so." in text for text in page.texts)


def test_a_run_that_does_not_compare_has_nothing_about_changes(path: Path) -> None:
    """Without comparing, the page has no section of changes and no status that belongs to it."""
    page = page_of(path, report_of([INVALID], 1))
    assert "What changed" not in page.text
    assert "UNCHANGED" not in page.texts
    assert page.tags("del") == []


def test_a_thousand_changes_are_in_the_page_itself(path: Path) -> None:
    """A thousand changes can be read without the script, and 1,500 changes are all searched."""
    rows = [replace(PLANNED, row=number) for number in range(2, 1_502)]
    page = page_of(path, planned_report(rows))
    ids = {each.get("id") for each in page.tags("tr")}
    assert {f"change-{number}" for number in range(2, 1_002)} <= ids
    assert len(page.changes) == 1_500
    assert any("only the first 1,000 rows" in text for text in page.texts)
