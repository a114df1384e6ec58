"""The zeros among a checkpoint's weights, counted in its files, and checked against the request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from frontier.checkpoints.safetensor_files import CONFIG, json_object
from frontier.conversions import ConversionResult
from frontier.conversions.common.simulating import TRANSPOSED, is_layer
from frontier.conversions.common.weights import Array, tensors
from frontier.errors import UnsupportedError
from frontier.quantizers import BYTES

FOUR, TWO = 4, 2
LEAST = 0.99
"""The part of the requested share that must be there, since a row's share is rounded down."""


def result_of(
    checkpoint: Path, output: Path, dtype: str, pattern: str, sparsity: float
) -> ConversionResult:
    """The facts of a checkpoint pruned to `output`, from the numbers in both.

    The packed bytes are the other weights in `dtype`, in which they are computed, and a bit a
    weight for their places: exactly those of 2:4, whose places take two bits for each weight that
    stays.
    Raises UnsupportedError if no weight was set to zero, too few were, or 2:4 is not kept.
    """
    layers = zeros = before = count = packed = 0
    width = BYTES[dtype]
    for was, (name, matrix, size) in zip(_matrices(checkpoint), _matrices(output), strict=True):
        if matrix is None or was[1] is None:
            packed += size * width
            continue
        here = matrix.size - int(np.count_nonzero(matrix))
        before += was[1].size - int(np.count_nonzero(was[1]))
        layers, zeros, count = layers + 1, zeros + here, count + matrix.size
        packed += -(-matrix.size // 8) + (matrix.size - here) * width
        if pattern == "2:4" and (fewest := _fewest_of_four(matrix)) < TWO:
            raise UnsupportedError(f"{name}: four neighbours have {fewest} zeros, not two")
    if not layers:
        raise UnsupportedError("found no matrices of numbered blocks to prune")
    if zeros <= before:
        raise UnsupportedError(
            f"the pruning changed nothing: {before} of {count} weights were zero, and {zeros} are"
        )
    if zeros < LEAST * sparsity * count:
        raise UnsupportedError(f"{zeros / count:.1%} of the weights are zero, not {sparsity:.1%}")
    return ConversionResult(layers, simulated_bytes=packed, zeros=zeros / count)


def _matrices(folder: Path) -> Iterator[tuple[str, Array | None, int]]:
    """All tensors sorted by name: a layer's matrix [out, in] or None, and how many numbers."""
    turned = json_object(folder / CONFIG).get("model_type") in TRANSPOSED
    for tensor in sorted(tensors(folder), key=lambda tensor: tensor.name):
        if is_layer(tensor.name, tensor.shape):
            yield tensor.name, tensor.read().T if turned else tensor.read(), tensor.size
        else:
            yield tensor.name, None, tensor.size


def _fewest_of_four(matrix: Array) -> int:
    """The fewest zeros in a group of four neighbours of a row."""
    return int((matrix.reshape(-1, FOUR) == 0).sum(axis=1).min())
