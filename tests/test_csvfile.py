"""A CSV is read with certainty, or refused in one sentence that says where the error is."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING

import pytest

from etl.errors import InputError
from etl.extract.csvfile import layouts, shown

if TYPE_CHECKING:
    from pathlib import Path

    from etl.extract.layout import RawRow


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The path of a test's spreadsheet."""
    return tmp_path / "clients.csv"


def read(
    file: Path, data: bytes, delimiter: str = "comma", encoding: str | None = None
) -> list[RawRow]:
    """Writes a file and returns its rows, split at this delimiter."""
    file.write_bytes(data)
    by_name = {layout.name: layout for layout in layouts(file, encoding)}
    return list(by_name[delimiter].rows())


def cells(rows: list[RawRow]) -> list[list[object]]:
    """Returns the cells of the rows."""
    return [list(row.cells) for row in rows]


@pytest.mark.parametrize(
    ("delimiter", "char"), [("comma", ","), ("semicolon", ";"), ("tab", "\t"), ("pipe", "|")]
)
def test_each_delimiter_is_a_way_to_read_the_file(file: Path, delimiter: str, char: str) -> None:
    """Comma, semicolon, tab and pipe separate cells, whose text is not changed."""
    rows = read(file, f'000123{char}"a{char} ""b"""{char} NA \n'.encode(), delimiter)
    assert cells(rows) == [["000123", f'a{char} "b"', " NA "]]


@pytest.mark.parametrize("line", [b"sep=^\r\n", b'"SEP=^"\n', b"sep=^\r"])
def test_declared_delimiter_is_the_only_one(file: Path, line: bytes) -> None:
    """A `sep=` line decides the delimiter, and is not a row, as in Excel."""
    rows = read(file, line + b"id^email\n1^a\n", "^")
    assert [layout.name for layout in layouts(file, None)] == ["^"]
    assert [(row.row, row.line) for row in rows] == [(1, 2), (2, 3)]


@pytest.mark.parametrize("line", [b"sep=", b'sep="', b"sep=;;"])
def test_line_that_declares_no_delimiter_is_a_row(file: Path, line: bytes) -> None:
    """A line that only resembles `sep=` decides nothing."""
    file.write_bytes(line + b"\r\nid,email\r\n")
    assert len(layouts(file, None)) == 4


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
    ],
)
def test_unicode_is_read_without_its_mark(file: Path, codec: str, mark: bytes) -> None:
    """UTF-8 with or without a byte order mark and UTF-16 with one need no settings."""
    rows = read(file, mark + "id,الاسم\r\n1,سارة\r\n".encode(codec))
    assert cells(rows) == [["id", "الاسم"], ["1", "سارة"]]


def test_named_encoding_is_used(file: Path) -> None:
    """Any other encoding is read if it is named."""
    assert cells(read(file, "سارة,é\n".encode("cp1256"), encoding="cp1256")) == [["سارة", "é"]]


