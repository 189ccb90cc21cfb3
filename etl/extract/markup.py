"""The XML of a workbook's parts, as all that read it do: streaming by, and wary."""

from __future__ import annotations

from xml.parsers import expat

CHUNK = 1 << 16  # bytes that are read together


class MalformedError(ValueError):
    """The XML is not what a spreadsheet program writes there."""


def new_parser() -> expat.XMLParserType:
    """Return a parser that gives a text in one piece.

    It refuses a document type, by which a small part could unfold to fill the memory.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def is_true(value: str | None) -> bool:
    """Whether an attribute says so: XML Schema part 2, 3.2.2 (boolean)."""
    return value in {"1", "true"}


def _refuse_doctype(*_: object) -> None:
    raise MalformedError("a document type, which no spreadsheet program writes")
