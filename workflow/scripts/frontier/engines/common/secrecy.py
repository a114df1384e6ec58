"""A server's key, which its answers may repeat: it is in no result and in no message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from frontier.client import Exchange, Read

PLAIN = ("content-type",)
"""Headers without a secret."""
LONG = 8
"""Characters of a key, or of a part of it, that no text has by chance: many servers without keys
are given `EMPTY` for one."""
HIDDEN = "[key]"


def _secrets(headers: Mapping[str, str]) -> Iterator[str]:
    """The keys in headers."""
    for name, value in headers.items():
        secret = value.removeprefix("Bearer ")
        if secret and name.lower() not in PLAIN:
            yield secret


def without_key(text: str, headers: Mapping[str, str]) -> str:
    """A message without the keys in headers, nor their ends: messages are cut where they are long.

    A part of a key counts from `LONG` characters on.
    """
    for secret in _secrets(headers):
        text = text.replace(secret, HIDDEN)
        for size in range(len(secret) - 1, LONG - 1, -1):
            text = text.replace(secret[:size], HIDDEN).replace(secret[-size:], HIDDEN)
    return text


def concealed(text: str, headers: Mapping[str, str]) -> str:
    """An answer's text without the keys in headers, as far as they are long."""
    for secret in _secrets(headers):
        if len(secret) >= LONG:
            text = text.replace(secret, HIDDEN)
    return text


def masked(exchange: Exchange, headers: Mapping[str, str]) -> Exchange:
    """An exchange in whose body the long keys of headers are asterisks, each read as long as before
    and at its time."""
    body = exchange.body
    changed = body
    for secret in _secrets(headers):
        if len(secret) >= LONG:
            changed = changed.replace(secret.encode(), b"*" * len(secret.encode()))
    if changed == body:
        return exchange
    reads, at = [], 0
    for read in exchange.reads:
        reads.append(Read(read.ns, changed[at : at + len(read.data)], read.late_ns))
        at += len(read.data)
    return replace(exchange, reads=reads)
