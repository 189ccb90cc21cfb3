"""The shared texts of a workbook's cells, stored in about one byte per character."""

from __future__ import annotations

import re
import secrets
from array import array
from collections import deque
from itertools import accumulate
from typing import IO

from etl.extract.markup import MalformedError, chunks, local_name, new_parser

# Texts without format, as nearly all are: expat would make five calls for each. U+F000 to U+FFFF
# are left to expat, because XML forbids the last two.
_PLAIN = re.compile(
    rb'(?:<si><t(?: xml:space="preserve")?>'
    rb"[ -%'-;=?-~\x80-\xee\xf0-\xf4]++</t></si>)++"
)
_TEXT = re.compile(rb">([^<]+)</t>")
_LONGEST = 1 << 20  # bytes of a text, escaped; Excel holds 32,767 characters


class SharedStrings:
    """The shared texts by their number: ECMA-376 part 1, 18.4.

    As Python strings, each would need about 60 bytes more.
    """

    def __init__(self) -> None:
        """Create the list without any text."""
        self._bytes = bytearray()
        self._ends = array("I", [0])  # of each text, after a first one that is not there
        self._plain = deque[list[bytes]]()  # that expat has not reached
        self._place = f"plain-{secrets.token_hex(8)}"  # the name of no element in the part
        self._collects = False
        self._phonetic = False

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError(number)
        ends = self._ends
        return self._bytes[ends[number] : ends[number + 1]].decode()

    def read(self, xml: IO[bytes]) -> None:
        """Read the part of the workbook that has the texts.

        Raises:
            MalformedError, ExpatError: the part is damaged, or made to fill the memory.
        """
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        for chunk, is_clear in chunks(xml):
            parser.Parse(_PLAIN.sub(self._put_aside, chunk) if is_clear else chunk)
        parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position only

    def _put_aside(self, texts: re.Match[bytes]) -> bytes:
        """Keep plain texts until expat reaches their place, and return the element for it."""
        plain = _TEXT.findall(texts[0])
        b"\n".join(plain).decode()  # as expat would, this refuses what is not UTF-8
        self._plain.append(plain)
        return f"<{self._place}/>".encode()

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        tag = local_name(name)
        if tag == "t":
            self._collects = not self._phonetic
        elif tag == "rPh":  # how the text is pronounced, not the text itself
            self._phonetic = True
        elif tag == self._place:
            plain = self._plain.popleft()
            end = len(self._bytes)
            self._ends.extend(end + length for length in accumulate(map(len, plain)))
            self._bytes += b"".join(plain)

    def _end(self, name: str) -> None:
        tag = local_name(name)
        if tag == "si":
            end = len(self._bytes)
            if end - self._ends[-1] > _LONGEST:
                raise MalformedError("a text that is too long for a cell")
            self._ends.append(end)
        elif tag == "t":
            self._collects = False
        elif tag == "rPh":
            self._phonetic = False

    def _text(self, text: str) -> None:
        if self._collects:
            self._bytes += text.encode()
