"""Responses: OpenAI's later protocol, whose events have types and which ends without `[DONE]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from frontier.dialects import Ask, BrokenError, Counts, Piece, Protocol, WithheldError
from frontier.dialects.common.errors import filtered, message_of
from frontier.dialects.common.events import name_of, number, text_of

ANSWER = ("response.output_text.delta", "response.refusal.delta")
THINKING = ("response.reasoning_text.delta", "response.reasoning_summary_text.delta")


class Responses(Protocol):
    """Typed events; the last one has the usage."""

    PATH = "/responses"

    def prompt(self, ask: Ask) -> dict[str, JsonValue]:
        """The user's text, behind earlier turns if any; nothing is stored at the other end."""
        turns: list[JsonValue] = [{"role": role, "content": text} for role, text in ask.turns]
        system = {} if ask.system is None else {"instructions": ask.system}
        alone = ask.turns[0][1] if len(turns) == 1 else turns
        return {"input": alone, "store": False, **system}

    def piece(self, event: Mapping[str, Any]) -> Piece:
        """A delta, or the end."""
        kind = event.get("type", "")
        if kind in ANSWER:
            return Piece(text=text_of(event, "delta"))
        if kind in THINKING:
            return Piece(thinking=text_of(event, "delta"))
        if kind in ("error", "response.failed"):
            fault = event.get("response") or event
            raise (WithheldError if filtered(fault) else BrokenError)(message_of(fault))
        whole = event.get("response") or {}
        finish = None
        if kind == "response.completed":
            finish = "stop"
        elif kind == "response.incomplete":
            finish = text_of(whole.get("incomplete_details") or {}, "reason") or "incomplete"
        usage = whole.get("usage") or {}
        details = usage.get("input_tokens_details") or {}
        counts = Counts(
            prompt=number(usage, "input_tokens"),
            completion=number(usage, "output_tokens"),
            cached=number(details, "cached_tokens"),
            thinking=number(usage.get("output_tokens_details") or {}, "reasoning_tokens"),
        )
        return Piece(finish=finish, counts=counts if usage else None, model=name_of(whole, "model"))
