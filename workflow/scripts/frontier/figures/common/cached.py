"""The bytes of the key-value cache of a request."""

from __future__ import annotations

from frontier.results.measurement import Measurement


def cache_bytes(of: Measurement, prompt: float, new: float) -> float | None:
    """The cache after a prompt and some further tokens; None if a token's bytes are unknown.

    Of a bounded cache no more tokens than it holds; of a quantized one with the latest tokens as
    they wait in full precision.
    """
    if of.kv_bytes_per_token is None:
        return None
    most, more = of.kv_waiting or (0, 0)
    held = min(prompt + new, of.kv_most_tokens or prompt + new)
    return of.kv_bytes_per_token * held + more * min(new, most)