def test_byte_order_mark_wins_over_the_named_encoding(file: Path) -> None:
    """A byte order mark outweighs a configured encoding, which may be meant for other files."""
    rows = read(file, codecs.BOM_UTF8 + "سارة\n".encode(), encoding="cp1256")
    assert cells(rows) == [["سارة"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("filler", [0, 1_200])
def test_undecodable_byte_is_named_with_its_line(file: Path, end: str, filler: int) -> None:
    """An encoding is never guessed: the sentence says which byte, where, and what to do."""
    good = f"id,name{end}" + f"1,{'x' * 1000}{end}" * filler
    with pytest.raises(
        InputError, match=rf"^the file isn't UTF-8 \(byte 0xD3 on line {filler + 2}\); save"
    ):
        read(file, good.encode() + "2,سارة".encode("cp1256"))


@pytest.mark.parametrize(
    ("data", "encoding", "message"),
    [
        ("id,é\n".encode("utf-16-le"), None, r"the file isn't UTF-8 \(byte 0xE9 on line 1\)"),
        ("id,a\n".encode("utf-16-le"), None, "line 1 has a NUL"),
        ("id,a\n".encode("utf-32"), None, "line 1 has a NUL"),
        ("id,a\n".encode("utf-16-le"), "utf-16", r"the file isn't UTF-16 \((line 1|byte)"),
        (b"id,a\n1,\0\n", None, "line 2 has a NUL character, so the file isn't UTF-8 text"),
        (b"sep=,\nid,a\n\n1,\0\n", None, "line 4 has a NUL"),
        ("id,a\n1,é".encode()[:-1], None, "the file isn't UTF-8, or is incomplete"),
        (b"", None, "the file is empty; save or export it again$"),
        (codecs.BOM_UTF8, None, "the file is empty"),
    ],
)
def test_file_that_is_not_text_in_its_encoding_is_refused(
    file: Path, data: bytes, encoding: str | None, message: str
) -> None:
    """A file with damaged text is refused in one sentence that names the damage."""
    with pytest.raises(InputError, match=f"^{message}"):
        read(file, data, encoding=encoding)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b'id,name\n1,"Ali\n2,Sara\n', 2),
        (b'id,name\n1,"Ali,x\n2,"Sara"\n', 2),
        (b'id,name\n1,"a\nb"\n2,"Ali" x\n', 4),
        (b'sep=,\nid,name\n1,"Ali', 3),
    ],
)
def test_quote_that_is_not_closed_is_refused(file: Path, data: bytes, line: int) -> None:
    """A stray quotation mark never swallows rows; the message has the line of its record."""
    with pytest.raises(InputError, match=rf"^line {line} starts a record .*quotation mark"):
        read(file, data)


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b'2,"Ali\n3,x\n', "look for a quotation mark that is not closed"),
        (b'2,"Ali" ,x\n', "a space follows the quotation mark that closes a cell; export"),
        (b'2,"Ali" \n', "a space follows the quotation mark that closes a cell; export"),
        (
            b'2,"Ali "the boss" Hassan"\n',
            "text follows the quotation mark that closes a cell; double",
        ),
        (
            b'2,"Ali \\"the boss\\" Hassan"\n',
            r"it has a backslash before a quotation mark \(\\\"\); export",
        ),
        (
            b'2,"' + b"x\n" * 600_000,
            "a cell has more than 1,048,576 characters; look for a quotation",
        ),
    ],
)
def test_record_that_cannot_be_read_is_refused_with_its_reason(
    file: Path, record: bytes, reason: str
) -> None:
    """The sentence speaks of an open quotation mark only where one may be open."""
    with pytest.raises(InputError, match=rf"^line 2 starts a record that cannot be read: {reason}"):
        read(file, b"id,name,notes\n" + record)


@pytest.mark.parametrize(
    ("record", "cell"),
    [
        ('1, "Sara", "Doha, Qatar"', ' "Sara"'),
        ('1,x,\t"Doha, Qatar"', "<U+0009>"),
        ('1,x,\u00a0"Doha, Qatar"', '\u00a0"Doha'),
        (' "1",x,"y\nz"', ' "1"'),
        ('1,"a\nb", "Doha', ' "Doha'),
    ],
)
def test_space_before_an_opening_quotation_mark_is_refused(
    file: Path, record: str, cell: str
) -> None:
    """The parser takes such marks for text, and splits the cell at a delimiter between them."""
    with pytest.raises(InputError, match=r"^line 3 has a space before the quot") as refused:
        read(file, f"id,name,notes\n0,a,b\n{record}\n".encode())
    assert cell in str(refused.value)


def test_formula_that_is_cut_at_a_delimiter_is_refused(file: Path) -> None:
    """Without quotation marks around it, `="Doha, Qatar"` is two cells."""
    with pytest.raises(InputError, match=r"^line 2 has a formula that is cut at a delimiter"):
        read(file, b'id,address,notes\n1,="Doha, Qatar"\n')


