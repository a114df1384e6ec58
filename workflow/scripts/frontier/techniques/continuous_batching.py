"""Continuous batching: requests join and leave a running batch, with a cache in pages.

transformers' own, for the scenario Offline: a request begins as soon as another one has ended, and
nothing is padded. Its parent computes batches that wait for their longest answer. The cache of
earlier prompts is off, so that no answer depends on the requests before it. Source: Yu et al.,
"Orca" (2022); https://huggingface.co/docs/transformers/continuous_batching.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique
from frontier.techniques.common.bounded import OTHERWISE
from frontier.techniques.common.states import STATES


class ContinuousBatching(Technique):
    """Keys of a `continuous_batching` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    CHOOSES: ClassVar[bool] = False
    SCENARIOS: ClassVar[tuple[str, ...]] = ("offline",)
    OWN_CACHE: ClassVar[bool] = True
    CONTINUES: ClassVar[bool] = True

    requests: Annotated[int, Field(ge=2, le=1024), Measure] = 128
    """The most requests that are computed at once."""
    step_tokens: Annotated[int, Field(ge=16, le=2**20), Measure] = 1024
    """The most tokens of a step; a longer prompt is read in several."""
    page: Annotated[int, Field(ge=4, le=2**16), Measure] = 64
    """The tokens of a page of the cache."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects architectures whose attention reads no such cache, and random tokens."""
        if context.architecture in (*STATES, *OTHERWISE):
            return f"transformers computes {context.architecture} without a cache in pages"
        if context.samples:
            return f"{self.kind} has one seed for all requests, so no answer could be repeated"
        return None

    def clashes(self, other: Technique) -> Reason | None:
        """Rejects all but another implementation of attention."""
        if other.kind != "attention":
            return f"{self.kind} generates by code of its own, which does not run {other.kind}"
        return None

    def settings(self, tokens: int) -> dict[str, Any]:
        """Arguments of transformers' configuration, for a cache of so many tokens."""
        return {
            "page_size": self.page,
            "num_blocks": -(-tokens // self.page) + 1,
            "max_batch_tokens": self.step_tokens,
            "max_requests_per_batch": self.requests,
            "allow_block_sharing": False,
            "auto_switch_to_flash": False,
            "seed": 0,
        }
