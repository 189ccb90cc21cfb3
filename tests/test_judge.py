"""`judge` decides what any answer, or a missing one, means for the row that was sent."""

from __future__ import annotations

import json
import ssl
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.codes import Code
from etl.load.adapter import BrokenAnswerError
from etl.load.judge import Reply, Verdict, judge
from etl.load.tokens import TokenRefusedError, TokenUnavailableError
from etl.load.transport import Answer
from etl.load.wire import NotConnectedError, ProxyRefusedError
from etl.rows import PendingRow, Status
from etl.text import isolated

HOST = "api.fatora.io"
ROW = PendingRow(2, 1024, {"email": "sara@example.com", "name": "سارة", "notes": "VIP"})
CONFIRMED = {"status": "SUCCESS", "client": {"id": 1024}}

# What a transport raises once a request may have been sent, and what a fault of the program would.
RAISABLE = [
    BrokenAnswerError,
    OSError,
    TimeoutError,
    BrokenPipeError,
    ConnectionAbortedError,
    ConnectionResetError,
    ssl.SSLError,
    ssl.SSLEOFError,
    ssl.SSLZeroReturnError,
    ValueError,
    UnicodeError,
    RecursionError,
    MemoryError,
    RuntimeError,
]


def judged(status: int, body: object = b"", *, retry_after: float | None = None) -> Verdict:
    """The verdict on an answer whose body is these bytes, or the JSON of this value."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return judge(Answer(status, data, retry_after), ROW, HOST)


def echoed(**client: object) -> Verdict:
    """The verdict on a confirmation with these values of the client."""
    return judged(200, {"status": "SUCCESS", "client": {"id": 1024, **client}})


# 200


@pytest.mark.parametrize(
    "facts",
    [
        CONFIRMED,
        {"status": "SUCCESS"},
        {"status": "SUCCESS", "client": None},
        {"status": "SUCCESS", "client": {}},
        {"status": "SUCCESS", "client": {"id": "1024"}},
        {"status": "SUCCESS", "client": {"id": 1024.0}},
        {"status": "SUCCESS", "client": ["x"], "error": None},
        {"status": "SUCCESS", "client": []},
        {"status": "SUCCESS", "client": [{"id": 1024}, {}]},
    ],
)
def test_a_confirmation_is_a_success(facts: object) -> None:
    """A 200 with a JSON object, status exactly SUCCESS and no other client's id is a success."""
    assert judged(200, facts) == Verdict(Status.SUCCESS, http_status=200)


def test_a_byte_order_mark_does_not_hide_a_confirmation() -> None:
    """A byte order mark, which .NET writes, is ignored."""
    assert judged(200, b"\xef\xbb\xbf" + json.dumps(CONFIRMED).encode()).status is Status.SUCCESS


@pytest.mark.parametrize("word", ["ERROR", "success", "SUCCESS ", "Success", "", "نجاح"])
def test_another_word_is_a_refusal(word: str) -> None:
    """A 200 with another status word is a refusal."""
    verdict = judged(200, {"status": word, "error": {"message": "Bad email"}})
    assert (verdict.status, verdict.code) == (Status.REJECTED, Code.API_REJECTED)
    words = f"with the status “{isolated(word)}” (HTTP 200: Bad email)"
    assert verdict.error == f"Fatora refused the values, {words}."
    assert (verdict.again, verdict.halt) == (False, None)


@pytest.mark.parametrize("other", [9, "9", 1024.5, -1024, True, [1024], {"id": 1024}], ids=repr)
@pytest.mark.parametrize("word", ["SUCCESS", "ERROR"])
def test_an_answer_about_another_client_stops_the_run(other: object, word: str) -> None:
    """An answer about another client stops the run, whatever else it says."""
    verdict = judged(200, {"status": word, "client": {"id": other}})
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_MISMATCH)
    assert verdict.error == f"Fatora answered about another client (HTTP 200: client “{other}”)."
    assert verdict.halt == (
        "Fatora answered about another client (HTTP 200 from api.fatora.io)."
        " Do not run the file again until Fatora support has explained the answer."
    )
    assert not verdict.again


