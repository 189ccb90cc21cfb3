"""How sentences quote an answer: on one line, and without the credentials that it may repeat.

Every part of an answer that is stored or shown passes through here. ``judge`` decides by the
original answer.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etl.rows import SEPARATOR
from etl.text import isolated, one_line, quote

if TYPE_CHECKING:
    from etl.load.transport import Answer

_MASK = "***"
_WEB_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|html|head|body|\?xml)", re.IGNORECASE
)
_TITLE = re.compile(r"<title[^<>]*>([^<]*)</title>", re.IGNORECASE)
_BEGINNING = 10_000  # characters of a web page in which its title is looked for
_DEEPEST = 6  # levels of an error object that are read out
_MESSAGES = ("description", "message", "error", "detail")  # keys that are not shown themselves
_NETWORK_LOCATION = re.compile(r"[A-Za-z0-9.:\[\]-]{1,100}")


def masked(text: str, answer: Answer) -> str:
    """Return a text of an answer with the sent credential masked, in any JSON spelling."""
    if not answer.credential:
        return text
    text = text.replace(answer.credential, _MASK)
    return _any_spelling(answer.credential).sub(_MASK, text) if "\\" in text else text


def in_words(answer: Answer, host: str = "") -> str:
    """Return an answer as in ``HTTP 409: another client has this e-mail``.

    With a host: ``HTTP 409 from api.fatora.io: …``.
    """
    number = f"HTTP {answer.http_status}" + (f" from {host}" if host else "")
    if answer.too_long:
        return f"{number} with more than 1 MiB"
    if is_web_page(answer):
        return f"{number} with {_page_in_words(answer)}"
    message = _message(answer)
    return f"{number}: {isolated(message)}" if message else f"{number}, empty answer"


def is_web_page(answer: Answer) -> bool:
    """Whether the body is a web page, such as from a proxy that answers in place of the API."""
    return _WEB_PAGE.match(answer.body) is not None


def redirect_target(answer: Answer) -> str:
    """Return where a redirect points, without path and query, which may be private."""
    try:
        target = urlsplit(masked(answer.location, answer))
    except ValueError:  # such as for half an IPv6 address
        target = urlsplit("")
    if target.scheme in {"http", "https"} and _NETWORK_LOCATION.fullmatch(target.netloc):
        return f"{target.scheme}://{target.netloc}/…"
    return "another address"


@lru_cache(2)
def _any_spelling(credential: str) -> re.Pattern[str]:
    """Return what matches a credential, any of whose characters may be escaped (RFC 8259, 7)."""
    characters = (rf"(?:\\?{re.escape(each)}|\\u(?i:{ord(each):04x}))" for each in credential)
    return re.compile("".join(characters))


def _page_in_words(answer: Answer) -> str:
    title = _TITLE.search(_text(answer)[:_BEGINNING])
    return f"an HTML page {quote(one_line(title[1]))}" if title else "an HTML page"


def _message(answer: Answer) -> str:
    """Return the message in an answer, its error if it has one, on one readable line."""
    text = _text(answer)
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        facts = None
    error = (facts.get("error") or facts) if isinstance(facts, dict) else facts
    return one_line(masked(_flattened(error), answer)) or one_line(text)


def _text(answer: Answer) -> str:
    return masked(answer.body.decode("utf-8-sig", errors="replace"), answer)


def _flattened(value: Any, depth: int = 0) -> str:  # noqa: ANN401 - any JSON value
    if depth == _DEEPEST:
        return "…"
    if isinstance(value, dict):
        parts = (
            _flattened(each, depth + 1) if key in _MESSAGES else _named(key, each, depth + 1)
            for key, each in value.items()
        )
    elif isinstance(value, list):
        parts = (_flattened(each, depth + 1) for each in value)
    else:
        return "" if value is None else str(value)
    return SEPARATOR.join(filter(None, parts))


def _named(key: str, value: Any, depth: int) -> str:  # noqa: ANN401 - any JSON value
    text = _flattened(value, depth)
    return f"{key}: {text}" if text else ""
