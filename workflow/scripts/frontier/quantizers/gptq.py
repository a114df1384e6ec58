"""GPTQ (Frantar and others, 2022): columns are rounded in turn, each compensating earlier errors.

gptqmodel produces the checkpoint and has the kernels to run it, in a separate environment: torch's
int4 product for 4 bits on a CPU, on cuda those of its installation. Embeddings, norms and the head
stay in their precision.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Preparation, Sizes, Target
from frontier.quantizers.common.gptqmodel import ByGptqmodel

ROWS = 0.7  # Σ row lengths · hidden / Σ weights of a block's matrices: .72 for Llama 2, .58 GPT-2


class Gptq(ByGptqmodel):
    """Keys of a `gptq` block."""

    NAME = "GPTQ"
    FORMAT = "gptq"
    PUBLISHED = ("gptq",)
    UNFIT: ClassVar[dict[str, Reason]] = {
        "gpt2": "transformers cannot load GPT-2's layers as gptqmodel packs them",
        "mixtral": "transformers cannot load Mixtral's experts as gptqmodel packs them",
    }

    bits: Annotated[Literal[8, 4], Measure]
    """Width of the weights."""
    group_size: Annotated[Literal[128, 64, 32, -1], Measure] = 128
    """Weights per scale and zero point; -1: the whole row."""
    act_order: Annotated[bool, Measure] = False
    """Round the columns with the largest activations first (`desc_act`)."""
    symmetric: Annotated[bool, Measure] = True
    """Use no zero point: as many steps below zero as above."""
    calibration: Annotated[str, Measure]
    """Id of its calibration texts."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects rows that groups do not divide, and cases without a kernel in gptqmodel."""
        return self.unfit(self.group_size, target)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """gptqmodel's job, in the environment of loading."""
        keys: dict[str, JsonValue] = {
            "method": "gptq",
            "bits": self.bits,
            "group_size": self.group_size,
            "act_order": self.act_order,
            "symmetric": self.symmetric,
            "dtype": dtype,
        }
        return Preparation(self.CONVERSION, keys, self.ENVIRONMENT, self.calibration)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed weights, two-byte scales, zero points, and the columns' groups in four bytes each.

        The CPU's int4 product stores zero points in two bytes; other kernels pack them.
        """
        group = self.group_size if self.group_size > 0 else sizes.hidden
        unpacked = self.bits == 4 and self.group_size > 0
        zero = 2 if unpacked else self.bits / 8
        columns = 4 * ROWS / sizes.hidden
        weight = self.bits / 8 + (2 + zero) / group + columns
        return round(sizes.layers * weight + (sizes.embedding + sizes.head) * BYTES[dtype])
