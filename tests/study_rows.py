"""Rows of a study, as far as decisions read them."""

from __future__ import annotations

from typing import Any


def row(
    variant: str, seconds: float, score: float, ends: float = 0.0, **more: Any
) -> dict[str, Any]:
    """A measured cell of the study, as far as the balanced score reads it."""
    return {
        "variant": variant,
        "device": "cpu",
        "task": "t",
        "scenario": "single-stream",
        "outcome": "measured",
        "latency_p50_s": seconds,
        "latency_p50_low_s": seconds * (1 - ends),
        "latency_p50_high_s": seconds * (1 + ends),
        "score": score,
        "score_low": score * (1 - ends),
        "score_high": score * (1 + ends),
        "score_unit": "proportion",
        **more,
    }
