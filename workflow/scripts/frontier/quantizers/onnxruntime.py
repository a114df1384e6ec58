"""ONNX Runtime's own dynamic quantization: int8 weights, one scale a column, on a CPU.

Every matrix multiplied by is quantized, the head and the embedding too; activations become 8 bits
while it runs. Tried: Llama, GPT-2 and Falcon's multi-query decoder.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import Preparation, Sizes, Target

ENGINES = frozenset({"onnxruntime"})
ENVIRONMENT = None


class Options(BaseModel):
    """Keys of an `onnxruntime` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["int8"]
    """Width of the weights."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Accelerators: the build for CPUs is what is installed."""
    if target.accelerator != "cpu":
        return f"onnxruntime is its build for CPUs here; {target.accelerator} needs another"
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """Everything between two quantized layers is float32."""
    return "float32"


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """Exported, then quantized."""
    return Preparation("onnx", {"weights": options.weights}, environment="onnxruntime")


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """A byte a weight; for each column a float32 scale and a zero point of a byte.

    The embedding is looked up in a matrix of its own, with one scale, also where the head is tied
    to it: the graph holds the head transposed.
    """
    columns = 1 + 5 / sizes.hidden
    return round((sizes.layers + sizes.embedding) * columns + sizes.embedding)


def expects_quantized(options: Options) -> bool:
    """Its one width quantizes layers."""
    return True
