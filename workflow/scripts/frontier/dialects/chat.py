"""Chat completions: messages, rendered by the server's own template, and the assistant's answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from frontier.dialects import Ask, BrokenError, Piece, Protocol
from frontier.dialects.common.events import choice, ids_of, shared, text_of


class Chat(Protocol):
    """The protocol of endpoints, and of reasoning models."""

    PATH = "/chat/completions"

    def prompt(self, ask: Ask) -> dict[str, JsonValue]:
        """The user's message, behind a system message and earlier turns if there are any."""
        system = [] if ask.system is None else [("system", ask.system)]
        turns = [*system, *ask.turns]
        return {"messages": [{"role": role, "content": text} for role, text in turns]}

    def piece(self, event: Mapping[str, Any]) -> Piece:
        """The first choice's delta: its answer, or its thoughts under either of two names."""
        first = choice(event)
        if first is None:
            return Piece(**shared(event))
        if "delta" not in first:
            # Azure's annotations have neither; a whole message would have no times.
            if "message" in first:
                raise BrokenError("the answer came as a whole, not as a stream")
            return Piece(finish=text_of(first, "finish_reason") or None, **shared(event))
        delta = first["delta"] or {}
        if delta.get("tool_calls"):
            raise BrokenError("the model called a tool instead of answering")
        return Piece(
            text=text_of(delta, "content") or text_of(delta, "refusal"),
            thinking=text_of(delta, "reasoning_content", "reasoning"),
            ids=ids_of(first),
            finish=text_of(first, "finish_reason") or None,
            **shared(event),
        )
