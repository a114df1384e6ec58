"""Pruning by llmcompressor: SparseGPT and Wanda, simulated in the model's own precision.

Frantar and Alistarh, SparseGPT (2023); Sun et al., A Simple and Effective Pruning Approach for
Large Language Models (2023). Its checkpoints hold the zeros like any other number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from frontier.blocks import Dtype
from frontier.conversions import Conversion, ConversionResult
from frontier.conversions.common import zeros
from frontier.conversions.common.calibrated import assemble
from frontier.conversions.common.oneshot import compressed

# isort: split
from llmcompressor.modifiers.pruning import SparseGPTModifier, WandaPruningModifier

GROUPS = {"2:4": 4, "unstructured": -1}


class LlmCompressorPruning(Conversion):
    """One of llmcompressor's algorithms."""

    algorithm: Literal["sparsegpt", "wanda"]
    pattern: Literal["unstructured", "2:4"]
    sparsity: float
    dtype: Dtype

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Prunes, and counts the zeros in the written checkpoint.

        Raises UserError for an unreadable checkpoint or texts of too few tokens, UnsupportedError.
        """
        checkpoint, output = checkpoint.absolute(), output.absolute()
        kind: Any = {"sparsegpt": SparseGPTModifier, "wanda": WandaPruningModifier}[self.algorithm]
        structure = "0:0" if self.pattern == "unstructured" else self.pattern
        recipe = [kind(sparsity=self.sparsity, mask_structure=structure, ignore=["re:.*lm_head"])]
        with compressed(checkpoint, self.dtype, GROUPS[self.pattern], recipe, texts) as folder:
            assemble(folder, checkpoint, output)
        return zeros.result_of(checkpoint, output, self.dtype, self.pattern, self.sparsity)