def test_an_answer_about_another_client_among_others_stops_the_run() -> None:
    """An answer with several clients stops the run if one is another."""
    verdict = judged(200, {"status": "SUCCESS", "client": [{"id": 1024}, {"id": 9}]})
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_MISMATCH)


UNREADABLE = [
    b"",
    b" \n",
    b"null",
    b"[]",
    b'"SUCCESS"',
    b"true",
    b"{}",
    b'{"status": null}',
    b'{"status": 200}',
    b'{"status": ["SUCCESS"]}',
    b'{"success": true}',
    json.dumps(CONFIRMED).encode()[:-1],
    json.dumps(CONFIRMED).encode() * 2,
    json.dumps(CONFIRMED).encode("utf-16"),
    b"\xff" + json.dumps(CONFIRMED).encode(),
    b'{"status": "ERROR", "status": "SUCCESS"}',
    b'{"status": "SUCCESS", "client": {"id": 9, "id": 1024}}',
    b'{"status": "SUCCESS", "balance": NaN}',
    b'{"status": "SUCCESS", "balance": -Infinity}',
    b'{"status": "SUCCESS", "n": ' + b"9" * 5_000 + b"}",
    b'{"status": "SUCCESS", "n": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"ok",
    "تم".encode("cp1256"),
]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_200_that_is_not_the_apis_json_is_unknown(body: bytes) -> None:
    """A 200 without the API's JSON is UNKNOWN, is not retried, and does not stop the run."""
    verdict = judged(200, body)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_UNREADABLE)
    assert (verdict.again, verdict.halt) == (False, None)


def test_an_answer_that_was_too_long_is_unknown() -> None:
    """An answer that was cut is UNKNOWN, even if the part is valid JSON."""
    answer = Answer(200, json.dumps(CONFIRMED).encode(), too_long=True)
    verdict = judge(answer, ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_UNREADABLE)
    assert verdict.error.endswith(" (HTTP 200 with more than 1 MiB).")


@pytest.mark.parametrize("depth", range(100, 1_000, 50))
def test_an_answer_of_any_depth_is_judged(depth: int) -> None:
    """An answer nested to any depth is judged."""
    nested = b"[" * depth + b"]" * depth
    for key in (b"id", b"name", b"other"):
        body = b'{"status": "SUCCESS", "client": {"%s": %s}}' % (key, nested)
        assert judge(Answer(200, body), ROW, HOST).http_status == 200


PAGES = [
    b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    b"\n <HTML><body>Please wait</body></HTML>",
    b"\xef\xbb\xbf<!doctype html>\r\n",
    b"<!-- portal --><html></html>",
    b'<?xml version="1.0"?><html/>',
    b"<script>location = '/portal'</script>",
    b'<meta http-equiv="refresh" content="0; url=/portal">',
    b"<title>Please wait</title>",
    b"\r\n<center><h1>Access denied</h1></center>",
    b"<h1>It works!</h1>",
    b"<br />Warning: something",
    b"<p\n>Down for maintenance",
]


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_web_page_in_place_of_json_stops_the_run(status: int, page: bytes) -> None:
    """A web page with a 2xx stops the run."""
    verdict = judged(status, page)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_UNREADABLE)
    assert verdict.halt is not None
    assert verdict.halt.startswith(
        f"A web page answered instead of Fatora (HTTP {status} from api.fatora.io with an HTML"
    )
    assert not verdict.again


XML = [
    b"<Error><Code>AccessDenied</Code></Error>",
    b'<?xml version="1.0" encoding="utf-8"?>\n<string xmlns="http://example.com/">SUCCESS</string>',
    b"<soap:Envelope><soap:Body/></soap:Envelope>",
]


@pytest.mark.parametrize("body", XML)
def test_xml_in_place_of_json_stops_the_run(body: bytes) -> None:
    """XML with a 200 confirms nothing, and stops the run like a web page."""
    verdict = judged(200, body)
    assert (verdict.status, verdict.code) == (Status.UNKNOWN, Code.API_UNREADABLE)
    assert verdict.halt is not None
    assert " (HTTP 200 from api.fatora.io with an XML document" in verdict.halt


