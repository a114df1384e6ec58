"""Codebooks, simulated: each weight becomes the nearest of a few values found by k-means."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from frontier.quantizers.common.simulated import Simulated


class Codebook(Simulated):
    """Keys of a `codebook` block."""

    CONVERSION = "codebook"

    @model_validator(mode="after")
    def _groups_are_longer_than_their_codebooks(self) -> Self:
        if self.group_size is not None and self.group_size < 2**self.bits:
            raise ValueError(f"a codebook of {2**self.bits} entries is longer than its group")
        return self
