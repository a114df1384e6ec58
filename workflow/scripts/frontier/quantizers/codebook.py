"""Codebooks, simulated: each weight becomes the nearest of a few values that k-means found.

A job writes a checkpoint whose matrices carry these values in the model's own precision. It shows
what that costs in accuracy; speed and memory stay the model's own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target

ENGINES = frozenset({"transformers"})
ENVIRONMENT = None


class Options(BaseModel):
    """Keys of a `codebook` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bits: Annotated[int, Field(ge=2, le=8)]
    """Width of the weights; a codebook has 2^bits entries."""
    granularity: Literal["tensor", "channel", "group"] = "channel"
    """What has a codebook: a matrix, a row of it (an output channel), or a part of a row."""
    group_size: Annotated[int, Field(ge=2, le=2**20)] | None = None
    """Weights of a group, for granularity: group; the last of a row may be shorter."""

    @model_validator(mode="after")
    def _size_of_groups(self) -> Self:
        if (self.granularity == "group") != (self.group_size is not None):
            raise ValueError("group_size goes with granularity: group, and only with it")
        if self.group_size is not None and self.group_size < 2**self.bits:
            raise ValueError(f"a codebook of {2**self.bits} entries is longer than its group")
        return self


def unsupported(options: Options, target: Target) -> Reason | None:
    """Nothing: what is run is the model itself."""
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """The model's own."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """The job that finds the codebooks."""
    return Preparation("codebook", options.model_dump())


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """What the simulation takes: the model's own width."""
    return sizes.parameters * BYTES[dtype]


def load_model(load: Any, options: Options) -> Any:
    """As any checkpoint."""
    return load()


def expects_quantized(options: Options) -> bool:
    """Every width changes layers."""
    return True


def quantized_layers(model: Any) -> int | None:
    """None: the job counted them."""
    return None
