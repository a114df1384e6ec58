"""Bounded key-value caches, and whether a request is too long for one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from frontier.engines import LoadedModel
from frontier.errors import UnsupportedError
from frontier.requests import Request
from frontier.techniques import Technique


def check_bounded(
    model: LoadedModel, techniques: Iterable[Technique], requests: Sequence[Request]
) -> None:
    """Raises UnsupportedError if a bounded cache has room for each request: nothing changes."""
    held = [(one, one.cached_tokens) for one in techniques if one.cached_tokens]
    longest = max(map(model.tokens, requests), default=0) if held else 0
    for one, tokens in held:
        if tokens >= longest:
            raise UnsupportedError(
                f"{one.kind} changed nothing: its {tokens} tokens have room for each request, "
                f"of at most {longest}"
            )
