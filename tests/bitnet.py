"""Packs a small Llama the way BitNet b1.58 checkpoints are published."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from safetensors.torch import save_file


def ternary(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights in {-1, 0, 1} and the factor they were multiplied by: absmean quantization.

    Source: Ma and others, "The Era of 1-bit LLMs" (2024), equations 1 to 3.
    """
    scale = 1 / weight.abs().mean()
    return (weight * scale).round().clamp(-1, 1), scale


def pack(values: torch.Tensor) -> torch.Tensor:
    """Four blocks of rows in the bit pairs of one: row r of block b is in bits 2b of row r."""
    blocks = (values + 1).to(torch.uint8).chunk(4)
    packed = torch.zeros_like(blocks[0])
    for place, block in enumerate(blocks):
        packed |= block << 2 * place
    return packed


def write(folder: Path, model: transformers.LlamaForCausalLM) -> transformers.LlamaForCausalLM:
    """Writes `model` packed into `folder`; gives its dense twin, with the ternary weights."""
    model.save_pretrained(folder)
    tensors = {}
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if ".layers." in name and tensor.ndim == 2:
                values, scale = ternary(tensor)
                tensors[name] = pack(values)
                tensors[name.replace("weight", "weight_scale")] = scale.reshape(1)
                tensor.copy_(values / scale)
            elif name != "lm_head.weight":
                tensors[name] = tensor.clone()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "bitnet"}
    (folder / "config.json").write_text(json.dumps(config))
    return model
