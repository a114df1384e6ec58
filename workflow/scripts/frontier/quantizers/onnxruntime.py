"""ONNX Runtime's own dynamic quantization: int8 weights, one scale per column, on a CPU.

Every weight matrix is quantized, including the head and the embedding; activations are quantized to
8 bits at run time. Tested: Llama, GPT-2 and Falcon's multi-query decoder.
"""

from __future__ import annotations

from typing import Annotated, Literal

from frontier.blocks import Measure
from frontier.quantizers import EngineFacts, Preparation, Prepared, Sizes


class OnnxRuntime(Prepared):
    """Keys of an `onnxruntime` block."""

    FORMAT = "onnx"
    CONVERSION = "onnx"

    weights: Annotated[Literal["int8"], Measure]
    """Width of the weights."""

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """float32, for everything between two quantized layers."""
        return "float32"

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that exports and quantizes."""
        return Preparation(self.CONVERSION, {"weights": self.weights}, environment="onnxruntime")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """A byte per weight; for each column a float32 scale and a zero point of a byte.

        The embedding is a separate matrix with one scale, even if the head is tied to it, because
        the graph has the head transposed.
        """
        columns = 1 + 5 / sizes.hidden
        return round((sizes.layers + sizes.embedding) * columns + sizes.embedding)
