"""Shared by simulated quantizers, which show only the cost of a rounding in accuracy.

A job writes a checkpoint whose matrices are rounded but stored in the model's own precision, so
speed and memory are the model's own.
"""

from __future__ import annotations

from abc import ABC
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frontier.blocks import Measure
from frontier.quantizers import BYTES, HUB, EngineFacts, Preparation, Prepared, Sizes, block_of


class Simulated(Prepared, ABC):
    """A quantizer whose job has the same keys."""

    FORMAT = HUB

    bits: Annotated[int, Field(ge=2, le=8), Measure]
    """Width of the weights: a grid has 2^bits points, a codebook 2^bits entries."""
    granularity: Annotated[Literal["tensor", "channel", "group"], Measure] = "channel"
    """The unit with its own scale or codebook: a matrix, a row (an output channel), or a part of a
    row."""
    group_size: Annotated[Annotated[int, Field(ge=2, le=2**20)] | None, Measure] = None
    """Weights per group, for granularity: group; the last group of a row may be shorter."""

    @model_validator(mode="after")
    def _size_of_groups(self) -> Self:
        if (self.granularity == "group") != (self.group_size is not None):
            raise ValueError("group_size is required by granularity: group, and only by it")
        return self

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that rounds."""
        keys = {name: value for name, value in block_of(self).items() if name != "method"}
        return Preparation(self.CONVERSION, keys | {"dtype": dtype})

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The bytes of the simulation: the model's own."""
        return sizes.parameters * BYTES[dtype]
