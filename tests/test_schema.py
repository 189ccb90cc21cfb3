"""The schema finds every bad cell and no other, and stops the job if it is not in force."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.codes import Code
from etl.errors import InconsistentError
from etl.fields import Field
from etl.validate.schema import RULES, ClientSchema

ERRORS = [
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#GETTING_DATA"),
    *("#SPILL!", "#CALC!", "#FIELD!", "#BLOCKED!", "#BUSY!", "#ERROR!", "Loading...", "Loading…"),
    *("Err:502", "Err:522", "Err :509", "Erro:502", "Ошибка:502", "خطأ:502", "#NOM ?", "#NOM?"),
    *("#NV", "#WERT!", "#BEZUG!", "#VALOR!", "#¡REF!", "#N/D", "#Н/Д", "#YOK", "#DEĞER!", "#Name?"),
    *("#", "#####", " #N/A ", "\t#####"),
]
ROOT = Path(__file__).parents[1]
GOOD = {
    Field.ID: "1024",
    Field.EMAIL: "sara@example.com",
    Field.NAME: "سارة Sara",
    Field.PHONE: "+97433123456",
    Field.ADDRESS: "West Bay\nDoha",
    Field.NOTES: "",
}
BAD_ROW = """
import pandas as pd
from etl.fields import Field
from etl.validate.schema import ClientSchema
frame = pd.DataFrame({field: ["no"] for field in Field}, index=[2], dtype=str)
for (row, field), code in sorted(ClientSchema({}).faults(frame).items()):
    print(row, field, code.name)
