"""The journal stores JSON in one form, whichever library writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.fields import Field
from etl.rows import Status
from etl.runs.database import as_json

TEXTS = st.text(st.characters(exclude_categories=())) | st.sampled_from([*Status, *Field])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(VALUES)
def test_value_is_stored_as_the_standard_library_writes_it(value: object) -> None:
    """Compact, with readable letters, and the same byte for byte for every value."""
    assert as_json(value) == json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    "text", ["\ud800", "a\udfffb", "\x00\x1f\x7f\u2028", '"\\/', "é e\u0301 😀"]
)
def test_text_comes_back_unchanged(text: str) -> None:
    """Even a surrogate without its partner, which is not Unicode, is kept."""
    assert json.loads(as_json([text, {text: text}])) == [text, {text: text}]
