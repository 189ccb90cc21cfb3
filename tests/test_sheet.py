"""The XML of a sheet is read as the rows that a person sees, or refused."""

from __future__ import annotations

import io
import time
from xml.parsers.expat import ExpatError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.extract.markup import CHUNK, MalformedError
from etl.extract.sheet import Merged, is_right_to_left, merged_ranges, read_rows
from etl.extract.strings import SharedStrings

TEXT = '<c r="A1" t="inlineStr"><is><t>a</t></is></c>'


def part(rows: str, rest: str = "") -> bytes:
    """Returns the XML of a sheet."""
    return f"<worksheet><sheetData>{rows}</sheetData>{rest}</worksheet>".encode()


def cells_of(xml: bytes) -> dict[int, list[object]]:
    """Returns the texts of each row."""
    return {row.row: list(row.cells) for row in read_rows(io.BytesIO(xml), typed, [])}


def typed(text: str, kind: str, style: int) -> str:
    """Returns a cell as text, with its type and style if they are not the usual ones."""
    return text + ("" if kind in {"n", "inlineStr", "str"} else f":{kind}") + ":s" * style


def refused(xml: bytes) -> str:
    """Returns the reason why a sheet is refused."""
    with pytest.raises(MalformedError) as caught:
        cells_of(xml)
    return str(caught.value)


def test_cells_are_placed_by_their_references() -> None:
    """Omitted columns are blank, and the value, type and style of each cell are passed on."""
    xml = part('<row r="3"><c r="B3" s="2"><v>7</v></c><c r="AA3" t="s"><v>1</v></c></row>')
    assert cells_of(xml) == {3: ["", "7:s:s", *[""] * 24, "1:s"]}


def test_last_cell_of_a_sheet_is_read() -> None:
    """XFD1048576 is a cell like any other."""
    ((row, cells),) = cells_of(
        part('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')
    ).items()
    assert (row, len(cells), cells[-1]) == (1048576, 16384, "1")


CELLS = st.sampled_from(
    [
        '<c r="{}{}"><v>1</v></c>', '<c r="{}{}" s="3" t="s"><v>0</v></c>',
        '<c r="{}{}" t="n"><v>-1.5E+3</v></c>', '<c r="{}{}" s="12"/>', '<c r="{}{}"><v></v></c>',
        '<c r="{}{}"><v>x</v></c>', '<c t="s" r="{}{}"><v>0</v></c>', '<c r="{}{}"><f>A1</f></c>',
        '<c r="{}{}" t="inlineStr"><is><t>a</t></is></c>', '<c r="{}{}"><is><t>a</t></is></c>',
        '<c r="{}7"><v>1</v></c>', "<c/>",
        '<c r="{}{}" s="3" t="inlineStr"><is><t xml:space="preserve"> a_x000D_ </t></is></c>',
        '<c r="{}{}" t="inlineStr"><is><t>a&lt;</t></is></c>',
        '<c r="{}{}" t="inlineStr"><is><t>\u0645\n</t></is></c>', "<c><v>1</v></c>",
    ]
)  # fmt: skip
ROWS = st.tuples(
    st.sampled_from(
        ['<row r="{}">', '<row r="{}" spans="1:2" hidden="1">', "<row>", '<row r="0{}">']
    ),
    st.lists(st.tuples(st.sampled_from(["A", "B", "C", "AA", "XFD", "XFE"]), CELLS), max_size=3),
)


@given(st.lists(ROWS, max_size=4), st.integers(0, 1))
def test_plain_rows_are_read_as_expat_reads_them(
    rows: list[tuple[str, list[tuple[str, str]]]], step: int
) -> None:
    """The fast way for rows of plain cells, which a comment disables, changes no result."""
    xml = part(
        "".join(
            start.format(number) + "".join(cell.format(at, number) for at, cell in cells) + "</row>"
            for number, (start, cells) in enumerate(rows, step)
        )
    )
    results: list[object] = []
    for each in (xml, b"<!-- -->" + xml):
        try:
            results.append(list(read_rows(io.BytesIO(each), typed, [])))
        except MalformedError:
            results.append(None)
    assert results[0] == results[1]


