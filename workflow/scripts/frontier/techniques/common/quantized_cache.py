"""The bytes of a quantized key-value cache of transformers, as they are stored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from frontier.errors import Reason
from frontier.machine.tensors import stored_bytes


def quantized_parts(layer: Any) -> Iterator[Any]:
    """The quantized keys and values of a layer, batch · heads · tokens · head_dim; none of others.

    Of FP8 without the one scale of all tokens, which does not grow.
    """
    for name in ("_quantized_keys", "_quantized_values"):
        part = getattr(layer, name, None)
        if part is not None:
            yield part[0] if isinstance(part, tuple) else part


def bytes_per_token(part: Any) -> float:
    """The bytes that a token has in quantized keys or values, with the scales of its groups."""
    batch, _, tokens, _ = part.shape
    return stored_bytes([part]) / int(batch * tokens)


def sizes(cache: Any) -> tuple[float, int] | None:
    """A token's bytes as quantized, and those that it had before; None if nothing is quantized."""
    layers = getattr(cache, "layers", ())
    parts = [(layer, part) for layer in layers for part in quantized_parts(layer)]
    if not parts:
        return None
    plain = sum(part.shape[1] * part.shape[3] * layer.dtype.itemsize for layer, part in parts)
    return sum(bytes_per_token(part) for _, part in parts), plain


def idle(cache: Any) -> Reason | None:
    """The reason why a cache is no smaller than an unquantized one; None if it is smaller."""
    found = sizes(cache)
    if found is None:
        return f"transformers used a {type(cache).__name__}"
    own, plain = found
    if own >= plain:
        return f"a token has {own:.0f} bytes in its cache, and {plain} in one that is not quantized"
    return None
