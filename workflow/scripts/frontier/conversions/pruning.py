"""Pruning: the weights of least score become zero, simulated in the model's own precision.

Magnitude: Han et al., Learning both Weights and Connections (2015). Wanda: Sun et al., A Simple and
Effective Pruning Approach for Large Language Models (2023): |W| times the norm of the inputs that a
weight multiplies, block after block, so that a block's inputs come from blocks already pruned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from frontier.blocks import Dtype
from frontier.conversions import Conversion, ConversionResult
from frontier.conversions.common import zeros
from frontier.conversions.common.calibrated import token_blocks
from frontier.conversions.common.simulating import is_layer, simulate
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.errors import UnsupportedError

FOUR = 4
BLOCK = re.compile(r"(.*?\.\d+)\.")

Norms = dict[str, torch.Tensor]
"""The norm of each input of a layer, [in], by the name of its weight."""


class Pruning(Conversion):
    """Sets the weights of least score to zero."""

    score: Literal["magnitude", "wanda"]
    pattern: Literal["unstructured", "2:4"]
    sparsity: float
    dtype: Dtype

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes the checkpoint with zeros, and counts them in it.

        Raises UserError (unreadable, too few tokens), UnsupportedError.
        """
        torch.set_num_threads(1)
        norms = self._norms(checkpoint, texts) if self.score == "wanda" else None

        def change(name: str, matrix: torch.Tensor) -> tuple[torch.Tensor, int]:
            if norms is None:
                return self.pruned(matrix, None), 0
            found = [norm for known, norm in norms.items() if f".{known}".endswith(f".{name}")]
            if len(found) != 1:
                raise UnsupportedError(f"Wanda: no layer of the model has the weight {name}")
            return self.pruned(matrix, found[0]), 0

        simulate(checkpoint, output, self.dtype, change)
        return zeros.result_of(checkpoint, output, self.dtype, self.pattern, self.sparsity)

    def pruned(self, matrix: torch.Tensor, norm: torch.Tensor | None) -> torch.Tensor:
        """A matrix [out, in] with zeros; with norms [in] compared row by row, else as a whole."""
        scores = matrix.abs() if norm is None else matrix.abs() * norm
        if self.pattern == "2:4":
            if matrix.shape[1] % FOUR:
                raise UnsupportedError(
                    f"2:4 cannot divide rows of {matrix.shape[1]} weights into groups of four"
                )
            groups = scores.reshape(-1, FOUR)
        else:
            groups = scores.reshape(1 if norm is None else len(scores), -1)
        count = int(groups.shape[1] * self.sparsity)
        least = groups.sort(dim=1, stable=True).indices[:, :count]
        gone = torch.zeros_like(groups, dtype=torch.bool).scatter(1, least, value=True)
        return matrix.masked_fill(gone.view_as(matrix), 0)

    @torch.no_grad()
    def _norms(self, checkpoint: Path, texts: list[str]) -> Norms:
        """Runs the texts through the model, and prunes it on the way."""
        check_causal(checkpoint)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        samples = [block.to(device) for block in token_blocks(checkpoint, texts)]
        model = load_whole(checkpoint, dtype=getattr(torch, self.dtype)).to(device).eval()
        norms: Norms = {}
        for layers in _blocks(model):
            sums: Norms = {}
            hooks = [
                layer.register_forward_pre_hook(partial(_add_squares, sums, name))
                for name, layer in layers.items()
            ]
            with no_way("Wanda cannot run it"):
                for sample in samples:
                    model(sample, use_cache=False)
            for hook in hooks:
                hook.remove()
            for name in sums:
                weight = layers[name].weight.data
                turned = not isinstance(layers[name], nn.Linear)  # Conv1D: [in, out]
                matrix = weight.float().T if turned else weight.float()
                norms[name] = sums[name].sqrt().cpu()
                found = self.pruned(matrix, norms[name].to(device))
                weight.copy_(found.T if turned else found)
        return norms


def _blocks(model: nn.Module) -> Iterator[dict[str, Any]]:
    """The layers of each numbered block by the names of their weights, in order."""
    found: dict[str, dict[str, Any]] = {}
    for module_name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        name = f"{module_name}.weight"
        if weight is not None and is_layer(name, tuple(weight.shape)):
            block = BLOCK.match(name)
            found.setdefault(block.group(1) if block else "", {})[name] = module
    yield from found.values()


def _add_squares(sums: Norms, name: str, layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    """Adds the squares of a layer's inputs, over all tokens."""
    states = inputs[0].float().flatten(end_dim=-2)
    sums[name] = sums.get(name, 0) + states.square().sum(dim=0)
