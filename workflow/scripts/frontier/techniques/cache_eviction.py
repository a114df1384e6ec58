"""Cache eviction: the first tokens, the last ones, and of those between the most attended to. Real.

OpenVINO GenAI's own (https://docs.openvino.ai, CacheEvictionConfig): after a prompt, and after each
token, the blocks of 32 tokens with the least attention so far leave the cache, in each layer by
itself. A prompt is read whole. Sources: H2O (Zhang et al. 2023) for what is forgotten, StreamingLLM
(Xiao et al. 2024) for the first tokens, SnapKV (Li et al. 2024) for a prompt's attention.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from frontier.blocks import Measure
from frontier.techniques import Technique

BLOCK = 32
"""Tokens of a block of the cache on a CPU."""
Blocks = Annotated[int, Field(ge=BLOCK, le=2**20)]


class CacheEviction(Technique):
    """Keys of a `cache_eviction` block, each in tokens, a multiple of 32."""

    ENGINES: ClassVar[tuple[str, ...]] = ("openvino_genai",)
    CHOOSES: ClassVar[bool] = False
    OWN_CACHE: ClassVar[bool] = True

    start: Annotated[Blocks, Measure] = 32
    """The number of first tokens."""
    heavy: Annotated[Blocks, Measure] = 64
    """The number of tokens with most attention."""
    recent: Annotated[Blocks, Measure] = 64
    """The number of last tokens."""
    score: Annotated[Literal["sum", "norm_sum"], Measure] = "norm_sum"
    """`sum`: all attention to a token so far; `norm_sum`: that over the steps since it came."""

    @model_validator(mode="after")
    def _in_blocks(self) -> Self:
        for name in ("start", "heavy", "recent"):
            if getattr(self, name) % BLOCK:
                raise ValueError(f"{name}: must be a multiple of {BLOCK}, the tokens of a block")
        return self

    @property
    def cached_tokens(self) -> int:
        """All of them; a block that is not full yet is on top."""
        return self.start + self.heavy + self.recent

    def openvino_genai_scheduling(self) -> dict[str, Any]:
        """The scheduler's keys."""
        from openvino_genai import AggregationMode, CacheEvictionConfig

        config = CacheEvictionConfig(
            start_size=self.start,
            recent_size=self.recent,
            max_cache_size=self.cached_tokens,
            aggregation_mode=getattr(AggregationMode, self.score.upper()),
        )
        return {"use_cache_eviction": True, "cache_eviction_config": config}
