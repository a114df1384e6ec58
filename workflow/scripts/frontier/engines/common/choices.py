"""The likelihoods of several texts after a prompt, from an engine's logits.

Texts of one token after the same prompt share one pass over it, and one distribution.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from frontier.engines.common.prompting import Pair
from frontier.requests import Choice

Logits = Callable[[Sequence[int], int], NDArray[np.float32]]
"""Maps ids, and a number of positions, to the logits at the last of those: (positions, tokens)."""


def choice(tokenize: Callable[[], Sequence[Pair]], logits: Logits) -> Choice:
    """The answer of an engine with such `logits`; tokenizing is a part of its time.

    The score of a text is the sum of ln p of its tokens, each given all before it: the logits at a
    position belong to the next token, so the last token of a text is never fed.
    """
    start = time.perf_counter_ns()
    pairs = tokenize()
    known: dict[tuple[tuple[int, ...], int], NDArray[np.float32]] = {}
    sums = []
    for before, after, _ in pairs:
        fed = (*before, *after[:-1])
        if (fed, len(after)) not in known:
            known = {(fed, len(after)): log_softmax(logits(fed, len(after)))}
        rows = known[fed, len(after)]
        sums.append(float(rows[np.arange(len(after)), after].sum(dtype=np.float64)))
    return Choice(
        logprobs=sums,
        tokens=[len(one.after) for one in pairs],
        prompt_tokens=len(pairs[0].before),
        start_ns=start,
        end_ns=time.perf_counter_ns() - start,
        merged=sum(one.merged for one in pairs),
    )


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float32]:
    """The logarithms of the probabilities, in float32, over the last axis."""
    found = logits.astype(np.float32)
    with np.errstate(invalid="ignore"):  # what is not a number stays so, and is counted
        found -= found.max(axis=-1, keepdims=True)
        found -= np.log(np.exp(found).sum(axis=-1, keepdims=True))
    return found
