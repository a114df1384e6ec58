"""A checkpoint's safetensors as numpy arrays, one at a time.

The safetensors package is not used, because its numpy interface has no bfloat16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from frontier.checkpoints.safetensor_files import headers

Array = NDArray[np.float32]

STORED = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}
"""The types of numbers that can be read, by safetensors' names."""


@dataclass(frozen=True)
class Tensor:
    """A tensor in a file, read on demand, since all of them may not fit into memory.

    `read` is for the types of STORED.
    """

    name: str
    shape: tuple[int, ...]
    stored: str
    read: Callable[[], Array]

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)


def tensors(checkpoint: Path) -> Iterator[Tensor]:
    """All tensors of a checkpoint, of one file or several. Raises UserError (unreadable)."""
    for path, found in headers(checkpoint):
        for name, entry in found.items():
            read = partial(_read, path, entry.begin, entry.dtype, entry.shape)
            yield Tensor(name, entry.shape, entry.dtype, read)


def _read(path: Path, at: int, stored: str, shape: tuple[int, ...]) -> Array:
    """A tensor's numbers as float32, which represents each stored type exactly."""
    raw = np.fromfile(path, STORED[stored], math.prod(shape), offset=at).reshape(shape)
    if stored == "BF16":
        # The upper half of a float32.
        return (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32)
