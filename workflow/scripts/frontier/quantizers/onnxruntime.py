"""ONNX Runtime's own dynamic quantization: int8 weights, one scale a column, on a CPU.

Every matrix multiplied by is quantized, the head and the embedding too; activations become 8 bits
while it runs. Tried: Llama, GPT-2 and Falcon's multi-query decoder.
"""

from __future__ import annotations

from typing import Annotated, Literal

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import EngineFacts, Preparation, Prepared, Sizes, Target


class OnnxRuntime(Prepared):
    """Keys of an `onnxruntime` block."""

    FORMAT = "onnx"

    weights: Annotated[Literal["int8"], Measure]
    """Width of the weights."""

    def unsupported(self, target: Target) -> Reason | None:
        """Accelerators: the build for CPUs is what is installed."""
        if target.accelerator != "cpu":
            return f"onnxruntime is its build for CPUs here; {target.accelerator} needs another"
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """Everything between two quantized layers is float32."""
        return "float32"

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """Exported, then quantized."""
        return Preparation("onnx", {"weights": self.weights}, environment="onnxruntime")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """A byte a weight; for each column a float32 scale and a zero point of a byte.

        The embedding is looked up in a matrix of its own, with one scale, also where the head is
        tied to it: the graph holds the head transposed.
        """
        columns = 1 + 5 / sizes.hidden
        return round((sizes.layers + sizes.embedding) * columns + sizes.embedding)
