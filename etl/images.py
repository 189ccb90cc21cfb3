"""What the API holds of a client, and how that differs from what a row says.

The field calls what a record holds before it is overwritten its *before-image*. An image has all
fields of a client but the id, as text; what the API leaves out or gives as null is blank.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from etl.fields import Field
from etl.text import quoted_together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Image: TypeAlias = "Mapping[str, str]"  # the value of each key of ``KEYS``

_CONTEXT = 20  # characters before a difference
KEYS = tuple(field.value for field in Field if field is not Field.ID)
# The request's ``notes`` comes back as ``note`` or, by another page of the vendor, as ``notes``.
_NAMES: Mapping[str, Sequence[str]] = {Field.NOTES: ("notes", "note")}


class FieldChange(NamedTuple):
    """How a field of a client changes."""

    field: Field
    old: str
    new: str

    @property
    def empties(self) -> bool:
        """Whether a filled field becomes blank."""
        return bool(self.old) and not self.new


def answered(client: Mapping[str, object], key: str) -> str | None:
    """Return the value of a key in an answer about a client, None if the answer has no such key.

    JSON may have null for an empty value.
    """
    values = [client[name] for name in _NAMES.get(key, (key,)) if name in client]
    known = [str(value) for value in values if value is not None]
    return (known or [""])[0] if values else None


def image_of(client: Mapping[str, object]) -> Image:
    """Return the image that an answer shows of a client."""
    return {key: answered(client, key) or "" for key in KEYS}


def are_equal(one: str, other: str) -> bool:
    """Whether two values are the same text (Unicode Standard Annex 15: NFC)."""
    return one == other or _nfc(one) == _nfc(other)


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def changes_between(old: Image, new: Mapping[str, str]) -> list[FieldChange]:
    """Return how the fields of ``new`` differ from an image."""
    return [
        FieldChange(Field(key), old[key], new[key])
        for key in KEYS
        if key in new and not are_equal(old[key], new[key])
    ]


def _from_difference(old: str, new: str) -> tuple[str, str]:
    """Return two values from shortly before their first difference on, if that is far inside."""
    pairs = enumerate(zip(old, new, strict=False))
    shorter = min(len(old), len(new))
    skipped = next((place for place, (ours, its) in pairs if ours != its), shorter) - _CONTEXT
    if skipped <= _CONTEXT:
        return old, new
    return f"…{old[skipped:]}", f"…{new[skipped:]}"


def changes_in_words(changes: Iterable[FieldChange]) -> str:
    """Return changes as one line: ``phone: “55” → “66”; name: “” → “Sara”``."""
    words = []
    for field, old, new in changes:
        before, after = quoted_together(*_from_difference(old, new))
        words.append(f"{field}: {before} → {after}")
    return "; ".join(words)
