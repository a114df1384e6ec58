"""Draft heads: small networks that write the next tokens first, from the model's own states.

EAGLE's heads are checkpoints of their own, trained for one model; those of multi-token prediction
(MTP) are in a model's checkpoint. Each step verifies all drafted tokens at once and accepts those
that the model would have generated itself. Only servers have them. Sources: Li and others, "EAGLE:
Speculative Sampling Requires Rethinking Feature Uncertainty" (2024), "EAGLE-3" (2025); Gloeckle and
others, "Better & Faster Large Language Models via Multi-token Prediction" (2024).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frontier.blocks import Measure
from frontier.techniques import Technique


class DraftHead(Technique):
    """Keys of a `draft_head` block."""

    CHOOSES: ClassVar[bool] = False
    SPECULATES: ClassVar[bool] = True
    DRAFTS_BY_A_HEAD: ClassVar[bool] = True

    method: Annotated[Literal["eagle", "eagle3", "mtp"], Measure]
    """EAGLE and EAGLE-2 (`eagle`), EAGLE-3, or the model's own multi-token prediction (`mtp`)."""
    draft: Annotated[str | None, Measure] = None
    """Id of models.yaml: the head's checkpoint, whose `head_of` is the variant's model. Its weights
    count as the variant's. `mtp` has none."""
    tokens: Annotated[int, Field(ge=1, le=100), Measure] = 3
    """The most tokens that are drafted one after another in a step."""
    branches: Annotated[Annotated[int, Field(ge=2, le=100)] | None, Measure] = None
    """The likeliest tokens at each place, which make a tree of drafts; unset: one."""
    verified: Annotated[Annotated[int, Field(ge=2, le=1000)] | None, Measure] = None
    """The most tokens of a tree that a step verifies; with `branches` only."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.draft is None) != (self.method == "mtp"):
            raise ValueError(
                f"draft: {self.method} {'needs' if self.draft is None else 'has no'} one"
            )
        if (self.branches is None) != (self.verified is None):
            raise ValueError("branches and verified go together")
        return self
