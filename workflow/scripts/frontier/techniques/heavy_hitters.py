"""Heavy hitters: the tokens with most attention so far, and the last ones. Simulated.

A full cache forgets, in each layer and key-value head, the token with the least attention since it
came, except the last ones. Query heads that share a key-value head decide together. Source: Zhang
et al., "H2O: Heavy-Hitter Oracle" (2023), algorithm 1.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from frontier.blocks import Measure
from frontier.techniques.common.bounded import Bounded


class HeavyHitters(Bounded):
    """Keys of a `heavy_hitters` block."""

    heavy: Annotated[int, Field(ge=1, le=2**20), Measure]
    """The number of tokens with most attention."""
    recent: Annotated[int, Field(ge=1, le=2**20), Measure]
    """The number of last tokens, the current one included."""

    @property
    def cached_tokens(self) -> int:
        """Both."""
        return self.heavy + self.recent

    def visible(self, layer: Any, begin: int, new: int, weights: Any) -> Any:
        """The keys that are in the cache at each query; the layer remembers them."""
        import torch

        from frontier.techniques.common.held import Held

        found = weights()[0].float().cpu().numpy()
        if begin == 0:
            heads = found.shape[0] // getattr(layer, "num_key_value_groups", 1)
            layer.held = Held(heads, self.cached_tokens, self.recent)
        shown = torch.from_numpy(layer.held.read(found))
        return shown.repeat_interleave(found.shape[0] // shown.shape[0], dim=0)[None]