"""


def frame(*changes: dict[Field, str]) -> pd.DataFrame:
    """Returns good rows, numbered from 2, with these changes."""
    return pd.DataFrame(
        [{**GOOD, **change} for change in changes], index=range(2, 2 + len(changes)), dtype=str
    )


def fault(field: Field, text: str, max_length: int = 1000) -> Code | None:
    """Returns the fault of a cell in a row that is otherwise good."""
    schema = ClientSchema(dict.fromkeys(Field, max_length))
    faults = schema.faults(frame({field: text}))
    assert faults.keys() <= {(2, field)}
    code = faults.get((2, field))
    assert not text or not passes_as_a_block(field, text, code)
    return code


def passes_as_a_block(field: Field, text: str, code: Code | None) -> bool:
    """Whether the fast tests of the rules with this code accept the text."""
    return all([rule.all_pass([text]) for rule in RULES[field] if rule.code is code] or [False])


@pytest.mark.parametrize("text", ["1", "1024", "9223372036854775807"])
def test_positive_integer_is_an_id(text: str) -> None:
    """An id is a whole number from 1 to 2^63 - 1."""
    assert fault(Field.ID, text) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.ID_MISSING),
        ("0", Code.ID_OUT_OF_RANGE),
        ("-3", Code.ID_OUT_OF_RANGE),
        ("9223372036854775808", Code.ID_OUT_OF_RANGE),
        ("9" * 10_000, Code.ID_OUT_OF_RANGE),
        ("-" + "9" * 10_000, Code.ID_OUT_OF_RANGE),
        ("1024.5", Code.ID_NOT_INTEGER),
        ("1,024", Code.ID_NOT_INTEGER),
        ("1_024", Code.ID_NOT_INTEGER),
        ("+7", Code.ID_NOT_INTEGER),
        ("1e3", Code.ID_NOT_INTEGER),
        ("1E3", Code.ID_NOT_INTEGER),
        ("0x10", Code.ID_NOT_INTEGER),
        ("TRUE", Code.ID_NOT_INTEGER),
        ("10 24", Code.ID_NOT_INTEGER),
        ("10\u200b24", Code.ID_NOT_INTEGER),
        ("١٠٢٤", Code.ID_NOT_INTEGER),
        ("²", Code.ID_NOT_INTEGER),
        ("1024\n", Code.ID_NOT_INTEGER),
        ("2024-01-05", Code.ID_NOT_INTEGER),
        ("1024/../1", Code.ID_NOT_INTEGER),
        ("9.74E+11", Code.TEXT_DAMAGED),
        ("#N/A", Code.CELL_ERROR),
    ],
)
def test_anything_else_is_not_an_id(text: str, code: Code) -> None:
    """Only digits reach the path of a request, and each fault has its own code."""
    assert fault(Field.ID, text, max_length=20_000) is code


TEXTS = st.text(max_size=6) | st.sampled_from(
    [
        "1024", "-3", "0", "007", "9" * 18, "9" * 19, "²", "1\n2", "9.74E+11", "#N/A", "x\n#N/A",
        " #####", "Err:502", "Loading…", "??", "? ?", "12-May", "05/12/2024", "12:30", "9.74+10",
        "(04) 44", "9007199254740993.0", "12 May", "1.000",
        "#", "\ufffd", "\x7f", "\x85", "\ud800", "\n", "\t", "\u200f", "سارة", "a@example.com",
        "a@example.com\nb@example.com", "a@x.test", "a..b@example.com", "@example.com",
        "a" * 64 + "@example.com", "a" * 65 + "@example.com",
    ]
)  # fmt: skip


@pytest.mark.slow
@given(st.sampled_from(Field), st.lists(TEXTS, min_size=1, max_size=4))
@settings(max_examples=2_000)
def test_texts_that_pass_together_pass_one_by_one(field: Field, texts: list[str]) -> None:
    """The fast test of many texts accepts none that the rule itself refuses."""
    for rule in RULES[field]:
        if rule.all_pass(texts):
            assert all(not text or rule.passes(text) for text in texts), (rule.code, texts)


@pytest.mark.parametrize("field", Field)
def test_usual_texts_pass_together(field: Field) -> None:
    """The fast test suffices for columns as people fill them."""
    usual = {
        Field.ID: ["1024", "9" * 18],
        Field.EMAIL: ["a.b+c-d_e@mail.example.com", "x@example.qa"],
        Field.PHONE: ["+97433123456", "0097433123456", ""],
    }.get(field, ["سارة علي", "Sara O'Brien #2", "", "12 Salwa Road, Doha"])
    assert all(rule.all_pass(usual) for rule in RULES[field])


def test_cell_is_tested_like_its_column() -> None:
    """Where one text of many is bad, it alone is reported, wherever it is."""
    for bad in (0, 249, 250, 251, 599):
        rows = [{Field.NAME: "\x00" if row == bad else "Sara"} for row in range(600)]
        assert ClientSchema({}).faults(frame(*rows)) == {(bad + 2, Field.NAME): Code.TEXT_DAMAGED}


@pytest.mark.parametrize(
    "text", ["a@example.com", "A.b+c@sub.example.com", "سارة@example.com", "a@" + "b" * 63 + ".com"]
)
def test_address_is_an_email(text: str) -> None:
    """The addresses that email-validator accepts are valid, even in Arabic letters."""
    assert fault(Field.EMAIL, text) is None


LOCAL_PARTS = st.from_regex(r"[A-Za-z0-9_.+'!-]{1,66}", fullmatch=True)
DOMAINS = st.sampled_from(
    [
        "example.com",
        "Mail.Example.co",
        "localhost",
        "a.test",
        "-x.com",
        "x",
        "a..com",
        "é.com",
        "a.com.",
    ]
) | st.from_regex(r"[a-z0-9-]{1,66}\.[a-z0-9-]{1,4}", fullmatch=True)


@pytest.mark.slow
@given(st.lists(st.builds("{}@{}".format, LOCAL_PARTS, DOMAINS), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_shortcuts_judge_an_address_like_the_library(addresses: list[str]) -> None:
    """The shortcuts for plain local parts and known domains give the results of the library."""
    faults = ClientSchema({}).faults(frame(*({Field.EMAIL: each} for each in addresses)))
    for row, address in enumerate(addresses, start=2):
        try:
            validate_email(address, check_deliverability=False)
            valid = len(address) <= 254
        except EmailNotValidError:
            valid = False
        assert ((row, Field.EMAIL) not in faults) == valid, address


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.EMAIL_MISSING),
        ("sara", Code.EMAIL_INVALID),
        ("sara@example", Code.EMAIL_INVALID),
        ("sara@@example.com", Code.EMAIL_INVALID),
        ("sara..h@example.com", Code.EMAIL_INVALID),
        ("Sara <sara@example.com>", Code.EMAIL_INVALID),
        ("mailto:sara@example.com", Code.EMAIL_INVALID),
        ("a@example.com, b@example.com", Code.EMAIL_INVALID),
        ("sara\uff20example.com", Code.EMAIL_INVALID),
        ("sa ra@example.com", Code.EMAIL_INVALID),
        ("sa\u200fra@example.com", Code.EMAIL_INVALID),
        ("sara@exam\u200bple.com", Code.EMAIL_INVALID),
        ("sara@example.com\n", Code.EMAIL_INVALID),
        ("2024-01-05", Code.EMAIL_INVALID),
        ("a" * 10_000 + "@example.com", Code.EMAIL_INVALID),
        ("#REF!", Code.CELL_ERROR),
        ("sara\ufffd@example.com", Code.TEXT_DAMAGED),
    ],
)
def test_anything_else_is_not_an_email(text: str, code: Code) -> None:
    """Display names, invisible characters, line ends and two addresses are not valid."""
    assert fault(Field.EMAIL, text, max_length=20_000) is code


def test_address_is_checked_without_the_network() -> None:
    """No name server is asked, so that an unregistered domain is valid."""
    assert fault(Field.EMAIL, "sara@nobody-has-this.example.com") is None


@pytest.mark.parametrize(
    "text",
    [
        "+97433123456",
        "00974 33 12-34 (56)",
        "33123456 / 44",
        "55-12",
        "33.12.45.67",
        "ext 12",
        "04 412 5033",
    ],
)
def test_phone_may_be_written_in_any_way(text: str) -> None:
    """A phone may have any characters that people write in one."""
    assert fault(Field.PHONE, text) is None


@pytest.mark.parametrize(
    "text",
    [
        *("9.74331E+11", "9,74E+11", "9E+11", "9.74e+10", "9.7433123456E10", "97433123e3", "1e5"),
        *(
            "9.74+10",
            "9.74331+11",
            "9.74D+10",
            "9,74×10^10",
            "9\u066b74أس10",
            "-9.7E-05",
            ".97E+11",
            "9 E 10",
        ),
        *("9007199254740993.0", "1234567890123456,00"),
    ],
)
def test_phone_in_exponents_is_damaged(text: str) -> None:
    """Digits are lost where a program shows a number in exponents, in whatever spelling."""
    assert fault(Field.PHONE, text) is Code.TEXT_DAMAGED


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-12", "2024/5/12", "05/12/2024", "12.05.2024", "5-12-24", "12-May", "May-24"),
        *("12-May-2024", "12 mai 2024", "May 12, 2024", "Sunday, 12 May 2024", "déc-55", "12-مايو"),
        *("2024-05-12 00:00:00", "2024-05-12T10:00:00Z", "5/12/2024 3:05 PM", "12:30", "36:00:00"),
    ],
)
def test_phone_that_is_a_date_or_a_time_is_damaged(text: str) -> None:
    """A phone such as 12-5 becomes a date in Excel, in a CSV as in a workbook."""
    assert fault(Field.PHONE, text) is Code.TEXT_DAMAGED


@pytest.mark.parametrize(
    "text",
    [
        "1" * 32_767 + "x",
        "# " * 16_000 + "!",
        "\n" * 32_000 + "x",
        "? " * 16_000 + "x",
        "? " * 16_000,
    ],
)
def test_long_text_is_judged_in_no_time(text: str) -> None:
    """The patterns take time in proportion to the text, whatever it is."""
    started = time.process_time()
    for rule in RULES[Field.PHONE]:
        rule.all_pass([text])
        rule.passes(text)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("text", ["974\u200b33", "+974\u202d33", "974\x0033"])
def test_phone_with_something_invisible_inside_is_damaged(text: str) -> None:
    """An invisible mark between digits cannot be dialled."""
    assert fault(Field.PHONE, text) is Code.TEXT_DAMAGED


@pytest.mark.parametrize(
    "text",
    [
        "NA",
        "None",
        "nan",
        "a\r\nb\tc",
        "می\u200cکنم",
        "\u202bليلى\u202c",
        "9.74E+11",
        "# N/A",
        "#URGENT!",
        "Box:502",
        "Flat #5",
        "?",
        "Why??",
        "2024-05-12",
        "1e5",
        "Loading dock",
    ],
)
def test_free_text_may_contain_what_people_write(text: str) -> None:
    """Words such as NA, line breaks, joiners and bidi marks are part of a text."""
    row = dict.fromkeys([Field.NAME, Field.ADDRESS, Field.NOTES], text)
    assert ClientSchema({}).faults(frame(row)) == {}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *((name, Code.CELL_ERROR) for name in ERRORS),
        *((text, Code.TEXT_DAMAGED) for text in ("??", "???? ?????", "????, ???", " ? ? ")),
        ("a\ufffd", Code.TEXT_DAMAGED),
        ("a\0", Code.TEXT_DAMAGED),
        ("a\x1b[0m", Code.TEXT_DAMAGED),
        ("a\x85", Code.TEXT_DAMAGED),
        ("a" + chr(0xD800), Code.TEXT_DAMAGED),
    ],
)
def test_error_or_damage_is_found_in_every_column(text: str, code: Code) -> None:
    """Excel errors, replacement characters and control characters are never sent."""
    faults = ClientSchema({}).faults(frame(dict.fromkeys(Field, text)))
    assert faults == {(2, field): code for field in Field}
    assert not any(passes_as_a_block(field, text, code) for field in Field)


def test_text_may_be_as_long_as_configured() -> None:
    """The limit counts characters, not bytes, and is itself allowed."""
    optional = [field for field in Field if not field.required]
    fits, too_long = dict.fromkeys(optional, "س" * 30), dict.fromkeys(optional, "س" * 31)
    faults = ClientSchema(dict.fromkeys(Field, 30)).faults(frame(fits, too_long))
    assert faults == {(3, field): Code.TEXT_TOO_LONG for field in optional}


def test_each_bad_cell_is_reported_once() -> None:
    """A cell that fails several checks has one fault, and each bad cell of a row has its own."""
    bad = {Field.EMAIL: "\ufffd" * 300, Field.PHONE: "9E+11", Field.NOTES: "#N/A"}
    assert ClientSchema(dict.fromkeys(Field, 30)).faults(frame({}, bad, {})) == {
        (3, Field.EMAIL): Code.TEXT_DAMAGED,
        (3, Field.PHONE): Code.TEXT_DAMAGED,
        (3, Field.NOTES): Code.CELL_ERROR,
    }


def test_one_bad_id_does_not_disable_the_checks_of_other_rows() -> None:
    """Every row is checked independently of the others."""
    ids = ["abc", "-3", "1024", "", "1e400", "0" * 5000 + "7"]
    assert ClientSchema({}).faults(frame(*({Field.ID: text} for text in ids))) == {
        (2, Field.ID): Code.ID_NOT_INTEGER,
        (3, Field.ID): Code.ID_OUT_OF_RANGE,
        (5, Field.ID): Code.ID_MISSING,
        (6, Field.ID): Code.ID_NOT_INTEGER,
        (7, Field.ID): Code.ID_OUT_OF_RANGE,
    }


def test_environment_cannot_switch_validation_off() -> None:
    """The environment variables of pandera have no effect."""
    off = {"PANDERA_VALIDATION_ENABLED": "False", "PANDERA_VALIDATION_DEPTH": "SCHEMA_ONLY"}
    ended = subprocess.run(
        [sys.executable, "-c", BAD_ROW],
        env={**os.environ, **off},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout == "2 email EMAIL_INVALID\n2 id ID_NOT_INTEGER\n", ended.stderr


@pytest.mark.parametrize(
    "passing",
    [
        pa.DataFrameSchema(),
        pa.DataFrameSchema({field: pa.Column(str) for field in Field}),
        pa.DataFrameSchema({Field.ID: pa.Column(str, pa.Check(lambda ids: ids == "1024"))}),
    ],
)
def test_schema_that_lets_rows_pass_stops_the_job(
    passing: pa.DataFrameSchema, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bad row is added to every frame; if one of its cells passes, no row counts as checked."""
    schema = ClientSchema({})
    monkeypatch.setattr(schema, "_schema", passing)
    with pytest.raises(InconsistentError):
        schema.faults(frame({}))


