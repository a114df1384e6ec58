"""Shared by quantizers that set weights to zero, which show only its cost in accuracy.

A job writes a checkpoint that holds the zeros like any other number, in the model's own precision,
so speed and memory are the model's own. The job counts the zeros in the files that it wrote.
"""

from __future__ import annotations

from abc import ABC
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, HUB, EngineFacts, Prepared, Sizes, Target

FOUR = 4  # weights in a group of the pattern 2:4


class Pruned(Prepared, ABC):
    """A quantizer whose job sets a share of each matrix to zero."""

    FORMAT = HUB

    pattern: Annotated[Literal["unstructured", "2:4"], Measure] = "unstructured"
    """`2:4`: two of every four neighbours in a row, which NVIDIA's sparse tensor cores can skip;
    unstructured: wherever the scores are least."""
    sparsity: Annotated[Annotated[float, Field(gt=0, le=0.99)], Measure] = 0.5
    """The share of a matrix that becomes zero."""

    @model_validator(mode="after")
    def _half_of_two_in_four(self) -> Self:
        if self.pattern == "2:4" and self.sparsity != 0.5:
            raise ValueError(f"pattern 2:4 is a sparsity of 0.5, not {self.sparsity}")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects rows that groups of four do not divide."""
        if self.pattern == "2:4" and target.hidden is not None and target.hidden % FOUR:
            return f"2:4 cannot divide rows of {target.hidden} weights into groups of four"
        return None

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The bytes of the simulation: the model's own."""
        return sizes.parameters * BYTES[dtype]
