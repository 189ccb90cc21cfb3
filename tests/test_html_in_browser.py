"""The page of a run in a real browser: opened from the disk, with nothing else to load."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from etl.codes import Code
from etl.fields import Field
from etl.images import FieldChange
from etl.report.charts import Stretch
from etl.report.html import write_report
from etl.rows import Fault, OpenRows, Status
from etl.text import quoted_together
from pages import (
    BEGUN,
    ENDED,
    INVALID,
    NAMES,
    PLANNED,
    REJECTED,
    planned_report,
    report_of,
    session_of,
    totals_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

CHROMIUM = Path("/usr/bin/chromium")
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
HOSTILE = "</style></script><script>document.title='run'</script><img src=x onerror=alert(1)>"
LONG = "w" * 400
ARABIC = "رقم العميل"
MANY = 350

# Left and right of a sentence's first word, of each value that it quotes, and of its full stop.
PLACES = """e => {
  const place = (node, from, to) => {
    const range = new Range();
    range.setStart(node, from);
    range.setEnd(node, to);
    const { left, right } = range.getBoundingClientRect();
    return [left, right];
  };
  const [first, last] = [e.firstChild, e.lastChild];
  const quoted = [...e.querySelectorAll("bdi")]
    .map(({ firstChild: text }) => place(text, 0, text.length));
  return [place(first, 0, 3), ...quoted, place(last, last.length - 1, last.length)];
}"""
# The labels of charts that a bar covers.
COVERED = """figures => figures.flatMap((figure) => {
  const boxes = (what) => [...figure.querySelectorAll(what)].map((e) => e.getBoundingClientRect());
  const bars = boxes("svg[role=img] rect");
  const covers = (bar, text) => text.left < bar.right && bar.left < text.right
    && text.top < bar.bottom - 1 && bar.top < text.bottom - 4;
  return boxes("text").filter((text) => text.width && bars.some((bar) => covers(bar, text)));
})"""
PHONE: ViewportSize = {"width": 360, "height": 740}
DESKTOP: ViewportSize = {"width": 1280, "height": 900}

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The browser that the machine has."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with nearly every outcome and with hostile rows."""
    path = tmp_path_factory.mktemp("run") / "report.html"
    hostile = Fault(Code.API_REJECTED, HOSTILE)
    rows = [
        INVALID,
        REJECTED,
        replace(REJECTED, row=4, cells=(HOSTILE,) * len(NAMES), faults=(hostile,)),
        replace(INVALID, row=5, cells=(LONG,) * len(NAMES)),
        replace(REJECTED, row=6, status=Status.UNKNOWN),
    ]
    columns = [{Status.SUCCESS: 9, Status.UNKNOWN: 2}, {}, {Status.SUCCESS: 5, Status.REJECTED: 1}]
    stretch = Stretch(BEGUN, ENDED, 10.0, columns)
    sessions = (
        session_of(stopped="The run was stopped (SIGTERM)."),
        session_of(ended=None, host=LONG),
        session_of(),
    )
    changes: dict[str, Any] = {"manifest": {"sessions": sessions}, "stretches": (stretch,) * 3}
    totals = totals_of(rows, updated=30, stored_differently=3, sandbox=True)
    reworked = [OpenRows("20260104T220000.000Z-fedcba", LONG, 3, 2)]
    changes |= {"totals": totals, "reworked": reworked, "input_name": LONG, "sheet": HOSTILE}
    write_report(path, report_of(rows, **changes))
    return path


@pytest.fixture(scope="module")
def long_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with many rows that were not updated; the last is Huda's."""
    path = tmp_path_factory.mktemp("many") / "report.html"
    rows = [replace(REJECTED, row=number) for number in range(2, MANY + 1)]
    huda = replace(INVALID, row=MANY + 1, cells=("7", "huda@", "Huda", ""))
    write_report(path, report_of([*rows, huda], updated=1))
    return path


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a plan with 1,000 changes, in Arabic and in Latin letters; some are hostile."""
    path = tmp_path_factory.mktemp("plan") / "report.html"
    texts = ("عميل قديم يفضل الاتصال {} مساءً", "Prefers a call in the evening {}, after six")
    rows = []
    for row in range(2, 1_002):
        text = texts[row % 2] if row % 5 else texts[row % 2] * 20 + HOSTILE
        notes = FieldChange(Field.NOTES, text.replace("{}", "now"), text.replace("{}", f"not{row}"))
        phone = FieldChange(Field.PHONE, f"+9745555{row:04}", "" if row % 100 else LONG + HOSTILE)
        rows.append(replace(PLANNED, row=row, changes=(phone, notes)))
    write_report(path, planned_report(rows))
    return path


@pytest.fixture(scope="module")
def huge_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with more rows than a page shows."""
    path = tmp_path_factory.mktemp("huge") / "report.html"
    rows = (replace(REJECTED, row=number) for number in range(2, 30_000))
    write_report(path, report_of(totals=totals_of(rows=1_234_567), not_updated=rows))
    return path


