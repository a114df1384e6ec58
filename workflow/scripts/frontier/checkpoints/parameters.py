"""The parameters of a model, from the names and shapes of the tensors in its files."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from frontier.checkpoints.safetensor_files import TensorHeader

DTYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
}
BUFFER = re.compile(r"(\.attn\.(masked_)?bias|\.rotary_emb\.inv_freq)$")
"""Stored, but not parameters: GPT-2's causal masks and the rotary frequencies."""
EMBEDDING = re.compile(
    r"(^|\.)(embed_tokens|wte|word_embeddings|embed_in|tok_embeddings|embeddings)\.weight$"
)
HEAD = re.compile(r"(^|\.)(lm_head|embed_out|output)\.(weight|trellis)$")
EXPERT = re.compile(r"\.experts\.")
BESIDE = re.compile(
    r"([._]scales?|_scale_inv|_global_scale|qzeros|g_idx|_zero_point|weight_shape|absmax|quant_map"
    r"|quant_state\.\w+|SCB|weight_format|\.suh?|\.svh?|\.mcg|\.mul1)$"
)
"""Tensors that tell how packed ones are unpacked: of GPTQ, AWQ, compressed-tensors, bitsandbytes,
fp8, MXFP4, BitNet and EXL3."""
TRELLIS, TILE = re.compile(r"\.trellis$"), 16
"""EXL3's packed weights: tiles of 16 × 16 weights, each of 16 numbers for each bit of a weight."""
PACKED = ("I32", "I16", "I8", "U8")
WIDTHS = {"I32": 32, "I16": 16, "I8": 8, "U8": 8}


@dataclass(frozen=True)
class Parameters:
    """The parameters of a checkpoint."""

    total: int | None
    """None: some are packed in an unknown number of bits."""
    in_experts: int
    dtype: str | None
    """The precision of most numbers that are stored as floating-point ones."""
    embedding: tuple[int, ...] | None
    """The shape of the token embedding."""
    head: bool
    """There is a separate output head."""


def counted(tensors: Mapping[str, TensorHeader], bits: int | None, tied: bool) -> Parameters:
    """The parameters in tensors, packed ones with `bits` bits each.

    `tied`: a head in the files is a copy of the embedding, and not counted.
    """
    total, experts, unknown = 0, 0, False
    stored: Counter[str] = Counter()
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    embedding = next((shape for name, shape in shapes.items() if EMBEDDING.search(name)), None)
    head = any(HEAD.search(name) for name in tensors)
    for name, tensor in tensors.items():
        if BUFFER.search(name) or BESIDE.search(name):
            continue
        if tied and embedding and HEAD.search(name):
            continue
        number = math.prod(tensor.shape)
        if TRELLIS.search(name) and len(tensor.shape) == 3:
            number = number // tensor.shape[-1] * TILE * TILE
        elif tensor.dtype in PACKED:
            unknown = unknown or bits is None
            number = number * WIDTHS[tensor.dtype] // (bits or 8)
        elif not tensor.dtype.startswith("F8"):
            stored[tensor.dtype] += number
        total += number
        experts += number if EXPERT.search(name) else 0
    most = stored.most_common(1)[0][0] if stored else None
    dtype = DTYPES.get(most) if most else None
    return Parameters(None if unknown else total, experts, dtype, embedding, head)


def packed_bits(block: Any) -> int | None:
    """The bits of a packed weight, from config.json's block on its quantization, if it is one."""
    if not isinstance(block, dict):
        return None
    method = block.get("quant_method")
    groups = block.get("config_groups")
    if isinstance(groups, dict):
        widths = {_width(group) for group in groups.values()} - {None}
        return widths.pop() if len(widths) == 1 else None
    if block.get("load_in_4bit") is True or method == "mxfp4":
        return 4
    if block.get("load_in_8bit") is True or method == "fp8":
        return 8
    if method == "bitnet":
        return 2
    bits = block.get("bits")
    if isinstance(bits, float) and bits.is_integer():  # as EXL3 writes it
        bits = int(bits)
    return bits if isinstance(bits, int) and 0 < bits <= 16 else None


def _width(group: Any) -> int | None:
    weights = group.get("weights") if isinstance(group, dict) else None
    width = weights.get("num_bits") if isinstance(weights, dict) else None
    return width if isinstance(width, int) and 0 < width <= 16 else None
