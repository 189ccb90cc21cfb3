"""Text from outside that could disorder an English sentence, and a check that it does not."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import strategies as st

# Latin, Arabic and Hebrew letters, digits of three scripts, quotation marks, braces, control
# characters, bidi marks, embeddings and isolates, which are rare among all characters. Hence two
# strategies: `st.text` would join two alphabets into one in which they are rare again.
_AWKWARD = (
    "aZ1 .{}“”سע٣۳\t\n\0\x1b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
FOREIGN = st.text(st.sampled_from(_AWKWARD), max_size=70) | st.text(max_size=70)

_ISOLATED = re.compile("\u2068[^\u2068\u2069]*\u2069")
_ENGLISH = re.compile("[0-9, ]*[A-Za-z]")


def is_readable(sentence: str) -> bool:
    """Whether a sentence begins with English words and has right-to-left text only in isolates."""
    english = _ISOLATED.sub("", sentence)
    return _ENGLISH.match(sentence) is not None and not any(
        unicodedata.bidirectional(char) in {"R", "AL", "AN"} or unicodedata.category(char) == "Cf"
        for char in english
    )
