"""The workbooks of whole runs: when they are written, and what they contain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import openpyxl
import pytest

from etl.cli import run
from etl.extract.table import open_table
from etl.jobs.pipeline import update_file
from etl.report.look import FAULTY
from etl.sandbox.store import Store
from etl.text import without_isolates
from jobs import job
from spreadsheets import read_csv, read_xlsx, write_csv, write_xlsx

if TYPE_CHECKING:
    from pathlib import Path

    from etl.sandbox.server import Sandbox
    from program import Program

HEADER = ["الفرع", "رقم العميل", "البريد الإلكتروني", "الاسم", "الهاتف"]
GOOD = ["الدوحة", "1024", "sara@example.com", "سارة بنت محمد", "+97433123456"]
BAD_EMAIL = ["الوكرة", "1025", "علي@", "علي حسن", "+97433123457"]
NO_ID = ["الخور", "", "noor@example.com", "نور", "٩٧٤٣٣١٢٣٤٥٨"]
TWICE = [["الريان", "1030", f"{name}@example.com", "خالد", ""] for name in ("a", "b")]
ROWS = [GOOD, BAD_EMAIL, NO_ID, *TWICE]
ISOLATES = ("\u2068", "\u2069")

MIXED = [("id", "email"), ("1", "a@example.com"), ("2", "b@"), ("3", "c@example.com")]


def always(program: Program) -> Path:
    """Return a configuration that asks for workbooks."""
    path = program.folder / "job.toml"
    path.write_text('[runs]\nworkbooks = "always"\n', encoding="utf-8")
    return path


def red_cells(path: Path) -> set[str]:
    """Return which cells of the rows are marked as faulty, each with a note."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    cells = [cell for row in sheet.iter_rows(min_row=2) for cell in row]
    red = {cell.coordinate for cell in cells if cell.fill.fgColor.rgb == f"FF{FAULTY[0][1:]}"}
    assert red == {cell.coordinate for cell in cells if cell.comment}
    return red


def summary_of(path: Path) -> dict[str, object]:
    """Return the texts of the Summary, by their labels."""
    lines = openpyxl.load_workbook(path)["Summary"].iter_rows(max_col=2, values_only=True)
    return {str(label): text for label, text in lines if label}


@pytest.mark.slow
def test_csv_gets_workbooks_where_they_are_asked_for(program: Program) -> None:
    """A CSV gets workbooks if the settings ask for them."""
    source = write_csv(program.folder / "clients.csv", MIXED)
    done = program.run("update", source, "--config", always(program), "--json")
    run = program.only_run()
    written = {path.name for path in run.iterdir() if path.name.startswith("re")}
    assert written == {"report.html", "results.csv", "results.xlsx", "rework.xlsx"}
    assert read_xlsx(run / "results.xlsx")[1]["update_status"] == "INVALID"
    assert [row["id"] for row in read_xlsx(run / "rework.xlsx")] == ["2"]
    assert "rework.xlsx" in str(summary_of(run / "results.xlsx")["What to do"])
    summary = json.loads(done.stdout)
    assert [summary["results"], summary["rework"]] == [
        f"runs/{run.name}/{name}.xlsx" for name in ("results", "rework")
    ]
    assert program.run("verify", "latest").returncode == 0


def test_csv_gets_csv_files_by_default(program: Program) -> None:
    """By default, a CSV gets only CSV files."""
    program.run("update", write_csv(program.folder / "clients.csv", MIXED))
    written = {path.name for path in program.only_run().iterdir() if path.name.startswith("re")}
    assert written == {"report.html", "results.csv", "rework.csv"}


@pytest.mark.slow
def test_workbook_that_is_out_of_date_is_removed(program: Program) -> None:
    """A workbook of an earlier session is removed if the run continues without workbooks."""
    source = write_csv(program.folder / "clients.csv", MIXED)
    stopped = program.run("update", source, "--config", always(program), "--limit", 1)
    assert stopped.returncode == 4
    run = program.only_run()
    assert (run / "results.xlsx").exists()
    assert program.run("update", source).returncode == 1
    written = {path.name for path in run.iterdir() if path.name.startswith("re")}
    assert written == {"report.html", "results.csv", "rework.csv"}
    assert program.run("verify", "latest").returncode == 0


