"""Warm-ups: requests that a prefix cache has no use for later, and several at once."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from frontier.catalogue.devices import Warmup
from frontier.engines import Due, Generate, LoadedModel
from frontier.prompts import Prompt
from frontier.requests import Request
from frontier.results.session import WarmUp

ROUNDS = 3
"""Rounds of the warm-up, at most."""
SHORTER = 32
"""The part of a prompt by which one of the warm-up is shorter, at least."""


def unlike(model: LoadedModel, requests: Sequence[Request]) -> list[Request]:
    """The requests of a warm-up: where a server may cache prompts, none that is timed later.

    Those begin a little behind the beginning of the sample's, so that they have no prefix in common
    and are not longer.
    """
    server = model.loaded.server
    if server is None or server.prefix_cache is False:
        return list(requests)
    prompts = {request.prompt for request in requests}
    return [replace(one, prompt=_later(one.prompt, prompts)) for one in requests]


def _later(prompt: Prompt, prompts: Collection[Prompt]) -> Prompt:
    """A prompt without its beginning; itself if nothing else remains that is not in the sample."""
    first = _first(prompt)
    rest = first[1 + len(first) // SHORTER :]
    while rest and _beginning(prompt, rest) in prompts:
        rest = rest[1:]
    return _beginning(prompt, rest) if rest.strip() else prompt


def _first(prompt: Prompt) -> str:
    """The text with which a prompt begins."""
    return prompt if isinstance(prompt, str) else prompt.turns[0][1]


def _beginning(prompt: Prompt, text: str) -> Prompt:
    """A prompt that begins with another text."""
    if isinstance(prompt, str):
        return text
    if not prompt.shots:
        return replace(prompt, prompt=text)
    first, *others = prompt.shots
    return replace(prompt, shots=(replace(first, question=text), *others))


def at_once(model: LoadedModel, requests: Sequence[Request], limits: Warmup) -> WarmUp:
    """Runs untimed rounds, each of the same requests at once, until one is as fast as the last.

    The longest prompts are asked, which need the most memory. What an engine tries before its
    first batch, such as padding, is then done.
    """
    asked = [one for one in requests if isinstance(one, Generate)]
    longest = sorted(asked, key=lambda request: -len(request.prompt))
    few = longest[: max(limits.minimum, limits.maximum // ROUNDS)]
    started = time.perf_counter_ns()
    before: int | None = None
    change, done = math.inf, 0
    while change >= limits.tolerance and done + len(few) <= limits.maximum:
        begun = time.perf_counter_ns()
        for _ in model.answer([Due(str(at), one, begun) for at, one in enumerate(few)]):
            pass
        now = time.perf_counter_ns() - begun
        done += len(few)
        if before is not None:
            change = abs(now / before - 1)
        before = now
    return WarmUp(
        requests=done,
        settled=change < limits.tolerance,
        last_change=None if math.isinf(change) else change,
        seconds=(time.perf_counter_ns() - started) / 1e9,
    )
