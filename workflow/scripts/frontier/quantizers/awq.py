"""AWQ (Lin and others, 2023): 4-bit weights, columns scaled up where activations are large.

Quantized and run by gptqmodel, like GPTQ.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Preparation, Sizes, Target
from frontier.quantizers.common.gptqmodel import ByGptqmodel


class Awq(ByGptqmodel):
    """Keys of an `awq` block."""

    NAME = "AWQ"
    FORMAT = "awq"
    PUBLISHED = ("awq",)
    UNFIT: ClassVar[dict[str, Reason]] = {
        "gpt2": "gptqmodel's AWQ cannot scale GPT-2's Conv1D layers",
        "mixtral": "transformers cannot load Mixtral's experts as gptqmodel packs them",
        "falcon": "gptqmodel's AWQ cannot scale Falcon's joint layers",
    }

    group_size: Annotated[Literal[128, 64, 32], Measure] = 128
    """Weights per scale and zero point."""
    calibration: Annotated[str, Measure]
    """Id of its calibration texts."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects rows that groups do not divide, and cases without a kernel in gptqmodel."""
        return self.unfit(self.group_size, target)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """gptqmodel's job, in half precision, in the environment of loading."""
        half = "float16" if dtype == "float32" else dtype
        keys: dict[str, JsonValue] = {
            "method": "awq",
            "bits": 4,
            "group_size": self.group_size,
            "dtype": half,
        }
        return Preparation(self.CONVERSION, keys, self.ENVIRONMENT, self.calibration)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed weights, and a scale and a zero point of two bytes per group."""
        weight = 0.5 + 4 / self.group_size
        return round(sizes.layers * weight + (sizes.embedding + sizes.head) * BYTES[dtype])
