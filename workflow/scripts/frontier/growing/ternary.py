"""BitNet b1.58: ternary weights with one scale, activations of 8 bits with one scale per token.

Ma and others, The Era of 1-bit LLMs (2024), equations 1 to 3. The checkpoint has transformers' own
form, so that its own layers read it: four rows of weights in one of bytes.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel
from transformers.integrations.bitnet import pack_weights

from frontier import values
from frontier.checkpoints.safetensor_files import CONFIG, WEIGHTS
from frontier.growing.layers import layers
from frontier.host import files

SMALLEST = 1e-5  # of a divisor, as in transformers' layers


def nearest(weight: torch.Tensor) -> torch.Tensor:
    """The weights as -1, 0 or 1 times their mean magnitude (absmean)."""
    scale = 1 / weight.abs().mean().clamp(min=SMALLEST)
    return (weight * scale).round().clamp(-1, 1) / scale


def int8(states: torch.Tensor) -> torch.Tensor:
    """Each token's states as whole multiples of a 127th of the largest (absmax)."""
    scale = 127 / states.abs().amax(dim=-1, keepdim=True).clamp(min=SMALLEST)
    return (states * scale).round().clamp(-128, 127) / scale


def pack(model: PreTrainedModel, folder: Path) -> None:
    """Rewrites the saved checkpoint of a model whose layers are ternary in 2 bits a weight."""
    tensors = load_file(folder / WEIGHTS)
    for name, layer in layers(model):
        weight = layer.weight.detach()
        tensors[f"{name}.weight"] = pack_weights(weight.sign())
        tensors[f"{name}.weight_scale"] = 1 / weight.abs().amax().clamp(min=SMALLEST).reshape(1)
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    config = values.read_json(folder / CONFIG)
    files.write_json(folder / CONFIG, config | {"quantization_config": {"quant_method": "bitnet"}})
