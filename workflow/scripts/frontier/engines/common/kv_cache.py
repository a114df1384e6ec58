"""The size of a model's key-value cache, by the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any


def bytes_per_token(shapes: Iterable[Sequence[int | None]], width: int) -> int | None:
    """The bytes by which tensors grow with each token, with `width` bytes per number.

    The sizes of a shape that depend on the requests are None: the batch's and the tokens'. A tensor
    without both is a state that does not grow. None if no tensor grows (Mamba).
    """
    growing = [shape for shape in shapes if list(shape).count(None) == 2]
    numbers = sum(math.prod(size for size in shape if size is not None) for shape in growing)
    return numbers * width or None


def kv_bytes_per_token(cache: Any) -> int | None:
    """The bytes per token of transformers' cache after a request; None if it has no such tensors.

    Its keys and values have the shape batch · heads · tokens · head_dim, with the heads that are
    really cached. A sliding window counts like a cache that grows.
    """
    found = 0
    for layer in getattr(cache, "layers", ()):
        for name in ("keys", "values"):
            part: Any = getattr(layer, name, None)
            if getattr(part, "ndim", 0) == 4:
                _, heads, _, head_dim = part.shape
                found += bytes_per_token([(None, heads, None, head_dim)], part.itemsize) or 0
    return found or None
