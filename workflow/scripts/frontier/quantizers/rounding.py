"""Round to nearest, simulated: the reference that every better method is to beat.

A job writes a checkpoint whose matrices carry the rounding in the model's own precision. It shows
what the rounding costs in accuracy; speed and memory stay the model's own.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target

ENGINES = frozenset({"transformers"})
ENVIRONMENT = None


class Options(BaseModel):
    """Keys of a `rounding` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bits: Annotated[int, Field(ge=2, le=8)]
    """Width of the weights."""
    granularity: Literal["tensor", "channel", "group"] = "channel"
    """What has a scale of its own: a matrix, a row of it (an output channel), a part of a row."""
    group_size: Annotated[int, Field(ge=2, le=2**20)] | None = None
    """Weights of a group, for granularity: group; the last of a row may be shorter."""
    symmetric: bool = True
    """A grid around zero; else from the least to the largest weight, with a zero point."""

    @model_validator(mode="after")
    def _size_of_groups(self) -> Self:
        if (self.granularity == "group") != (self.group_size is not None):
            raise ValueError("group_size goes with granularity: group, and only with it")
        return self


def unsupported(options: Options, target: Target) -> Reason | None:
    """Nothing: what is run is the model itself."""
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """The model's own."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """The job that rounds."""
    return Preparation("rounding", options.model_dump())


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """What the simulation takes: the model's own width."""
    return sizes.parameters * BYTES[dtype]


def load_model(load: Any, options: Options) -> Any:
    """As any checkpoint."""
    return load()


def expects_quantized(options: Options) -> bool:
    """Every width rounds layers."""
    return True


def quantized_layers(model: Any) -> int | None:
    """None: the job counted them."""
    return None
