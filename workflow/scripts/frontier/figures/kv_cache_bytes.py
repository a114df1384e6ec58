"""The size of the key-value cache."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class KvCacheBytes(Figure):
    """The key-value cache at the end of the longest request, by the shapes of its tensors.

    What the model needs for that request alone; an engine may reserve more. Layers with a sliding
    window hold no more than its tokens.
    """

    ORDER = 115
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "kv_cache_bytes",
            "count",
            "bytes",
            "key-value cache at the end of the longest request: tokens times the bytes of each; "
            "layers with a sliding window hold no more than its tokens",
        ),
    )
    HEADINGS = (heading("KV-cache", "kv_cache_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The bytes; None if the cache of a token is unknown, as at a server."""
        asked = [*measured.records, *measured.chosen]
        longest = max((one.prompt_tokens + one.tokens for one in asked), default=0)
        found = measured.measurement.cache_bytes(longest)
        return {"kv_cache_bytes": int(found)} if asked and found is not None else {}
