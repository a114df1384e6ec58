"""Prices of an endpoint's tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from frontier.blocks import Block

Price = Annotated[float, Field(ge=0, le=1e9)]
MILLION = 1e6


class TokenPrices(Block):
    """Prices per million tokens, in the currency of your choice."""

    input: Price
    """The price of a prompt's tokens."""
    cached_input: Price | None = None
    """The price of a prompt's tokens in the endpoint's cache; by default that of any others."""
    output: Price
    """The price of generated tokens, those of hidden reasoning included."""

    def cost(
        self, prompt_tokens: float, tokens: float, cached_tokens: float | None = None
    ) -> float:
        """The price of a request, `cached_tokens` of whose prompt were in the endpoint's cache."""
        cached = min(cached_tokens or 0, prompt_tokens)
        cheaper = self.input if self.cached_input is None else self.cached_input
        spent = (prompt_tokens - cached) * self.input + cached * cheaper + tokens * self.output
        return spent / MILLION
