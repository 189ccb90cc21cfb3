"""Parsing the XML of a workbook's parts as a stream, without trusting it."""

from __future__ import annotations

import re
from typing import IO, TYPE_CHECKING
from xml.etree.ElementTree import TreeBuilder
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from xml.etree.ElementTree import Element

CHUNK = 1 << 16  # bytes to read at a time
# The start of a comment, a CDATA section or an instruction, in which text may look like elements,
# or of a declaration of another encoding.
_OPAQUE = re.compile(
    rb"<!|<\?(?!xml version=[\"']1\.0[\"'](?: encoding=[\"'](?i:utf-8)[\"'])?"
    rb"(?: standalone=[^?<>]+)?\s*\?>)"
)
_LONGEST_OPAQUE = 6  # bytes of such a start


class MalformedError(ValueError):
    """The XML differs from what a spreadsheet program writes."""


def new_parser(namespace_separator: str | None = None) -> expat.XMLParserType:
    """Return a parser that passes on each text in one piece.

    It refuses a document type, whose entities could expand until they fill the memory.
    """
    parser = expat.ParserCreate(namespace_separator=namespace_separator)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    return parser


def chunks(xml: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Yield the bytes of a part, and whether elements in them may be found without parsing.

    They may until the first comment or the like, and if the part is UTF-8.
    """
    is_clear, before = True, b""
    while chunk := xml.read(CHUNK):
        is_clear = is_clear and b"\0" not in chunk and _OPAQUE.search(before + chunk) is None
        before = chunk[-_LONGEST_OPAQUE:]
        yield chunk, is_clear


def parse(xml: bytes) -> Element:
    """Return the root element of a small part; names are like ``{namespace}tag``.

    Raises:
        MalformedError, ExpatError: the part is damaged, or has a document type.
    """
    builder = TreeBuilder()
    parser = new_parser("}")
    parser.StartElementHandler = lambda name, attributes: builder.start(
        _braced(name), {_braced(key): value for key, value in attributes.items()}
    )
    parser.EndElementHandler = lambda name: builder.end(_braced(name))
    parser.CharacterDataHandler = builder.data
    parser.Parse(xml, True)  # noqa: FBT003 - expat takes it by position only
    return builder.close()


def _braced(name: str) -> str:
    return f"{{{name}" if "}" in name else name


def local_name(name: str) -> str:
    """Return an element's name without the prefix of its namespace."""
    return name.rpartition(":")[2] if ":" in name else name


def is_true(value: str | None) -> bool:
    """Whether an attribute is true: XML Schema part 2, 3.2.2 (boolean)."""
    return value in {"1", "true"}


def _refuse_doctype(*_: object) -> None:
    raise MalformedError("a document type, which no spreadsheet program writes")
