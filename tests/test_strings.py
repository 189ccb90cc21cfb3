"""Shared texts are read as a person sees them."""

from __future__ import annotations

import io
from xml.parsers.expat import ExpatError

import pytest

from etl.extract.strings import SharedStrings


def shared(items: str, prefix: str = "") -> SharedStrings:
    """Returns the texts of a part with these items."""
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
def test_item_is_the_visible_text(item: str, text: str) -> None:
    """Rich text is joined, phonetic hints are omitted, and every script is kept."""
    between = shared(f"<si><t>before</t></si>{item}<si><t>after</t></si>")
    assert [between[number] for number in range(3)] == ["before", text, "after"]


@pytest.mark.parametrize("number", [-3, -2, -1, 3, 99])
def test_unknown_number_is_an_index_error(number: int) -> None:
    """A negative number does not count from the end."""
    with pytest.raises(IndexError):
        shared("<si><t>a</t></si>" * 3)[number]


def test_there_may_be_no_texts() -> None:
    """A part without texts has no first text."""
    with pytest.raises(IndexError):
        shared("")[0]


def test_prefix_changes_nothing() -> None:
    """Elements with a namespace prefix, which some programs write, are recognised."""
    items = "<x:si><x:t>a</x:t><x:rPh><x:t>b</x:t></x:rPh></x:si>"
    assert shared(items, "x:")[0] == "a"


def test_many_long_texts_keep_their_ends() -> None:
    """Texts across the border of two chunks are neither joined nor cut."""
    texts = [f"{number} ".ljust(9_000, "٥") for number in range(30)]
    strings = shared("".join(f"<si><t>{text}</t></si>" for text in texts))
    assert [strings[number] for number in range(30)] == texts


def test_text_that_is_too_long_for_a_cell_is_refused() -> None:
    """A single text made to fill the memory is refused."""
    with pytest.raises(ValueError, match="too long for a cell"):
        shared(f"<si><t>{'a' * 1_100_000}</t></si>")


def test_document_type_is_refused() -> None:
    """A document type is refused, since its entities could fill the memory."""
    part = b'<!DOCTYPE sst [<!ENTITY a "b">]><sst><si><t>&a;</t></si></sst>'
    with pytest.raises(ValueError, match="document type"):
        SharedStrings().read(io.BytesIO(part))


def test_part_that_is_cut_off_is_damaged() -> None:
    """The texts are read completely or not at all."""
    with pytest.raises(ExpatError):
        SharedStrings().read(io.BytesIO(b"<sst><si><t>a</t></si>"))


@pytest.mark.parametrize("text", [b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80"])
def test_text_that_is_not_utf_8_is_refused(text: bytes) -> None:
    """A plain text is decoded strictly, although the bytes of its neighbours would complete it."""
    part = b"<sst><si><t>" + text + b"</t></si><si><t>\xa9</t></si></sst>"
    with pytest.raises(UnicodeDecodeError):
        SharedStrings().read(io.BytesIO(part))


def test_plain_and_formatted_texts_keep_their_order() -> None:
    """Texts that are read whole stay in their places among those that expat reads."""
    items = [f"<si><t>{n}</t></si>" if n % 3 else f"<si><r><t>{n}</t></r></si>" for n in range(99)]
    strings = shared("".join(items))
    assert [strings[number] for number in range(99)] == [str(number) for number in range(99)]
