"""ONNX Runtime GenAI's own weight quantization, by its model builder, on a CPU.

The layers' matrices and the head, by round to nearest without zero points: packed whole numbers
with a float32 scale per block of a row. Where its products say so, they round activations to 8 bits
as they come. The embedding stays in float32; in int4, one that is the head too is stored once.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.checkpoints import genai_families
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Preparation, Prepared, Sizes, Target

BITS = {"int8": 8, "int4": 4}


class OnnxRuntimeGenAi(Prepared):
    """Keys of an `onnxruntime_genai` block."""

    FORMAT = "onnx_genai"
    CONVERSION = "onnx_genai"

    weights: Annotated[Literal["int8", "int4"], Measure]
    """Width of the weights."""
    group_size: Annotated[Literal[16, 32, 64, 128, 256], Measure] = 32
    """Weights per scale."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects untested architectures."""
        return genai_families.unreadable(target.architecture)

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """float32, for everything between two quantized layers."""
        return "float32"

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that writes the graph and quantizes it."""
        keys: dict[str, JsonValue] = {"weights": self.weights, "group_size": self.group_size}
        return Preparation(self.CONVERSION, keys, environment="onnxruntime_genai")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed weights with a scale per block; an embedding of its own in `dtype`."""
        each = BITS[self.weights] / 8 + BYTES["float32"] / self.group_size
        shared = sizes.tied and self.weights == "int4"
        own = 0 if shared else sizes.embedding * BYTES[dtype]
        return round((sizes.layers + sizes.embedding) * each + own)
