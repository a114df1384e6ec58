"""bitsandbytes: LLM.int8() and the 4-bit types of QLoRA, packed while loading; on cpu and cuda.

All layers' matrices are quantized, GPT-2's too; embeddings, norms and the head stay in the native
precision. On a CPU with AVX512-BF16 its 4-bit kernel multiplies in bfloat16 whatever the native
precision is. Sources: Dettmers et al., LLM.int8() (2022) and QLoRA (2023).
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

BLOCK = 64  # 4-bit weights of one scale
NESTED = 256  # scales of one scale, where they are quantized too
PACKED_ROWS = 32  # rows that the AVX512-BF16 kernel takes at a time


class BitsAndBytes(WhileLoading):
    """Keys of a `bitsandbytes` block."""

    PUBLISHED = ("bitsandbytes",)

    weights: Annotated[Literal["int8", "nf4", "fp4"], Measure]
    """int8: LLM.int8(), whose activations are rounded as well; nf4, fp4: 4 bits, a scale for each
    64 weights."""
    double_quant: Annotated[bool, Measure] = False
    """Also round the scales of nf4 or fp4, to 8 bits."""

    @model_validator(mode="after")
    def _scales_of_four_bits(self) -> Self:
        if self.double_quant and self.weights == "int8":
            raise ValueError("double_quant is for nf4 and fp4: int8 has one scale a row")
        return self

    def unsupported(self, target: Target) -> Reason | None:
        """mps, for which its package has no kernels, and experts."""
        if target.accelerator == "mps":
            return "bitsandbytes brings kernels for cpu and cuda, none for mps"
        if target.architecture == "gpt2":  # whose Conv1D layers it knows
            return None
        return why_not_quantizable("bitsandbytes", target.architecture)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """Packed layers with float32 scales, of rows or of blocks; the rest in `dtype`."""
        if self.weights == "int8":
            each = 1 + 4 / sizes.hidden
        elif self.double_quant:
            each = 0.5 + (1 + 4 / NESTED) / BLOCK
        else:
            each = 0.5 + 4 / BLOCK
        return round(sizes.layers * each + (sizes.embedding + sizes.head) * BYTES[dtype])

    def load_model(self, load: Load) -> PreTrainedModel:
        """Through transformers; the scales, which are stored apart, become the layers' buffers.

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
        """As it was published, be it in part; its scales become the layers' buffers too."""
        return _settled(load())

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """How many modules hold a packed weight."""
        return len(_layers(model))

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """The CPU kernel that takes all layers of 4 bits, where it is the special one."""
        special = [
            layer.weight.device.type == "cpu"
            and getattr(layer, "support_avx512bf16_for_cpu", False)
            for layer in _layers(model)
        ]
        return "AVX512-BF16" if special and all(special) else None


def _settled(model: PreTrainedModel) -> PreTrainedModel:
    """The model with its scales shown, and with kernels that take its shapes."""
    from bitsandbytes.nn import Linear8bitLt

    for layer in _layers(model):
        if isinstance(layer, Linear8bitLt):
            layer.register_buffer("scales", layer.weight.SCB, persistent=False)
            continue
        layer.compute_dtype = model.dtype
        # The AVX512-BF16 kernel fails on other shapes; the general kernel takes them.
        if layer.out_features % PACKED_ROWS or layer.in_features % BLOCK:
            layer.support_avx512bf16_for_cpu = False
        _show_scales(layer)
        _follow_first_use(layer)
    return model


def _show_scales(layer: Any) -> None:
    """Register the scales of a layer of 4 bits as its buffers."""
    state = layer.weight.quant_state
    layer.register_buffer("scales", state.absmax, persistent=False)
    nested = state.state2.absmax if state.nested else None
    layer.register_buffer("scales_of_scales", nested, persistent=False)


def _follow_first_use(layer: Any) -> None:
    """Show them again once the first use gave the layer the layout of the AVX512-BF16 kernel.

    Not by using it here: what is put on a model while loading, as an adapter, may copy its state,
    and bitsandbytes cannot give a state back out of that layout without spoiling it.
    """

    def show(_layer: Any, *_: Any) -> None:
        _show_scales(layer)
        used.remove()

    used = layer.register_forward_hook(show)


def _layers(model: PreTrainedModel) -> list[Any]:
    """bitsandbytes' own modules in a model."""
    from bitsandbytes.nn import Linear4bit, Linear8bitLt

    return [module for module in model.modules() if isinstance(module, Linear4bit | Linear8bitLt)]
