"""MLX's own quantization (affine, by round to nearest), as `mlx_lm.convert` writes it.

Every matrix, the embedding and the head: packed whole numbers, with a scale and a bias per group of
a row, both in the precision of the parts that are not quantized. Routers of experts have 8 bits
where mlx-lm says so.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import JsonValue

from frontier.blocks import Measure
from frontier.checkpoints import mlx_settings
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Preparation, Prepared, Sizes, Target


class Mlx(Prepared):
    """Keys of an `mlx` block."""

    FORMAT = "mlx"
    CONVERSION = "mlx"

    bits: Annotated[Literal[8, 6, 5, 4, 3, 2], Measure]
    """Width of a weight."""
    group_size: Annotated[Literal[32, 64, 128], Measure] = 64
    """Weights per scale; rows must be multiples."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects untested architectures, and rows that groups do not divide."""
        if target.hidden and target.hidden % self.group_size:
            return (
                f"MLX packs rows in groups of {self.group_size}; the model's rows have "
                f"{target.hidden} weights"
            )
        return mlx_settings.unreadable(target.architecture)

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation:
        """The job that packs the weights, in MLX's environment."""
        keys: dict[str, JsonValue] = {
            "bits": self.bits,
            "group_size": self.group_size,
            "dtype": self.compute_dtype(dtype, engine),
        }
        return Preparation(self.CONVERSION, keys, environment="mlx")

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed weights, with a scale and a bias per group."""
        each = self.bits / 8 + 2 * BYTES[dtype] / self.group_size
        return round(sizes.parameters * each)
