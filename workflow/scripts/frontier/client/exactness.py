"""The error that a time may have because the client was late."""

from __future__ import annotations

from collections.abc import Sequence

MOST_S, SHARE = 1e-3, 0.01
"""A time may be wrong by the smaller one of these, …"""
SLIGHT_S, SLIGHT_SHARE = 0.25e-3, 0.001
"""… but always by the larger one of these: the resolution, and what changes no conclusion."""
SECOND = 1e9


def allowed_s(time_s: float) -> float:
    """The largest permitted error of a time, in seconds."""
    return max(min(MOST_S, SHARE * time_s), SLIGHT_S, SLIGHT_SHARE * time_s)


def is_exact(late_ns: Sequence[int], first_ns: int) -> bool:
    """Whether a request's times are known as exactly as its first one has to be.

    `late_ns`: their bounds, empty if there are none; `first_ns`: its first token, since the start.
    """
    return max(late_ns, default=0) <= allowed_s(first_ns / SECOND) * SECOND