@pytest.mark.parametrize("text", [b"<sara@example.com> was updated", b"< 5", b"<3", b"<", b"<>"])
def test_text_in_angle_brackets_is_not_a_web_page(text: bytes) -> None:
    """Text that merely begins with an angle bracket does not stop the run, and is quoted whole."""
    verdict = judged(200, text)
    assert (verdict.code, verdict.halt) == (Code.API_UNREADABLE, None)
    assert verdict.error.endswith(f" (HTTP 200: {text.decode()}).")


@pytest.mark.parametrize("status", [400, 404, 500, 502, 503])
def test_a_web_page_that_says_what_failed_does_not_stop_the_run(status: int) -> None:
    """A web page with an error status is judged by its status."""
    verdict = judged(status, b"<html><head><title>Bad\r\n Gateway</title></head></html>")
    assert verdict.halt is None
    assert verdict.error.endswith(f" (HTTP {status} with an HTML page “Bad Gateway”).")


def test_a_page_that_is_made_to_be_slow_is_not() -> None:
    """A page that is built to be slow to search is judged quickly."""
    start = time.process_time()
    judged(200, b"<html>" + b"<title" * 170_000)
    judged(200, b"<html>" + b"<title>" * 140_000)
    for part in (b"<!--", b"<script>", b"</script ", b"<![CDATA[", b"&", b"&#", b"<a ", b"<"):
        judged(200, b"<html>" + part * 100_000)
    assert time.process_time() - start < 2


# Other statuses


STATUSES = [
    *[(n, Status.UNKNOWN, Code.API_UNREADABLE, False) for n in (201, 202, 204, 206, 299)],
    *[(n, Status.FAILED, Code.API_REDIRECT, False) for n in (300, 301, 302, 304, 307, 308, 399)],
    *[(n, Status.FAILED, Code.API_AUTH, False) for n in (401, 403)],
    (407, Status.FAILED, Code.NETWORK_UNREACHABLE, False),
    *[(n, Status.FAILED, Code.API_UNAVAILABLE, True) for n in (408, 425)],
    (429, Status.FAILED, Code.API_THROTTLED, True),
    (404, Status.REJECTED, Code.API_NOT_FOUND, False),
    (409, Status.REJECTED, Code.API_CONFLICT, False),
    *[(n, Status.REJECTED, Code.API_REJECTED, False) for n in (400, 402, 405, 406, 410, 415, 422)],
    *[(n, Status.REJECTED, Code.API_REJECTED, False) for n in (424, 426, 451, 499)],
    *[(n, Status.UNKNOWN, Code.API_UNAVAILABLE, True) for n in (500, 502, 503, 504)],
    *[(n, Status.UNKNOWN, Code.API_UNAVAILABLE, False) for n in (501, 505, 507, 520, 599)],
    *[(n, Status.UNKNOWN, Code.API_UNREADABLE, False) for n in (600, 999)],
]


@pytest.mark.parametrize(("number", "status", "code", "again"), STATUSES)
def test_a_status_other_than_200_decides_the_status_of_the_row(
    number: int,
    status: Status,
    code: Code,
    again: bool,  # noqa: FBT001
) -> None:
    """A status other than 200 decides, whatever the body says."""
    verdict = judged(number, CONFIRMED, retry_after=7)
    assert (verdict.status, verdict.code, verdict.again) == (status, code, again)
    assert (verdict.http_status, verdict.retry_after) == (number, 7)
    assert verdict.error.startswith(f"{code.meaning} (HTTP {number}: ")
    assert verdict.renew == (number == 401)
    assert bool(verdict.halt) == (300 <= number < 400 or number == 407)


REDIRECTS = [
    ("http://login.example/sign-in?user=sara", "http://login.example/…"),
    ("https://login.example:8443", "https://login.example:8443/…"),
    ("/v2/clients/1024", "another address"),
    ("ftp://login.example/", "another address"),
    ("https://[login.example/", "another address"),
    ("https://sara:password@login.example/", "another address"),
    ("https://login.example\u202e/", "another address"),
    ("", "another address"),
]


