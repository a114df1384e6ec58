"""The size of the key-value cache."""

from __future__ import annotations

from frontier import words
from frontier.figures import Figure, Measured, Needs, Values, heading
from frontier.results.columns import Column


class KvCacheBytes(Figure):
    """The key-value cache at the end of the longest request, by the shapes of its tensors.

    What the model needs for that request alone; an engine may reserve more. Layers with a sliding
    window hold no more than its tokens, a bounded cache no more than it has room for. A quantized
    one has the latest tokens in full precision. For a simulated technique it is the size that the
    cache would have.
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
        known = (
            measured.measurement.cache_bytes(one.prompt_tokens + one.tokens, one.tokens)
            for one in (*measured.records, *measured.chosen)
        )
        sizes = [int(size) for size in known if size is not None]
        return {"kv_cache_bytes": max(sizes)} if sizes else {}
