"""bitsandbytes: LLM.int8() and the 4-bit types of QLoRA, packed while loading; not on mps.

All layers' matrices are quantized, including GPT-2's; embeddings, norms and the head stay in the
native precision. On a CPU with AVX512-BF16 its 4-bit kernel multiplies in bfloat16 for any native
precision. Sources: Dettmers et al., LLM.int8() (2022) and QLoRA (2023).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import model_validator

from frontier.blocks import Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, EngineFacts, Load, Sizes, Target, WhileLoading
from frontier.quantizers.common.linears import (
    plain_linear_layers,
    require_all_quantized,
    why_not_quantizable,
)

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BLOCK = 64  # 4-bit weights per scale
NESTED = 256  # scales per second-level scale, if scales are quantized
PACKED_ROWS = 32  # rows that the AVX512-BF16 kernel takes at a time


class BitsAndBytes(WhileLoading):
    """Keys of a `bitsandbytes` block."""

    PUBLISHED = ("bitsandbytes",)

    weights: Annotated[Literal["int8", "nf4", "fp4"], Measure]
    """int8: LLM.int8(), which also rounds activations; nf4, fp4: 4 bits, with a scale per 64
    weights."""
    double_quant: Annotated[bool, Measure] = False
    """Quantize the scales of nf4 or fp4 to 8 bits too."""

    @model_validator(mode="after")
    def _scales_of_four_bits(self) -> Self:
        if self.double_quant and self.weights == "int8":
            raise ValueError("double_quant is for nf4 and fp4: int8 has one scale per row")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects mps, for which its package has no kernels, and experts."""
        if target.accelerator == "mps":
            return "bitsandbytes has kernels for cpu and cuda, but not for mps"
        if target.architecture == "gpt2":  # it supports Conv1D layers
            return None
        return why_not_quantizable("bitsandbytes", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed layers with float32 scales per row or block; the rest in `dtype`."""
        if self.weights == "int8":
            each = 1 + 4 / sizes.hidden
        elif self.double_quant:
            each = 0.5 + (1 + 4 / NESTED) / BLOCK
        else:
            each = 0.5 + 4 / BLOCK
        return round(sizes.layers * each + (sizes.embedding + sizes.head) * BYTES[dtype])

    def load_model(self, load: Load) -> PreTrainedModel:
        """Loads through transformers, and registers the separate scales as the layers' buffers.

        So they are counted with the model's tensors.
        """
        from transformers import BitsAndBytesConfig

        if self.weights == "int8":
            config = BitsAndBytesConfig(load_in_8bit=True)
        else:
            config = BitsAndBytesConfig(
                load_in_4bit=True,
                bnb_4bit_quant_type=self.weights,
                bnb_4bit_use_double_quant=self.double_quant,
            )
        with plain_linear_layers():
            model = load(quantization_config=config)
        require_all_quantized(model)
        return _settled(model)

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """Loads it as published, even in part; its scales become the layers' buffers too."""
        return _settled(load())

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of modules with a packed weight."""
        return len(_layers(model))

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """The name of the CPU's special kernel, if it is used for all 4-bit layers."""
        special = [
            layer.weight.device.type == "cpu"
            and getattr(layer, "support_avx512bf16_for_cpu", False)
            for layer in _layers(model)
        ]
        return "AVX512-BF16" if special and all(special) else None


def _settled(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its scales as buffers, and with kernels that support its shapes."""
    from bitsandbytes.nn import Linear8bitLt

    for layer in _layers(model):
        if isinstance(layer, Linear8bitLt):
            layer.register_buffer("scales", layer.weight.SCB, persistent=False)
            continue
        layer.compute_dtype = model.dtype
        # The AVX512-BF16 kernel fails for other shapes; the general kernel supports them.
        if layer.out_features % PACKED_ROWS or layer.in_features % BLOCK:
            layer.support_avx512bf16_for_cpu = False
        _show_scales(layer)
        _follow_first_use(layer)
    return model


def _show_scales(layer: Any) -> None:
    """Registers the scales of a 4-bit layer as its buffers."""
    state = layer.weight.quant_state
    layer.register_buffer("scales", state.absmax, persistent=False)
    nested = state.state2.absmax if state.nested else None
    layer.register_buffer("scales_of_scales", nested, persistent=False)


def _follow_first_use(layer: Any) -> None:
    """Registers them again after the first use converted the layer for the AVX512-BF16 kernel.

    The layer is not used here: an adapter applied while loading may copy the layer's state, which
    bitsandbytes cannot restore from that layout without damage.
    """

    def show(_layer: Any, *_: Any) -> None:
        _show_scales(layer)
        used.remove()

    used = layer.register_forward_hook(show)


def _layers(model: PreTrainedModel) -> list[Any]:
    """bitsandbytes' own modules in a model."""
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return [module for module in model.modules() if isinstance(module, Linear4bit | Linear8bitLt)]