@pytest.mark.parametrize(("location", "target"), REDIRECTS, ids=range(len(REDIRECTS)))
def test_a_redirect_stops_the_run_and_names_its_target(location: str, target: str) -> None:
    """A redirect stops the run, and only its host is named."""
    verdict = judge(Answer(302, b"", location=location), ROW, HOST)
    assert verdict.halt == (
        f"HTTP 302 from api.fatora.io points to {target}: redirects are never followed."
        " Check the API address ([api] url)."
    )


CAUSES = [
    (503, b"", "HTTP 503 from api.fatora.io"),
    (429, b"{}", "HTTP 429 from api.fatora.io"),
    (201, b"{}", "an answer from api.fatora.io that could not be understood (HTTP 201)"),
    (200, b"ok", "an answer from api.fatora.io that could not be understood (HTTP 200)"),
]


@pytest.mark.parametrize(("status", "body", "cause"), CAUSES)
def test_what_kept_a_row_from_being_served_has_status_and_host(
    status: int, body: bytes, cause: str
) -> None:
    """The cause of a failure has the HTTP status and the host."""
    assert judged(status, body).cause == cause


def test_the_cause_of_a_failure_holds_no_words_of_the_api() -> None:
    """The cause, which is logged, does not quote the API; the answer does."""
    verdict = judged(403, {"error": "sara@example.com is inactive"})
    assert verdict.cause == "HTTP 403 from api.fatora.io"
    assert verdict.answer == "HTTP 403 from api.fatora.io: sara@example.com is inactive"


# Answers that repeat the token


TOKEN = "invented/token+1"
SPELLINGS = {
    "plain": TOKEN,
    "PHP": TOKEN.replace("/", "\\/"),
    ".NET": TOKEN.replace("/", "\\u002f").replace("+", "\\u002B"),
    "all": "".join(f"\\u{ord(each):04X}" for each in TOKEN),
}


IN_HTML = [
    TOKEN.replace("/", "&#x2F;").replace("+", "&#43;"),
    "".join(f"&#x{ord(each):x};" for each in TOKEN),
    "".join(f"&#00{ord(each)};" for each in TOKEN),
]


@pytest.mark.parametrize("spelling", IN_HTML)
def test_the_token_is_masked_in_a_page(spelling: str) -> None:
    """The token is masked in a web page, whose characters may be written as numbers."""
    verdict = judged_with(TOKEN, 502, f"<html><p>Bearer {spelling} is bad".encode())
    assert "“Bearer *** is bad”" in verdict.error
    assert "Bearer *** is bad" in verdict.excerpt


def judged_with(token: str, status: int, body: bytes) -> Verdict:
    """The verdict on an answer to a request with this token."""
    return judge(Answer(status, body, credential=token), ROW, HOST)


@pytest.mark.parametrize("token", ["SUCCESS", "S", "t", "sara@example.com", '"', "1024"])
def test_an_answer_is_judged_as_it_came(token: str) -> None:
    """An answer is judged before its token is masked."""
    facts = {"status": "SUCCESS", "client": {"id": 1024, "email": "sara@example.com"}}
    body = json.dumps(facts).encode()
    assert judged_with(token, 200, body) == Verdict(Status.SUCCESS, http_status=200)


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("end", ["}", ""], ids=["JSON", "cut"])
def test_the_token_is_masked_in_an_error(spelling: str, end: str) -> None:
    """The token is masked in the error of a row."""
    body = f'{{"error": "Bearer {spelling} is bad: {spelling}"{end}'.encode()
    verdict = judged_with(TOKEN, 400, body)
    assert "Bearer *** is bad: ***" in verdict.error


def test_a_token_is_masked_before_a_message_is_cut() -> None:
    """The token is masked before a message is cut, so that no part of it is shown."""
    for length in range(480, 500):
        body = json.dumps({"error": "x" * length + TOKEN}).encode()
        assert "invented" not in judged_with(TOKEN, 400, body).error


