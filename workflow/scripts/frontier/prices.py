"""The price of a request to an endpoint, by its tokens."""

from __future__ import annotations

from frontier.blocks import TokenPrices

MILLION = 1e6


def cost(
    prices: TokenPrices, prompt_tokens: float, tokens: float, cached_tokens: float | None = None
) -> float:
    """The price of a request, `cached_tokens` of whose prompt were in the endpoint's cache."""
    cached = min(cached_tokens or 0, prompt_tokens)
    cheaper = prices.input if prices.cached_input is None else prices.cached_input
    spent = (prompt_tokens - cached) * prices.input + cached * cheaper + tokens * prices.output
    return spent / MILLION
