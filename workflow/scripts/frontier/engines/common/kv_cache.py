"""The size of a model's key-value cache, by the shapes of its tensors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from frontier.techniques.common import quantized_cache


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
    really cached. Layers with a sliding window count too (see `kv_windows`). Of a quantized cache
    these are the bytes that are stored, scales included; its latest tokens wait in full precision.
    """
    return round(sum(map(_bytes_per_token, getattr(cache, "layers", ())))) or None


def kv_windows(cache: Any) -> tuple[tuple[int, int], ...]:
    """The windows of transformers' cache after a request: the most tokens that layers hold, with
    the bytes per token of these layers.

    None if all layers grow. Those of a static cache, which is allocated whole, are not known.
    """
    found: dict[int, int] = {}
    for layer in getattr(cache, "layers", ()):
        window = getattr(layer, "sliding_window", None)
        if getattr(layer, "is_sliding", False) and isinstance(window, int) and window > 1:
            held = window - 1  # the newest token is attended to, but not yet stored
            found[held] = found.get(held, 0) + round(_bytes_per_token(layer))
    return tuple(sorted(found.items()))


def waiting(cache: Any) -> tuple[int, int] | None:
    """The most tokens that wait until they are quantized, and the bytes that each has more.

    None of a cache without such tokens.
    """
    most = max(
        (getattr(one, "residual_length", 0) for one in getattr(cache, "layers", ())), default=0
    )
    sizes = quantized_cache.sizes(cache)
    return (most - 1, round(sizes[1] - sizes[0])) if most and sizes else None


def _bytes_per_token(layer: Any) -> float:
    if quantized := [*quantized_cache.quantized_parts(layer)]:
        return sum(map(quantized_cache.bytes_per_token, quantized))
    found = 0
    for name in ("keys", "values"):
        part: Any = getattr(layer, name, None)
        if getattr(part, "ndim", 0) == 4:
            _, heads, _, head_dim = part.shape
            found += bytes_per_token([(None, heads, None, head_dim)], part.itemsize) or 0
    return found
