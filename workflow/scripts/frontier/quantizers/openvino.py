"""OpenVINO's weight compression (NNCF's, by round to nearest), on a CPU.

int8: every matrix and the embedding, one scale and zero point per row. int4: the layers' matrices
with a scale and a zero point per group; the embedding and the head as in int8. OpenVINO chooses the
precision of activations and of the key-value cache for such models. Tested: Llama, GPT-2 and
Falcon's multi-query decoder.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.quantizers import EngineFacts, Preparation, Prepared, Sizes

GROUP = 128
"""Weights per scale in int4; NNCF halves it until it divides a row."""
SCALE = 2
"""Bytes of a scale."""


class OpenVino(Prepared):
    """Keys of an `openvino` block."""

    FORMAT = "openvino"
    CONVERSION = "openvino"

    weights: Annotated[Literal["int8", "int4"], Measure]
    """Width of the weights. int8: one scale per row; int4: one scale per 128 weights."""

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """float32, for everything between two compressed layers."""
        return "float32"

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that exports and compresses."""
        keys: dict[str, JsonValue] = {"weights": self.weights}
        if self.weights == "int4":
            keys["group_size"] = GROUP
        return Preparation(self.CONVERSION, keys, environment="openvino")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed weights; a scale and a zero point of the weights' width per row or group."""
        byte = 1 + (SCALE + 1) / sizes.hidden
        group = GROUP
        while sizes.hidden % group and group > 32:
            group //= 2
        layer = byte if self.weights == "int8" else 0.5 + (SCALE + 0.5) / group
        return round(sizes.layers * layer + (sizes.embedding + sizes.head) * byte)
