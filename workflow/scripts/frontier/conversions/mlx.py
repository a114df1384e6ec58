"""A checkpoint in mlx-lm's own layout, as `mlx_lm.convert` writes it: packed, or as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx_lm import utils

from frontier.blocks import Dtype
from frontier.checkpoints.safetensor_files import CONFIG, json_object
from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.engines.common import mlx_models
from frontier.engines.common.mlx_models import PACKED
from frontier.errors import UnsupportedError


class Mlx(Conversion):
    """A checkpoint for MLX."""

    bits: int | None = None
    """Width of a weight; unset: the unquantized model, in `dtype`."""
    group_size: int | None = None
    """Weights per scale."""
    dtype: Dtype = "float32"
    """The precision of the parts that are not quantized."""

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes the weights, packed if requested; counts the layers with packed ones.

        Raises UserError for a checkpoint that is unreadable or incomplete, UnsupportedError for one
        that mlx-lm would compute differently or cannot pack.
        """
        mx.set_default_device(mx.cpu)  # the same file on every machine
        model = mlx_models.load_whole(checkpoint, self.dtype).model
        if mlx_models.packed_layers(model):
            raise UnsupportedError("its layers are packed already")
        keys: dict[str, Any] = {}
        with mlx_models.out_of_memory():
            if self.bits:
                _check_rows(model, self.group_size)
                model, keys = utils.quantize_model(model, {}, self.group_size, self.bits)
            utils.save_model(output, model)
        copy_settings(checkpoint, output)
        if keys:
            config = json_object(output / CONFIG) | {PACKED: keys[PACKED]}
            (output / CONFIG).write_text(json.dumps(config, indent=2), encoding="utf-8")
        return ConversionResult(mlx_models.packed_layers(model))


def _check_rows(model: Any, group: int | None) -> None:
    """Raises UnsupportedError for a layer that mlx-lm would leave as it is, without a word."""
    for name, layer in model.named_modules():
        if hasattr(layer, "to_quantized") and layer.weight.shape[-1] % (group or 1):
            raise UnsupportedError(
                f"MLX packs rows in groups of {group}; those of {name} have "
                f"{layer.weight.shape[-1]} weights"
            )
