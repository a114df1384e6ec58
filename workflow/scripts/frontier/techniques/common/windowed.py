"""The keys that a window of the last tokens shows, with the first tokens or without."""

from __future__ import annotations

from typing import Any


def in_window(begin: int, new: int, window: int, sinks: int = 0) -> Any:
    """The keys of each of `new` queries from position `begin`: the last `window`, its own included.

    And the first `sinks`. Later keys are hidden by the causal mask.
    """
    import torch

    queries = torch.arange(begin, begin + new)[:, None]
    keys = torch.arange(begin + new)[None]
    return (keys > queries - window) | (keys < sinks)
