"""Parsing the XML of a workbook's parts as a stream, without trusting it."""

from __future__ import annotations

from xml.parsers import expat

CHUNK = 1 << 16  # bytes to read at a time


class MalformedError(ValueError):
    """The XML differs from what a spreadsheet program writes."""


def new_parser() -> expat.XMLParserType:
    """Return a parser that passes on each text in one piece.

    It refuses a document type, whose entities could expand until they fill the memory.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def local_name(name: str) -> str:
    """Return an element's name without the prefix of its namespace."""
    return name.rpartition(":")[2] if ":" in name else name


def is_true(value: str | None) -> bool:
    """Whether an attribute is true: XML Schema part 2, 3.2.2 (boolean)."""
    return value in {"1", "true"}


def _refuse_doctype(*_: object) -> None:
    raise MalformedError("a document type, which no spreadsheet program writes")
