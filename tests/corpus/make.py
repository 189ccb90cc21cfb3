"""Makes the corpus again: ``python tests/corpus/make.py [text raw parts openpyxl xlsxwriter ...]``.

The files are committed, because the programs that write them change. Run this only to add a file,
or for a new version of a program. The expected content of each file is in ``expected.json``, which
is written by hand. All clients are invented.
"""

# ruff: noqa: E501 - XML has no good place for a line break

from __future__ import annotations

import codecs
import io
import shutil
import subprocess
import sys
import tempfile
import zipfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import openpyxl
import xlsxwriter
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont

HERE = Path(__file__).parent
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_DATE = datetime(2024, 1, 5, 13, 30)  # noqa: DTZ001 - cells have no time zone


def text() -> None:
    """Text files as editors, Excel and old systems write them, and damaged ones."""
    arabic = "id,email,name\r\n1024,sara@example.com,سارة أحمد\r\n1025,omar@example.com,عمر\r\n"
    plain = "id,email,name,phone\n"
    files: dict[str, bytes] = {
        "utf8.csv": (
            plain + "1024,sara@example.com,سارة أحمد,+97433123456\n"
            "00123,na@example.com,NA,0097433123457\n"
            "1026,null@example.com,None,٩٧٤٣٣١٢٣٤٥٨\n"
            '1027,quotes@example.com,"Al ""Sara"", Doha", 3312 \n'
        ).encode(),
        "excel-utf8-mark.csv": codecs.BOM_UTF8
        + b"Client ID,E-mail ,Name,Notes\r\n"
        + b'1024,sara@example.com,TRUE,"first line\nsecond line"\r\n'
        + b"1025,omar@example.com,1e5,\r\n",
        "excel-unicode-text.txt": codecs.BOM_UTF16_LE
        + 'رقم العميل\tالبريد الإلكتروني\tالاسم\r\n1024\tsara@example.com\t"سارة, أحمد"\r\n'.encode(
            "utf-16-le"
        ),
        "utf16-big-endian.csv": codecs.BOM_UTF16_BE + arabic.encode("utf-16-be"),
        "utf16-without-mark.csv": arabic.encode("utf-16-le"),
        "cp1256.csv": arabic.encode("cp1256"),
        "semicolon.csv": b"id;email;notes\r\n1024;sara@example.com;1,5 | 2,5\r\n",
        "pipe.csv": b"id|email|notes\n1024|sara@example.com|a,b;c\n",
        "sep-line.csv": b"sep=;\r\nid;email\r\n1024;sara@example.com\r\n",
        "sep-caret.csv": b"sep=^\r\nid^email\r\n1024^sara@example.com\r\n",
        "cr-only.csv": b"id,email,notes\r1024,sara@example.com,a\r1025,omar@example.com,b\r",
        "trailing-commas.csv": b"id,email\n1024,sara@example.com,\n1025,omar@example.com,,\n",
        "short-records.csv": b"id,name,email,notes\n1,Sara,sara@example.com\n2,Omar\n3\n",
        "long-record.csv": b"id,email\n1,sara@example.com\n2,omar@example.com,Doha\n",
        "blank-rows.csv": b"id,email\n\n,\n1,sara@example.com\n  ,\t\n2,omar@example.com\n\n",
        "title-lines.csv": b"Clients of January\n\n;;\nid;email;phone\n1;sara@example.com;0551\n",
        "header-alone.csv": b"id,email,name\r\n",
        "guarded.csv": (
            b"id,email,name,phone\n1,sara@example.com,'Abdulaziz,'+974 3312\n"
            b"2,omar@example.com,'=SUM(A1),'97455\n"
        ),
        "results-fed-back.csv": codecs.BOM_UTF8
        + b'"id","email","Branch","update_status","update_error","update_row"\r\n'
        + b'"1024","sara@example.com","Doha","INVALID","the e-mail, it is not valid","2"\r\n',
        "error-texts.csv": b"id,email,phone\n1,#N/A,9.74E+11\n2,#REF!,#VALUE!\n",
        "thousands-ids.csv": (
            b"id;email\n999;a@example.com\n1.000;b@example.com\n12.000;c@example.com\n"
            b"1.000.000;d@example.com\n1024.0;e@example.com\n1025.00;f@example.com\n"
        ),
        "exponent-phones.csv": (
            b"id,email,phone\n1,a@example.com,9.74e+10\n2,b@example.com,9.7433123456E10\n"
            b'3,c@example.com,97433123e3\n4,d@example.com,"9,74E+10"\n5,e@example.com,9.74+10\n'
        ),
        "pandas-phones.csv": (
            b"id,email,phone\n1,a@example.com,97433123456.0\n2,b@example.com,\n"
            b"3,c@example.com,9007199254740993.0\n"
        ),
        "date-phones.csv": (
            b"id,email,phone\n1,a@example.com,2024-05-12\n2,b@example.com,12-May\n"
            b"3,c@example.com,05/12/2024\n4,d@example.com,55-12\n5,e@example.com,12:30\n"
        ),
        "libreoffice-errors.csv": (
            "id,email,name,phone,notes\n1,a@example.com,Err:502,Err:522,Err :509\n"
            "2,b@example.com,#NOM\u00a0?,#¡REF!,#WERT!\n3,Loading...,#####,#NV,#ERROR!\n"
            "4,d@example.com,#URGENT!,+97433123456,Box:502\n"
        ).encode(),
        "formula-texts.csv": (
            b'"id","email","name","phone","Branch"\n'
            b'"=""1024""","a@example.com","=""Al """"Sara""""""","=""0097433123456""","=""Doha"""\n'
            b'1025,b@example.com,="Omar",="+974"&"33",\n'
        ),
        "question-marks.csv": (
            b"id,email,name,notes\n1,a@example.com,????? ????,?\n2,b@example.com,Why??,?? ??\n"
        ),
        "space-before-quote.csv": (
            b'id, email, name, address, notes\n1, a@example.com, "Sara", "Doha, Qatar"\n'
        ),
        "space-after-quote.csv": b'id,name,email\n"1" ,"Sara" ,a@example.com\n',
        "backslash-quotes.csv": b'id,name,email\n1,"Al \\"Sara\\" Ahmed",a@example.com\n',
        "json.csv": b'[\n  {"id": 1, "email": "a@example.com"}\n]\n',
        "html.csv": b"<html><body><table><tr><td>id</td></tr></table></body></html>",
        "old-excel.csv": _compound_file("Workbook"),
        "total-without-line-end.csv": b"id,email,name\n1,a@example.com,A\nTotal: 1 row",
        "two-delimiters.csv": b"id,email,name;id;email\n1,a@example.com,x;1;b@example.com\n",
        "invisible.csv": (
            "\u200fid,e\u200bmail,name\n\u200e1024\u200f,sara@example.com,\u202bسارة\u202c\n"
        ).encode(),
        "quoted-breaks.csv": (
            b'id,email,notes\r\n1,sara@example.com,"a\r\nb\r\n"\r\n2,omar@example.com,"c,\nd"\r\n'
        ),
        "no-last-line-end.csv": b"id,email\n1,sara@example.com\n2,omar@example.com",
        "ctrl-z.csv": b"id,email\r\n1,sara@example.com\r\n\x1a",
        "unclosed-quote.csv": b'id,name,email\n1,Sara,sara@example.com\n2,"Omar,omar@example.com\n',
        "stray-quote.csv": b'id,name,email\n1,"Ali" Hassan,ali@example.com\n2,Sara,s@example.com\n',
        "nul.csv": b"id,email\n1,sara@example.com\n2,om\0ar@example.com\n",
        "cut-record.csv": b"id,email,name\n1,sara@example.com,Sara\n2,omar@exa",
        "cut-character.csv": (plain + "1,sara@example.com,سارة").encode()[:-1],
        "two-emails.csv": b"id,email,E-Mail\n1,sara@example.com,omar@example.com\n",
        "no-email.csv": b"id,name\n1,Sara\n",
        "empty.csv": b"",
        "mark-alone.csv": codecs.BOM_UTF8,
        "blank.csv": b"\r\n\r\n  \r\n",
        "html.xlsx": b"<html><body><table><tr><td>id</td></tr></table></body></html>",
        "text.xlsx": b"id,email\n1,sara@example.com\n",
        "empty.xlsx": b"",
        "password.xlsx": _compound_file("EncryptedPackage"),
        "old-excel.xlsx": _compound_file("Workbook"),
    }
    for name, data in files.items():
        (HERE / name).write_bytes(data)


