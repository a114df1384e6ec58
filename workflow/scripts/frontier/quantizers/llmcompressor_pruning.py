"""llmcompressor's pruning, simulated: SparseGPT, which corrects the rest of a row, and Wanda."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import EngineFacts, Preparation, Target
from frontier.quantizers.common.linears import why_not_quantizable
from frontier.quantizers.common.pruned import Pruned


class LlmCompressorPruning(Pruned):
    """Keys of an `llmcompressor_pruning` block."""

    CONVERSION = "llmcompressor_pruning"

    algorithm: Annotated[Literal["sparsegpt", "wanda"], Measure]
    """sparsegpt: chooses by the second derivatives of a layer's error, and changes the weights that
    stay. wanda: as `pruning` does it, by another implementation."""
    calibration: Annotated[str, Measure]
    """Id of its calibration texts."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers, and rows as of 2:4."""
        if target.accelerator == "mps":
            return "llmcompressor is not tested on mps"
        return why_not_quantizable("llmcompressor", target.architecture) or super().unsupported(
            target
        )

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """llmcompressor's job, in its own environment."""
        keys: dict[str, JsonValue] = {
            "algorithm": self.algorithm,
            "pattern": self.pattern,
            "sparsity": self.sparsity,
            "dtype": dtype,
        }
        return Preparation(self.CONVERSION, keys, "llmcompressor", self.calibration)
