"""Checkpoints rounded by a quantization but stored in the model's own precision.

Such a checkpoint shows the effect of a quantization on answers, not on speed or memory. One matrix
is in memory at a time. The matrices of the numbered blocks are quantized; embeddings, the head,
norms, biases and the routers of experts are not.
"""

from __future__ import annotations

import math
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from frontier.blocks import Dtype
from frontier.checkpoints.safetensor_files import CONFIG, TensorHeader, chosen, headers, json_object
from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.errors import UnsupportedError, UserError, one_line
from frontier.host import files
from frontier.quantizers import BYTES

DTYPES = {"F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}
IN_BLOCK = re.compile(r"(^|\.)\d+\..*weight$")
ROUTERS = (".gate.weight", ".router.weight")
COMPUTED = (".attn.bias", ".attn.masked_bias", ".rotary_emb.inv_freq")  # in old files
TRANSPOSED = ("gpt2",)  # families whose matrices are stored input first

ChangeMatrix = Callable[[str, torch.Tensor], tuple[torch.Tensor, int]]
"""Maps a name and a matrix [out, in] in float32 to the changed one and its bytes if packed."""


class Simulation(Conversion, ABC):
    """A rounding of matrices, per group of weights, written in the model's dtype."""

    bits: int
    dtype: Dtype
    granularity: Literal["tensor", "channel", "group"] = "channel"
    group_size: int | None = None

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes the checkpoint with its matrices rounded. Raises UserError (unreadable)."""
        torch.set_num_threads(1)
        size = {"tensor": None, "channel": 0, "group": self.group_size}[self.granularity]

        def change(name: str, matrix: torch.Tensor) -> tuple[torch.Tensor, int]:
            rounded, groups = by_group(matrix, size, self.rounded)
            return rounded, -(-matrix.numel() * self.bits // 8) + groups * self.group_bytes()

        return simulate(checkpoint, output, self.dtype, change)

    @abstractmethod
    def rounded(self, groups: torch.Tensor) -> torch.Tensor:
        """The weights of [groups, weights] in float32, rounded."""

    @abstractmethod
    def group_bytes(self) -> int:
        """The packed bytes of a group apart from its weights' bits."""


def simulate(checkpoint: Path, output: Path, dtype: str, change: ChangeMatrix) -> ConversionResult:
    """Writes CHECKPOINT with changed matrices to OUTPUT; counts them and the packed bytes.

    All other weights count as in `dtype`, in which they are computed.

    Raises UserError for an unreadable checkpoint, UnsupportedError for one with unknown matrices.
    """
    layers = packed = 0
    transposed = json_object(checkpoint / CONFIG).get("model_type") in TRANSPOSED
    try:
        for path, tensors in headers(checkpoint):
            copy = shutil.copyfile(path, output / _flat(path.relative_to(checkpoint).as_posix()))
            for name, tensor in tensors.items():
                if name.endswith(COMPUTED):
                    continue
                if is_layer(name, tensor.shape):
                    layers += 1
                    packed += _rewrite(copy, tensor, partial(change, name), transposed)
                else:
                    packed += math.prod(tensor.shape) * BYTES[dtype]
    except ValueError as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    if not layers:
        raise UnsupportedError("found no matrices of numbered blocks to round")
    copy_settings(checkpoint, output)
    if index := chosen(checkpoint).index:
        listed = json_object(checkpoint / index)
        names = {tensor: _flat(name) for tensor, name in listed["weight_map"].items()}
        files.write_json(output / index, {**listed, "weight_map": names})
    return ConversionResult(quantized_layers=layers, simulated_bytes=packed)


def _flat(name: str) -> str:
    """A file's name in a checkpoint written here, which has no sub-folders."""
    return name.replace("/", "-")


def by_group(
    matrix: torch.Tensor, size: int | None, change: Callable[[torch.Tensor], torch.Tensor]
) -> tuple[torch.Tensor, int]:
    """A matrix [out, in] changed group by group, and the number of groups.

    `change` gets [groups, weights] and treats each group separately. `size` is a group's part of a
    row, where the last may be shorter; 0: whole rows; None: the matrix is one group.
    """
    matrix = matrix.contiguous()
    if size is None:
        return change(matrix.reshape(1, -1)).view_as(matrix), 1
    size = min(size or matrix.shape[1], matrix.shape[1])
    even = matrix.shape[1] // size * size
    parts = [matrix[:, :even].reshape(-1, size)]
    if even < matrix.shape[1]:
        parts.append(matrix[:, even:].contiguous())
    changed = [change(part).reshape(len(matrix), -1) for part in parts]
    return torch.cat(changed, dim=1), sum(len(part) for part in parts)


def is_layer(name: str, shape: tuple[int, ...]) -> bool:
    """True if a tensor is a matrix that multiplies activations."""
    if len(shape) == 3 and ".experts." in name:
        raise UnsupportedError(f"{name} contains several experts, whose orientation is unknown")
    return len(shape) == 2 and bool(IN_BLOCK.search(name)) and not name.endswith(ROUTERS)


def _rewrite(
    path: Path,
    tensor: TensorHeader,
    change: Callable[[torch.Tensor], tuple[torch.Tensor, int]],
    transposed: bool,
) -> int:
    """Changes one matrix within its file; returns the bytes of its packed form."""
    length = tensor.end - tensor.begin
    if tensor.dtype not in DTYPES:
        raise ValueError(f"weights of type {tensor.dtype}, not of {', '.join(DTYPES)}")
    dtype = DTYPES[tensor.dtype]
    if length != math.prod(tensor.shape) * dtype.itemsize:
        raise ValueError("a tensor's shape does not match its bytes")
    with path.open("r+b") as file:
        file.seek(tensor.begin)
        stored = torch.frombuffer(bytearray(file.read(length)), dtype=dtype)
        matrix = stored.view(tensor.shape).float()
        rounded, packed = change(matrix.T if transposed else matrix)
        rounded = (rounded.T if transposed else rounded).to(dtype).contiguous()
        file.seek(tensor.begin)
        file.write(rounded.flatten().view(torch.uint8).numpy().tobytes())
    return packed
