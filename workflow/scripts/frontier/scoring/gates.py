"""What a measurement must pass before its times are published, in words where it does not.

A session is one process that timed requests; a measurement that was interrupted, or that takes over
what one of another sample had asked, has several, and some gates look at each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from frontier.errors import Reason
from frontier.results.records import Record

# Of requests that others may disturb: with more, the mean and the 90th percentile are theirs.
MOST_DISTURBED = 0.05


def unsettled(warmup: dict[str, Any]) -> Reason | None:
    """Why a session's warm-up was not enough, if so."""
    if warmup["settled"]:
        return None
    return f"warm-up: latency had not settled after {warmup['requests']} requests"


def contended(load: float, most: float) -> Reason | None:
    """Whether others used more than `most` cores on average, in words."""
    if load <= most:
        return None
    return f"contention: other processes used {load:.2f} cores on average, more than {most:g}"


def often_contended(records: Sequence[Record], most: float) -> Reason | None:
    """Whether others used more than `most` cores during too many of the requests, in words."""
    above = sum((record.foreign_cores or 0) > most for record in records)
    disturbed = above / max(len(records), 1)
    if disturbed <= MOST_DISTURBED:
        return None
    return (
        f"contention: during {disturbed:.0%} of the requests other processes used more than "
        f"{most:g} cores"
    )


def shared_gpu(processes: int | None) -> Reason | None:
    """Whether others computed on the GPUs, in words."""
    return f"contention: {processes} other processes on the GPU" if processes else None


def paused(records: Sequence[Record]) -> Reason | None:
    """Whether the process stood still during a request, however often it was asked, in words."""
    still = sum(record.paused for record in records)
    if not still:
        return None
    return f"pause: the process stood still during {still} of {len(records)} requests"


def mixed(sessions: Sequence[Mapping[str, Any]]) -> Reason | None:
    """Whether the sessions had not all the same machine and packages, in words.

    Who adopted one has said that its packages do not matter.
    """
    own = [session for session in sessions if not session.get("adopted")]
    if _several("hardware", sessions):
        return "hardware: an interrupted measurement went on on another machine"
    if _several("packages", own):
        return "packages: an interrupted measurement went on with other versions"
    if _several("weights_sha256", own):
        return "weights: an interrupted measurement went on with others, that were made again"
    return None


def _several(key: str, sessions: Sequence[Mapping[str, Any]]) -> bool:
    return len({json.dumps(one.get(key), sort_keys=True) for one in sessions}) > 1


def disorder(record: Record) -> Reason | None:
    """What is wrong with a record's times, if anything.

    Its arrivals must have all of its tokens, none may be empty (a server's first chunk often is),
    and no clock may run backwards.
    """
    arrived = sum(arrival.tokens for arrival in record.arrivals)
    if record.tokens != arrived:
        return f"request {record.id}: {record.tokens} tokens, of which {arrived} have arrived"
    if any(arrival.tokens < 1 for arrival in record.arrivals):
        return f"request {record.id}: an arrival without a token"
    times = [0, *(arrival.ns for arrival in record.arrivals), record.end_ns]
    if record.start_ns < record.due_ns or any(
        later < earlier for earlier, later in pairwise(times)
    ):
        return f"request {record.id}: its times run backwards"
    return None
