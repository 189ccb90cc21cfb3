"""Makes the pictures of the README: the report and the workbook of a real run.

Run it by ``make pictures``. It needs Chromium, LibreOffice and pdftoppm (poppler-utils).
"""

from __future__ import annotations

import csv
import os
import socket
import subprocess
import time
from contextlib import chdir, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from etl.cli import run
from etl.errors import ExitCode
from spreadsheets import write_xlsx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, ViewportSize

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "data" / "clients.csv"
PICTURES = ROOT / "docs" / "pictures"
CHROMIUM = Path("/usr/bin/chromium")
DESK: ViewportSize = {"width": 1000, "height": 760}
# The part of the first A4 page that matters, up to the e-mail: dots per inch, and corners in dots.
PAPER = ["-r", "140", "-x", "40", "-y", "30", "-W", "1226", "-H", "459"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Give the browser that the machine has."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def hide_this_machine() -> None:
    """Keep the names and the clock of this machine out of the report, which shows who ran it."""
    os.environ.update(LOGNAME="fatora", TZ="Asia/Qatar")
    time.tzset()
    socket.gethostname = lambda: "night-job"


def run_sample() -> Path:
    """Send the sample, as a workbook, to the sandbox and return the run's folder.

    Raises:
        RuntimeError: the run did not end like that of the sample, so a picture would mislead.
    """
    with SAMPLE.open(encoding="utf-8-sig", newline="") as file:
        write_xlsx(Path("clients.xlsx"), csv.reader(file))
    exit_code = run(["update", "clients.xlsx", "--sandbox", "--quiet"])
    if exit_code != ExitCode.NOT_ALL_UPDATED:
        raise RuntimeError(f"the run of the sample ended with {exit_code}")
    (folder,) = Path("runs").absolute().glob("2*")
    return folder


def picture_report(report: Path, target: Path) -> None:
    """Show what a report shows first on a desktop."""
    with chromium() as browser:
        page = browser.new_page(viewport=DESK, color_scheme="light")
        page.goto(report.as_uri())
        page.screenshot(path=target)


def picture_workbook(workbook: Path, target: Path) -> None:
    """Show the first page of a workbook as LibreOffice prints it."""
    folder, pdf = workbook.parent, workbook.with_suffix(".pdf")
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    to_pdf = ["soffice", profile, "--headless", "--convert-to", "pdf", "--outdir"]
    to_png = ["pdftoppm", "-png", "-singlefile", *PAPER]
    subprocess.run([*to_pdf, str(folder), str(workbook)], check=True, capture_output=True)
    subprocess.run([*to_png, str(pdf), str(target.with_suffix(""))], check=True)


def main() -> None:
    """Make both pictures."""
    hide_this_machine()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder, chdir(folder):
        finished = run_sample()
        picture_report(finished / "report.html", PICTURES / "report.png")
        picture_workbook(finished / "results.xlsx", PICTURES / "workbook.png")


if __name__ == "__main__":
    main()