@pytest.mark.parametrize("opening", ["<!--", "<![CDATA[", "<?x "])
@pytest.mark.parametrize("offset", range(-12, 3))
def test_row_inside_a_comment_is_not_read(opening: str, offset: int) -> None:
    """Text that looks like a row is not one, even if it begins at the end of a chunk."""
    closing = {"<!--": "-->", "<![CDATA[": "]]>", "<?x ": "?>"}[opening]
    blanks = " " * (CHUNK - len("<worksheet><sheetData>") + offset)
    xml = part(f'{blanks}{opening}<row r="1"><c r="A1"><v>1</v></c></row>{closing}<row r="1"/>')
    assert cells_of(xml) == {1: []}


@pytest.mark.parametrize(
    "reference", ["XFE1", "A0", "A1048577", "a1", "1A", "A", "", "A2", "$A$1", "AAAA1"]
)
def test_reference_outside_the_row_is_refused(reference: str) -> None:
    """A value without a certain place belongs to no client."""
    refused(part(f'<row r="1"><c r="{reference}"><v>1</v></c></row>'))


def test_cells_without_references_are_counted() -> None:
    """Every cell takes a column, even one without a value, and every row the next number."""
    row = "<row><c><v>1</v></c><c/><c s='1'/><c><v>4</v></c></row>"
    assert cells_of(part(row + row)) == {1: ["1", "", "", "4"], 2: ["1", "", "", "4"]}


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ('<c r="A1"><v>1</v></c><c><v>2</v></c>', ["1", "2"]),
        ('<c><v>1</v></c><c r="C1"><v>3</v></c><c><v>4</v></c>', ["1", "", "3", "4"]),
        ('<c r="B1" s="1"/><c><v>3</v></c>', ["", "", "3"]),
        ('<c r="A1" s="1"/><c r="B1" s="1"/> <c s="2"><v>3</v></c>', ["", "", "3:s:s"]),
        ('<c r="B1"/><c/><c t="s"><v>4</v></c>', ["", "", "", "4:s"]),
    ],
)
@pytest.mark.parametrize("before", ["", "<!-- -->"])
def test_cell_without_a_reference_is_behind_the_last_one(
    cells: str, texts: list[str], before: str
) -> None:
    """A cell without a value counts, whether it has a reference or not."""
    assert cells_of(before.encode() + part(f'<row r="1">{cells}</row>')) == {1: texts}


@pytest.mark.parametrize("shift", range(40))
def test_cell_without_a_reference_is_placed_across_a_border(shift: int) -> None:
    """A blank cell at the end of a chunk counts for the first cell of the next."""
    before = len(part("").partition(b"</")[0]) + len('<row r="1">')
    cells = '<c r="B1" s="12"/><c><v>3</v></c>'
    xml = part(f'<row r="1">{" " * (CHUNK - before - shift)}{cells}</row>')
    assert cells_of(xml) == {1: ["", "", "3"]}


def test_cell_behind_the_last_column_is_refused() -> None:
    """A sheet has no column after XFD."""
    refused(part('<row r="1"><c r="XFD1"><v>1</v></c><c><v>2</v></c></row>'))


@pytest.mark.parametrize(
    ("cell", "texts", "errors"),
    [
        ('<c t="inlineStr"><is><t>Sara</t></is><v>7</v></c>', ["Sara"], set()),
        ('<c t="inlineStr"><v>7</v><is><t>Sara</t></is></c>', ["Sara"], set()),
        ('<c t="inlineStr"><f>B1</f><is><t>Sara</t></is></c>', ["Sara"], set()),
        ('<c t="inlineStr"><is><t/></is><v>7</v></c>', [], set()),
        ('<c t="inlineStr"><v>7</v></c>', [], {0}),
        ('<c t="str"><v>7</v><is><t>Sara</t></is></c>', ["7"], set()),
        ("<c><is><t>Sara</t></is><v>7</v></c>", ["7"], set()),
        ("<c><is><t>Sara</t></is></c>", [], {0}),
        ("<c><v>7<x>8</x></v></c>", ["7"], set()),
        ("<c><v>7</v><extLst><ext><v>8</v></ext></extLst></c>", ["7"], set()),
    ],
)
def test_value_of_a_cell_is_where_its_type_has_it(
    cell: str, texts: list[str], errors: set[int]
) -> None:
    """An inline text is in <is> and all else in <v>; a value in the other one is not seen."""
    (row,) = read_rows(io.BytesIO(part(f"<row>{cell}</row>")), typed, [])
    assert (list(row.cells), row.errors) == (texts, errors)


