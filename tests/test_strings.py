"""The texts that cells share are read as a person sees them."""

from __future__ import annotations

import io
from xml.parsers.expat import ExpatError

import pytest

from etl.extract.strings import SharedStrings


def shared(items: str, prefix: str = "") -> SharedStrings:
    """Returns the texts of a part that has these items."""
    strings = SharedStrings()
    strings.read(io.BytesIO(f"<{prefix}sst>{items}</{prefix}sst>".encode()))
    return strings


@pytest.mark.parametrize(
    ("item", "text"),
    [
        ("<si><t>Sara</t></si>", "Sara"),
        ("<si/>", ""),
        ("<si></si>", ""),
        ("<si><t/></si>", ""),
        ('<si><t xml:space="preserve"> a\n b </t></si>', " a\n b "),
        ("<si>\n <t>a</t>\n </si>", "a"),
        ("<si><r><rPr><b/></rPr><t>Al </t></r><r><t>Thani</t></r></si>", "Al Thani"),
        ("<si><t>課</t><rPh sb='0' eb='1'><t>カ</t></rPh><phoneticPr/></si>", "課"),
        ("<si><rPh><t>カ</t></rPh><r><t>課</t></r></si>", "課"),
        ("<si><t>&lt;a&gt; &amp; &#x62;</t></si>", "<a> & b"),
        ("<si><t><![CDATA[<si><t>]]></t></si>", "<si><t>"),
        ("<si><t>سارة 😀 é é</t></si>", "سارة 😀 é é"),
    ],
)
def test_item_is_the_text_that_is_seen(item: str, text: str) -> None:
    """Rich text is joined, what is read aloud is left out, and every script stays whole."""
    between = shared(f"<si><t>before</t></si>{item}<si><t>after</t></si>")
    assert [between[number] for number in range(3)] == ["before", text, "after"]


@pytest.mark.parametrize("number", [-3, -2, -1, 3, 99])
def test_number_that_is_not_there_is_an_index_error(number: int) -> None:
    """A text is never taken from the wrong end."""
    with pytest.raises(IndexError):
        shared("<si><t>a</t></si>" * 3)[number]


def test_there_may_be_no_texts() -> None:
    """Of an empty part there is no first text."""
    with pytest.raises(IndexError):
        shared("")[0]


def test_prefix_changes_nothing() -> None:
    """Some writers name the elements' space."""
    items = "<x:si><x:t>a</x:t><x:rPh><x:t>b</x:t></x:rPh></x:si>"
    assert shared(items, "x:")[0] == "a"


def test_many_long_texts_are_told_apart() -> None:
    """Texts that are longer than what is read at once keep their ends."""
    texts = [f"{number} ".ljust(9_000, "٥") for number in range(30)]
    strings = shared("".join(f"<si><t>{text}</t></si>" for text in texts))
    assert [strings[number] for number in range(30)] == texts


def test_text_that_no_cell_holds_is_refused() -> None:
    """A single text that fills the memory is no text of a client list."""
    with pytest.raises(ValueError, match="longer than any cell"):
        shared(f"<si><t>{'a' * 1_100_000}</t></si>")


def test_document_type_is_refused() -> None:
    """An entity could unfold to more than the part has."""
    part = b'<!DOCTYPE sst [<!ENTITY a "b">]><sst><si><t>&a;</t></si></sst>'
    with pytest.raises(ValueError, match="document type"):
        SharedStrings().read(io.BytesIO(part))


def test_part_that_is_cut_off_is_damaged() -> None:
    """Texts are read whole or not at all."""
    with pytest.raises(ExpatError):
        SharedStrings().read(io.BytesIO(b"<sst><si><t>a</t></si>"))
