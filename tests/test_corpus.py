"""Files by real programs, and some that no program would write, are read as a person sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from etl.errors import InputError
from etl.extract.table import open_table
from etl.validate.checking import ColumnRules, check_records

CORPUS = Path(__file__).parent / "corpus"
CASES: list[dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text(encoding="utf-8"))


def _named(case: dict[str, Any]) -> str:
    parts = (case["file"], case.get("sheet"), case.get("encoding"))
    return "-".join(part for part in parts if part)


@pytest.mark.parametrize("case", [case for case in CASES if "rows" in case], ids=_named)
def test_file_is_read_as_a_person_sees_it(case: dict[str, Any]) -> None:
    """Rows have their numbers, cells have their text, and faulty cells have marks."""
    path = CORPUS / case["file"]
    with open_table(path, sheet=case.get("sheet"), encoding=case.get("encoding")) as table:
        records = list(table.records)
    expected = [(*row, {}, [])[:4] if len(row) == 2 else (*row, [])[:4] for row in case["rows"]]
    assert [
        (
            record.row,
            list(record.cells),
            {str(column): code.name for column, code in record.marks.items()},
            sorted(record.changes),
        )
        for record in records
    ] == expected
    assert list(table.names) == case.get("names", list(table.names))
    assert table.tally.hidden_rows == case.get("hidden", 0)
    assert table.tally.blank_rows == case.get("blank", table.tally.blank_rows)


@pytest.mark.parametrize("case", [case for case in CASES if "codes" in case], ids=_named)
def test_rows_are_sent_or_refused_by_their_values(case: dict[str, Any]) -> None:
    """Each faulty row has its codes, and of the others what is sent is what a person sees."""
    with open_table(CORPUS / case["file"]) as table:
        rules = ColumnRules(table.names, table.columns, max_lengths={})
        rows = {row.record.row: row for row in check_records(table.records, rules)}
    codes = {row: [fault.code.name for fault in checked.faults] for row, checked in rows.items()}
    assert {str(row): each for row, each in codes.items() if each} == case["codes"]
    assert [row for row, checked in rows.items() if checked.warnings] == case.get("warned", [])
    for row, expected in case.get("sent", {}).items():
        sent = {"id": rows[int(row)].client_id, **rows[int(row)].body}
        assert {"id": sent["id"], "email": sent["email"], **expected} == sent


@pytest.mark.parametrize("case", [case for case in CASES if "refused" in case], ids=_named)
def test_file_that_is_not_certain_is_refused_in_one_sentence(case: dict[str, Any]) -> None:
    """A file that is not certain is refused in one line that says what is wrong and where."""
    path = CORPUS / case["file"]
    with (
        pytest.raises(InputError) as refused,
        open_table(path, sheet=case.get("sheet"), encoding=case.get("encoding")) as table,
    ):
        list(table.records)
    assert re.search(case["refused"], str(refused.value))
    assert "\n" not in str(refused.value)


def test_every_file_has_an_expectation() -> None:
    """No file is untested, and none is missing."""
    files = {path.name for path in CORPUS.iterdir() if path.is_file()}
    assert files - {"make.py", "expected.json"} == {case["file"] for case in CASES}
