"""AWQ (Lin and others, 2023): 4-bit weights, columns scaled up where activations are large.

Made and run by gptqmodel, as GPTQ is.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target, gptq

ENGINES = gptq.ENGINES
ENVIRONMENT = gptq.ENVIRONMENT
PUBLISHED = ("awq",)


class Options(BaseModel):
    """Keys of an `awq` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    group_size: Literal[128, 64, 32] = 128
    """Weights of one scale and zero point."""
    calibration: str
    """Id of the texts that it looks at."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Rows that a group does not divide, and what gptqmodel has no kernel for."""
    return gptq.unfit("AWQ", options.group_size, target)


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """gptqmodel's job, in the environment that loading needs too; it works in half precision."""
    half = "float16" if dtype == "float32" else dtype
    keys = {"method": "awq", "bits": 4, "group_size": options.group_size, "dtype": half}
    return Preparation("gptqmodel", keys, ENVIRONMENT, options.calibration)


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed weights, and a scale and a zero point of two bytes a group."""
    weight = 0.5 + 4 / options.group_size
    return round(sizes.layers * weight + (sizes.embedding + sizes.head) * BYTES[dtype])


def load_model(load: Any, options: Options) -> Any:
    """As transformers loads it, settled."""
    return gptq.settled(load)


def load_published(load: Any) -> Any:
    """As what is made here."""
    return gptq.settled(load)


def expects_quantized(options: Options) -> bool:
    """It quantizes layers."""
    return True


def quantized_layers(model: Any) -> int:
    """How many modules hold packed weights."""
    return gptq.quantized_layers(model)


def kernel(model: Any) -> str:
    """The class, or classes, that gptqmodel chose for the layers."""
    return gptq.kernel(model)