ANYWHERE: list[object] = [
    {"status": TOKEN},
    {"status": TOKEN, "error": {TOKEN: [TOKEN]}},
    {"status": "SUCCESS", "client": {"id": TOKEN}},
    {"status": "SUCCESS", "client": {"id": {TOKEN: TOKEN}}},
    {"status": "SUCCESS", "client": {"email": TOKEN, "name": {"a": TOKEN}, "note": [TOKEN]}},
    {"status": "SUCCESS", "client": {"email": "x" * 50 + TOKEN}},
    {"error": json.dumps({"authorization": TOKEN})},
    [TOKEN],
    f"<html><title>{TOKEN}</title>".encode(),
    TOKEN.encode(),
]


@pytest.mark.parametrize("body", ANYWHERE, ids=range(len(ANYWHERE)))
@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 503])
def test_the_token_is_masked_wherever_it_is_repeated(body: object, status: int) -> None:
    """The token is masked in error, warning, stop reason and cause alike."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    location = f"https://{TOKEN}/{TOKEN}"
    answer = Answer(status, data, location=location, credential=TOKEN)
    verdict = judge(answer, ROW, HOST)
    assert "invented" not in repr(verdict)
    assert TOKEN not in repr(answer).replace(location, "").replace(repr(data), "")


# What the API says


MESSAGES: list[tuple[object, str]] = [
    ({"status": "ERROR", "error": "Invalid API Key"}, "Invalid API Key"),
    ({"status": "ERROR", "error": {"description": "Bad email"}}, "Bad email"),
    ({"error": {"code": 22, "message": "Bad email"}}, "code: 22; Bad email"),
    ({"error": {"errors": [{"field": "email"}, "x"]}}, "errors: field: email; x"),
    ({"error": ["Bad email", "Bad phone"]}, "Bad email; Bad phone"),
    ({"error": [None, "", "Bad email", None]}, "Bad email"),
    ({"error": {"message": "", "code": None, "detail": "Bad"}}, "Bad"),
    ({"error": {"detail": {"error": {"message": "Bad"}}}}, "Bad"),
    ({"error": 17}, "17"),
    ({"status": "ERROR", "error": None}, "status: ERROR"),
    ({"status": "ERROR", "error": ""}, "status: ERROR"),
    ({"status": "ERROR", "error": {}, "message": "Bad"}, "status: ERROR; Bad"),
    ({"title": "Bad", "status": 400}, "title: Bad; status: 400"),
    ({"error": {"message": "two\r\n\tlines\u2028more"}}, "two lines more"),
    ({"error": "a\u202eb\x1b[0m\ud800"}, "a<U+202E>b<U+001B>[0m<U+D800>"),
    ({"error": "خطأ في البريد"}, "\u2068خطأ في البريد\u2069"),
    ("Bad email", "Bad email"),
    (["Bad email"], "Bad email"),
    (5, "5"),
    (None, "null"),
    ([], "[]"),
    ({}, "{}"),
    (b"Bad\r\nrequest", "Bad request"),
    (b"{cut", "{cut"),
    (b"\xffbad", "\ufffdbad"),
    (b"9" * 5_000, "9" * 500 + "…"),
]


@pytest.mark.parametrize(("body", "line"), MESSAGES, ids=range(len(MESSAGES)))
def test_whatever_the_api_says_ends_as_one_readable_line(body: object, line: str) -> None:
    """Any error becomes one readable line after our own words."""
    assert judged(400, body).error == f"Fatora refused the values (HTTP 400: {line})."


@pytest.mark.parametrize("body", [b"", b" \r\n"])
def test_an_answer_without_a_message_says_so(body: bytes) -> None:
    """An answer without a message is called empty."""
    assert judged(302, body).error == f"{Code.API_REDIRECT.meaning} (HTTP 302, empty answer)."


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b"<html><title>Not &amp; found</title><h1>Oops", "an HTML page “Not & found”"),
        (b"<html><title lang=en>\n Bad\n Gateway", "an HTML page “Bad Gateway”"),
        (b"<html><title></title><h1>Down</h1>", "an HTML page “Down”"),
        (
            b"<h1>Access&nbsp;denied</h1><p>Policy &#x27;7&#39;",
            "an HTML page “Access denied Policy '7'”",
        ),
        (
            b"<head><style>b { x: y }</style><SCRIPT>if (a < b) c()</Script ><p>Down",
            "an HTML page “Down”",
        ),
        (b"<!-- built by x --><body>Down<br/>for now<!-- padding", "an HTML page “Down for now”"),
        ("<p>تعذر الاتصال</p>".encode(), "an HTML page “\u2068تعذر الاتصال\u2069”"),
        (b"<html><script>never closed", "an HTML page"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "an HTML page"),
        (
            b"<Error><Code>5</Code><Message>No &lt;id&gt;</Message></Error>",
            "an XML document “5 No <id>”",
        ),
        (b"<?xml version='1.0'?><e><![CDATA[No <b>id</b>]]></e>", "an XML document “No <b>id</b>”"),
        (b"<none/>", "an XML document"),
    ],
)
def test_a_page_becomes_its_title_or_its_first_words(page: bytes, words: str) -> None:
    """A web page or XML is quoted as the text that a person would read."""
    assert judged(503, page).error == f"Fatora was unavailable (HTTP 503 with {words})."


def test_only_the_title_of_a_page_is_in_why_the_run_stopped() -> None:
    """A page's words may be personal data, and the manifest has why the run stopped for ever."""
    verdict = judged(200, b"<center>sara@example.com was updated</center>")
    assert "“sara@example.com was updated”" in verdict.error
    assert verdict.halt is not None
    assert "(HTTP 200 from api.fatora.io with an HTML page)." in verdict.halt
    assert "“Sign in”" in str(judged(200, b"<title>Sign in</title>").halt)


