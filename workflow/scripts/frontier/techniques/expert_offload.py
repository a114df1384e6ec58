"""Expert offload: the experts of a mixture stay in the host's memory, all else is on the GPU.

A server's own: llama.cpp computes them on the processors, vLLM reads them over the bus. Answers are
the same but for rounding; a model that does not fit the GPU runs, and one that does becomes slower.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.techniques import Context, Technique


class ExpertOffload(Technique):
    """Keys of an `expert_offload` block."""

    OFFLOADS: ClassVar[bool] = True

    layers: Annotated[Annotated[int, Field(ge=1, le=1000)] | None, Measure] = None
    """The number of layers whose experts stay in the host's memory, from the first one; unset: all.
    Only llama.cpp's server has it."""

    def pointless(self, context: Context) -> Reason | None:
        """Rejects processors, and models that are not known to have experts."""
        if context.accelerator == "cpu":
            return f"{self.kind} changes nothing on a cpu: everything is in the host's memory"
        if not context.experts:
            return (
                f"{self.kind}: no experts are known, since the catalogue has no active_parameters"
            )
        return None
