"""A quantized key-value cache: 4 or 2 bits a number, with a scale for each group of numbers.

transformers' own, by optimum-quanto: a prompt is quantized once it is read, further tokens together
once there are `residual_length` of them. Each step reads all of them back in full precision, so
this saves memory, not time. Source: Liu et al., "KIVI" (2024), which groups keys in another way.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason, UnsupportedError
from frontier.host import extensions
from frontier.techniques import Context, Technique
from frontier.techniques.common import quantized_cache
from frontier.techniques.common.states import STATES


class KvQuantized(Technique):
    """Keys of a `kv_quantized` block."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    CHOOSES: ClassVar[bool] = False
    OWN_CACHE: ClassVar[bool] = True

    bits: Annotated[Literal[2, 4], Measure] = 4
    """Width of a number."""
    group_size: Annotated[int, Field(ge=2, le=1024), Measure] = 64
    """Numbers with a scale and a zero point of their own; it must divide the size of a head."""
    residual_length: Annotated[int, Field(ge=1, le=2**20), Measure] = 128
    """The number of generated tokens that are cached as they are before they are quantized."""

    def unsupported(self, context: Context) -> Reason | None:
        """Rejects architectures without such a cache, and heads that the groups do not divide."""
        if context.architecture in STATES:
            return f"{context.architecture} has no key-value cache that grows with each token"
        return self._undivided(context.head_dim)

    def change_transformers(self, model: Any) -> None:
        """Raises UnsupportedError if the heads of the loaded model are of another size.

        The first request compiles quanto's extension.
        """
        extensions.end_locks_with_their_jobs()
        config = model.config.get_text_config()
        heads = getattr(config, "num_attention_heads", None)
        hidden = getattr(config, "hidden_size", None)
        size = getattr(config, "head_dim", None) or (heads and hidden and hidden // heads)
        if reason := self._undivided(size):
            raise UnsupportedError(reason)

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """The cache with its keys."""
        keys = {
            "backend": "quanto",
            "nbits": self.bits,
            "q_group_size": self.group_size,
            "residual_length": self.residual_length,
        }
        return {"cache_implementation": "quantized", "cache_config": keys}

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a cache that is no smaller."""
        return quantized_cache.idle(cache)

    def _undivided(self, head_dim: int | None) -> Reason | None:
        """The reason why a group would be in two heads or tokens."""
        if head_dim and head_dim % self.group_size:
            return f"a head has {head_dim} numbers, which groups of {self.group_size} do not divide"
        return None
