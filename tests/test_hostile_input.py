"""Every file, however damaged, leads to a table or to a sentence."""

from __future__ import annotations

import functools
import io
import tempfile
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import xlsxwriter
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etl.config import load_settings
from etl.errors import InputError
from etl.extract.table import open_table
from etl.fields import Field
from etl.jobs.check import check
from etl.validate.checking import ColumnRules, check_records
from spreadsheets import write_csv, write_xlsx

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from etl.rows import Record

UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
HEADER = ("id", "email", "name", "phone", "Branch")

# Pieces that give a text file a structure, so that some files have rows below a header.
TEXT_PIECES = st.sampled_from(
    [b"id,email\n", b"id;email\r\n", b"sep=;\n", b"1,a@example.com\n", b'"', b"\r", b",", b"\t"]
)
TEXT_BYTES = st.lists(TEXT_PIECES | st.binary(max_size=4), max_size=12).map(b"".join)

ATTRIBUTES = ['t="s"', 't="b"', 't="d"', 't="e"', 't="str"', 't="inlineStr"', 's="1"', 's="99"', ""]
VALUES = ["0", "1", "-1", "nan", "inf", "1e999", "45000.5", "9" * 400, "2024-01-05", "x", "", "²"]
CELLS = st.builds(
    "<c {} {}><{}>{}</{}></c>".format,
    st.sampled_from(["", 'r="A2"', 'r="B2"', 'r="C3"', 'r="XFD2"', 'r="?"']),
    st.sampled_from(ATTRIBUTES),
    st.sampled_from(["v", "f", "is"]),
    st.sampled_from(VALUES),
    st.sampled_from(["v", "f", "is"]),
)
ELEMENTS = st.sampled_from(
    [
        '<row r="2">',
        '<row r="0">',
        "<row>",
        "</row>",
        '<mergeCell ref="A1:B2"/>',
        "<![CDATA[",
        "]]>",
    ]
)
SHEETS = st.lists(CELLS | ELEMENTS, max_size=8).map("".join)
FORMATS = st.sampled_from([";;;", "0.00", "yyyy", "[h]:mm", "0" * 300, '"', "General", "@", "##%"])


@functools.cache
def good_workbook() -> Mapping[str, bytes]:
    """Returns the parts of a valid workbook."""
    packed = io.BytesIO()
    with xlsxwriter.Workbook(packed) as workbook:
        sheet = workbook.add_worksheet("Clients")
        sheet.write_row(0, 0, ["id", "email", "name"])
        sheet.write_number(1, 0, 1, workbook.add_format({"num_format": "#FORMAT#"}))
        sheet.write_string(1, 1, "a@example.com")
    with zipfile.ZipFile(packed) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(changes: Mapping[str, Callable[[bytes], bytes]]) -> bytes:
    """Returns a workbook with some parts changed."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in good_workbook().items():
            archive.writestr(name, changes[name](data) if name in changes else data)
    return file.getvalue()


def read(data: bytes, ending: str) -> list[Record] | None:
    """Returns the records of a file with these bytes, or None if it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"clients{ending}"
        path.write_bytes(data)
        with suppress(InputError), open_table(path) as table:
            return list(table.records)
    return None


def bodies(path: Path) -> list[tuple[int | None, Mapping[str, str]]]:
    """Returns the client and the body of each row."""
    with open_table(path) as table:
        rules = ColumnRules(table.names, table.columns, dict.fromkeys(Field, 100))
        return [(row.client_id, row.body) for row in check_records(table.records, rules)]


@given(data=TEXT_BYTES | st.binary(max_size=60))
@example(data=b"\xff\xfe\x00\xd8")
@example(data=b"\xef\xbb\xbf")
@example(data=b"sep=,\n")
def test_any_bytes_as_csv_are_a_table_or_a_sentence(data: bytes) -> None:
    """A text file is read or refused, with any content."""
    read(data, ".csv")


