"""The fields of a request, as a dialect wants them."""

from __future__ import annotations

from pydantic import JsonValue

from frontier.dialects import Ask, Dialect, Protocol
from frontier.requests import Sampling

GREEDY: dict[str, JsonValue] = {"temperature": 0}
"""Said in every request: servers otherwise sample, by their own defaults or the checkpoint's."""


def fields(protocol: Protocol, ask: Ask, dialect: Dialect) -> dict[str, JsonValue]:
    """The JSON of a streaming request."""
    options: dict[str, JsonValue] = {}
    if dialect.usage in ("asked", "each"):
        options["include_usage"] = True
    if dialect.usage == "each":
        options["continuous_usage_stats"] = True
    ours: dict[str, JsonValue] = {
        "model": ask.model,
        **protocol.prompt(ask),
        dialect.length: ask.max_new_tokens,
        **_choice(ask.sampling),
        "stream": True,
    }
    if options:
        ours["stream_options"] = options
    if ask.begins and dialect.prefill == "continue_final_message":
        ours |= {"continue_final_message": True, "add_generation_prompt": False}
    if stop := sent_stops(ask.stop, dialect):
        ours["stop"] = [*stop]
    if dialect.token_ids:
        ours["return_token_ids"] = True
    for name, value in dialect.add.items():
        both = name == "stream_options" and isinstance(value, dict)
        ours[name] = {**options, **value} if both and isinstance(value, dict) else value
    return {name: one for name, one in ours.items() if name not in dialect.leave_out}


def _choice(sampling: Sampling | None) -> dict[str, JsonValue]:
    """The fields on the choice of tokens; some servers refuse a `top_p` of 1."""
    if sampling is None:
        return GREEDY
    found: dict[str, JsonValue] = {"temperature": sampling.temperature, "seed": sampling.seed}
    return found if sampling.top_p == 1 else {**found, "top_p": sampling.top_p}


def sent_stops(stop: tuple[str, ...], dialect: Dialect) -> tuple[str, ...]:
    """The stop texts that the server gets; answers are cut at all of them here."""
    taken = [text for text in stop if text.strip() or dialect.blank_stops]
    return tuple(taken[: dialect.most_stops])


def is_greedy(dialect: Dialect) -> bool:
    """True if each request asks for the likeliest token."""
    said = dialect.add.get("temperature", 0)
    return dialect.greedy and "temperature" not in dialect.leave_out and said == 0