@pytest.mark.parametrize(
    "cell",
    [
        "<c><v>1</v><v>2</v></c>",
        "<c><v/><v>2</v></c>",
        '<c t="inlineStr"><is><t>a</t></is><is><t>b</t></is></c>',
    ],
)
def test_cell_with_two_values_is_refused(cell: str) -> None:
    """Two values joined would be a third one that nobody typed."""
    assert "two values" in refused(part(f"<row>{cell}</row>"))


@pytest.mark.parametrize("text", ["#N/A", "#BUSY!", "Err:502", "42", "Sara"])
def test_cell_of_the_type_error_is_one_whatever_its_text(text: str) -> None:
    """New versions have new errors, and other programs have their own."""
    xml = part(f'<row r="1"><c r="B1" t="e"><v>{text}</v></c><c r="C1"><v>42</v></c></row>')
    (row,) = read_rows(io.BytesIO(xml), typed, [])
    assert row.errors == {1}


def test_rows_and_cells_elsewhere_are_not_those_of_the_sheet() -> None:
    """Form controls and extensions have elements of the same names."""
    control = "<from><xdr:col>6</xdr:col><xdr:row>1</xdr:row></from>"
    cell = '<row r="7"><c r="A7"><v>9</v></c> </row>'
    xml = part(
        f'<row r="1">{TEXT}<extLst><ext>{cell}</ext></extLst></row>{control}<row r="2"/>',
        f"<controls>{control}</controls><c><v>1</v></c>{cell}",
    )
    assert cells_of(xml) == {1: ["a"], 2: []}


def test_cost_of_a_row_follows_the_cells_in_the_file() -> None:
    """A blank cell in the last column takes no longer than one in the second."""

    def seconds(column: str) -> float:
        rows = "".join(
            f'<row r="{row}"><c r="A{row}"><v>1</v></c><c r="{column}{row}" t="inlineStr">'
            "<is><t> </t></is></c></row>"
            for row in range(1, 2_000)
        )
        start = time.process_time()
        read = read_rows(io.BytesIO(part(rows)), typed, [])
        assert {tuple(row.beyond(1)) for row in read} == {(" ",)}
        return time.process_time() - start

    assert min(seconds("XFD") for _ in range(3)) < 3 * min(seconds("B") for _ in range(3))


def test_far_cells_are_those_beyond_the_header() -> None:
    """Those in the file are checked, wherever they are."""
    xml = part(
        '<row r="1"><c r="A1"><v>1</v></c><c r="C1"><v>3</v></c><c r="XFD1"><v>4</v></c></row>'
    )
    (row,) = read_rows(io.BytesIO(xml), typed, [])
    assert [list(row.beyond(width)) for width in (0, 1, 2, 3, 20_000)] == [
        ["1", "3", "4"], ["3", "4"], ["3", "4"], ["4"], [],
    ]  # fmt: skip
    assert (len(row.cells), row.cells[1], row.cells[16_383]) == (16_384, "", "4")


@pytest.mark.parametrize("order", [("B1", "A1"), ("A1", "A1")])
def test_columns_out_of_order_are_refused(order: tuple[str, str]) -> None:
    """No value may replace another."""
    cells = "".join(f'<c r="{reference}"><v>1</v></c>' for reference in order)
    assert "twice or out of order" in refused(part(f'<row r="1">{cells}</row>'))


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1), (0, 1), (1, 1048577), (-1, 1)])
def test_rows_out_of_order_are_refused(numbers: tuple[int, int]) -> None:
    """Row numbers are unique and increasing."""
    refused(part("".join(f'<row r="{number}"/>' for number in numbers)))


