"""A static key-value cache: allocated once for a request's longest answer, and read as a whole."""

from __future__ import annotations

from typing import Any, ClassVar

from frontier.errors import Reason
from frontier.techniques import Technique


class StaticCache(Technique):
    """A `static_cache` block has no further keys."""

    ENGINES: ClassVar[tuple[str, ...]] = ("transformers",)
    CHOOSES: ClassVar[bool] = False
    OWN_CACHE: ClassVar[bool] = True

    def transformers_generating(self, model: Any, draft: Any) -> dict[str, Any]:
        """The cache alone: on a GPU `generate` would also compile, which is another technique."""
        return {"cache_implementation": "static", "disable_compile": True}

    def idle_in_transformers(self, model: Any, cache: Any) -> Reason | None:
        """Rejects a cache that grows."""
        import transformers

        if isinstance(cache, transformers.StaticCache):
            return None
        return f"transformers used a {type(cache).__name__}"
