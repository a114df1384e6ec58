"""The address of a server: the scheme, host, port and path of its URL."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from frontier.client import Call
from frontier.errors import UserError
from frontier.text import shown

PORTS = {"http": 80, "https": 443}
OWN = ("host", "content-length", "accept-encoding", "transfer-encoding", "connection", "expect")
"""Headers that the client writes itself, or that would change the framing."""
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True)
class Origin:
    """A server, and the path before each call's own."""

    scheme: str
    host: str
    """A name in ASCII, or an IP address without brackets."""
    port: int
    path: str = ""

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin in a URL such as http://[::1]:8000/v1. Raises UserError."""
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise UserError("a URL with a user or password in it; name a variable for the key")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise UserError(f"{shown(url)} is not a URL: {error}") from None
        if parts.scheme not in PORTS or not host:
            raise UserError(f"{shown(url)} is not a URL that starts with http:// or https://")
        if parts.query or parts.fragment or any(ord(one) <= 32 for one in url):
            raise UserError(f"{shown(url)} has more than a server and a path")
        try:
            name = host if _is_address(host) else host.encode("idna").decode("ascii")
        except UnicodeError:
            raise UserError(f"{shown(url)}: {shown(host)} is not the name of a host") from None
        port = PORTS[parts.scheme] if port is None else port
        return cls(parts.scheme, name, port, parts.path.rstrip("/"))

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """Host and port as in a URL and the Host header; without the scheme's usual port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    def encode(self, call: Call) -> bytes:
        """The bytes of a call in HTTP/1.1. Raises UserError for a header that cannot be sent."""
        root = self.path if call.root is None else call.root
        head = [
            f"{call.method} {_target(root + call.path)} HTTP/1.1",
            f"Host: {self.authority}",
            "Accept-Encoding: identity",  # a compressed stream would arrive in other pieces
        ]
        if call.method == "POST":
            head.append(f"Content-Length: {len(call.body)}")
        head.extend(_lines(call.headers))
        return "\r\n".join([*head, "", ""]).encode("latin-1") + call.body


def can_be_set(name: str) -> bool:
    """True if a call can have a header of that name."""
    return bool(name) and not set(name.lower()) - _TOKEN and name.lower() not in OWN


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _target(path: str) -> str:
    if not path.startswith("/") or any(not 32 < ord(one) < 127 for one in path):
        raise UserError(f"{shown(path)} is not a path of a URL")
    return path


def _lines(headers: Mapping[str, str]) -> list[str]:
    """The lines of headers; an error names a header but not its value, which may be a key."""
    for name, value in headers.items():
        if not can_be_set(name):
            raise UserError(f"{shown(name)} is not a header that can be set")
        if any((one != "\t" and not 32 <= ord(one) < 256) or ord(one) == 127 for one in value):
            raise UserError(f"header {name}: its value has a character that HTTP does not allow")
    return [f"{name}: {value}" for name, value in headers.items()]