@pytest.mark.parametrize(
    ("attribute", "hidden"),
    [("", False), ('hidden="0"', False), ('hidden="1"', True), ('hidden="true"', True)],
)
def test_hidden_row_is_read_and_marked(attribute: str, hidden: bool) -> None:  # noqa: FBT001 - a table
    """A row that a filter hides is read like any other."""
    xml = part(f'<row r="1" {attribute}>{TEXT}</row><row r="2"/>')
    rows = [(list(row.cells), row.hidden) for row in read_rows(io.BytesIO(xml), typed, [])]
    assert rows == [(["a"], hidden), ([], False)]


@pytest.mark.parametrize(
    ("cell", "texts", "errors"),
    [
        ('<c r="B1"><f>A1</f><v>7</v></c>', ["", "7"], []),
        ('<c r="B1"><f>A1</f></c>', [], [1]),
        ('<c r="B1"><f>A1</f><v/></c>', [], [1]),
        ('<c r="B1"><f>A1</f><v></v></c>', [], [1]),
        ('<c r="B1" t="str"><f>A1</f><v></v></c>', [], []),
        ('<c r="B1" t="str"><f>A1</f></c>', [], [1]),
        ('<c r="B1" t="e"><f>A1</f><v>#REF!</v></c>', ["", "#REF!:e"], [1]),
        ('<c r="A1"><f>B1</f></c><c r="B1"/>', [], [0]),
        ('<c r="A1"><f/></c><c r="B1"><v>1</v></c>', ["", "1"], [0]),
    ],
)
def test_formula_without_a_value_is_uncalculated(
    cell: str, texts: list[str], errors: list[int]
) -> None:
    """A formula with an empty text as its result is calculated; the formula is never the value."""
    (row,) = read_rows(io.BytesIO(part(f'<row r="1">{cell}</row>')), typed, [])
    assert (list(row.cells), sorted(row.errors)) == (texts, errors)


@pytest.mark.parametrize(
    ("inside", "text"),
    [
        ("<r><t>a</t></r><r><rPr><b/></rPr><t> b</t></r>", "a b"),
        ("<t>課</t><rPh sb='0' eb='1'><t>カ</t></rPh>", "課"),
        ("<rPh><t>カ</t></rPh><t>課</t>", "課"),
        ("<t>&lt;c r=&quot;A1&quot;/&gt;</t>", '<c r="A1"/>'),
        ("<t>سارة 😀</t>", "سارة 😀"),
    ],
)
def test_text_of_a_cell_is_the_visible_text(inside: str, text: str) -> None:
    """Rich text is joined, and phonetic hints are omitted."""
    xml = part(f'<row r="1"><c r="A1" t="inlineStr"><is>{inside}</is></c></row>')
    assert cells_of(xml) == {1: [text]}


@pytest.mark.parametrize("shift", [0, 3, 9, 10, 20, 22])
def test_cells_with_only_a_format_are_blank(shift: int) -> None:
    """A cell may lie across the border of two chunks."""
    blank = '<c r="B1" s="12"/>'
    before = len(part("").partition(b"</")[0]) + len('<row r="1">' + TEXT)
    padding = " " * (CHUNK - before - shift)
    xml = part(f'<row r="1">{TEXT}{padding}{blank}<c r="C1"><v>3</v></c></row>')
    assert cells_of(xml) == {1: ["a", "", "3"]}


@pytest.mark.parametrize("shift", [*range(11), 30, CHUNK])
def test_cdata_that_looks_like_a_cell_stays_text(shift: int) -> None:
    """A CDATA section is text, wherever a chunk ends."""
    text = f'<c r="A1" s="1"/>{"y" * CHUNK}<c r="B1"/>'
    begin, end = '<row r="1"><c r="A1" t="inlineStr"><is><t>', "</t></is></c></row>"
    padding = " " * (2 * CHUNK - len("<worksheet><sheetData>" + begin) - shift)
    assert cells_of(part(f"{padding}{begin}<![CDATA[{text}]]>{end}")) == {1: [text]}


