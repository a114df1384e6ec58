"""Completions: a prompt as text or token ids, and the text that follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from frontier.dialects import Ask, Piece, Protocol
from frontier.dialects.common.events import choice, ids_of, shared, text_of


class Completions(Protocol):
    """OpenAI's first protocol, which most servers still speak."""

    PATH = "/completions"

    def prompt(self, ask: Ask) -> dict[str, JsonValue]:
        """The prompt as it is."""
        return {"prompt": ask.prompt if isinstance(ask.prompt, str) else [*ask.prompt]}

    def piece(self, event: Mapping[str, Any]) -> Piece:
        """The first choice's text."""
        first = choice(event)
        if first is None:
            return Piece(**shared(event))
        return Piece(
            text=text_of(first, "text"),
            thinking=text_of(first, "reasoning_content", "reasoning"),
            ids=ids_of(first),
            finish=text_of(first, "finish_reason") or None,
            **shared(event),
        )
