"""The size of torch's tensors as they are stored."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def stored_bytes(tensors: Iterable[Any]) -> int:
    """The bytes stored by tensors: shared storage once, quantized tensors by their parts."""
    seen: dict[tuple[str, int], int] = {}
    waiting = list(tensors)
    while waiting:
        tensor = waiting.pop()
        if hasattr(tensor, "__tensor_flatten__"):
            waiting.extend(getattr(tensor, name) for name in tensor.__tensor_flatten__()[0])
        else:
            key = (str(tensor.device), tensor.untyped_storage().data_ptr())
            seen[key] = tensor.untyped_storage().nbytes()
    return sum(seen.values())
