"""Codebooks: weights replaced by the nearest of a few values found by k-means.

Lloyd, Least squares quantization in PCM (1982); Han et al., Deep Compression (2016), section 3.
Simulated in the model's own precision.
"""

from __future__ import annotations

import torch

from frontier.conversions.common.simulating import Simulation

ITERATIONS = 100


class Codebook(Simulation):
    """Each weight from a codebook; the keys are the quantizer's own."""

    def rounded(self, groups: torch.Tensor) -> torch.Tensor:
        """The weights of [groups, weights] from their codebooks."""
        return from_codebooks(groups, self.bits)

    def group_bytes(self) -> int:
        """A codebook of 2^bits entries of 16 bits."""
        return 2 * (1 << self.bits)


def from_codebooks(groups: torch.Tensor, bits: int) -> torch.Tensor:
    """Every weight of [groups, weights] as the nearest entry of its group's codebook."""
    ordered = groups.sort(dim=1).values
    book = lloyd(ordered, quantiles(ordered, 2**bits), ITERATIONS).half().float()
    return book.gather(1, torch.searchsorted(middles(book), groups))


def quantiles(ordered: torch.Tensor, entries: int) -> torch.Tensor:
    """The start of k-means: the middles of `entries` equal shares of each row, [rows, entries]."""
    at = (torch.arange(entries, dtype=torch.float64) + 0.5) / entries * ordered.shape[1]
    return ordered[:, at.long()].double()


def lloyd(ordered: torch.Tensor, start: torch.Tensor, iterations: int) -> torch.Tensor:
    """K-means of each row of [rows, weights], ascending, from the ascending `start`, [rows, k].

    Clusters of sorted numbers are contiguous, so their means are differences of cumulative sums. An
    entry without weights stays where it is. Stops early once nothing moves.
    """
    zeros = torch.zeros(len(ordered), 1, dtype=torch.float64)
    sums = torch.cat([zeros, ordered.double().cumsum(dim=1)], dim=1)
    first = torch.zeros(len(ordered), 1, dtype=torch.long)
    last = torch.full_like(first, ordered.shape[1])
    book, old = start, None
    values = ordered.double()
    for _ in range(iterations):
        bounds = torch.searchsorted(values, middles(book), right=True)
        if old is not None and torch.equal(bounds, old):
            break
        ends = torch.cat([first, bounds, last], dim=1)
        counts, totals = ends.diff(dim=1), sums.gather(1, ends).diff(dim=1)
        book, old = torch.where(counts > 0, totals / counts.clamp(min=1), book), bounds
    return book


def middles(book: torch.Tensor) -> torch.Tensor:
    """The borders between neighbouring entries, [rows, k - 1]."""
    return (book[:, 1:] + book[:, :-1]) / 2