@settings(UNHURRIED)
@given(data=st.binary(max_size=60), start=st.sampled_from([b"", b"PK\3\4", b"\xd0\xcf\x11\xe0"]))
def test_any_bytes_as_workbook_are_a_sentence(data: bytes, start: bytes) -> None:
    """A file that is not a workbook is refused, with any first bytes."""
    assert read(start + data, ".xlsx") is None


@settings(UNHURRIED)
@given(share=st.floats(0, 1), data=st.binary(max_size=4))
def test_damaged_workbook_is_a_table_or_a_sentence(share: float, data: bytes) -> None:
    """A few changed bytes never lead to a traceback."""
    whole = packed({})
    place = int(share * len(whole))
    read(whole[:place] + data + whole[place + len(data) :], ".xlsx")


# openpyxl warns of a sheet without a part in the list of sheets, and omits it.
@pytest.mark.filterwarnings("ignore:File contains an invalid specification")
@pytest.mark.parametrize("part", sorted(good_workbook()))
@settings(UNHURRIED, max_examples=25)
@given(share=st.floats(0, 1), data=st.binary(max_size=4) | st.just(b"<"))
def test_damaged_part_is_a_table_or_a_sentence(part: str, share: float, data: bytes) -> None:
    """Damage from before the workbook was compressed leads to no traceback either."""

    def change(old: bytes) -> bytes:
        place = int(share * len(old))
        return old[:place] + data + old[place + len(data) :]

    read(packed({part: change}), ".xlsx")


@settings(UNHURRIED)
@given(sheet=SHEETS, number_format=FORMATS)
@example(sheet='<row r="2"><c r="A2" s="1"><v>1</v></c></row>', number_format=";;;")
@example(sheet='<row r="2"><c r="C2" s="1"><v>1e999</v></c></row>', number_format="0.00")
def test_any_sheet_is_a_table_or_a_sentence(sheet: str, number_format: str) -> None:
    """Well-formed but senseless elements and values never lead to a traceback."""
    text = number_format.replace('"', "&quot;").encode()
    changes: dict[str, Callable[[bytes], bytes]] = {
        "xl/worksheets/sheet1.xml": lambda old: (
            old[: old.index(b'<row r="2"')] + sheet.encode() + b"</sheetData></worksheet>"
        ),
        "xl/styles.xml": lambda old: old.replace(b"#FORMAT#", text),
    }
    read(packed(changes), ".xlsx")


@pytest.mark.parametrize("source", [".csv", ".xlsx"])
@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_results_fed_back_send_the_same(tmp_path: Path, source: str, ending: str) -> None:
    """Text that a reader or a writer could change is sent as it was the first time."""
    rows = [
        HEADER,
        (" 1024.0 ", "sara@example.com", "سارة", "+97433123456", "=1+1"),
        ("٥", "b@example.com", "=HYPERLINK(1)", "'+974", "_x000D_"),
        ("abc", "none", "'Abdulaziz", "9.74E+11", "#N/A"),
        ("7", "c@example.com", " a\nb\r\nc\t", "0097433", ""),
        ("8", "d@example.com", "_x0041_ NA", "'=1", "''@x"),
    ]
    write = write_csv if source == ".csv" else write_xlsx
    first = write(tmp_path / f"clients{source}", rows)
    again = tmp_path / f"results{ending}"
    check([first], load_settings(None, {}), results=again)
    assert bodies(again) == bodies(first)
    assert len(bodies(first)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
@settings(UNHURRIED, max_examples=30)
@given(
    cells=st.lists(
        st.tuples(
            *[st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))] * 4
        ),
        max_size=4,
    )
)
def test_any_results_fed_back_send_the_same(
    ending: str, cells: list[tuple[str, str, str, str]]
) -> None:
    """Any cells are sent the second time as they were the first time."""
    with tempfile.TemporaryDirectory() as folder:
        first = write_csv(Path(folder) / "clients.csv", [HEADER[:4], *cells])
        again = Path(folder) / f"results{ending}"
        check([first], load_settings(None, {}), results=again)
        assert bodies(again) == bodies(first)
