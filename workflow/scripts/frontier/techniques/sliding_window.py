"""A sliding window: a token attends to the last ones only.

transformers' own where the architecture has one in all layers, with its smaller cache; simulated
elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from frontier.blocks import Measure
from frontier.errors import Reason, UnsupportedError
from frontier.techniques.common.bounded import Bounded
from frontier.techniques.common.windowed import in_window

SLIDING = ("mistral", "mixtral", "phi3", "starcoder2")
"""Architectures with a window in all layers, or in none."""


class SlidingWindow(Bounded):
    """Keys of a `sliding_window` block."""

    window: Annotated[int, Field(ge=1, le=2**20), Measure]
    """The number of last tokens, the current one included."""

    @property
    def cached_tokens(self) -> int:
        """The window."""
        return self.window

    def simulates(self, architecture: str | None) -> bool:
        """True for architectures whose window transformers does not have."""
        return architecture not in SLIDING

    def visible(self, layer: Any, begin: int, new: int, weights: Any) -> Any:
        """The last keys."""
        return in_window(begin, new, self.window)

    def change_transformers(self, model: Any) -> None:
        """Sets the model's window, or masks its attention."""
        config = model.config.get_text_config()
        if self.simulates(config.model_type):
            super().change_transformers(model)
            return
        own = config.sliding_window
        if own is not None and own <= self.window:
            raise UnsupportedError(f"the model has a window of {own} tokens without it")
        config.sliding_window = self.window

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a cache with another window."""
        if self.simulates(model.config.get_text_config().model_type):
            return super().idle_in_transformers(model, cache)
        found = {getattr(one, "sliding_window", None) for one in getattr(cache, "layers", ())}
        if cache is None or found == {self.window}:
            return None
        return f"the windows of the cache's layers are {found}"
