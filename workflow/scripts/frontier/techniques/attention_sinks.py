"""Attention sinks: the first tokens and the last ones. Simulated.

The first tokens get much attention whatever they are, so a window without them fails. Source: Xiao
et al., "Efficient Streaming Language Models with Attention Sinks" (2024), StreamingLLM, which
counts positions within the cache; here they are those in the text.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from frontier.blocks import Measure
from frontier.techniques.common.bounded import Bounded
from frontier.techniques.common.windowed import in_window


class AttentionSinks(Bounded):
    """Keys of an `attention_sinks` block."""

    sinks: Annotated[int, Field(ge=1, le=2**20), Measure] = 4
    """The number of first tokens."""
    window: Annotated[int, Field(ge=1, le=2**20), Measure]
    """The number of last tokens, the current one included."""

    @property
    def cached_tokens(self) -> int:
        """Both."""
        return self.sinks + self.window

    def visible(self, layer: Any, begin: int, new: int, weights: Any) -> Any:
        """The first and the last keys."""
        return in_window(begin, new, self.window, self.sinks)
