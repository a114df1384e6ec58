"""The mark of cells whose server has a prefix cache."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column
from frontier.results.times import cached_share


class PrefixCache(Figure):
    """Whether prompts may share work with earlier ones, by the server's settings or its count."""

    ORDER = 148
    COLUMNS = (
        Column(
            "prefix_cache",
            "text",
            "",
            "on: the server has a prefix cache, so that a beginning which prompts have in common "
            "is computed once; unknown: it may have one; missing: it has none. Only the scenario "
            "server repeats whole prompts (server_prompts)",
        ),
    )
    NEEDS = Needs.ANSWERS

    def values(self, measured: Measured) -> Values:
        """The mark; a server may count no hits because it does not count them."""
        settings = {server.prefix_cache for server in measured.measurement.servers}
        if True in settings or cached_share(measured.records):
            return {"prefix_cache": "on"}
        return {"prefix_cache": "unknown" if None in settings else None}