@pytest.fixture(scope="module")
def arabic_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of an Arabic file."""
    path = tmp_path_factory.mktemp("arabic") / "report.html"
    header, value = quoted_together(ARABIC, "12.000")
    text = f"The client number is not a whole number (column {header}: {value})."
    row = replace(INVALID, faults=(Fault(Code.ID_NOT_INTEGER, text),))
    stretch = Stretch(BEGUN, ENDED, 10.0, [{Status.SUCCESS: 9}] * 40)
    write_report(path, report_of([row], updated=1, sentence=text, stretches=[stretch]))
    return path


@dataclass
class Visit:
    """An open page, with its messages and requests."""

    page: Page
    messages: list[str]
    requests: list[str]


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Visit]:
    """The report, opened on a desktop."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        visit = Visit(page, [], [])
        page.on("console", lambda message: visit.messages.append(message.text))
        page.on("pageerror", lambda error: visit.messages.append(error.message))
        page.on("dialog", lambda dialog: visit.messages.append(dialog.message))
        page.on("request", lambda request: visit.requests.append(request.url))
        page.goto(report.as_uri())
        yield visit


def shown_rows(page: Page) -> list[str]:
    """Return the numbers of the rows that can be seen."""
    numbers: list[str] = page.locator("tbody th a").evaluate_all(
        "links => links.filter((e) => e.checkVisibility()).map((e) => e.textContent)"
    )
    return numbers


def test_page_loads_nothing_and_complains_of_nothing(visit: Visit, report: Path) -> None:
    """The page makes no requests, and has no errors or policy violations."""
    visit.page.wait_for_load_state("networkidle")
    assert (visit.requests, visit.messages) == ([report.as_uri()], [])


def test_hostile_text_runs_nothing(visit: Visit) -> None:
    """Script in a cell is shown as text."""
    assert visit.page.get_by_text(HOSTILE, exact=True).count() >= 3
    assert visit.page.title().startswith("SANDBOX: 30 of 35 rows updated")
    assert visit.page.locator("img").count() == 0
    assert visit.page.locator("script:not([type])").count() == 1
    assert visit.messages == []


def test_policy_stops_a_script_that_got_in_all_the_same(visit: Visit) -> None:
    """The policy stops a script even if escaping failed."""
    visit.page.evaluate(
        "const e = document.createElement('script'); e.textContent = 'window.ran = 1';"
        "document.body.append(e)"
    )
    assert visit.page.evaluate("window.ran") is None
    assert "Content Security Policy" in visit.messages[0]


def test_style_is_in_force(visit: Visit) -> None:
    """The page's own style is applied."""
    bar = visit.page.locator(".bar rect.SUCCESS").evaluate("e => getComputedStyle(e).fill")
    assert bar == "rgb(23, 113, 74)"


def test_search_finds_rows_by_what_is_in_them(visit: Visit) -> None:
    """Every word must be in the row: in a cell, the status, the code or the error; in any case."""
    page = visit.page
    search = page.get_by_role("searchbox", name="Search")
    for text, rows in [
        ("OMAR 1025", ["3", "6"]),
        ("سارة", ["2"]),
        ("api_conflict", ["3", "6"]),
        ("onerror", ["4"]),
        ("nobody", []),
        ("", ["2", "3", "4", "5", "6"]),
    ]:
        search.fill(text)
        assert shown_rows(page) == rows
        count = page.get_by_role("status").first.inner_text()
        assert count == (f"{len(rows)} of 5 rows" if rows else "None of 5 rows")


def test_status_is_picked_with_the_keyboard_alone(visit: Visit) -> None:
    """Tab leads from the search to the statuses, arrows pick one, and both filters hold."""
    page = visit.page
    page.get_by_role("searchbox").focus()
    page.keyboard.type("omar")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="REJECTED 2").is_checked()
    assert shown_rows(page) == ["3"]
    page.keyboard.press("ArrowRight")
    assert shown_rows(page) == ["6"]


