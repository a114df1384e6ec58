"""The choice of a token from its logits: the likeliest one, or one at random."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from frontier.requests import Sampling

Choose = Callable[[NDArray[np.floating]], int]
"""Maps the logits of the next token, of shape (vocabulary,), to a token's id."""


def chooser(sampling: Sampling | None) -> Choose:
    """The choice of all tokens of a request, in order."""
    if sampling is None:
        return likeliest
    rng = np.random.default_rng(sampling.seed)

    def choose(logits: NDArray[np.floating]) -> int:
        order, shares = candidates(logits, sampling)
        # Not `choice`, which checks and normalizes at each token.
        place = int(np.searchsorted(np.cumsum(shares), rng.random() * shares.sum(), side="right"))
        return int(order[min(place, len(order) - 1)])

    return choose


def likeliest(logits: NDArray[np.floating]) -> int:
    """The likeliest token; of several the first."""
    return int(logits.argmax())


def candidates(
    logits: NDArray[np.floating], sampling: Sampling
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The tokens to choose from, the likeliest first, and their probabilities.

    As few of the likeliest as have `top_p` together. Source: Holtzman et al., "The Curious Case of
    Neural Text Degeneration" (2020), section 3.1.
    """
    scaled = logits.astype(np.float64) / sampling.temperature
    shares = np.exp(scaled - scaled.max())
    shares /= shares.sum()
    if sampling.top_p >= 1:
        return np.arange(len(shares)), shares
    order = np.argsort(-shares, kind="stable")
    count = int(np.searchsorted(np.cumsum(shares[order]), sampling.top_p)) + 1
    kept = order[:count]
    return kept, shares[kept]