def test_the_words_of_a_page_are_one_short_line() -> None:
    """However long a page is, its words are cut like any other message."""
    error = judged(400, b"<p>" + b"word\n" * 50_000).error
    assert len(error) < 600
    assert error.endswith("…”).")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("error"), inner),
    max_leaves=20,
)


@given(body=st.binary() | JSON, status=st.integers(100, 999))
def test_any_answer_is_one_line_and_a_success_only_if_it_says_so(body: object, status: int) -> None:
    """Any answer becomes one short line, and is a success only if it says so."""
    verdict = judged(status, body)
    confirmed = isinstance(body, dict) and body.get("status") == "SUCCESS"
    assert (verdict.status is Status.SUCCESS) <= confirmed
    assert (verdict.error == "") == (verdict.status is Status.SUCCESS)
    assert verdict.error == " ".join(verdict.error.splitlines())
    assert len(verdict.error) < 700


def test_an_error_object_is_read_out_to_a_certain_depth() -> None:
    """A deeply nested error is cut with an ellipsis."""
    nested: object = "x"
    for _ in range(50):
        nested = {"a": nested}
    assert judged(400, nested).error.endswith(" (HTTP 400: a: a: a: a: a: a: …).")


# What the API stored


def test_what_the_api_stored_differently_is_a_warning() -> None:
    """The row was updated, and each difference is named with both values."""
    verdict = echoed(email="sara@example.com", name="Sara", phone="+97433123456")
    assert (verdict.status, verdict.stored_differently) == (Status.SUCCESS, True)
    arabic = "name: Fatora stored “\u2068Sara\u2069” where “\u2068سارة\u2069” was sent"
    assert verdict.warning == arabic
    verdict = echoed(email="Sara@example.com")
    english = "email: Fatora stored “Sara@example.com” where “sara@example.com” was sent"
    assert verdict.warning == english


def test_what_the_api_stored_as_sent_is_not_a_difference() -> None:
    """A value that was stored as sent, or that the answer leaves out, is not a difference."""
    verdict = echoed(email="sara@example.com", name="سارة")
    assert (verdict.warning, verdict.stored_differently) == ("", False)


@pytest.mark.parametrize("key", ["note", "notes"])
def test_notes_come_back_under_either_name(key: str) -> None:
    """Notes may come back as note or notes."""
    assert echoed(**{key: "VIP"}).warning == ""
    assert echoed(**{key: "vip"}).warning == "notes: Fatora stored “vip” where “VIP” was sent"


def test_a_value_that_comes_back_as_null_is_a_difference() -> None:
    """A null is a difference if a value was sent."""
    null = "name: Fatora stored “\u2068\u2069” where “\u2068سارة\u2069” was sent"
    assert echoed(name=None).warning == null
    assert echoed(notes=None, note="VIP").warning == ""