def test_too_many_rows_for_a_workbook_do_not_fail_the_run(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too many rows for a workbook do not fail the run, and its sentence says why there is none."""
    monkeypatch.setattr("etl.jobs.writing.MOST_ROWS", 2)
    source = write_csv(tmp_path / "clients.csv", MIXED)
    settings = job(sandbox.url, tmp_path / "runs", sandbox.api_key, runs__workbooks="always")
    summary = update_file(source, settings)
    assert summary.sentence.endswith("so its results are a CSV file only.")
    assert summary.results is not None
    assert summary.rework is not None
    assert (summary.results.name, summary.rework.name) == ("results.csv", "rework.csv")
    assert len(read_csv(summary.results)) == 3


@pytest.mark.slow
def test_faulty_cells_are_marked(program: Program) -> None:
    """Faulty cells are marked in the results and in the rework, duplicates included."""
    source = write_xlsx(program.folder / "clients.xlsx", [HEADER, *ROWS], right_to_left=True)
    assert program.run("update", source).returncode == 1
    run = program.only_run()
    assert red_cells(run / "results.xlsx") == {"F3", "B4", "B5", "B6"}
    assert red_cells(run / "rework.xlsx") == {"F2", "B3", "B4", "B5"}


@pytest.mark.slow
def test_check_marks_faulty_cells_too(program: Program) -> None:
    """A check marks faulty cells too, and its summary says that nothing was sent."""
    source = write_xlsx(program.folder / "clients.xlsx", [HEADER, *ROWS])
    assert program.run("check", source, "--results", program.folder / "out.xlsx").returncode == 1
    assert red_cells(program.folder / "out.xlsx") == {"F3", "B4", "B5", "B6"}
    summary = summary_of(program.folder / "out.xlsx")
    assert summary["Result"] == "4 rows to fix. This was only a check: nothing was sent."
    assert not {"Run", "Started", "Updated"} & summary.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["results.xlsx", "rework.xlsx"])
def test_workbook_that_is_fed_back_has_none_of_our_isolates(
    program: Program, sandbox: Sandbox, name: str
) -> None:
    """A workbook that is sent again contains no isolates of ours."""
    source = write_xlsx(program.folder / "clients.xlsx", [HEADER, *ROWS], right_to_left=True)
    assert program.run("update", source).returncode == 1
    book = program.only_run() / name
    workbook = openpyxl.load_workbook(book)
    sheet = workbook.worksheets[0]
    texts = [str(cell.value) for row in sheet.iter_rows() for cell in row]
    assert any(mark in text for mark in ISOLATES for text in texts)  # our sentences hold them
    with open_table(book) as table:
        assert list(table.names) == HEADER
        rows = [list(record.cells) for record in table.records]
    assert rows == (ROWS if name == "results.xlsx" else ROWS[1:])

    cells = (cell for row in sheet.iter_rows() for cell in row)
    wrong = next(cell.coordinate for cell in cells if cell.value == "علي@")
    sheet[wrong] = "ali@example.com"
    corrected = program.folder / "corrected.xlsx"
    workbook.save(corrected)
    assert program.run("update", corrected).returncode == 1
    stored = sandbox.store.get(1025)
    assert (stored.name, stored.phone, stored.email) == (
        "علي حسن",
        "+97433123457",
        "ali@example.com",
    )
    first, second = program.runs()
    manifest = json.loads((second / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["reworks"] == [first.name]
    still_open = summary_of(second / "results.xlsx")["Still open after this rework"]
    assert still_open == f"clients.xlsx (run {first.name}): 3 rows to fix"


@pytest.mark.slow
def test_summary_of_a_run_names_date_columns_and_what_to_do(program: Program) -> None:
    """The summary names the run, its date, the columns, and what to do."""
    source = write_xlsx(program.folder / "clients.xlsx", [HEADER, *ROWS])
    assert program.run("update", source).returncode == 1
    run = program.only_run()
    summary = summary_of(run / "results.xlsx")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert summary["Result"] == "4 of 5 rows were not updated."
    assert str(summary["Started"]).endswith(" UTC")
    assert (summary["Run"], summary["Fatora API"]) == (run.name, manifest["api"])
    assert without_isolates(str(summary["Columns"])) == (
        "Sent: id ← “رقم العميل”, email ← “البريد الإلكتروني”, name ← “الاسم”,"
        " phone ← “الهاتف”. Not sent: “الفرع”."
    )
    assert (summary["SUCCESS"], summary["INVALID"], summary["Total"]) == (1, 4, 5)


def test_columns_that_look_like_fields_are_named_wherever_columns_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A column that is perhaps left out by mistake is in the files of a run and in all JSON."""
    monkeypatch.chdir(tmp_path)
    rows = [("id", "email", "Kontakt"), ("1", "a@example.com", "+97433123456")]
    update = ["update", str(write_xlsx(tmp_path / "clients.xlsx", rows)), "--sandbox"]
    words = "“Kontakt” looks like phone; add it to columns.phone.aliases if it is."
    assert run(update) == 0
    assert words in capsys.readouterr().out
    (folder,) = (tmp_path / "runs").glob("2*")
    assert str(summary_of(folder / "results.xlsx")["Columns"]).endswith(words)
    assert words in (folder / "report.html").read_text(encoding="utf-8")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    printed = []
    for command in (["history"], ["show", "latest"], update):
        assert run([*command, "--json"]) == 0
        printed.append(json.loads(capsys.readouterr().out))
    ((past,), shown, again) = printed
    assert again["already_done"]
    for columns in (manifest["columns"], past, shown["columns"], again):
        assert columns["not_sent"] == ["Kontakt"]
        assert columns["lookalikes"] == {"Kontakt": "phone"}


@pytest.mark.slow
def test_rows_that_fatora_stored_differently_ask_for_a_look(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Summary asks to look at rows that Fatora stored differently, even if all were updated."""
    store = Store.update
    monkeypatch.setattr(
        Store, "update", lambda self, client, sent: store(self, client, {**sent, "name": "SARA"})
    )
    source = write_xlsx(program.folder / "clients.xlsx", [HEADER, GOOD])
    assert program.run("update", source).returncode == 0
    summary = summary_of(program.only_run() / "results.xlsx")
    assert "1 of them stored differently" in str(summary["Result"])
    assert str(summary["What to do"]).startswith("Check the update_warning column")
