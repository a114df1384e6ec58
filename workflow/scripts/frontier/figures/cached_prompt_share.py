"""The share of prompts that a server had in its prefix cache."""

from __future__ import annotations

from frontier.figures import Figure, Measured, Needs, Values
from frontier.results.columns import Column
from frontier.results.times import cached_share


class CachedPromptShare(Figure):
    """Tokens of prompts from a server's prefix cache over all tokens of prompts, by its usage."""

    ORDER = 146
    COLUMNS = (
        Column(
            "cached_prompt_share",
            "number",
            "fraction of the prompts' tokens",
            "share of prompts that came from the server's prefix cache, by its own count; missing: "
            "it reports none",
        ),
    )
    NEEDS = Needs.ANSWERS

    def values(self, measured: Measured) -> Values:
        """The share over the requests for which the server reports it."""
        return {"cached_prompt_share": cached_share(measured.records)}
