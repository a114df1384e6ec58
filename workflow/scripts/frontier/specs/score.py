"""The specification of score.py."""

from __future__ import annotations

from pydantic import Field

from frontier.blocks import TokenPrices
from frontier.results.key import Identity, Key
from frontier.scorers import AnyScorer
from frontier.specs import Spec


class ScoredModel(Spec):
    """The keys of a model that decide a figure."""

    active_share: float = 1.0
    """The share of the weights that is read per token."""
    parameters: int | None = None
    """The number of its parameters, of experts only the active ones."""
    prices: TokenPrices | None = None
    """The prices of its tokens at the cell's endpoint."""


class ScoredDevice(Spec):
    """The keys of a device that decide a figure or a gate (config/devices.yaml)."""

    max_background_cores: float
    max_drift: float | None = None
    max_slowed: float = 1.0
    percentile: float | None = None
    bandwidth_gb_s: float | None = None
    tflop_s: dict[str, float] = Field(default_factory=dict)
    price_per_hour: float | None = None


class ScoreSpec(Spec):
    """A cell that was measured."""

    cell: Key
    scorer: AnyScorer
    model: ScoredModel = ScoredModel()
    device: ScoredDevice
    max_failed: float = 0.0
    """The share of requests without an answer above which its times are withheld."""
    identity: Identity | None = None


class LeftOutSpec(Spec):
    """A cell that was left out."""

    cell: Key
    outcome: str
    reason: str | None
    identity: Identity | None = None
