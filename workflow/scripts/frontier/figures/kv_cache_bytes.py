"""The size of the key-value cache."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class KvCacheBytes(Figure):
    """The key-value cache at the end of the longest request, by the shapes of its tensors.

    What the model needs for that request alone; an engine may reserve more. A sliding window counts
    like a cache that grows.
    """

    ORDER = 115
    NEEDS = Needs.ANSWERS
    COLUMNS = (
        Column(
            "kv_cache_bytes",
            "count",
            "bytes",
            "key-value cache at the end of the longest request: its tokens times the bytes of each",
        ),
    )
    HEADINGS = (heading("KV-cache", "kv_cache_bytes", words.size),)

    def values(self, measured: Measured) -> Values:
        """The bytes; None if the cache of a token is unknown, as at a server."""
        each = measured.measurement.kv_bytes_per_token
        asked = [*measured.records, *measured.chosen]
        if each is None or not asked:
            return {}
        return {"kv_cache_bytes": each * max(one.prompt_tokens + one.tokens for one in asked)}
