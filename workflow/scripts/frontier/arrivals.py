"""When generated tokens arrive: an arrival is a moment at which one or several tokens became known.

A token is not a chunk, and a chunk is not a time for each of its tokens: an engine here hands over
one token at a time, a server's chunk or a speculative step may hold several.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Arrival(NamedTuple):
    """Tokens that became known together; in JSON [ns, tokens]."""

    ns: int
    """Nanoseconds of a monotonic clock since the request's start."""
    tokens: int
    """How many there are: one at least."""


def one_by_one(times_ns: Iterable[int]) -> list[Arrival]:
    """The arrivals of tokens that each have a time of their own."""
    return [Arrival(ns, 1) for ns in times_ns]
