"""Checks the numbers in a checkpoint's files: NaN, infinities, integers in place of weights."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frontier.checkpoints.published import published
from frontier.checkpoints.safetensor_files import CONFIG, TensorHeader, header, headers
from frontier.errors import UserError

BEYOND: dict[str, tuple[str, int]] = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F8_E5M2": ("<u1", 0x7C),
    "F8_E4M3": ("<u1", 0x7F),
}
"""Each floating-point type's integer type, and the bits that are all set in NaN and infinity: the
exponent's by IEEE 754; in F8_E4M3, which has no infinity, all but the sign's."""
CHUNK = 1 << 24  # bytes checked at a time
WEIGHT = (".weight", "_proj")
"""Suffixes of names that no computed buffer has: a causal mask may be stored as integers."""


def check_values(checkpoint: Path) -> None:
    """Raises UserError naming a tensor with NaN or infinity, or with integers for weights.

    Reads each byte once: about a second per gigabyte. Raises UserError for unreadable files too.
    """
    whole = published(checkpoint) is None
    for path, tensors in headers(checkpoint):
        for name, tensor in tensors.items():
            if tensor.dtype in BEYOND:
                _check_finite(path, name, tensor)
            elif whole and (name.endswith(WEIGHT) or _is_bias(name, tensor)):
                raise UserError(
                    f"{path}: {name} is stored as {tensor.dtype}, which is for quantized weights, "
                    f"and {CONFIG} names no quantization"
                )


def check_unlocked(checkpoint: Path) -> None:
    """Checks the values of a checkpoint placed by hand; one with a lock was checked by its job."""
    if not (checkpoint / "lock.json").exists():
        check_values(checkpoint)


def check_adapter_values(path: Path) -> None:
    """Raises UserError naming a tensor of an adapter's file with NaN or infinity."""
    for name, tensor in header(path).items():
        if tensor.dtype not in BEYOND:
            raise UserError(f"{path}: {name} is stored as {tensor.dtype}, not in floating point")
        _check_finite(path, name, tensor)


def same_bytes(first: tuple[Path, TensorHeader], second: tuple[Path, TensorHeader]) -> bool:
    """True if two tensors, each with its file, have the same type, shape and bytes."""
    (path, one), (path_of_other, other) = first, second
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    pairs = zip(_chunks(path, one, "<u1"), _chunks(path_of_other, other, "<u1"), strict=True)
    return all(np.array_equal(part, same) for part, same in pairs)


def _is_bias(name: str, tensor: TensorHeader) -> bool:
    return name.endswith(".bias") and len(tensor.shape) == 1


def _check_finite(path: Path, name: str, tensor: TensorHeader) -> None:
    kind, bits = BEYOND[tensor.dtype]
    size = np.dtype(kind).itemsize
    if tensor.end - tensor.begin != math.prod(tensor.shape) * size:
        raise UserError(f"{path}: {name} has a size that does not match its shape and type")
    for part in _chunks(path, tensor, kind):
        if ((part & np.array(bits, part.dtype)) == bits).any():
            raise UserError(f"{path}: {name} has weights that are NaN or infinite")


def _chunks(path: Path, tensor: TensorHeader, kind: str) -> Iterator[NDArray[np.unsignedinteger]]:
    """A tensor's numbers as stored, chunk by chunk."""
    size = np.dtype(kind).itemsize
    for begin in range(tensor.begin, tensor.end, CHUNK):
        length = min(CHUNK, tensor.end - begin)
        yield np.fromfile(path, kind, length // size, offset=begin)
