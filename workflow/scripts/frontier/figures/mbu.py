"""Memory bandwidth utilization."""

from __future__ import annotations

import numpy as np

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.figures.common import utilization
from frontier.results.times import accepted, drafts, tpot_s
from frontier.scoring.latency import dependence
from frontier.stats.intervals import Estimate, quantile_interval


class Mbu(Figure):
    """The share of its peak at which a device reads memory: ((weights + cache) / TPOT) / bandwidth.

    The weights are those read per token, for experts only the active ones, and the shared ones:
    the least that a step needs, which may serve several requests. The cache is that in the middle
    of an average request: prompt and half of the generated tokens. TPOT is the median over
    requests, and gives the interval. Missing where tokens are drafted: a step reads the
    weights once for several tokens, and those of a draft model more often. Source: Databricks,
    "LLM inference performance engineering: best practices" (2023).
    """

    ORDER = 100
    NEEDS = Needs.LATENCIES
    COLUMNS = utilization.columns(
        "mbu",
        "memory bandwidth utilization: (weight bytes + KV-cache bytes) / TPOT",
        "peak bandwidth",
    )
    HEADINGS = (
        heading("MBU", "mbu", words.percent),
        heading("MBU, of the measured limit", "mbu_measured", words.percent),
    )

    def values(self, measured: Measured) -> Values:
        """The shares; None without further tokens, a known cache or the device's bandwidth."""
        middles = [(one.prompt_tokens + one.tokens / 2, one.tokens / 2) for one in measured.records]
        cached = [measured.measurement.cache_bytes(*middle) for middle in middles]
        known = [one for one in cached if one is not None]
        weights = utilization.weights_of_a_step(measured)
        tokens = [record for record in measured.records if tpot_s(record) is not None]
        drafted = drafts(measured.records) or accepted(measured.records)
        if not tokens or not known or weights is None or drafted:
            return {}
        times = np.array([tpot_s(record) for record in tokens], dtype=np.float64)
        moved = weights + float(np.mean(known))
        found = quantile_interval(times, 0.5, timed=dependence(times, tokens))
        none = "no interval: too few requests"
        median = found or Estimate(float(np.median(times)), None, None, none)

        def rate(seconds: float | None) -> float | None:
            return None if not seconds else moved / seconds

        method = f"of the median TPOT: {median.method}"
        reached = Estimate(rate(median.value), rate(median.high), rate(median.low), method)
        nominal, reachable = utilization.limits_of_memory(measured)
        return {
            "mbu": utilization.scaled(reached, nominal),
            "mbu_measured": utilization.scaled(reached, reachable),
        }
