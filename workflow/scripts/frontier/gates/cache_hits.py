"""Gate: no answer came from a cache that is turned off."""

from __future__ import annotations

from frontier.errors import Reason
from frontier.gates import Gate, Timing
from frontier.results.records import Record

MOST_HITS = 0.005
"""Share of the requests; the 99th percentile then stays within the next half per cent."""


class CacheHits(Gate):
    """Fails if a server had prompts in a cache that it was asked to turn off.

    Where a device lets it (`prefix_cache`), where nothing turns it off, and at rates of arrivals,
    the share of cached prompts is a figure of its own. Asking again would find more in it.
    """

    ORDER = 61

    def reason(self, timing: Timing) -> Reason | None:
        """The number of such requests."""
        off = {
            one.session
            for one in timing.sessions
            if one.loaded.server and one.loaded.server.prefix_cache is False
        }
        alone = [one for one in timing.records if one.rate is None and one.session in off]
        hits = sum(bool(one.cached_tokens) for one in alone)
        if hits <= MOST_HITS * len(timing.records):
            return None
        return (
            f"cache: {hits} of {len(timing.records)} requests had a part of the prompt in a cache "
            "that is turned off"
        )

    def again(self, timing: Timing) -> list[Record]:
        """None: they would be in the cache."""
        return []
