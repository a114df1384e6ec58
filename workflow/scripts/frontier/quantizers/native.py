"""No quantization: the checkpoint at its own precision, or cast to another floating-point one."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.quantizers import BYTES


class Options(BaseModel):
    """Keys of a `native` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """The precision to cast to; unset: the model's own."""


def unsupported(options: Options, architecture: str | None, accelerator: str) -> str | None:
    """Nothing: every accelerator computes in these precisions."""
    return None


def bytes_per_parameter(options: Options, dtype: str) -> float:
    """The width of the precision."""
    return BYTES[compute_dtype(options, dtype)]


def compute_dtype(options: Options, native: str) -> str:
    """The precision to load at."""
    return options.dtype or native


def load_arguments(options: Options) -> dict[str, Any]:
    """None beyond the precision, which the engine passes."""
    return {}


def expects_quantized(options: Options) -> bool:
    """A cast quantizes no layer."""
    return False


def quantized_layers(model: Any) -> int:
    """A cast quantizes no layer."""
    return 0
