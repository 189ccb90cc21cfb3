"""Where two values of a field differ, for the page, which marks it inside a long text."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, TypeAlias

from etl.report.words import cut, visible_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# A text in parts: every second part is one that the other text does not have.
Parts: TypeAlias = "list[str]"

# English is compared word by word and sign by sign. Other scripts are compared between spaces: a
# mark inside an Arabic word could part a letter from its vowel.
_WORDS = re.compile(r"\w+|\s+|[^\w\s]", re.ASCII)
_SPACED = re.compile(r"\s+|\S+")
_SHORT = 40  # characters; a shorter ASCII text without spaces, such as a phone, is compared by them
_MOST_PARTS = 200  # compared with each other, which takes up to the square of that
_LONGEST = 20_000  # characters; what is behind them is not compared
_MOST_SHOWN = 40  # parts; an even number, so that what follows is not marked
_ALIKE = 0.4  # of two texts; in less similar ones, marks would only disturb
_CONTEXT = 40  # characters that are shown on each side of a difference in a long text


def differences(old: str, new: str) -> tuple[Parts, Parts]:
    """Return two values in parts, each with marks where it differs from the other.

    Values that have little in common are not marked, and of a long value only the surroundings of
    its differences are returned.
    """
    if not (old and new):
        return [cut(visible_lines(old))], [cut(visible_lines(new))]
    texts = [visible_lines(text[:_LONGEST]) for text in (old, new)]
    first, second = _tokens(*texts)
    start = _common(first, second)
    end = _common(first[start:][::-1], second[start:][::-1])
    middles = [tokens[start : len(tokens) - end] for tokens in (first, second)]
    parts: tuple[Parts, Parts] = ([""], [""])
    _add(parts, first[:start], second[:start], are_equal=True)
    for are_equal, ours, theirs in _compared(*middles):
        _add(parts, ours, theirs, are_equal=are_equal)
    if end:
        _add(parts, first[-end:], second[-end:], are_equal=True)
    if not _are_alike(parts, texts):
        return [cut(texts[0])], [cut(texts[1])]
    return _shortened(parts[0]), _shortened(parts[1])


def _tokens(old: str, new: str) -> tuple[list[str], list[str]]:
    """Split two texts in the same way."""
    both = old + new
    if not both.isascii():
        return _SPACED.findall(old), _SPACED.findall(new)
    if _is_short(old) and _is_short(new):
        return list(old), list(new)
    return _WORDS.findall(old), _WORDS.findall(new)


def _is_short(text: str) -> bool:
    return len(text) <= _SHORT and " " not in text


def _is_character(token: str) -> bool:
    return len(token) == 1


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many tokens two texts have in common at their beginnings."""
    pairs = enumerate(zip(one, other, strict=False))
    shorter = min(len(one), len(other))
    return next((place for place, (ours, theirs) in pairs if ours != theirs), shorter)


def _compared(
    old: Sequence[str], new: Sequence[str]
) -> Iterator[tuple[bool, Sequence[str], Sequence[str]]]:
    """Yield stretches of two texts, and whether they are equal."""
    longest = max(len(old), len(new))
    if longest > _MOST_PARTS or all(map(_is_character, (*old, *new))):
        yield False, old, new  # of a phone, marks between equal digits would only disturb
        return
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        yield kind == "equal", old[i:j], new[k:m]


def _add(
    parts: tuple[Parts, Parts], old: Sequence[str], new: Sequence[str], *, are_equal: bool
) -> None:
    """Add stretches of two texts to their parts: equal ones at even places, others at odd ones."""
    for text, tokens in zip(parts, (old, new), strict=True):
        if tokens and len(text) % 2 != are_equal:
            text.append("")
        text[-1] += "".join(tokens)


def _are_alike(parts: tuple[Parts, Parts], texts: Sequence[str]) -> bool:
    equal = sum(map(len, parts[0][::2]))
    return equal >= _ALIKE * min(map(len, texts))


def _shortened(parts: Parts) -> Parts:
    """Shorten what is equal in a long text, and what differs for very long."""
    if sum(map(len, parts)) <= 4 * _CONTEXT:
        return parts
    last = len(parts) - 1
    shown = [
        cut(part) if place % 2 else _surroundings(part, first=place == 0, last=place == last)
        for place, part in enumerate(parts[:_MOST_SHOWN])
    ]
    return [*shown, "…"] if last >= _MOST_SHOWN else shown


def _surroundings(part: str, *, first: bool, last: bool) -> str:
    """Return an equal part without what is far from any difference."""
    before = "" if first else part[:_CONTEXT]
    after = "" if last else part[-_CONTEXT:]
    return part if len(part) <= len(before) + len(after) + _CONTEXT else f"{before}…{after}"
