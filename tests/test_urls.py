"""The job sends a token only to certain addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Request
from urllib3.util import parse_url

from etl.urls import checked_url, is_loopback, is_proxy


@pytest.mark.parametrize(
    "url",
    [
        "https://api.fatora.io/v1",
        "https://api.example.com",
        "https://api.example.com:65535/v1",
        "https://api-2.example.com/a_b/c.d/v1",
        "https://192.0.2.7/v1",
        "https://[2001:db8::1]:443/v1",
        "http://localhost:8080/v1",
        "http://127.0.0.1:8080/v1",
        "http://127.8.9.10",
        "http://[::1]:8080/v1",
    ],
)
def test_address_over_tls_or_on_this_machine_is_allowed(url: str) -> None:
    """An address over TLS or on this machine is kept, without a slash at its end."""
    assert checked_url(url) == checked_url(f"{url}/") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.fatora.io/v1",
        "http://192.0.2.7/v1",
        "http://0.0.0.0/v1",
        "http://[2001:db8::1]/v1",
        "http://localhost.example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "http://128.0.0.1/v1",
        "http://127.1/v1",
        "http://2130706433/v1",
    ],
)
def test_plain_http_is_refused_for_other_machines(url: str) -> None:
    """Plain HTTP is allowed only on this machine: others in a network could read the token."""
    with pytest.raises(ValueError, match="http:// is allowed only for this machine"):
        checked_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.fatora.io/v1",
        "//api.fatora.io/v1",
        "ftp://api.fatora.io/v1",
        "file:///etc/passwd",
        "https://",
        "https:///v1",
        "https:/api.fatora.io/v1",
        "https://somebody:invented@api.fatora.io/v1",
        "https://api.fatora.io@other.example.com/v1",
        "https://other.example.com\\@api.fatora.io/v1",
        "https://api.fatora.io\\.other.example.com/v1",
        "https://api.fatora.io%2eother.example.com/v1",
        "https://api.fatora.io/v1%2f..",
        "https://api.fatora.io/../v1",
        "https://api.fatora.io/v1/..",
        "https://api.fatora.io/./v1",
        "https://api..fatora.io/v1",
        "https://.api.fatora.io/v1",
        "https://api.fatora.io./v1",
        "https://api.fatora.io:0443/v1",
        "https://api.fatora.io//v1",
        "https://api.fatora.io/v1//",
        "https://api.fatora.io/v1?x=1",
        "https://api.fatora.io/v1#x",
        "https://api.fatora.io/v1 ",
        " https://api.fatora.io/v1",
        "https://api.fatora.io/v1\n",
        "https://api.fatora.io\r\nHost: other.example.com/v1",
        "https://api.fatora.io:/v1",
        "https://api.fatora.io:port/v1",
        "https://api.fatora.io:65536/v1",
        "https://api.fatora.io:0/v1",
        "https://аpi.fatora.io/v1",
        "https://api。fatora.io/v1",
        "https://[::1/v1",
        "https://[::1]x/v1",
        "https://api.fatora.io/{id}",
    ],
    ids=repr,
)
def test_address_that_parsers_could_read_differently_is_refused(url: str) -> None:
    """An address that parsers could read differently is refused, and the message quotes nothing."""
    with pytest.raises(ValueError, match="must look like https://") as raised:
        checked_url(url)
    assert "invented" not in str(raised.value)


HOST = r"[A-Za-z0-9-]{1,9}(\.[A-Za-z0-9-]{1,9}){0,3}"
LIKELY = rf"https://{HOST}(:[1-9][0-9]{{0,4}})?(/[A-Za-z0-9._-]{{1,5}}){{0,3}}"
ODD = r"https?://[\w.:@\\/?#%\[\]-]{1,40}"


@given(st.from_regex(LIKELY, fullmatch=True) | st.from_regex(ODD, fullmatch=True))
def test_allowed_address_has_the_same_host_for_every_parser(url: str) -> None:
    """The checked host is the one that requests and urllib3 connect to."""
    try:
        checked = checked_url(url)
    except ValueError:
        return
    prepared = Request("PUT", f"{checked}/clients/1").prepare().url
    assert prepared is not None
    assert parse_url(prepared).host == parse_url(checked).host
    assert prepared.lower() == f"{checked}/clients/1".lower()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.255.254", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_this_machine_is_recognised(scheme: str, host: str) -> None:
    """A loopback address is recognised, with or without a port."""
    assert is_loopback(f"{scheme}://{host}:8080/v1")
    assert is_loopback(f"{scheme}://{host}")


@pytest.mark.parametrize(
    "url", ["https://api.fatora.io/v1", "http://192.0.2.7", "localhost", "", "https://[::2]"]
)
def test_other_machines_are_not_this_one(url: str) -> None:
    """Text that is not an address is not this machine either."""
    assert not is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://proxy.example.com:3128",
        "https://proxy.example.com/",
        "http://10.0.0.1:65535",
        "http://[2001:db8::1]:8080",
        "http://somebody:inv%40nted@proxy.example.com:3128",
    ],
)
def test_address_of_a_proxy_may_contain_a_password(url: str) -> None:
    """A proxy may have a password, and needs no TLS, since requests through it have their own."""
    assert is_proxy(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "proxy.example.com:3128",
        "ftp://proxy.example.com",
        "socks5://proxy.example.com",
        "http://",
        "http://somebody@",
        "http://proxy.example.com:0",
        "http://proxy.example.com:65536",
        "http://proxy.example.com/path",
        "http://some/body:invented@proxy.example.com",
        "http://a@other.example.com\\@proxy.example.com",
        "http://a b@proxy.example.com",
        "http://proxy.example.com\n",
    ],
    ids=repr,
)
def test_anything_else_is_not_a_proxy(url: str) -> None:
    """Text that is not a proxy's address is refused at the start, not once for each row."""
    assert not is_proxy(url)
