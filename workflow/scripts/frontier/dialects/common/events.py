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
    """The first text under one of these names; "" without one."""
    return next((one for name in names if isinstance(one := block.get(name), str) and one), "")


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
        counts = Counts(
            prompt=usage.get("prompt_tokens"),
            completion=usage.get("completion_tokens"),
            cached=details.get("cached_tokens"),
        )
    return {
        "counts": counts,
        "model": event.get("model"),
        "fingerprint": event.get("system_fingerprint"),
    }
