"""The rules for the addresses of the API and of a proxy."""

from __future__ import annotations

import re
from ipaddress import ip_address

# Narrower than RFC 3986 on purpose: all parsers find the same host in such an address. They differ
# over user info, backslashes, percent signs, queries and letters beyond ASCII.
_HOST = r"(?P<host>[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9A-Fa-f:]+\])"
_PORT = r"(?::(?P<port>[1-9][0-9]{0,4}))?"
_API_URL = re.compile(rf"(?P<scheme>https?)://{_HOST}{_PORT}(?:/[A-Za-z0-9._-]+)*/?")
_PROXY_URL = re.compile(rf"https?://(?:[^\s@/\\]+@)?{_HOST}{_PORT}/?")
_LAST_PORT = 65_535


def checked_url(url: str) -> str:
    """Return the address of an API, without a slash at its end.

    Raises:
        ValueError: the address is malformed, or plain HTTP would carry the token over a network.
    """
    parts = _API_URL.fullmatch(url)
    if parts is None or "/." in url or int(parts["port"] or 1) > _LAST_PORT:
        raise ValueError("must look like https://api.fatora.io/v1")
    if parts["scheme"] == "http" and not is_loopback(url):
        raise ValueError("must begin with https:// (http:// is allowed only for this machine)")
    return url.rstrip("/")


def is_proxy(url: str) -> bool:
    """Whether the text is the address of a proxy, with or without a user name and a password."""
    parts = _PROXY_URL.fullmatch(url)
    return parts is not None and int(parts["port"] or 1) <= _LAST_PORT


def is_loopback(url: str) -> bool:
    """Whether the address is that of an API on this machine."""
    parts = _API_URL.fullmatch(url)
    if parts is None:
        return False
    host = parts["host"].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