def test_a_value_that_was_cleared_may_come_back_as_null() -> None:
    """A cleared value may come back as null."""
    row = PendingRow(2, 1024, {"email": "sara@example.com", "address": ""})
    body = json.dumps({"status": "SUCCESS", "client": {"address": None}}).encode()
    assert judge(Answer(200, body), row, HOST).warning == ""


@pytest.mark.parametrize(("stored", "sent"), [("é", "e\u0301"), ("e\u0301", "é"), (5, "5")])
def test_values_are_compared_as_people_see_them(stored: object, sent: str) -> None:
    """Values are compared after normalization, and as text."""
    row = PendingRow(2, 1024, {"email": "sara@example.com", "name": sent})
    body = json.dumps({"status": "SUCCESS", "client": {"name": stored}}).encode()
    assert judge(Answer(200, body), row, HOST).warning == ""


def test_a_warning_is_one_line_too() -> None:
    """A warning is always one line."""
    warning = echoed(email="a\r\nb", name="x" * 40_000, note=["\u202e"]).warning
    assert warning.count("; ") == 2
    assert "a<U+000D><U+000A>b" in warning
    assert "<U+202E>" in warning or "\\u202e" in warning
    assert len(warning) < 500


# No answer


@pytest.mark.parametrize("error", RAISABLE, ids=lambda error: error.__name__)
def test_any_error_while_sending_leaves_the_row_unknown(error: type[Exception]) -> None:
    """After an error of any class the row may have been updated, and another attempt may help."""
    verdict = judge(error.__new__(error), ROW, HOST)
    assert verdict.status is Status.UNKNOWN
    assert verdict.code in {Code.NETWORK_TIMEOUT, Code.NETWORK_INTERRUPTED}
    assert verdict.error
    assert (verdict.again, verdict.halt, verdict.renew) == (True, None, False)


LATE = "no answer from api.fatora.io in time"
BROKEN = "a broken connection to api.fatora.io"
FAILURES: list[tuple[Exception, Status, Code, str]] = [
    (
        NotConnectedError("connection refused", insecure=False),
        Status.FAILED,
        Code.NETWORK_UNREACHABLE,
        "no connection to api.fatora.io (connection refused)",
    ),
    (
        TokenUnavailableError("HTTP 503, empty answer"),
        Status.FAILED,
        Code.API_UNAVAILABLE,
        "no bearer token from api.fatora.io (HTTP 503, empty answer)",
    ),
    (TimeoutError(), Status.UNKNOWN, Code.NETWORK_TIMEOUT, LATE),
    (BrokenAnswerError(), Status.UNKNOWN, Code.NETWORK_INTERRUPTED, BROKEN),
    (ConnectionResetError(), Status.UNKNOWN, Code.NETWORK_INTERRUPTED, BROKEN),
]


@pytest.mark.parametrize(("error", "status", "code", "cause"), FAILURES)
def test_a_failure_that_may_pass_is_tried_again(
    error: Exception, status: Status, code: Code, cause: str
) -> None:
    """Failures that may pass are retried, and are FAILED only if nothing was sent."""
    verdict = judge(error, ROW, HOST)
    reason = f" ({error})" if str(error) else ""
    text = f"{code.meaning}{reason}."
    assert verdict == Verdict(status, code, text, cause=cause, again=True)


def test_a_failure_of_tls_stops_the_run() -> None:
    """A TLS failure stops the run, and nothing was sent."""
    verdict = judge(NotConnectedError("certificate has expired", insecure=True), ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.NETWORK_UNREACHABLE)
    assert verdict.error == "Fatora could not be reached (certificate has expired)."
    assert verdict.halt is not None
    assert verdict.halt.startswith(
        "The TLS connection to api.fatora.io cannot be trusted (certificate has expired). Check "
    )
    assert not verdict.again


