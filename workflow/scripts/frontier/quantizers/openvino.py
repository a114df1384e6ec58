"""OpenVINO's weight compression (NNCF's, by round to nearest), on a CPU.

int8: every matrix and the embedding, one scale and zero point a row. int4: the layers' matrices
with a scale and a zero point a group; the embedding and the head as in int8. How activations and
the key-value cache are kept is OpenVINO's own choice for such models. Tried: Llama, GPT-2 and
Falcon's multi-query decoder.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import Preparation, Sizes, Target

ENGINES = frozenset({"openvino"})
ENVIRONMENT = None

GROUP = 128
"""Weights of one scale in int4; NNCF halves it until it divides a row."""
SCALE = 2
"""Bytes of a scale."""


class Options(BaseModel):
    """Keys of an `openvino` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    weights: Literal["int8", "int4"]
    """Width of the weights. int8: one scale a row; int4: one scale for 128 weights."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Accelerators that are not Intel's."""
    if target.accelerator != "cpu":
        return f"OpenVINO runs on the CPU here, not on {target.accelerator}"
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """Everything between two compressed layers is float32."""
    return "float32"


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """Exported and compressed."""
    made: dict[str, Any] = {"weights": options.weights}
    if options.weights == "int4":
        made["group_size"] = GROUP
    return Preparation("openvino", made, environment="openvino")


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed weights, and a scale and a zero point of the weights' width for each row or group."""
    byte = 1 + (SCALE + 1) / sizes.hidden
    group = GROUP
    while sizes.hidden % group and group > 32:
        group //= 2
    layer = byte if options.weights == "int8" else 0.5 + (SCALE + 0.5) / group
    return round(sizes.layers * layer + (sizes.embedding + sizes.head) * byte)


def expects_quantized(options: Options) -> bool:
    """Both widths quantize layers."""
    return True
