"""Memory bandwidth utilization while prompts are read."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.figures.common import utilization


class MbuPrefill(Figure):
    """The share of its peak at which a device reads memory until the first token.

    (weights + cache of the prompt) / TTFT / bandwidth: the bytes that are read or written at least
    once. Missing for experts: how many of them the tokens of a prompt need together is unknown.
    Long prompts are limited by arithmetic instead: see `mfu_prefill`.
    """

    ORDER = 102
    NEEDS = Needs.LATENCIES
    COLUMNS = utilization.columns(
        "mbu_prefill",
        "memory bandwidth utilization in prefill: (weight bytes + prompt's KV-cache bytes) / TTFT",
        "peak bandwidth",
    )

    def values(self, measured: Measured) -> Values:
        """The shares; None without the bytes or the limit, and for experts."""
        cached, weights = measured.measurement.cache_bytes, measured.measurement.weights_bytes
        mixture = measured.measurement.experts or measured.spec.model.active_share != 1.0
        if cached(0) is None or weights is None or mixture:
            return {}
        work = [
            (one, weights + (cached(tokens) or 0), seconds)
            for one, tokens, seconds in utilization.prompts(measured)
        ]
        return utilization.shares("mbu_prefill", work, utilization.limits_of_memory(measured))