def _compound_file(stream: str) -> bytes:
    """Return the first sectors of an OLE2 file with such a stream (MS-CFB, 2.2)."""
    header = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16) + bytes.fromhex("3e000300feff0900")
    entries = [each.encode("utf-16-le").ljust(128, b"\0") for each in ("Root Entry", stream)]
    return header.ljust(512, b"\xff") + b"".join(entries).ljust(512, b"\0")


def raw() -> None:
    """Workbooks of handwritten XML that no program writes, or only a few."""
    head = _row(1, "id", "email", "name", "phone", "notes", "Branch")
    mail = "sara@example.com"
    _raw("uncalculated", head
        + _cells(2, "<c r='A2'><f>A1+1</f></c>", _inline("B2", mail))
        + _cells(3, _number("A3", "3"), "<c r='B3'><f>B2</f><v/></c>", "<c r='F3'><f>B2</f></c>")
        + _cells(4, _number("A4", "4"), _inline("B4", mail),
                 "<c r='C4' t='str'><f>\"\"</f><v></v></c>", "<c r='E4'><f>1+1</f><v>2</v></c>")
        + _cells(5, "<c r='F5'><f>B2</f></c>"))  # fmt: skip
    _raw("last-cell", head + _row(2, "1", mail) + _cells(1048576, _inline("XFD1048576", "x")))
    _raw("last-row", head + _row(2, "1", mail) + _cells(1048576, _inline("A1048576", "2"),
         _inline("B1048576", mail)))  # fmt: skip
    _raw("errors", head + _cells(2, "<c r='A2' t='e'><v>#REF!</v></c>",
         "<c r='B2' t='e'><f>NA()</f><v>#N/A</v></c>", "<c r='F2' t='e'><v>#DIV/0!</v></c>"))  # fmt: skip
    _raw("escapes", head + _row(2, "1", mail, "a_x000D_b", "", "_x005F_x000D_ _x0041_"))
    _raw("numbers", head
        + _cells(2, _number("A2", "1024.0"), _inline("B2", mail), _number("D2", "9.7455512345E10"))
        + _cells(3, _number("A3", "9007199254740992"), _inline("B3", mail), _number("D3", "551", 1))
        + _cells(4, _number("A4", "9007199254740993"), _inline("B4", mail), _number("D4", "1E17"))
        + _cells(5, _number("A5", "1.024E3"), _inline("B5", mail), _number("E5", "0.1250", 2))
        + _cells(6, _number("A6", "1024.5", 1), _inline("B6", mail), _number("D6", "551234", 3))
        + _cells(7, _number("A7", "-3"), _inline("B7", mail), _number("E7", "0.30000000000000004")),
        formats=["000000", "0.0%", "+0"])  # fmt: skip
    _raw("booleans", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         "<c r='C2' t='b'><v>1</v></c>", "<c r='E2' t='b'><v>0</v></c>",
         "<c r='F2' t='b'><v>true</v></c>"))  # fmt: skip
    _raw("hiding-formats", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("E2", "5", 1)) + _cells(3, _inline("A3", "2"), _inline("B3", mail),
         _number("E3", "0", 2)), formats=[";;;", "0;-0;;@"])  # fmt: skip
    _raw("huge-number", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("E2", "1E30", 1)), formats=["0.00"])  # fmt: skip
    _raw("dates", head
        + _cells(2, _inline("A2", "1"), _inline("B2", mail), _number("E2", "45296", 1))
        + _cells(3, _inline("A3", "2"), _inline("B3", mail), _number("E3", "45296", 2))
        + _cells(4, _inline("A4", "3"), _inline("B4", mail), _number("E4", "45296.5625", 3))
        + _cells(5, _inline("A5", "4"), _inline("B5", mail), _number("D5", "45296", 1)),
        formats=["[$-409]d mmmm yyyy;@", "dd/mm/yyyy", "yyyy\\-mm\\-dd\\ hh:mm"])  # fmt: skip
    _raw("arabic-month", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("E2", "45296", 1)), formats=["[$-C01]d mmmm yyyy"])  # fmt: skip
    _raw("month-letter", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("E2", "45296", 1)), formats=["mmmmm yyyy"])  # fmt: skip
    _raw("phone-formatted-as-date", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("D2", "97455512345", 1)) + _row(3, "2", mail), formats=["dd/mm/yyyy"])  # fmt: skip
    _raw("inline-rich", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         "<c r='C2' t='inlineStr'><is><r><t>Sa</t></r><r><rPr><b/></rPr><t>ra</t></r>"
         "<rPh sb='0' eb='2'><t>reading</t></rPh></is></c>"))  # fmt: skip
    _raw("no-references", "".join(f"<row>{cells}</row>" for cells in (
         "<c t='inlineStr'><is><t>id</t></is></c><c t='inlineStr'><is><t>email</t></is></c>", "",
         f"<c><v>1</v></c><c t='inlineStr'><is><t>{mail}</t></is></c>")))  # fmt: skip
    _raw("error-types", head + "".join(
        _cells(row, _number(f"A{row}", str(row)), _inline(f"B{row}", mail),
               f"<c r='C{row}' t='e'><v>{error}</v></c>", f"<c r='F{row}' t='e'><v>{error}</v></c>")
        for row, error in enumerate(("#N/A", "#ERROR!", "#BUSY!", "#PYTHON!", "Err:502", "#WERT!", "42"), 2)
    ) + _cells(9, "<c r='A9' t='e'><f>A8+1</f><v>9</v></c>"))  # fmt: skip
    _raw("inline-and-value", head + _cells(2, _number("A2", "1"), _inline("B2", mail),
         "<c r='C2' t='inlineStr'><is><t>Sara</t></is><v>Sara</v></c>",
         "<c r='D2' t='inlineStr'><v>0097433123456</v></c>",
         "<c r='E2' t='str'><f>C2</f><v>Doha</v><is><t>no</t></is></c>"))  # fmt: skip
    _raw("two-values", head + _cells(2, "<c r='A2'><v>1</v><v>2</v></c>", _inline("B2", mail)))
    _raw("some-references", "<row r='1'>" + _inline("A1", "id")
         + "<c t='inlineStr'><is><t>email</t></is></c><c s='0'/><c t='inlineStr'><is><t>name</t></is></c></row>"
         + f"<row><c><v>1</v></c><c t='inlineStr'><is><t>{mail}</t></is></c><c r='C2' s='0'/>"
         + "<c t='inlineStr'><is><t>Sara</t></is></c></row>")  # fmt: skip
    _raw("far-blank", head + "".join(
        _cells(row, _number(f"A{row}", str(row)), _inline(f"B{row}", mail), _inline(f"C{row}", " "),
               _inline(f"XFC{row}", " "), _number(f"XFD{row}", "0", 1)) for row in (2, 3)),
        formats=["0;-0;;@"])  # fmt: skip
    corner = "<xdr:col>6</xdr:col><xdr:colOff>0</xdr:colOff><xdr:row>{}</xdr:row><xdr:rowOff>0</xdr:rowOff>"
    _raw("form-control", head + _row(2, "1", mail), after=(
        "<controls xmlns:xdr='http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing'><control>"
        f"<controlPr><anchor><from>{corner.format(1)}</from><to>{corner.format(3)}</to></anchor></controlPr>"
        "</control></controls>"))  # fmt: skip
    _raw("one-row-merges", _row(1, "id", "email", "", "name", "Branch") + "".join(
        _row(row, str(row), mail, "", "Sara", "Doha") for row in (2, 3, 4)),
        after="<mergeCells><mergeCell ref='B1:C1'/><mergeCell ref='B2:C2'/><mergeCell ref='C3:D3'/>"
        "<mergeCell ref='D4:E4'/></mergeCells>")  # fmt: skip
    shown = ['"+974 "00000000', "+974 0000 0000", '"+974"0', r"\+\974\ 0", '00"-"0', '"00"0', '"(974) "0000\\-0000',
             '0"x"', "_(* 0_)", '"Tel "0', '[&lt;=99999999]"+974 "0;+0']  # fmt: skip
    _raw("phone-formats", head + "".join(
        _cells(row, _number(f"A{row}", str(row)), _inline(f"B{row}", mail), _number(f"D{row}", "33123456", row - 1),
               _number(f"E{row}", "33123456", row - 1)) for row in range(2, 13)), formats=[*shown])  # fmt: skip
    _raw("merged", head + _row(2, "1", mail) + _row(3, "2", mail, "Omar") + _row(4, "3", mail),
         after="<mergeCells><mergeCell ref='E2:F2'/><mergeCell ref='F2:F4'/>"
         "<mergeCell ref='B3:C4'/></mergeCells>")  # fmt: skip
    _raw("utf16-merged", head + _row(2, "1", mail) + _row(3, "2"), encoding="utf-16",
         after="<mergeCells><mergeCell ref='B2:B3'/></mergeCells>")  # fmt: skip
    _raw("prefixed", head + _cells(2, _number("A2", "1"), _number("B2", "0"),
         _number("D2", "551", 1)), shared=[mail], formats=["00000"], prefixed=True,
         after="<mergeCells><mergeCell ref='C2:C3'/></mergeCells>")  # fmt: skip
    _raw("doctype", head + _cells(2, "<c r='A2'><v>&one;</v></c>", _inline("B2", mail)),
         doctype='<!DOCTYPE worksheet [<!ENTITY one "1">]>')  # fmt: skip
    _raw("doctype-strings", head + _cells(2, _number("A2", "1"), "<c r='B2' t='s'><v>0</v></c>"),
         shared=["sara&more;@example.com"],
         shared_doctype='<!DOCTYPE sst [<!ENTITY more SYSTEM "more.txt">]>')  # fmt: skip
    _raw("strict", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         _number("D2", "551", 1), "<c r='E2' s='2' t='d'><v>2024-01-05T00:00:00</v></c>"),
         formats=["00000", "dd/mm/yyyy"], strict=True)  # fmt: skip
    _raw("uncalculated-text", head + _cells(2, _inline("A2", "1"), _inline("B2", mail),
         "<c r='C2' t='str'><f>B2</f></c>"))  # fmt: skip
    for name, number in {"underscore": "1_0", "no-number": "nan"}.items():
        _raw(name, head + _cells(2, _number("A2", "1"), _inline("B2", mail), _number("D2", number)))
    _raw("value-beyond-header", head + _row(2, "1", mail, "", "", "", "", "x"))
    _raw("two-rows-of-one-number", head + _row(2, "1", mail) + _row(2, "2", mail))
    _raw("cell-twice", head + _cells(2, _inline("A2", "1"), _inline("A2", "2"), _inline("B2", "x")))
    good = (HERE / "raw-errors.xlsx").read_bytes()
    (HERE / "raw-truncated.xlsx").write_bytes(good[: len(good) // 2])
    with zipfile.ZipFile(HERE / "raw-other-archive.xlsx", "w") as archive:
        archive.writestr(zipfile.ZipInfo("readme.txt"), "no workbook")
    _damaged_lzma()


def parts() -> None:
    """Workbooks of handwritten XML whose parts are named, related or hidden in unusual ways."""
    head = _row(1, "id", "email", "name", "phone", "notes", "Branch")
    mail = "sara@example.com"
    ours, other = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"
    old = f'<worksheet xmlns="{_MAIN}"><sheetData>{head}{_row(2, "9", "old@example.com")}</sheetData></worksheet>'
    _raw("part-name-case", head + _row(2, "1", mail), named={ours: "xl/worksheets/Sheet1.xml",
         "xl/workbook.xml": "XL/Workbook.xml", "_rels/.rels": "_RELS/.RELS"})  # fmt: skip
    _raw("backslashes", head + _row(2, "1", mail), named={
        part: part.replace("/", "\\") for part in
        (ours, "xl/workbook.xml", "xl/styles.xml", "_rels/.rels", "xl/_rels/workbook.xml.rels")})  # fmt: skip
    _raw("escaped-part-name", head + _row(2, "9", "old@example.com"), others={"xl/My%20sheet.xml": old.replace(
        "old@example.com", mail)}, sheets="<sheet name='Clients' sheetId='1' r:id='rId9'/>",
        related=f'<Relationship Id="rId9" Type="{_OFFICE}/worksheet" Target="/xl\\my sheet.xml"/>')  # fmt: skip
    _raw("part-twice", head + _row(2, "1", mail), others={other: old}, named={other: ours})
    _raw("part-twice-by-case", head + _row(2, "1", mail), others={other: old},
         named={other: "XL/Worksheets/SHEET1.xml"})  # fmt: skip
    _raw("relation-twice", head + _row(2, "1", mail), others={other: old},
         related=f'<Relationship Id="rId1" Type="{_OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>')  # fmt: skip
    second = f'<Relationship Id="rId9" Type="{_OFFICE}/worksheet" Target="worksheets/sheet2.xml"/>'
    for state in ("show", "visible"):
        _raw(f"state-{state}", head + _row(2, "1", mail), others={other: old}, related=second, sheets=(
            f"<sheet name='Clients' sheetId='1' state='{state}' r:id='rId1'/>"
            "<sheet name='Old' sheetId='2' state='hidden' r:id='rId9'/>"))  # fmt: skip
    _raw("state-both", head + _row(2, "1", mail), others={other: old}, related=second, sheets=(
        "<sheet name='Clients' sheetId='1' state='show' r:id='rId1'/><sheet name='Old' sheetId='2' r:id='rId9'/>"))  # fmt: skip
    _raw("dead-relations", head + _row(2, "1", mail), related=second, sheets=(
        "<sheet name='Clients' sheetId='1' r:id='rId1'/>"
        "<sheet name='modMain' sheetId='18' state='veryHidden' r:id=''/>"
        "<sheet name='Old' sheetId='2' state='hidden' r:id='rId9'/>"
        "<sheet name='Older' sheetId='3' state='hidden' r:id='rId77'/>"))  # fmt: skip
    _raw("dead-relation-visible", head + _row(2, "1", mail), related=second, sheets=(
        "<sheet name='Clients' sheetId='1' r:id='rId1'/><sheet name='Old' sheetId='2' r:id='rId9'/>"))  # fmt: skip
    _raw("built-in-formats", head + "".join(
        _cells(row, _number(f"A{row}", str(row)), _inline(f"B{row}", mail), _number(f"E{row}", value, row - 1))
        for row, value in enumerate(("45296", "45296.5625", "0.5625", "45296", "45296", "45296", "45296", "1234.5",
                                     "1234.5", "1234.5", "1234.5", "1234.5"), 2)
    ) + _cells(14, _number("A14", "14", 1), _inline("B14", mail), _number("D14", "97433123456", 1))
      + _cells(15, _number("A15", "15"), _inline("B15", mail), _number("D15", "45296", 1)),
        formats=[27, 30, 32, 36, 50, 58, 59, 23, 99, 200, 44, 4])  # fmt: skip
    bomb = '<!DOCTYPE x [<!ENTITY a "0123456789">' + "".join(
        f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)) + "]>"  # fmt: skip
    for part in ("workbook", "styles"):
        _raw(f"doctype-{part}", head + _row(2, "1", mail), others={f"xl/{part}.xml": (
            f'{bomb}<{part} xmlns="{_MAIN}"><note>&i;</note></{part}>')})  # fmt: skip


def _damaged_lzma() -> None:
    """A workbook whose sheet is compressed in an unusual way, and damaged."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(HERE / "raw-errors.xlsx") as source,
        zipfile.ZipFile(made, "w") as archive,
    ):
        for part in source.infolist():
            packed = zipfile.ZipInfo(part.filename)
            packed.compress_type = (
                zipfile.ZIP_LZMA if "sheet1" in part.filename else zipfile.ZIP_STORED
            )
            archive.writestr(packed, source.read(part))
        sheet = archive.getinfo("xl/worksheets/sheet1.xml")
    data = bytearray(made.getvalue())
    start = sheet.header_offset + 30 + len(sheet.filename) + 40
    data[start : start + 40] = bytes(byte ^ 0xFF for byte in data[start : start + 40])
    (HERE / "raw-damaged-lzma.xlsx").write_bytes(data)


def _inline(reference: str, value: str) -> str:
    return f"<c r='{reference}' t='inlineStr'><is><t xml:space='preserve'>{value}</t></is></c>"


def _number(reference: str, value: str, style: int = 0) -> str:
    return f"<c r='{reference}' s='{style}'><v>{value}</v></c>"


def _cells(row: int, *cells: str) -> str:
    return f"<row r='{row}'>{''.join(cells)}</row>"


def _row(row: int, *texts: str) -> str:
    cells = (_inline(f"{chr(65 + index)}{row}", each) for index, each in enumerate(texts) if each)
    return _cells(row, *cells)


def _raw(  # noqa: PLR0913 - what is odd about each workbook
    name: str,
    rows: str,
    *,
    formats: list[str | int] | None = None,
    shared: list[str] | None = None,
    after: str = "",
    doctype: str = "",
    shared_doctype: str = "",
    encoding: str = "utf-8",
    prefixed: bool = False,
    strict: bool = False,
    sheets: str = '<sheet name="Clients" sheetId="1" r:id="rId1"/>',
    related: str = "",
    others: dict[str, str] | None = None,
    named: dict[str, str] | None = None,
) -> None:
    """Save a workbook with these rows; its styles 1, 2, … have these number formats.

    A format may be a number that has no code in the file. ``related`` are more relationships of the
    workbook, ``others`` more parts, and ``named`` other names of parts in the zip.
    """
    numbers = [
        each if isinstance(each, int) else 164 + index for index, each in enumerate(formats or [])
    ]
    codes = {number: each.replace('"', "&quot;") for number, each in zip(numbers, formats or [], strict=True)
             if isinstance(each, str)}  # fmt: skip
    types = f'<Types xmlns="{_PACKAGE}/content-types">'
    types += '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    relations = f'<Relationships xmlns="{_PACKAGE}/relationships">'
    for number, (part, kind) in enumerate(
        [("worksheets/sheet1", "worksheet"), ("styles", "styles"), ("sharedStrings", "sharedStrings")], 1
    ):  # fmt: skip
        types += f'<Override PartName="/xl/{part}.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.{kind}+xml"/>'
        relations += f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{part}.xml"/>'
    types += '<Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>'
    numbered = "".join(
        f'<numFmt numFmtId="{number}" formatCode="{code}"/>' for number, code in codes.items()
    )  # fmt: skip
    used = "".join(f'<xf numFmtId="{number}"/>' for number in numbers)
    texts = "".join(f"<si><t>{each}</t></si>" for each in shared or [])
    if prefixed:
        rows = rows.replace("<c r='B2' s='0'>", "<c r='B2' t='s'>")  # its text is shared
    parts = {
        "[Content_Types].xml": types,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": relations + related + "</Relationships>",
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts>{numbered}</numFmts><cellXfs><xf numFmtId="0"/>{used}</cellXfs></styleSheet>',
        "xl/sharedStrings.xml": f'{shared_doctype}<sst xmlns="{_MAIN}">{texts}</sst>',
        "xl/worksheets/sheet1.xml": f'{doctype}<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData>{after}</worksheet>',
        **(others or {}),
    }
    with zipfile.ZipFile(HERE / f"raw-{name}.xlsx", "w") as archive:
        for path, content in parts.items():
            xml = content
            if prefixed and path.startswith("xl/") and "rels" not in path:
                xml = _prefixed(xml)
            if strict and path.endswith((".xml", ".rels")):
                xml = xml.replace(_MAIN, "http://purl.oclc.org/ooxml/spreadsheetml/main").replace(
                    _OFFICE, "http://purl.oclc.org/ooxml/officeDocument/relationships"
                )
            codec = encoding if "/sheet1" in path else "utf-8"
            head = _XML.replace("UTF-8", codec.upper())
            member = zipfile.ZipInfo((named or {}).get(path, path))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, (head + xml).encode(codec))


def _prefixed(xml: str) -> str:
    """Return the XML with a prefix before each of its elements."""
    marked = xml.replace("</", "\0").replace("<", "<x:").replace("\0", "</x:")
    return marked.replace("xmlns=", "xmlns:x=")


def by_openpyxl() -> None:
    """Workbooks by openpyxl, which does not calculate formulas."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Clients"
    sheet.append(["id", "email", "name", "phone", "notes", "Since"])
    sheet.append([1024, "sara@example.com", "سارة", "+97433123456", _DATE, _DATE.date()])
    rich = CellRichText("Om", TextBlock(InlineFont(b=True), "ar"))
    sheet.append(["1025", "omar@example.com", rich, 551234.0, True])
    sheet.append([1026, '="ali"&"@example.com"', "Ali", None, None, "=TODAY()"])
    sheet.append([1027, "mona@example.com", "#N/A", time(13, 30)])
    sheet["D3"].number_format = "00000000"
    sheet.row_dimensions[3].hidden = True
    sheet.column_dimensions["C"].hidden = True
    book.create_sheet("Legend").append(["Code", "Meaning"])
    old = book.create_sheet("Old", 0)
    old.append(["id", "email"])
    old.append([1, "old@example.com"])
    old.sheet_state = "veryHidden"
    book.create_chartsheet("Chart", 0)
    book.save(HERE / "openpyxl.xlsx")

    book = openpyxl.Workbook(write_only=True)
    for title, client in {"2024": 1, "2025": 2}.items():
        sheet = book.create_sheet(title)
        sheet.append(["id", "email"])
        sheet.append([client, "sara@example.com"])
    book.save(HERE / "openpyxl-two-sheets.xlsx")

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Clients")
    sheet.append(["id", "email", "notes"])
    sheet.append([1, "sara@example.com", timedelta(hours=36)])
    book.save(HERE / "openpyxl-duration.xlsx")

    book = openpyxl.Workbook()
    book.create_sheet("Clients").append(["id", "email", "name"])
    book.save(HERE / "openpyxl-header-alone.xlsx")


def by_xlsxwriter() -> None:
    """Workbooks by XlsxWriter."""
    for name, options in {
        "xlsxwriter": {},
        "xlsxwriter-inline": {"constant_memory": True},
        "xlsxwriter-1904": {"date_1904": True},
    }.items():
        with xlsxwriter.Workbook(HERE / f"{name}.xlsx", options) as book:
            book.set_properties({"created": datetime(2024, 1, 1, tzinfo=UTC)})
            bold = book.add_format({"bold": True})
            sheet = book.add_worksheet("العملاء")
            sheet.right_to_left()
            sheet.write_string(0, 0, "Clients of January", bold)
            sheet.write_row(2, 0, ["رقم العميل", "Email", "Name", "Phone", "Notes", "Branch"], bold)
            sheet.write_number(3, 0, 1024, book.add_format({"num_format": "#,##0"}))
            sheet.write_url(3, 1, "mailto:sara@example.com", string="sara@example.com")
            sheet.write_rich_string(3, 2, "Sa", bold, "ra", " Ahmed")
            sheet.write_number(3, 3, 551234, book.add_format({"num_format": "00000000"}))
            sheet.write_datetime(3, 4, _DATE, book.add_format({"num_format": "dd/mm/yyyy hh:mm"}))
            sheet.write_formula(4, 0, "=1024+1", None, 1025)
            sheet.write_formula(4, 1, '="omar"&"@example.com"', None, "omar@example.com")
            sheet.write_formula(4, 2, '=""', None, "")
            sheet.write_number(4, 3, 97433123456, book.add_format({"num_format": "+0"}))
            sheet.write_boolean(4, 4, True)  # noqa: FBT003 - XlsxWriter takes it by position
            sheet.write_string(5, 0, "001026")
            sheet.write_string(5, 1, " mona@example.com ")
            sheet.write_string(5, 2, "a\rb")
            sheet.write_string(5, 3, "٣٣١٢٣٤٥٦")
            sheet.write_string(5, 4, "_x000D_ as typed")
            sheet.set_row(5, None, None, {"hidden": True})
            sheet.write_number(7, 0, 1028)
            sheet.write_string(7, 1, "ali@example.com")
            sheet.write_number(7, 4, 1234.5, book.add_format({"num_format": '#,##0.00 "QAR"'}))
            sheet.write_blank(40, 0, None, bold)
            sheet.autofilter(2, 0, 7, 5)
            hidden = book.add_worksheet("Old")
            hidden.write_row(0, 0, ["id", "email"])
            hidden.hide()
    with xlsxwriter.Workbook(HERE / "xlsxwriter-merged.xlsx") as book:
        sheet = book.add_worksheet("Clients")
        sheet.merge_range("A1:D1", "Clients of January")
        sheet.write_row(1, 0, ["id", "email", "name", "Branch"])
        for row, client in enumerate((1, 2, 3), 2):
            sheet.write_row(row, 0, [client, f"client{client}@example.com", "Sara"])
        sheet.merge_range("D3:D5", "Doha")
        sheet.merge_range("C4:C5", "Omar")


def by_libreoffice() -> None:
    """Workbooks and a CSV by LibreOffice; needs its ``soffice``."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "libreoffice.fods").write_text(_FODS, encoding="utf-8")
        (work / "libreoffice-typed.csv").write_text(
            "id,email,name,phone,notes\n00123,sara@example.com,TRUE,0551234,2024-01-05\n"
            "1025,omar@example.com,عمر,+97433123456,1e5\n",
            encoding="utf-8",
        )
        # 44,34,76: a comma, quotation marks, UTF-8.
        for source, options in {
            "libreoffice.fods": ["--convert-to", "xlsx"],
            "libreoffice-typed.csv": ["--infilter=CSV:44,34,76", "--convert-to", "xlsx"],
        }.items():
            _soffice(work, [*options, str(work / source)])
        _soffice(work, ["--convert-to", "csv:Text - txt - csv (StarCalc):59,34,76,1,,0,false,true",
                        str(work / "libreoffice-typed.xlsx")])  # fmt: skip
        for made in ("libreoffice.xlsx", "libreoffice-typed.xlsx"):
            shutil.copy(work / made, HERE / made)
        shutil.copy(work / "libreoffice-typed.csv", HERE / "libreoffice-semicolon.csv")


def _soffice(work: Path, arguments: list[str]) -> None:
    profile = f"-env:UserInstallation={(work / 'profile').as_uri()}"
    *options, source = arguments
    command = ["soffice", profile, "--headless", *options, "--outdir", str(work), source]
    subprocess.run(command, check=True, timeout=180)


def by_exceljs() -> None:
    """Workbooks by exceljs; needs ``node``, and ``npm`` to fetch exceljs 4."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "package.json").write_text("{}", encoding="utf-8")
        (work / "make.js").write_text(_EXCELJS, encoding="utf-8")
        for command in (
            ["npm", "install", "--silent", "exceljs@4"],
            ["node", "make.js", str(HERE)],
        ):
            subprocess.run(command, cwd=work, check=True, timeout=180)


_FODS = """<?xml version="1.0" encoding="UTF-8"?>
<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
 xmlns:style="urn:oasis:names:tc:opendocument:xmlns:style:1.0"
 xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"
 xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"
 xmlns:fo="urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"
 xmlns:number="urn:oasis:names:tc:opendocument:xmlns:datastyle:1.0"
 xmlns:of="urn:oasis:names:tc:opendocument:xmlns:of:1.2"
 office:version="1.3" office:mimetype="application/vnd.oasis.opendocument.spreadsheet">
<office:automatic-styles>
 <number:number-style style:name="N1"><number:number number:min-integer-digits="8" number:decimal-places="0"/></number:number-style>
 <number:number-style style:name="N2"><number:number number:min-integer-digits="1" number:decimal-places="2" number:min-decimal-places="2" number:grouping="true"/></number:number-style>
 <number:percentage-style style:name="N3"><number:number number:min-integer-digits="1" number:decimal-places="1" number:min-decimal-places="1"/><number:text>%</number:text></number:percentage-style>
 <number:date-style style:name="N4"><number:day number:style="long"/><number:text>/</number:text><number:month number:style="long"/><number:text>/</number:text><number:year number:style="long"/></number:date-style>
 <number:time-style style:name="N5"><number:hours number:style="long"/><number:text>:</number:text><number:minutes number:style="long"/></number:time-style>
 <style:style style:name="zeros" style:family="table-cell" style:data-style-name="N1"/>
 <style:style style:name="grouped" style:family="table-cell" style:data-style-name="N2"/>
 <style:style style:name="percent" style:family="table-cell" style:data-style-name="N3"/>
 <style:style style:name="date" style:family="table-cell" style:data-style-name="N4"/>
 <style:style style:name="time" style:family="table-cell" style:data-style-name="N5"/>
 <style:style style:name="bold" style:family="text"><style:text-properties fo:font-weight="bold"/></style:style>
 <style:style style:name="unseen" style:family="table"><style:table-properties table:display="false"/></style:style>
 <style:style style:name="rtl" style:family="table"><style:table-properties table:display="true" style:writing-mode="rl-tb"/></style:style>
</office:automatic-styles>
<office:body><office:spreadsheet>
<table:table table:name="العملاء" table:style-name="rtl">
 <table:table-row><table:table-cell table:number-columns-spanned="5" office:value-type="string"><text:p>Clients of January</text:p></table:table-cell><table:covered-table-cell table:number-columns-repeated="4"/></table:table-row>
 <table:table-row><table:table-cell/></table:table-row>
 <table:table-row>HEADER</table:table-row>
 <table:table-row><table:table-cell office:value-type="float" office:value="1001"/><table:table-cell office:value-type="string"><text:p>sara@example.com</text:p></table:table-cell><table:table-cell office:value-type="string"><text:p>Sara <text:span text:style-name="bold">Ahmed</text:span></text:p></table:table-cell><table:table-cell table:style-name="zeros" office:value-type="float" office:value="551234"/><table:table-cell table:style-name="date" office:value-type="date" office:date-value="2024-01-05"/><table:table-cell table:style-name="grouped" office:value-type="float" office:value="1234.5"/></table:table-row>
 <table:table-row><table:table-cell table:formula="of:=1001+1" office:value-type="float" office:value="1002"/><table:table-cell table:formula="of:=&quot;omar&quot;&amp;&quot;@example.com&quot;" office:value-type="string"/><table:table-cell table:formula="of:=&quot;&quot;" office:value-type="string"/><table:table-cell office:value-type="string"><text:p>+97433123456</text:p></table:table-cell><table:table-cell office:value-type="boolean" office:boolean-value="true"/><table:table-cell table:style-name="percent" office:value-type="percentage" office:value="0.125"/></table:table-row>
 <table:table-row table:visibility="collapse"><table:table-cell office:value-type="string"><text:p>1003</text:p></table:table-cell><table:table-cell office:value-type="string"><text:p>mona@example.com</text:p></table:table-cell></table:table-row>
 <table:table-row><table:table-cell office:value-type="float" office:value="1004"/><table:table-cell table:number-rows-spanned="2" office:value-type="string"><text:p>ali@example.com</text:p></table:table-cell></table:table-row>
 <table:table-row><table:table-cell office:value-type="float" office:value="1005"/><table:covered-table-cell/></table:table-row>
 <table:table-row><table:table-cell/></table:table-row>
 <table:table-row><table:table-cell office:value-type="float" office:value="1006"/><table:table-cell office:value-type="string"><text:p>huda@example.com</text:p></table:table-cell><table:table-cell table:formula="of:=NA()" office:value-type="string"/><table:table-cell/><table:table-cell table:style-name="time" office:value-type="time" office:time-value="PT13H30M00S"/><table:table-cell table:formula="of:=1/0" office:value-type="string"/></table:table-row>
</table:table>
<table:table table:name="Old" table:style-name="unseen">
 <table:table-row><table:table-cell office:value-type="string"><text:p>id</text:p></table:table-cell><table:table-cell office:value-type="string"><text:p>email</text:p></table:table-cell></table:table-row>
 <table:table-row><table:table-cell office:value-type="float" office:value="1"/><table:table-cell office:value-type="string"><text:p>old@example.com</text:p></table:table-cell></table:table-row>
</table:table>
</office:spreadsheet></office:body></office:document>
""".replace(
    "HEADER",
    "".join(
        f'<table:table-cell office:value-type="string"><text:p>{name}</text:p></table:table-cell>'
        for name in ("رقم العميل", "البريد الإلكتروني", "الاسم", "الهاتف", "ملاحظات", "Total")
    ),
)

_EXCELJS = """
const ExcelJS = require('exceljs');
const folder = process.argv[2];

function fill(sheet) {
  sheet.addRow(['Client ID', 'E-mail', 'Name', 'Phone', 'Notes', 'Branch']).commit();
  let row = sheet.addRow([1024, {text: 'sara@example.com', hyperlink: 'mailto:sara@example.com'},
    {richText: [{text: 'Sa'}, {font: {bold: true}, text: 'ra'}]}, 551234,
    new Date(Date.UTC(2024, 0, 5)), 'Doha']);
  row.getCell(4).numFmt = '00000000';
  row.getCell(5).numFmt = 'dd/mm/yyyy';
  row.commit();
  row = sheet.addRow([{formula: 'A2+1', result: 1025},
    {formula: '"omar"&"@example.com"', result: 'omar@example.com'}, {error: '#N/A'},
    97455512345, true, {formula: '1+1'}]);
  row.hidden = true;
  row.commit();
  row = sheet.addRow(['001026', 'mona@example.com', '\\u0645\\u0646\\u0649', "'+974 5551", 0.125]);
  row.getCell(5).numFmt = '0.0%';
  row.commit();
}

async function main() {
  let book = new ExcelJS.Workbook();
  book.addWorksheet('Old', {state: 'veryHidden'}).addRow(['id', 'email']);
  let sheet = book.addWorksheet('Clients', {views: [{rightToLeft: true}]});
  fill(sheet);
  sheet.addRow([1027, {formula: 'B4'}, 'Ali']);
  sheet.addRow([1028, 'huda@example.com', 'Huda']);
  sheet.mergeCells('C5:C6');
  await book.xlsx.writeFile(folder + '/exceljs.xlsx');

  book = new ExcelJS.stream.xlsx.WorkbookWriter(
    {filename: folder + '/exceljs-streamed.xlsx', useSharedStrings: false, useStyles: true});
  fill(book.addWorksheet('Clients'));
  await book.commit();
}

main();
"""

_MAKERS = {
    "text": text,
    "raw": raw,
    "parts": parts,
    "openpyxl": by_openpyxl,
    "xlsxwriter": by_xlsxwriter,
    "libreoffice": by_libreoffice,
    "exceljs": by_exceljs,
}

if __name__ == "__main__":
    for chosen in sys.argv[1:] or _MAKERS:
        _MAKERS[chosen]()
