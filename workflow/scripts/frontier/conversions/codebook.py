"""Codebooks: weights replaced by the nearest of a few values that k-means found for them.

Lloyd, Least squares quantization in PCM (1982); Han et al., Deep Compression (2016), section 3.
Simulated in the model's own precision.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from frontier.conversions import Made
from frontier.conversions.common.simulating import by_group, simulate

ITERATIONS = 100


def convert(checkpoint: Path, output: Path, options: dict[str, Any], texts: list[str]) -> Made:
    """Write the checkpoint with each weight from a codebook; `options` are the quantizer's own.

    Packed, a group has its bits and a codebook of 2^bits entries of 16 bits.
    Raises UserError (unreadable).
    """
    torch.set_num_threads(1)
    bits = options["bits"]
    size = {"tensor": None, "channel": 0, "group": options["group_size"]}[options["granularity"]]

    def change(matrix: torch.Tensor) -> tuple[torch.Tensor, int]:
        rounded, groups = by_group(matrix, size, lambda rows: from_codebooks(rows, bits))
        return rounded, -(-matrix.numel() * bits // 8) + groups * 2**bits * 2

    return simulate(checkpoint, output, change)


def from_codebooks(groups: torch.Tensor, bits: int) -> torch.Tensor:
    """Every weight of [groups, weights] as the nearest entry of its group's codebook."""
    ordered = groups.sort(dim=1).values
    book = lloyd(ordered, quantiles(ordered, 2**bits), ITERATIONS).half().float()
    return book.gather(1, torch.searchsorted(middles(book), groups))


def quantiles(ordered: torch.Tensor, entries: int) -> torch.Tensor:
    """Where k-means starts: the middles of `entries` equal shares of each row, [rows, entries]."""
    at = (torch.arange(entries, dtype=torch.float64) + 0.5) / entries * ordered.shape[1]
    return ordered[:, at.long()].double()


def lloyd(ordered: torch.Tensor, start: torch.Tensor, iterations: int) -> torch.Tensor:
    """K-means of each row of [rows, weights], ascending, from the ascending `start`, [rows, k].

    Clusters of numbers in order are stretches of it, so their means are differences of running
    sums. An entry that no weight is nearest to stays where it is. Ends early once nothing moves.
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
