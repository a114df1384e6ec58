"""From recorded token times to latencies, by the definitions of MLPerf Inference."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from frontier.records import Record
from frontier.statistics import Estimate, bootstrap, mean_interval, quantile_interval

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
SECOND = 1e9  # nanoseconds


def latency_s(record: Record) -> float:
    """Request handed over -> text of the last token available, in seconds."""
    return record.end_ns / SECOND


def ttft_s(record: Record) -> float | None:
    """Request handed over -> first generated token, in seconds; None without a token."""
    return record.token_ns[0] / SECOND if record.token_ns else None


def tpot_s(record: Record) -> float | None:
    """(latency - TTFT) / (tokens - 1) in seconds; None for fewer than two tokens."""
    first = ttft_s(record)
    if first is None or record.tokens < 2:
        return None
    return (latency_s(record) - first) / (record.tokens - 1)


def itl_s(record: Record) -> list[float]:
    """The gaps between consecutive tokens, in seconds."""
    return [float(gap) for gap in np.diff(np.asarray(record.token_ns, dtype=np.float64)) / SECOND]


def _figure(estimate: Estimate | None) -> dict[str, Any] | None:
    return None if estimate is None or estimate.value is None else vars(estimate)


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean and quantiles of independent per-request times, each with its interval, or null."""
    known = [value for value in values if value is not None]
    if not known:
        return dict.fromkeys(("mean", *QUANTILES))
    return {
        "mean": _figure(mean_interval(known)),
        **{name: _figure(quantile_interval(known, q)) for name, q in QUANTILES.items()},
    }


def gaps(records: Sequence[Record]) -> dict[str, Any]:
    """Mean and quantiles of all gaps; no interval, for gaps of one request are not independent."""
    pooled = [gap for record in records for gap in itl_s(record)]
    if not pooled:
        return dict.fromkeys(("mean", *QUANTILES))
    method = "pooled over requests, no interval: gaps within a request are not independent"
    figures = {"mean": float(np.mean(pooled))}
    figures |= {name: float(np.quantile(pooled, q)) for name, q in QUANTILES.items()}
    enough = {"mean": 1, "p50": 6, "p90": 36, "p99": 368}
    return {
        name: _figure(Estimate(value, None, None, method)) if len(pooled) >= enough[name] else None
        for name, value in figures.items()
    }


def latency(records: Sequence[Record]) -> dict[str, Any]:
    """End-to-end latency, TTFT, TPOT and ITL of a measurement, in seconds."""
    return {
        "end_to_end_s": spread([latency_s(record) for record in records]),
        "ttft_s": spread([ttft_s(record) for record in records]),
        "tpot_s": spread([tpot_s(record) for record in records]),
        "itl_s": gaps(records),
    }


def throughput(records: Sequence[Record]) -> dict[str, Any]:
    """Rates of totals (not means of rates), bootstrapped over requests."""
    seconds = np.array([latency_s(record) for record in records])
    tokens = np.array([record.tokens for record in records], dtype=np.float64)
    count = len(records)
    return {
        "output_tokens_per_s": _figure(
            bootstrap(lambda at: tokens[at].sum(axis=1) / seconds[at].sum(axis=1), count)
        ),
        "requests_per_s": _figure(bootstrap(lambda at: count / seconds[at].sum(axis=1), count)),
    }


def mbu(
    records: Sequence[Record],
    weights_bytes: float,
    kv_bytes_per_token: int | None,
    bandwidth_gb_s: float | None,
) -> float | None:
    """Memory-bandwidth utilization: ((weights + cache) bytes / TPOT) / peak bandwidth.

    `weights_bytes` are those read for one token. The cache is taken at the requests' mean middle:
    prompt and half of the generated tokens. TPOT is the median over requests.
    """
    times = [value for value in map(tpot_s, records) if value is not None]
    if not times or bandwidth_gb_s is None or kv_bytes_per_token is None:
        return None
    middle = np.mean([record.prompt_tokens + record.tokens / 2 for record in records])
    moved = weights_bytes + kv_bytes_per_token * float(middle)
    return float(moved / np.median(times) / (bandwidth_gb_s * 1e9))


def cost_per_1000(records: Sequence[Record], price_per_hour: float | None) -> float | None:
    """Price of a thousand requests one after the other, in the currency of the price."""
    if price_per_hour is None or not records:
        return None
    mean_s = float(np.mean([latency_s(record) for record in records]))
    return price_per_hour / 3600 * mean_s * 1000


def disorder(record: Record) -> str | None:
    """What is wrong with a record's times, if anything: the clock must never run backwards."""
    times = [0, *record.token_ns, record.end_ns]
    if record.tokens != len(record.token_ns):
        return f"request {record.id}: {record.tokens} tokens but {len(record.token_ns)} times"
    if any(later < earlier for earlier, later in pairwise(times)):
        return f"request {record.id}: its times run backwards"
    return None