def test_quotation_marks_inside_a_cell_are_text(file: Path) -> None:
    """A quoted cell may begin with a space and a quotation mark, and others may have any."""
    data = b'1," ""Sara"" Ahmed",5" pipe,"a, ""b"""\n'
    assert cells(read(file, data)) == [["1", ' "Sara" Ahmed', '5" pipe', 'a, "b"']]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('="00974"', "00974"),
        (' ="00974" ', "00974"),
        ('="say ""hi"""', 'say "hi"'),
        ('=""', ""),
        ("='x'", "='x'"),
        ('="a"&"b"', '="a"&"b"'),
        ('="a', '="a'),
        ('=T("a")', '=T("a")'),
        ("=1024", "=1024"),
        ("""'="00974\"""", '="00974"'),
        ("'+974", "+974"),
        ("'Abdul", "'Abdul"),
    ],
)
def test_formula_that_is_a_text_is_read_as_that_text(cell: str, text: str) -> None:
    """Programs write `="00974"` so that Excel keeps the zeros; other formulas stay as they are."""
    assert shown(cell).text == text
    is_formula = cell.strip().startswith('="') and text != cell
    assert (shown(cell).change is not None) == is_formula


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("<!DOCTYPE html><html>", "a web page"),
        ("\r\n <TABLE border=1>", "a web page"),
        ('<?xml version="1.0"?><Workbook>', "XML"),
        ('[{"id": 1}]', "JSON"),
        ('{\n  "id": 1,', "JSON"),
    ],
)
def test_text_of_another_kind_is_named(
    file: Path, content: str, kind: str, codec: str, mark: str
) -> None:
    """A web page or JSON that is named .csv is not refused for its encoding or quotation marks."""
    with pytest.raises(InputError, match=f"^the file is {kind}, not a CSV; "):
        read(file, f"{mark}{content}".encode(codec))


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"PK\x03\x04", "an Excel workbook or another zip archive"),
        (b"\xd0\xcf\x11\xe0", "an old or protected Excel workbook"),
        (b"\x09\x08\x10\x00", "an old or protected Excel workbook"),
        (b"%PDF-1.7", "a document"),
        (b"\x1f\x8b\x08", "a compressed file"),
    ],
)
def test_file_of_another_kind_is_named(file: Path, start: bytes, kind: str) -> None:
    """A workbook that is named .csv is not refused for its encoding."""
    with pytest.raises(InputError, match=f"^the file is {kind}, not a CSV; "):
        read(file, start + b"\xff\0" * 600)


@pytest.mark.parametrize("header", ["[id],[email]", "<id>,<email>", "{id},{email}", "PK,id,email"])
def test_header_in_brackets_is_a_csv(file: Path, header: str) -> None:
    """A header in the brackets of SQL is no JSON."""
    assert cells(read(file, header.encode())) == [header.split(",")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_quoted_line_breaks_belong_to_the_cell(file: Path, end: str) -> None:
    """A record counts as one row, as in Excel, and its line is the one on which it starts."""
    rows = read(file, f'id,notes{end}1,"a{end}{end}b"{end}2,c{end}'.encode())
    assert cells(rows) == [["id", "notes"], ["1", f"a{end}{end}b"], ["2", "c"]]
    assert [(row.row, row.place) for row in rows] == [(1, "line 1"), (2, "line 2"), (3, "line 5")]


def test_blank_line_is_a_row(file: Path) -> None:
    """An empty line has a row number, as in Excel."""
    assert [(row.row, list(row.cells)) for row in read(file, b"a\n\nb\n")] == [
        (1, ["a"]),
        (2, []),
        (3, ["b"]),
    ]


def test_last_line_without_an_end_may_be_cut_off(file: Path) -> None:
    """Only the last row can lack its line end, and is marked accordingly."""
    assert [row.whole for row in read(file, b"a\nb\nc")] == [True, True, False]


def test_end_of_file_character_of_dos_is_not_a_row(file: Path) -> None:
    """A Ctrl-Z after the last line is skipped; anywhere else it is text."""
    assert cells(read(file, b"a\x1a\nb\n\x1a")) == [["a\x1a"], ["b"]]


def test_rows_can_be_read_again(file: Path) -> None:
    """Looking for the header does not use up the rows."""
    file.write_bytes(b"a\nb\n")
    layout = layouts(file, None)[0]
    assert list(layout.rows()) == list(layout.rows()) != []