@pytest.mark.parametrize(
    "reply",
    [
        Answer(407, b"<html><title>Cache Access Denied</title></html>"),
        ProxyRefusedError("the proxy answered HTTP 407", insecure=False),
    ],
    ids=["answer", "tunnel"],
)
def test_a_proxy_that_refuses_the_password_stops_the_run(reply: Reply) -> None:
    """A 407 stops the run, wherever it comes from, and leads to the proxy's setting."""
    verdict = judge(reply, ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.NETWORK_UNREACHABLE)
    assert "HTTP 407" in verdict.error
    assert verdict.halt == (
        "The proxy did not accept the job's user name and password (HTTP 407)."
        " Check the proxy's address ([api] proxy)."
    )
    assert not verdict.again


def test_the_cause_of_a_missing_token_does_not_quote_the_api() -> None:
    """What the Authorize endpoint answered is in the error, but not in the cause that is logged."""
    verdict = judge(TokenUnavailableError("HTTP 503: busy", 30, 503), ROW, HOST)
    assert verdict.error == "Fatora was unavailable (HTTP 503: busy)."
    assert verdict.cause == "no bearer token from api.fatora.io (HTTP 503)"


# How an answer begins that was not understood

NOT_UNDERSTOOD = [
    (200, b"ok"),
    (200, b'{"success": true}'),
    (200, b'{"status": "SUCCESS", "client": {"id": 9}}'),
    (201, b"<html></html>"),
    (400, b"no"),
    (404, b'{"message": "Not Found"}'),
    (502, b"<html><title>Bad Gateway</title></html>"),
]


@pytest.mark.parametrize(("status", "body"), NOT_UNDERSTOOD)
def test_an_answer_that_was_not_understood_is_kept(status: int, body: bytes) -> None:
    """An answer that is not the JSON that Fatora documents is kept as it came."""
    assert judged(status, body).excerpt == body.decode()


@pytest.mark.parametrize(
    ("status", "facts"),
    [
        (200, CONFIRMED),
        (200, {"status": "ERROR", "error": "x"}),
        (400, {"status": "ERROR", "error": {"message": "x"}}),
        (503, b""),
    ],
)
def test_an_answer_that_was_understood_is_not_kept(status: int, facts: object) -> None:
    """The error of the row quotes a documented answer, and an empty one has nothing to keep."""
    assert judged(status, facts).excerpt == ""


def test_a_kept_answer_is_short_and_safe_to_print() -> None:
    """It has at most 4,096 characters of the answer, its lines, and no control characters."""
    assert judged(503, b"x" * 5_000).excerpt == "x" * 4_096
    assert judged(503, b"one\r\n\ttwo\n\x1b[31m\x00\xff").excerpt == (
        "one\n    two\n<U+001B>[31m<U+0000>\\xff"
    )
    assert judged(503, "\u202eسارة".encode()).excerpt == "<U+202E>سارة"


@pytest.mark.parametrize("start", range(4_090, 4_100))
def test_a_kept_answer_has_no_part_of_the_token(start: int) -> None:
    """The token is masked before the answer is cut, in the spellings of JSON and HTML too."""
    for spelling in (*SPELLINGS.values(), *IN_HTML):
        body = b"x" * start + spelling.encode()
        assert "inv" not in judged_with(TOKEN, 503, body).excerpt


def test_a_refused_api_key_stops_the_run() -> None:
    """A refused API key stops the run, and the reason quotes Fatora."""
    refused = TokenRefusedError("the API key was refused: HTTP 401: Invalid API Key")
    verdict = judge(refused, ROW, HOST)
    assert (verdict.status, verdict.code) == (Status.FAILED, Code.API_AUTH)
    assert verdict.error == f"{Code.API_AUTH.meaning} ({refused})."
    assert verdict.halt == f"The bearer token had to be renewed, but {refused}."
    assert not verdict.again


def test_a_busy_authorize_endpoint_says_how_long_to_wait() -> None:
    """The Retry-After of the Authorize endpoint is honoured."""
    assert judge(TokenUnavailableError("429", retry_after=30), ROW, HOST).retry_after == 30


def test_an_exception_is_never_quoted() -> None:
    """The text of an exception, which may contain the token, is never quoted."""
    secret = "invented-secret"
    for error in (BrokenAnswerError(secret), OSError(secret), ValueError(secret)):
        assert secret not in repr(judge(error, ROW, HOST))