def _raises(_: pd.Series[str]) -> bool:
    raise TypeError


@pytest.mark.parametrize(
    "check",
    [
        pa.Check(lambda _: False, error=Code.TEXT_DAMAGED.name),
        pa.Check(_raises, error=Code.TEXT_DAMAGED.name),
        pa.Check(lambda column: column == "", error="NO_SUCH_CODE"),
    ],
)
def test_failure_without_its_row_stops_the_job(
    check: pa.Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure without a row or without a code means that no row counts as checked."""
    schema = ClientSchema({})
    strict = pa.DataFrameSchema({Field.NAME: pa.Column(str, check)})
    monkeypatch.setattr(schema, "_schema", strict)
    with pytest.raises(InconsistentError, match="validation failed as a whole"):
        schema.faults(frame({}))


@pytest.mark.parametrize(
    "broken",
    [
        frame({}, {}).set_axis([2, 2]),
        frame({}).drop(columns=Field.NAME),
        frame({}).assign(more="x"),
        frame({}).assign(**{Field.ID: 1024}),
    ],
)
def test_malformed_frame_stops_the_job(broken: pd.DataFrame) -> None:
    """Duplicate row numbers, a wrong number of columns or numbers instead of text are errors."""
    with pytest.raises(InconsistentError):
        ClientSchema({}).faults(broken)
