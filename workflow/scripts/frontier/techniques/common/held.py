"""The tokens that a layer's cache holds if it forgets those with the least attention."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Held:
    """The tokens of each key-value head of a layer, and the attention to each so far."""

    def __init__(self, heads: int, most: int, recent: int) -> None:
        """`most`: tokens in the cache; `recent`: the last ones, which are never forgotten."""
        self.heads, self.most, self.recent = heads, most, recent
        self.held = np.zeros((heads, 0), dtype=bool)
        self.scores = np.zeros((heads, 0))

    def read(self, weights: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Reads tokens, one after another; the keys that each sees: heads · queries · keys.

        `weights`: their attention to all tokens so far, query heads · queries · keys.
        """
        _, new, seen = weights.shape
        begin = seen - new
        if self.held.shape[1] != begin:
            raise RuntimeError(f"{self.held.shape[1]} tokens were read, not {begin}")
        grouped = weights.reshape(self.heads, -1, new, seen)
        self.held = np.pad(self.held, ((0, 0), (0, new)))
        self.scores = np.pad(self.scores, ((0, 0), (0, new)))
        shown = np.zeros((self.heads, new, seen), dtype=bool)
        for query in range(new):
            at = begin + query
            if at >= self.most:
                self._forget(at - self.recent + 1)
            self.held[:, at] = True
            shown[:, query] = self.held
            own = grouped[:, :, query] * self.held[:, None]
            # Attention over the tokens that are held sums up to one.
            total = np.maximum(own.sum(axis=-1, keepdims=True), np.finfo(np.float32).tiny)
            self.scores += (own / total).sum(axis=1)
        return shown

    def _forget(self, before: int) -> None:
        """Removes the token with the least attention, the first of several, from those before."""
        scores = np.where(self.held[:, :before], self.scores[:, :before], np.inf)
        self.held[np.arange(self.heads), scores.argmin(axis=1)] = False
