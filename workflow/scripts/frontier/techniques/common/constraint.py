"""Constrained decoding in transformers' `generate`, by llguidance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import llguidance.hf
import numpy as np
import torch
import transformers
from llguidance import LLMatcher

from frontier.errors import UnsupportedError, one_line


class Constrained(transformers.LogitsProcessor):  # type: ignore[misc]
    """Makes every token impossible with which an answer could not become valid.

    It takes tokens back that a speculating `generate` has rejected.
    """

    def __init__(self, matcher: LLMatcher) -> None:
        """`matcher`: at the beginning of an answer."""
        self.matcher = matcher
        self.begins: int | None = None
        self.read: list[int] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """The scores of the next token, -inf where it is impossible."""
        if self.begins is None:
            self.begins = input_ids.shape[1]
        if not self._follow(input_ids[0, self.begins :].tolist()):
            return scores  # behind a drafted token that is about to be rejected
        bits = np.frombuffer(self.matcher.compute_bitmask(), dtype=np.uint8)
        if self.matcher.is_error():
            raise UnsupportedError(f"guided: {one_line(self.matcher.get_error())[:300]}")
        allowed = np.zeros(scores.shape[-1], dtype=bool)
        known = np.unpackbits(bits, bitorder="little")[: len(allowed)]
        allowed[: len(known)] = known
        impossible = torch.from_numpy(~allowed).to(scores.device)
        return scores.masked_fill(impossible, -torch.inf)

    def _follow(self, tokens: list[int]) -> bool:
        """Whether the matcher could read these tokens of the answer, and has."""
        pairs = enumerate(zip(self.read, tokens, strict=False))
        same = next((at for at, (one, other) in pairs if one != other), None)
        if same is None:
            same = min(len(self.read), len(tokens))
        if len(self.read) > same:
            self.matcher.rollback(len(self.read) - same)
        count = self.matcher.try_consume_tokens(tokens[same:])
        self.read = tokens[: same + count]
        return len(self.read) == len(tokens)


def constrained(
    grammar: str, tokenizer: Any, vocabulary: int, ends: Sequence[int]
) -> Callable[[], Constrained]:
    """A function that makes the processor of an answer; `grammar` is llguidance's.

    `vocabulary`: the number of the model's logits; `ends`: the tokens that end a text. Raises
    UnsupportedError for a tokenizer or a grammar that it cannot read.
    """
    try:
        known = llguidance.hf.from_tokenizer(tokenizer, n_vocab=vocabulary, eos_token=[*ends])
    except ValueError as error:
        raise UnsupportedError(f"guided: llguidance: {one_line(error)[:300]}") from error
    matcher = LLMatcher(known, grammar)
    if matcher.is_error():
        raise UnsupportedError(f"guided: {one_line(matcher.get_error())[:300]}")
    return lambda: Constrained(matcher.deep_copy())
