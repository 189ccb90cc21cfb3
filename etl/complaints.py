"""What is wrong with the value of an option or a setting, in plain words that quote it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from etl.text import SHORTEST_CREDENTIAL, is_token, quote

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# What pydantic finds wrong.
_COMPLAINTS = {
    "bool_type": "must be true or false",
    "finite_number": "must be a number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:,.0f}",
    "greater_than_equal": "must be at least {ge:,.0f}",
    "int_from_float": "must be a whole number",
    "int_type": "must be a whole number",
    "less_than_equal": "must be at most {le:,.0f}",
    "literal_error": "must be {expected}",
    "model_type": "must be a section",
    "path_type": "must be the path of a file or folder",
    "string_pattern_mismatch": "must be three octal digits, such as 0640",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]+(?:/[a-z0-9/-]*)?")
_ADDRESS, _PROXY = "api.url", "api.proxy"


def complaint_about(key: str, error: ErrorDetails) -> str:
    """Return what is wrong with the setting of this key; a secret is never quoted."""
    kind, value = error["type"], error["input"]
    if kind in _COMPLAINTS:
        words = _COMPLAINTS[kind].format(**error.get("ctx", {}))
        words = re.sub("'([^']*)'", r"“\1”", words)  # pydantic's quotation marks
    else:
        words = error["msg"].removeprefix("Value error, ")
    is_quoted = not words.startswith("must ")
    if is_quoted or kind == "model_type" or _may_hold_a_secret(key, value):
        return words
    return f"{words}, not {_quoted(value)}"


def _quoted(value: object) -> str:
    """Return a value in quotation marks, written as in the configuration file."""
    if isinstance(value, bool):
        return quote(str(value).lower())
    if isinstance(value, float) and value.is_integer():
        return quote(str(int(value)))
    return quote(str(value))


def _may_hold_a_secret(key: str, value: object) -> bool:
    """Whether a value may hold a password or a key, perhaps since it is in the wrong place."""
    if key == _PROXY or isinstance(value, dict | list):
        return True
    if key != _ADDRESS:
        return False
    text = str(value)
    like_a_key = len(text) >= SHORTEST_CREDENTIAL and is_token(text) and not _HOST.fullmatch(text)
    return like_a_key or any(mark in text for mark in "@?#")
