"""The shared texts of a workbook's cells, stored in about one byte per character."""

from __future__ import annotations

from array import array
from typing import IO

from etl.extract.markup import CHUNK, MalformedError, local_name, new_parser

_LONGEST = 1 << 20  # bytes of a text, escaped; Excel holds 32,767 characters


class SharedStrings:
    """The shared texts by their number: ECMA-376 part 1, 18.4.

    As Python strings, each would need about 60 bytes more.
    """

    def __init__(self) -> None:
        """Create the list without any text."""
        self._bytes = bytearray()
        self._ends = array("I")
        self._end_of_last = 0
        self._collects = False
        self._phonetic = False

    def __getitem__(self, number: int) -> str:
        if number < 0:
            raise IndexError(number)
        start = self._ends[number - 1] if number else 0
        return self._bytes[start : self._ends[number]].decode()

    def read(self, xml: IO[bytes]) -> None:
        """Read the part of the workbook that has the texts.

        Raises:
            MalformedError, ExpatError: the part is damaged, or made to fill the memory.
        """
        parser = new_parser()
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        while chunk := xml.read(CHUNK):
            parser.Parse(chunk)
        parser.Parse(b"", True)  # noqa: FBT003 - expat takes it by position only

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        tag = local_name(name)
        if tag == "t":
            self._collects = not self._phonetic
        elif tag == "rPh":  # how the text is pronounced, not the text itself
            self._phonetic = True

    def _end(self, name: str) -> None:
        tag = local_name(name)
        if tag == "si":
            end = len(self._bytes)
            if end - self._end_of_last > _LONGEST:
                raise MalformedError("a text that is too long for a cell")
            self._ends.append(end)
            self._end_of_last = end
        elif tag == "t":
            self._collects = False
        elif tag == "rPh":
            self._phonetic = False

    def _text(self, text: str) -> None:
        if self._collects:
            self._bytes += text.encode()