def test_reason_leads_to_its_rows(visit: Visit) -> None:
    """A reason leads to its rows, also by keyboard."""
    visit.page.get_by_role("link", name="See the rows of EMAIL_INVALID").press("Enter")
    assert shown_rows(visit.page) == ["2", "5"]
    assert visit.page.get_by_label("Reason").input_value() == "EMAIL_INVALID"
    assert visit.page.url.endswith("#controls")


def test_all_cells_of_a_row_open_with_the_keyboard(visit: Visit) -> None:
    """All cells of a row can be opened by keyboard."""
    notes = visit.page.get_by_text("VIP", exact=True)
    assert not notes.is_visible()
    visit.page.get_by_text("All cells of row 2").press("Enter")
    assert notes.is_visible()


def test_without_scripts_the_page_is_whole(browser: Browser, report: Path) -> None:
    """Without scripts the rows are shown, and no controls."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert shown_rows(page) == ["2", "3", "4", "5", "6"]
        assert page.get_by_role("searchbox").count() == 0
        assert page.get_by_role("radio").count() == page.get_by_role("button").count() == 0
        page.get_by_text("All cells of row 2").click()
        assert page.get_by_text("VIP", exact=True).is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_page_never_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    """The page never scrolls sideways, on a phone or with very long words."""
    with browser.new_context(viewport={"width": width, "height": 740}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        wide = "e => Math.ceil(e.getBoundingClientRect().right)"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert max(cell.evaluate(wide) for cell in page.locator("td, .card").all()) <= width


def opened(context: BrowserContext, report: Path, anchor: str = "") -> Page:
    """Return a page that shows a report."""
    page = context.new_page()
    page.goto(report.as_uri() + anchor)
    return page


@pytest.mark.slow
def test_search_finds_a_row_that_is_on_no_shown_page(browser: Browser, long_report: Path) -> None:
    """The search finds a row on any page, and its counts include all rows."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, long_report)
        assert page.get_by_role("status").first.inner_text() == "350 of 350 rows"
        for name in ("All 350", "REJECTED 349", "INVALID 1"):
            assert page.get_by_role("radio", name=name, exact=True).count() == 1
        assert page.locator("option").all_inner_texts() == [
            "All reasons",
            "This e-mail or phone belongs to another client (349)",
            "The e-mail address is not valid (1)",
        ]
        page.get_by_role("searchbox").fill("huda")
        assert shown_rows(page) == ["351"]
        assert page.get_by_role("status").first.inner_text() == "1 of 350 rows"


@pytest.mark.slow
def test_search_says_where_it_does_not_reach(browser: Browser, huge_report: Path) -> None:
    """The search says that it covers only the rows in the page."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, huge_report)
        note = "Searches the first 20,000 of 1,234,567 rows; the others are in results.csv."
        assert page.get_by_text(note).is_visible()
        page.get_by_role("searchbox").fill("huda")
        assert page.get_by_role("status").first.inner_text() == "None of the first 20,000 rows"


@pytest.mark.slow
def test_rows_are_turned_page_by_page(browser: Browser, long_report: Path) -> None:
    """Rows are paged by keyboard to the end and back."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, long_report)
        back, forth = (page.get_by_role("button", name=name) for name in ("Previous", "Next"))
        assert back.is_disabled()
        assert shown_rows(page) == [str(row) for row in range(2, 102)]
        forth.press("Enter")
        assert shown_rows(page)[0] == "102"
        assert page.get_by_text("Showing 101–200 of 350").is_visible()
        assert page.locator("thead").is_visible()
        for _ in range(2):
            forth.press("Enter")
        assert forth.is_disabled()
        assert shown_rows(page)[-1] == "351"
        back.press("Enter")
        assert shown_rows(page)[-1] == "301"


@pytest.mark.slow
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_link_to_a_row_opens_it_wherever_it_is(
    browser: Browser, long_report: Path, size: ViewportSize
) -> None:
    """A link to a row shows it with its cells, whatever page or filter is active."""
    with browser.new_context(viewport=size) as context:
        page = opened(context, long_report, "#row-312")
        assert_open(page, 312)
        page.get_by_role("searchbox").fill("huda")
        page.evaluate("location.hash = '#row-40'")
        assert_open(page, 40)
        assert page.get_by_role("searchbox").input_value() == ""


def assert_open(page: Page, row: int) -> None:
    """Check that a row can be seen, with all of its cells, and has the focus."""
    found = page.locator(f"#row-{row}")
    found.get_by_text("two lines").wait_for()
    assert found.evaluate("e => document.activeElement === e")
    top = found.bounding_box()
    assert top
    assert 0 <= top["y"] < 700


