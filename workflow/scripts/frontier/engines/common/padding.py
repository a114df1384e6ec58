"""Rows of a batch, and the ways in which a model can compute several of them together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from frontier.checkpoints.own_code import raised_by_own_code
from frontier.errors import Reason, one_line
from frontier.requests import Due, Generate, Generation

SHARES = (1.0, 0.75, 0.5, 0.25)
"""The parts of a prompt that are tried together."""
EXACT, ROUNDED = 1e-3, 0.1
"""The largest change of a token's probabilities that is rounding, as a share of their differences
between prompts: in float32, and in half precision or quantized, where the order of sums shows."""
WORSE = 2.0
"""Padding may change as much as this multiple of the change by a batch without it."""

NextTokens = Callable[[Sequence[Sequence[int]]], list[torch.Tensor]]


@dataclass(eq=False)
class Row:
    """A request in a batch: its tokens so far, and its answer once it has ended."""

    id: str
    request: Generate
    ids: list[int]
    due: Due
    tokens: list[int] = field(default_factory=list)
    token_ns: list[int] = field(default_factory=list)
    answer: Generation | None = None

    @property
    def length(self) -> int:
        """The tokens that it may have in all."""
        return len(self.ids) + self.request.max_new_tokens

    @property
    def order(self) -> tuple[int, int]:
        """Its place among those that are due."""
        return self.due.due_ns, -self.length

    def clear(self) -> None:
        """Forgets an attempt that failed."""
        self.tokens, self.token_ns, self.answer = [], [], None


@dataclass(frozen=True)
class Way:
    """A way to compute several requests."""

    words: str
    """The description of it in the result."""
    together: bool = True
    padded: bool = True


def try_ways(
    next_tokens: NextTokens, prompt: Sequence[int], *, exact: bool, side: str = "left"
) -> Way:
    """The best way in which a model computes the same as one request after another.

    Parts of a prompt are computed alone, in a batch of one length and in a padded batch. `exact`:
    it computes in float32, without quantized layers; `side`: that of the padding.
    """
    lengths = list(dict.fromkeys(max(1, int(share * len(prompt))) for share in SHARES))
    shorter = min(lengths)
    same = [list(prompt[start : start + shorter]) for start in range(0, min(4, len(prompt)))]
    same = [part for part in same if len(part) == shorter]
    parts = [list(prompt[:length]) for length in lengths]
    alone = [next_tokens([prompt])[0] for prompt in parts]
    apart = max((_distance(one[0], other[0]) for one, other in pairwise(alone)), default=1.0)
    limit = (EXACT if exact else ROUNDED) * apart
    noise = _change(next_tokens, same, [next_tokens([prompt])[0] for prompt in same])
    if isinstance(noise, str):
        return Way(f"one request at a time: a batch fails: {noise}", together=False, padded=False)
    if noise > limit:
        why = f"a batch changes the probabilities of the next token by {noise:.2g}"
        return Way(f"one request at a time: {why}", together=False, padded=False)
    if len(parts) == 1:
        return Way("prompts of equal length")
    change = _change(next_tokens, parts, alone)
    if isinstance(change, str):
        return Way(f"prompts of equal length: a padded batch fails: {change}", padded=False)
    if change > max(limit, WORSE * noise):
        why = f"padding changes the probabilities of the next token by {change:.2g}"
        return Way(f"prompts of equal length: {why}", padded=False)
    return Way(f"padded on the {side}")


def _distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """The total variation between two distributions."""
    return float((one - other).abs().sum()) / 2


def _change(
    next_tokens: NextTokens, prompts: Sequence[Sequence[int]], alone: Sequence[torch.Tensor]
) -> float | Reason:
    """The largest change of a next token's probabilities in a batch; the error if that fails."""
    try:
        together = next_tokens(prompts)
    except Exception as error:  # an architecture fails in its own way
        if raised_by_own_code(error):
            return f"the checkpoint's own code: {one_line(error)[:100]}"
        return f"{type(error).__name__}: {one_line(error)[:100]}"
    largest = 0.0
    for one, other in zip(alone, together, strict=True):
        for before, after in zip(one, other, strict=False):
            largest = max(largest, _distance(before, after))
            if int(before.argmax()) != int(after.argmax()):
                break  # what comes next follows another token
    return largest
