"""Latencies of one record, by the definitions of MLPerf Inference; statistics are in scoring/.

Source: MLCommons, "MLPerf Inference Rules", sections on scenarios and on LLM benchmarks' metrics
(TTFT, TPOT), https://github.com/mlcommons/inference_policies. They assume a time per token; for an
arrival with several tokens only the last one's time is known, from which later tokens count.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from frontier.results.records import Record

SECOND = 1e9  # nanoseconds


def latency_s(record: Record) -> float:
    """The time from a request's due time to the text of its last token, in seconds.

    Counted from the due time, like MLPerf's LoadGen, to include waiting; in SingleStream a request
    is sent when it is due.
    """
    return (record.start_ns - record.due_ns + record.end_ns) / SECOND


def ttft_s(record: Record) -> float | None:
    """The time from sending a request to its first arrival, in seconds; None without one."""
    return record.arrivals[0].ns / SECOND if record.arrivals else None


def ttft_due_s(record: Record) -> float | None:
    """The time from a request's due time to its first arrival, in seconds; None without one.

    Under load it has the time in the queue of an engine that answers one request after another.
    """
    if not record.arrivals:
        return None
    return (record.start_ns - record.due_ns + record.arrivals[0].ns) / SECOND


def tpot_s(record: Record) -> float | None:
    """The time per output token after the first arrival, in seconds; None without further tokens.

    (end - first arrival) / (tokens - tokens of the first arrival): MLPerf's
    (latency - TTFT) / (tokens - 1) if the first token arrived alone.
    """
    later = record.tokens - record.arrivals[0].tokens if record.arrivals else 0
    return (record.end_ns - record.arrivals[0].ns) / SECOND / later if later else None


def itl_s(record: Record) -> list[float]:
    """The gaps between consecutive arrivals, in seconds: between tokens if each arrived alone."""
    times = np.array([arrival.ns for arrival in record.arrivals], dtype=np.float64)
    return [float(gap) for gap in np.diff(times) / SECOND]


def cached_share(records: Iterable[Record]) -> float | None:
    """Tokens of prompts from a server's prefix cache over all, of the requests for which it counts.

    None if it counts for none.
    """
    counted = [record for record in records if record.cached_tokens is not None]
    prompts = sum(record.prompt_tokens for record in counted)
    return sum(record.cached_tokens or 0 for record in counted) / prompts if prompts else None


def drafts(records: Iterable[Record]) -> int | None:
    """The tokens drafted for all requests; None if nothing reports any, or nothing drafts them."""
    known = [one.drafted_tokens for one in records if one.drafted_tokens is not None]
    return sum(known) if known else None


def accepted(records: Iterable[Record]) -> int | None:
    """The drafted tokens that the answers have; None if nothing reports any, or drafts them.

    An engine may report these alone.
    """
    known = [one.accepted_tokens for one in records if one.accepted_tokens is not None]
    return sum(known) if known else None
