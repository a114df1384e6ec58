"""Memory bandwidth utilization."""

from __future__ import annotations

import numpy as np

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import with_interval
from frontier.results.times import tpot_s
from frontier.scoring.latency import dependence
from frontier.stats.intervals import Estimate, quantile_interval


class Mbu(Figure):
    """The share of its peak at which a device reads memory: ((weights + cache) / TPOT) / bandwidth.

    The weights are those read per token, for experts only the active share. The cache is that in
    the middle of an average request: prompt and half of the generated tokens. TPOT is the median
    over requests, and gives the interval. Source: Databricks, "LLM inference performance
    engineering: best practices" (2023).
    """

    ORDER = 100
    NEEDS = Needs.LATENCIES
    COLUMNS = with_interval(
        "mbu",
        "fraction of the peak",
        "memory bandwidth utilization: (weight bytes + KV-cache bytes) / TPOT / peak bandwidth",
    )
    HEADINGS = (heading("MBU", "mbu", words.percent),)

    def values(self, measured: Measured) -> Values:
        """The share; None without further tokens, a known cache or the device's bandwidth."""
        bandwidth_gb_s = measured.spec.device.bandwidth_gb_s
        cached = measured.measurement.kv_bytes_per_token
        weights = measured.measurement.weights_bytes
        tokens = [record for record in measured.records if tpot_s(record) is not None]
        if not tokens or bandwidth_gb_s is None or cached is None or weights is None:
            return {}
        times = np.array([tpot_s(record) for record in tokens], dtype=np.float64)
        middle = np.mean([one.prompt_tokens + one.tokens / 2 for one in measured.records])
        read = weights * measured.spec.model.active_share
        moved = read + cached * float(middle)
        found = quantile_interval(times, 0.5, timed=dependence(times, tokens))
        none = "no interval: too few requests"
        median = found or Estimate(float(np.median(times)), None, None, none)

        def share(seconds: float | None) -> float | None:
            return None if not seconds else moved / seconds / (bandwidth_gb_s * 1e9)

        method = f"of the median TPOT: {median.method}"
        return {"mbu": Estimate(share(median.value), share(median.high), share(median.low), method)}