def test_link_to_a_row_that_is_not_there_says_so(browser: Browser, long_report: Path) -> None:
    """A link to a row that is not in the page says so."""
    with browser.new_context() as context:
        page = opened(context, long_report, "#row-90000")
        message = page.get_by_role("status").first.inner_text()
        assert message == "Row 90,000 is not among these 350 rows."


def test_row_number_is_a_link_to_the_row(visit: Visit) -> None:
    """A row number links to its row."""
    visit.page.locator("tbody").get_by_role("link", name="3", exact=True).click()
    assert visit.page.url.endswith("report.html#row-3")
    assert visit.page.locator("#row-3").get_by_text("two lines").is_visible()


@pytest.mark.parametrize(
    "clipboard",
    [
        "",
        "Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined })",
        "Clipboard.prototype.writeText = () => Promise.reject(new Error('not allowed'))",
    ],
)
def test_sentence_of_a_row_is_copied(browser: Browser, report: Path, clipboard: str) -> None:
    """What is wrong and how to fix it, with the file and the row, even without a clipboard API."""
    with browser.new_context(viewport=DESKTOP) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_init_script(clipboard)
        page = opened(context, report)
        page.get_by_role("button", name="Copy what is wrong with row 2").press("Enter")
        page.get_by_text("Copied.", exact=True).wait_for(state="attached")
        page.get_by_role("searchbox").press("Control+v")
        copied = page.get_by_role("searchbox").input_value()
        assert copied == f"{LONG}, row 2: {INVALID.error} {INVALID.fix}"


def test_arabic_does_not_turn_a_sentence_around(browser: Browser, arabic_report: Path) -> None:
    """On the screen, an English sentence goes on to the right of the Arabic that it quotes."""
    with browser.new_context(viewport=DESKTOP, bypass_csp=True) as context:
        page = opened(context, arabic_report)
        page.add_style_tag(content=".verdict, .error { width: max-content; max-width: none; }")
        for place in (".verdict span", ".error"):
            start, header, value, end = page.locator(place).evaluate(PLACES)
            assert start[1] < header[0] < header[1] < value[0] < value[1] < end[0]


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_labels_of_an_axis_are_not_on_its_bars(
    browser: Browser, arabic_report: Path, width: int
) -> None:
    """Every number beside or below a chart can be read."""
    with browser.new_context(viewport={"width": width, "height": 900}) as context:
        page = opened(context, arabic_report)
        page.get_by_role("link", name="Technical details").click()
        page.locator(".plot").wait_for()
        assert page.locator(".plot .scale").count() == 2
        assert page.locator("figure").evaluate_all(COVERED) == []


def test_technical_details_open_from_the_navigation(visit: Visit) -> None:
    """They are folded at first; their link unfolds them, with the keyboard too."""
    page = visit.page
    assert not page.get_by_text("Sessions", exact=True).is_visible()
    page.get_by_role("link", name="Technical details").press("Enter")
    page.get_by_text("Sessions", exact=True).wait_for()


def test_phone_page_is_scrolled_to_its_end(browser: Browser, long_report: Path) -> None:
    """On a phone, the end of the page can be reached by scrolling."""
    with browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True) as context:
        page = opened(context, long_report)
        assert len(shown_rows(page)) == 25
        heights = page.evaluate("document.documentElement.scrollHeight / innerHeight")
        assert heights < 25
        page.evaluate("scrollTo({ top: 1e9, behavior: 'instant' })")
        page.wait_for_function(
            "document.querySelector('footer').getBoundingClientRect().bottom <= innerHeight + 1"
        )


