"""How sentences quote an answer: on one line, and without the credentials that it may repeat.

Every part of an answer that is stored or shown passes through here. ``judge`` decides by the
original answer.
"""

from __future__ import annotations

import html
import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from etl.rows import SEPARATOR
from etl.text import isolated, one_line, visible

if TYPE_CHECKING:
    from etl.load.transport import Answer

_MASK = "***"
# A tag, not any text in angle brackets: “<sara@example.com> is in use” is a message.
_MARKUP = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|!--|\?xml|[a-z][a-z0-9:._-]*[\s/>])", re.IGNORECASE
)
_HTML = re.compile(
    r"<(?:!doctype html|html|head|body|title|meta|link|style|script|center|h[1-6]|p|div|br|pre)\b",
    re.IGNORECASE,
)
_UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<title[^<>]*>([^<]*)", re.IGNORECASE)
_TAG = re.compile(
    r"<!\[CDATA\[(.*?)(?:\]\]>|\Z)|<[a-z/!?][^<>]*(?:>|\Z)", re.IGNORECASE | re.DOTALL
)
_BEGINNING = 1 << 16  # characters of a web page in which its words are looked for
_LONGEST_EXCERPT = 4_096  # characters
_DEEPEST = 6  # levels of an error object that are read out
_MESSAGES = ("description", "message", "error", "detail")  # keys that are not shown themselves
_NETWORK_LOCATION = re.compile(r"[A-Za-z0-9.:\[\]-]{1,100}")


def masked(text: str, answer: Answer) -> str:
    """Return a text of an answer with the sent credential masked, however JSON or HTML spell it."""
    if not answer.credential:
        return text
    text = text.replace(answer.credential, _MASK)
    is_escaped = "\\" in text or "&#" in text
    return _any_spelling(answer.credential).sub(_MASK, text) if is_escaped else text


def in_words(answer: Answer, host: str = "") -> str:
    """Return an answer as in ``HTTP 409: another client has this e-mail``.

    With a host, for why a run stops: ``HTTP 409 from api.fatora.io: …``. Of a page that has only
    the title, since the manifest, which is never pruned, keeps it.
    """
    number = f"HTTP {answer.http_status}" + (f" from {host}" if host else "")
    if answer.too_long:
        return f"{number} with more than 1 MiB"
    if is_markup(answer):
        return f"{number} with {_markup_in_words(answer, only_title=bool(host))}"
    message = _message(answer)
    return f"{number}: {isolated(message)}" if message else f"{number}, empty answer"


def is_markup(answer: Answer) -> bool:
    """Whether the body is HTML or XML, such as from a proxy that answers in place of the API."""
    return _MARKUP.match(answer.body) is not None


def excerpt(answer: Answer) -> str:
    """Return how an answer begins, in its own lines, for whoever has to find out what it is.

    These are its first 4,096 characters, with invisible ones and bytes that are not UTF-8 written
    out.
    """
    text = masked(answer.body.decode("utf-8-sig", errors="backslashreplace"), answer)
    return "\n".join(map(visible, text[:_LONGEST_EXCERPT].expandtabs(4).splitlines()))


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
    """Return what matches a credential, any of whose characters may be escaped.

    Sources: RFC 8259, 7 for JSON; HTML Living Standard, 13.1.4 for HTML.
    """
    return re.compile("".join(map(_any_spelling_of_one, credential)))


def _any_spelling_of_one(char: str) -> str:
    code = ord(char)
    in_json, in_html = rf"\\u{code:04x}", rf"&#(?:0*{code}|x0*{code:x});"
    return rf"(?:\\?{re.escape(char)}|(?i:{in_json}|{in_html}))"


def _markup_in_words(answer: Answer, *, only_title: bool) -> str:
    """Return what a page is and says: its title, or else its first words."""
    text = _text(answer)[:_BEGINNING]
    kind = "an HTML page" if _HTML.search(text) else "an XML document"
    seen = _UNSEEN.sub(" ", text)
    title = _TITLE.search(seen)
    words = title[1].strip() if title else ""
    if not (words or only_title):
        words = _TAG.sub(r" \1 ", seen)
    shown = one_line(masked(html.unescape(words), answer))
    return f"{kind} “{isolated(shown)}”" if shown else kind


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