@pytest.mark.parametrize("declared", ["utf-8", "UTF-8", "iso-8859-1"])
def test_inline_text_has_the_encoding_of_the_sheet(declared: str) -> None:
    """Rows that are read without expat have the same texts as those that it reads."""
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>سارة é</t></is></c>{1}</row>'
    xml = part(row.format(1, "") + row.format(2, "<c/>"))
    read = cells_of(f'<?xml version="1.0" encoding="{declared}"?>'.encode() + xml)
    codec = declared if declared == "iso-8859-1" else "utf-8"
    assert read == {1: ["سارة é".encode().decode(codec)], 2: ["سارة é".encode().decode(codec)]}


@pytest.mark.parametrize("text", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbf\xbf", b"\xd8"])
def test_inline_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    """Undecodable bytes, surrogates and U+FFFF are damage."""
    with pytest.raises((ExpatError, UnicodeDecodeError)):
        cells_of(part(f'<row r="1">{TEXT}</row>').replace(b"<t>a", b"<t>a" + text))


def test_prefixes_change_nothing() -> None:
    """Elements with a namespace prefix, which some programs write, are recognised."""
    xml = (
        b'<x:worksheet><x:sheetData><x:row r="1" hidden="1"><x:c r="A1"><x:v>1</x:v></x:c>'
        b'<x:c r="B1" s="1"/><x:c r="C1"><x:f>1</x:f></x:c></x:row></x:sheetData>'
        b'<x:mergeCell ref="A1:B2"/></x:worksheet>'
    )
    merged = merged_ranges(io.BytesIO(xml))
    (row,) = read_rows(io.BytesIO(xml), typed, merged)
    assert (row.cells, row.hidden, row.errors) == (["1"], True, {2})
    assert row.merged == [range(2)]


@pytest.mark.parametrize("shift", range(30))
def test_merged_range_is_found_across_a_border(shift: int) -> None:
    """No digit of a range is lost between two chunks."""
    element = '<mergeCell ref="A10:B105"/>'
    before = b"<worksheet>"
    xml = before + b" " * (CHUNK - len(before) - shift) + element.encode() * 2 + b"</worksheet>"
    assert merged_ranges(io.BytesIO(xml)) == [Merged(10, 105, range(2))] * 2


@pytest.mark.parametrize(
    "element",
    [
        "<mergeCell ref='B2:C3'/>",
        '<x:mergeCell ref="B2:C3"></x:mergeCell>',
        '<mergeCell xr:uid="{1-2}" ref="B2:C3" />',
        '<mergeCell\n ref="B2:C3"/>',
    ],
)
def test_merged_range_is_found_in_any_notation(element: str) -> None:
    """Quotation marks, prefixes and other attributes do not matter."""
    assert merged_ranges(io.BytesIO(element.encode())) == [Merged(2, 3, range(1, 3))]


def test_merged_range_marks_all_rows_that_it_covers() -> None:
    """Ranges may be in any order, and rows may be missing."""
    elements = '<mergeCell ref="C4:D6"/><mergeCell ref="A2:A4"/>'
    rows = "".join(f'<row r="{number}"/>' for number in (1, 2, 4, 6, 7))
    xml = part(rows, elements)
    read = read_rows(io.BytesIO(xml), typed, merged_ranges(io.BytesIO(xml)))
    assert {row.row: list(row.merged) for row in read} == {
        1: [],
        2: [range(1)],
        4: [range(1), range(2, 4)],
        6: [range(2, 4)],
        7: [],
    }


def test_merged_range_of_one_row_leaves_its_first_cell() -> None:
    """The first cell shows the value of the row, and the others have none of their own."""
    elements = '<mergeCell ref="B1:C1"/><mergeCell ref="E1:E1"/><mergeCell ref="G1:G2"/>'
    xml = part('<row r="1"/>', elements)
    (row,) = read_rows(io.BytesIO(xml), typed, merged_ranges(io.BytesIO(xml)))
    assert [index for index in range(9) if row.fault_at(index)] == [2, 6]


def test_merged_range_outside_the_sheet_is_refused() -> None:
    """A range beyond the last row of a sheet is damage."""
    with pytest.raises(MalformedError):
        merged_ranges(io.BytesIO(b'<mergeCell ref="A1:B9999999"/>'))


def test_too_many_merged_ranges_in_one_row_are_refused() -> None:
    """A sheet made to take hours is refused."""
    xml = part('<row r="1"/>')
    with pytest.raises(MalformedError, match="too many merged ranges in one row"):
        list(read_rows(io.BytesIO(xml), typed, [Merged(1, 9, range(2))] * 201))


def test_too_many_merged_ranges_in_a_sheet_are_refused() -> None:
    """A sheet made to fill the memory is refused."""
    with pytest.raises(MalformedError, match="too many merged ranges for"):
        merged_ranges(io.BytesIO(b'<mergeCell ref="A1:B1"/>' * 210_000))


def test_document_type_is_refused() -> None:
    """A document type is refused, since its entities could fill the memory."""
    assert "document type" in refused(b'<!DOCTYPE worksheet [<!ENTITY a "1">]>' + part(""))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_sheet_in_utf_16_is_refused(encoding: str) -> None:
    """The merged ranges of a UTF-16 sheet would be missed."""
    refused(part('<row r="1"/>').decode().encode(encoding))


def test_text_longer_than_any_cell_is_refused() -> None:
    """A cell made to fill the memory is refused."""
    long = TEXT.replace(">a<", f">{'a' * 1_100_000}<")
    assert "too long for a cell" in refused(part(f'<row r="1">{long}</row>'))


def test_row_longer_than_any_list_is_refused() -> None:
    """Many cells may share one long text that is in the file only once."""
    strings = SharedStrings()
    strings.read(io.BytesIO(b"<sst><si><t>" + b"a" * 30_000 + b"</t></si></sst>"))
    cells = "<c t='s'><v>0</v></c>" * 200
    rows = read_rows(
        io.BytesIO(part(f"<row>{cells}</row>")), lambda text, *_: strings[int(text)], []
    )
    with pytest.raises(MalformedError, match="row that is too long"):
        list(rows)


@pytest.mark.parametrize("xml", [b"", b"<worksheet>", b"<worksheet><row></worksheet>", b"text"])
def test_xml_that_is_damaged_is_refused(xml: bytes) -> None:
    """A sheet is read completely or not at all."""
    with pytest.raises(ExpatError):
        cells_of(xml)


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        ("", False),
        ('<sheetView workbookViewId="0"/>', False),
        ('<sheetView rightToLeft="1" workbookViewId="0"/>', True),
        ('<sheetView workbookViewId="0" rightToLeft="true"><pane/></sheetView>', True),
        ('<x:sheetView rightToLeft="1"/>', True),
        ('<sheetView rightToLeft="0"/>', False),
        ('<sheetView rightToLeft="false"/>', False),
        ('<sheetView/><sheetView rightToLeft="1"/>', True),
        ('<!-- <sheetView rightToLeft="1"/> -->', False),
    ],
)
def test_direction_of_a_sheet_is_that_of_its_view(views: str, expected: bool) -> None:  # noqa: FBT001
    """Excel writes above the rows whether the first column is at the right."""
    xml = f'<worksheet xmlns:x="x"><sheetViews>{views}</sheetViews>'.encode() + part("")[11:]
    assert is_right_to_left(io.BytesIO(xml)) is expected


def test_direction_is_read_only_above_the_rows() -> None:
    """A million rows are not read a second time, and a view below them is ignored."""
    views = '<sheetViews><sheetView rightToLeft="1"/></sheetViews>'
    xml = io.BytesIO(part(f'<row r="1">{TEXT}</row>' * 10_000, views))
    assert not is_right_to_left(xml)
    assert xml.tell() == CHUNK


def test_direction_of_a_hostile_sheet_is_refused() -> None:
    """A sheet with a document type is refused before its direction is known."""
    with pytest.raises(MalformedError, match="document type"):
        is_right_to_left(io.BytesIO(b"<!DOCTYPE worksheet><worksheet/>"))
    assert not is_right_to_left(io.BytesIO(b"<worksheet/>"))
