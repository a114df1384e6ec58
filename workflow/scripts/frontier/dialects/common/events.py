"""The parts that the events of completions and chat share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from frontier.dialects import Counts


def choice(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first choice; None for an event with counts, filters or nothing."""
    for one in event.get("choices") or ():
        if one.get("index", 0) == 0:
            found: Mapping[str, Any] = one
            return found
    return None


def text_of(block: Mapping[str, Any], *names: str) -> str:
    """The first text under one of these names; "" without one. Raises TypeError for another value:
    what it says would be missing."""
    for name in names:
        value = block.get(name)
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} is no text")
        if value:
            return value
    return ""


def name_of(block: Mapping[str, Any], name: str) -> str | None:
    """The name that a server gives, of which no figure depends; None without one."""
    value = block.get(name)
    return value if isinstance(value, str) and value else None


def number(block: Mapping[str, Any], name: str) -> int | None:
    """A count; None without one. Raises TypeError for anything else."""
    value = block.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise TypeError(f"{name} is no count")
    return value


def ids_of(block: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The ids of an event's tokens, if it names them."""
    ids = block.get("token_ids")
    return None if ids is None else tuple(map(int, ids))


def shared(event: Mapping[str, Any]) -> dict[str, Any]:
    """The counts and names that an event of either protocol may have."""
    usage = event.get("usage")
    counts = None
    if usage:
        details = usage.get("prompt_tokens_details") or {}
        timings = event.get("timings") or {}
        counts = Counts(
            prompt=number(usage, "prompt_tokens"),
            completion=number(usage, "completion_tokens"),
            cached=number(details, "cached_tokens"),
            thinking=number(usage.get("completion_tokens_details") or {}, "reasoning_tokens"),
            drafted=number(timings, "draft_n"),
            accepted=number(timings, "draft_n_accepted"),
            timed=bool(timings),
        )
    return {
        "counts": counts,
        "model": name_of(event, "model"),
        "fingerprint": name_of(event, "system_fingerprint"),
    }
