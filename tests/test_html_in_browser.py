"""The page of a run in a real browser: opened from the disk, with nothing else to load."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from etl.codes import Code
from etl.report.charts import Stretch
from etl.report.html import Session, write_report
from etl.rows import Fault, Status
from pages import BEGUN, ENDED, INVALID, NAMES, REJECTED, report_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, ViewportSize

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
PHONE: ViewportSize = {"width": 360, "height": 740}

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
    """The page of a run in which nearly everything happened, to rows that hold the worst."""
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
        Session(BEGUN, ENDED, "cron", "vault", "stopped by SIGTERM"),
        Session(BEGUN, None, "cron", LONG, None),
        Session(BEGUN, ENDED, "cron", "vault", None),
    )
    changes: dict[str, Any] = {"sessions": sessions, "stretches": (stretch,) * 3}
    write_report(path, report_of(rows, updated=30, input_name=LONG, sheet=HOSTILE, **changes))
    return path


@dataclass
class Visit:
    """A page that is open, and what was said and asked for since."""

    page: Page
    said: list[str]
    asked: list[str]


@pytest.fixture
def visit(browser: Browser, report: Path) -> Iterator[Visit]:
    """The report, opened on a desktop."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        found = Visit(page, [], [])
        page.on("console", lambda message: found.said.append(message.text))
        page.on("pageerror", lambda error: found.said.append(error.message))
        page.on("dialog", lambda dialog: found.said.append(dialog.message))
        page.on("request", lambda request: found.asked.append(request.url))
        page.goto(report.as_uri())
        yield found


def shown_rows(page: Page) -> list[str]:
    """Return the numbers of the rows that can be seen."""
    rows = page.locator("tbody tr").all()
    return [row.get_by_role("rowheader").inner_text() for row in rows if row.is_visible()]


def test_page_loads_nothing_and_complains_of_nothing(visit: Visit, report: Path) -> None:
    """No request but for the file itself, no error, no breach of the page's own policy."""
    visit.page.wait_for_load_state("networkidle")
    assert (visit.asked, visit.said) == ([report.as_uri()], [])


def test_hostile_text_runs_nothing(visit: Visit) -> None:
    """What looks like a program in a cell is there to be read."""
    assert visit.page.get_by_text(HOSTILE, exact=True).count() >= 3
    assert visit.page.title().startswith("30 of 35 rows updated")
    assert visit.page.locator("img").count() == 0
    assert visit.page.locator("script").count() == 1
    assert visit.said == []


def test_policy_stops_a_script_that_got_in_all_the_same(visit: Visit) -> None:
    """Even a hole in the escaping would not let anything run."""
    visit.page.evaluate(
        "const e = document.createElement('script'); e.textContent = 'window.ran = 1';"
        "document.body.append(e)"
    )
    assert visit.page.evaluate("window.ran") is None
    assert "Content Security Policy" in visit.said[0]


def test_style_is_in_force(visit: Visit) -> None:
    """The policy lets the page's own style in."""
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
        said = page.get_by_role("status").inner_text()
        assert said == (f"{len(rows)} of 5 rows" if rows else "None of 5 rows")


def test_status_is_picked_with_the_keyboard_alone(visit: Visit) -> None:
    """Tab leads from the search to the statuses, arrows pick one, and both filters hold."""
    page = visit.page
    page.get_by_role("searchbox").focus()
    page.keyboard.type("omar")
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.get_by_role("radio", name="REJECTED 2").is_checked()
    assert shown_rows(page) == ["3"]
    page.keyboard.press("ArrowRight")
    assert shown_rows(page) == ["6"]


def test_reason_leads_to_its_rows(visit: Visit) -> None:
    """From a reason the reader gets to the rows that it befell, with the keyboard too."""
    visit.page.get_by_role("link", name="See the rows of EMAIL_INVALID").press("Enter")
    assert shown_rows(visit.page) == ["2", "5"]
    assert visit.page.url.endswith("#rows")


def test_all_cells_of_a_row_open_with_the_keyboard(visit: Visit) -> None:
    """A row's other cells are there, a key away."""
    notes = visit.page.get_by_text("VIP", exact=True)
    assert not notes.is_visible()
    visit.page.get_by_text("All cells of row 2").press("Enter")
    assert notes.is_visible()


def test_without_scripts_the_page_is_whole(browser: Browser, report: Path) -> None:
    """Every row is shown, and no control that would do nothing."""
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        assert shown_rows(page) == ["2", "3", "4", "5", "6"]
        assert page.get_by_role("searchbox").count() == 0
        assert page.get_by_role("radio").count() == 0
        page.get_by_text("All cells of row 2").click()
        assert page.get_by_text("VIP", exact=True).is_visible()


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_page_never_scrolls_sideways(browser: Browser, report: Path, width: int) -> None:
    """Not on a phone, and not for a word as long as a cell, nor with all cells open."""
    with browser.new_context(viewport={"width": width, "height": 740}) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        wide = "e => Math.ceil(e.getBoundingClientRect().right)"
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert max(cell.evaluate(wide) for cell in page.locator("td, .card").all()) <= width


def test_paper_shows_the_rows_in_ink_on_white(browser: Browser, report: Path) -> None:
    """Printed in the dark, too, the page is dark on light, and without what cannot be pressed."""
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        ground = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(ground) == "rgb(255, 255, 255)"
        assert not page.get_by_role("searchbox").is_visible()
        assert page.locator("tbody tr").last.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, {"width": 1280, "height": 900}])
def test_page_is_accessible(browser: Browser, report: Path, scheme: Any, size: Any) -> None:  # noqa: ANN401
    """The axe engine finds no violation, in light and dark, on a phone and on a desktop."""
    with browser.new_context(color_scheme=scheme, viewport=size, bypass_csp=True) as context:
        page = context.new_page()
        page.goto(report.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        found = Axe().run(page).response
        assert found["passes"]
        broken = [(each["id"], [n["html"] for n in each["nodes"]]) for each in found["violations"]]
        assert broken == []
