"""Arrivals of generated tokens: the moments at which one or several tokens become known.

A token is not a chunk, and a chunk is not a time for each of its tokens: an engine here hands over
one token at a time, a server's chunk or a speculative step may hold several.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple


class Arrival(NamedTuple):
    """Tokens that became known together; in JSON [ns, tokens]."""

    ns: int
    """Nanoseconds of a monotonic clock since the request's start."""
    tokens: int
    """Number of tokens, at least one."""


def one_by_one(times_ns: Iterable[int]) -> list[Arrival]:
    """The arrivals of tokens that arrive one at a time."""
    return [Arrival(ns, 1) for ns in times_ns]


def by_steps(times_ns: Iterable[int]) -> list[Arrival]:
    """The arrivals of tokens at their times; those of one step have the same."""
    return [Arrival(ns, len(list(same))) for ns, same in groupby(times_ns)]
