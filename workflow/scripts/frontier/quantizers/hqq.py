"""HQQ: half-quadratic quantization, without calibration, while loading; on cpu and cuda.

Every `nn.Linear` layer but the output head is quantized; embeddings, norms and the head stay in
the native precision. A layer unpacks its whole matrix on each use. Source: Badri and Shaji,
Half-Quadratic Quantization of Large Machine Learning Models (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from frontier.blocks import Measure
from frontier.errors import Reason, UnsupportedError
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading
from frontier.quantizers.common.linears import require_all_quantized, why_not_quantizable

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Hqq(WhileLoading):
    """Keys of an `hqq` block."""

    ENVIRONMENT = "loading"

    bits: Annotated[Literal[8, 4, 2], Measure]
    """Width of the weights."""
    group_size: Annotated[Literal[128, 64, 32], Measure] = 64
    """Weights per scale and zero point."""

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects families without nn.Linear layers, and other accelerators."""
        if target.accelerator not in ("cpu", "cuda"):
            return "hqq is for cpu and cuda"
        return why_not_quantizable("hqq", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed layers; scales, zero points (one each per group) and the rest in `dtype`."""
        width = BYTES[dtype]
        each = self.bits / 8 + 2 * width / self.group_size
        return round(sizes.layers * each + (sizes.embedding + sizes.head) * width)

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads the model, then replaces its layers by hqq's, one by one.

        hqq's own traversal finds a head by its name and skips Falcon's layers. Scales and zero
        points, which hqq stores separately, become the layers' buffers, so that they are counted
        with the model's tensors.
        """
        from hqq.core.quantize import BaseQuantizeConfig, HQQLinear
        from torch import nn

        model = load()
        head = model.get_output_embeddings()
        config = BaseQuantizeConfig(nbits=self.bits, group_size=self.group_size)
        names = [
            name
            for name, module in model.named_modules()
            if isinstance(module, nn.Linear) and module is not head
        ]
        for name in names:
            layer = model.get_submodule(name)
            if layer.weight.numel() % self.group_size:
                raise UnsupportedError(f"{name} does not divide into groups of {self.group_size}")
            packed = HQQLinear(
                layer, config, compute_dtype=model.dtype, device=str(layer.weight.device)
            )
            packed.register_buffer("scales", packed.meta["scale"], persistent=False)
            packed.register_buffer("zeros", packed.meta["zero"], persistent=False)
            model.set_submodule(name, packed)
        require_all_quantized(model)
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of modules with a packed weight."""
        from hqq.core.quantize import HQQLinear

        return sum(isinstance(module, HQQLinear) for module in model.modules())