@pytest.mark.slow
def test_very_many_rows_open_at_once(browser: Browser, huge_report: Path) -> None:
    """A page with very many rows opens in about a second."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = context.new_page()
        meter = context.new_cdp_session(page)
        meter.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.goto(huge_report.as_uri())
        metrics = meter.send("Performance.getMetrics")["metrics"]
        (seconds,) = (each["value"] for each in metrics if each["name"] == "TaskDuration")
        assert seconds < 4
        assert page.locator("*").count() < 8_000
        assert page.get_by_role("radio", name="REJECTED 20,000").count() == 1


@pytest.mark.slow
def test_paper_has_forty_pages_at_most(browser: Browser, tmp_path: Path) -> None:
    """At most 40 pages are printed, and they say that rows are missing."""
    path = tmp_path / "report.html"
    fault = Fault(Code.API_REJECTED, "many words " * 100)
    long = replace(REJECTED, cells=("many words " * 60,) * len(NAMES), faults=(fault,))
    write_report(path, report_of([replace(long, row=row) for row in range(2, 152)]))
    with browser.new_context() as context:
        page = opened(context, path)
        paper = page.pdf(format="A4")
        assert 5 < len(re.findall(rb"/Type\s*/Page\b", paper)) <= 40
        page.emulate_media(media="print")
        note = "Only the rows that were on the screen are printed, not all 150."
        assert page.get_by_text(note).is_visible()
        assert page.get_by_text("Showing 1–100 of 150").is_visible()


def test_paper_shows_the_rows_in_ink_on_white(browser: Browser, report: Path) -> None:
    """Paper is always dark on light, without controls."""
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        assert not page.get_by_role("searchbox").is_visible()
        assert page.locator("tbody tr").last.is_visible()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_page_is_accessible(browser: Browser, report: Path, scheme: Any, size: Any) -> None:  # noqa: ANN401
    """The axe engine finds no violation, in light and dark, on a phone and on a desktop."""
    with browser.new_context(color_scheme=scheme, viewport=size, bypass_csp=True) as context:
        page = opened(context, report)
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert violations(page) == []


@pytest.mark.slow
def test_pages_of_rows_are_accessible(browser: Browser, long_report: Path) -> None:
    """With the buttons that turn pages, and with a row that a link has opened, too."""
    with browser.new_context(viewport=PHONE, bypass_csp=True) as context:
        assert violations(opened(context, long_report, "#row-312")) == []


def violations(page: Page) -> list[tuple[str, list[str]]]:
    """Return what the axe engine objects to: the rules, and the elements that break them."""
    found = Axe().run(page).response
    assert found["passes"]
    return [(each["id"], [n["html"] for n in each["nodes"]]) for each in found["violations"]]


def test_changes_are_searched_by_old_and_new_values(browser: Browser, plan: Path) -> None:
    """A change is found by its value in any script, and by the field that it empties."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, plan)
        rows, search = page.locator("#changes-table tbody tr"), page.locator("#changes-search")
        found = page.locator("#changes-found")
        assert rows.count() == 100
        assert found.inner_text() == "1,000 of 1,000 rows"
        search.fill("not777")
        assert [row.get_attribute("id") for row in rows.all()] == ["change-777"]
        assert rows.locator("ins mark").inner_text() == "not777"
        search.fill("الاتصال")
        assert found.inner_text() == "500 of 1,000 rows"
        search.fill("")
        page.locator("#changes-field").select_option("*")
        assert found.inner_text() == "990 of 1,000 rows"
        assert rows.first.locator("ins.none").inner_text().split() == ["after:", "blank"]
        page.locator("#changes-next").click()
        assert page.locator("#changes-range").inner_text() == "Showing 101–200 of 990"


def test_changes_can_be_read_without_scripts(browser: Browser, plan: Path) -> None:
    """Without scripts, all of a thousand changes are there, without controls that do nothing."""
    with browser.new_context(viewport=DESKTOP, java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(plan.as_uri())
        assert page.locator("#changes-table tbody tr").count() == 1_000
        assert page.locator("#change-1001 del").last.is_visible()
        assert not page.locator("#changes-search").is_visible()


def test_hostile_changes_run_nothing(browser: Browser, plan: Path) -> None:
    """A value that the script shows is text: nothing in it runs or loads."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, plan)
        page.locator("#changes-search").fill("onerror")
        assert page.locator("#changes-table tbody tr").count() == 10
        assert page.title() != "run"
        assert page.locator("img").count() == 0


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_changes_never_scroll_sideways(browser: Browser, plan: Path, width: int) -> None:
    """No old or new value makes the page wider than the screen."""
    with browser.new_context(viewport={"width": width, "height": 800}) as context:
        page = opened(context, plan)
        page.locator("#changes-search").fill("change-100")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_an_arabic_value_reads_from_right_to_left(browser: Browser, plan: Path) -> None:
    """Each value has its own direction: Arabic ones right to left, phones left to right."""
    with browser.new_context(viewport=DESKTOP) as context:
        page = opened(context, plan)
        values = page.locator("#change-2 bdi[data-is=new], #change-2 bdi[data-is=old]")
        directions = values.evaluate_all("all => all.map((e) => getComputedStyle(e).direction)")
        assert directions == ["ltr", "ltr", "rtl", "rtl"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_changes_are_accessible(browser: Browser, plan: Path, scheme: Any, size: Any) -> None:  # noqa: ANN401
    """The axe engine finds no violation in the page of a plan."""
    with browser.new_context(color_scheme=scheme, viewport=size, bypass_csp=True) as context:
        assert violations(opened(context, plan)) == []
