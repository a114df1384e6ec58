"""No quantization: the checkpoint at its own precision, or cast to another floating-point one.

An engine that reads the hub's layout casts while loading; the others get a checkpoint converted to
their format, in a precision that they support.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import JsonValue

from frontier.blocks import Dtype, Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, HUB, EngineFacts, Load, Preparation, Quantizer, Sizes, Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel

WRITTEN_IN = {
    "gguf": "llama_cpp",
    "onnx": "onnxruntime",
    "onnx_genai": "onnxruntime_genai",
    "openvino": "openvino",
}
"""The environments in which formats are written, whichever engine reads them."""
INTEGRATIONS = "transformers.integrations."
"""The modules of transformers' own layers with packed weights."""


class Native(Quantizer):
    """Keys of a `native` block."""

    PUBLISHED = ("bitnet", "exl3", "fp8", "mxfp4")  # loaded by transformers or a server itself

    dtype: Annotated[Dtype | None, Measure] = None
    """The precision to cast to; unset: the model's own."""

    def makes(self, engine: EngineFacts) -> str | None:
        """The engine's format for unquantized models; "hub" if it has none."""
        return engine.plain or HUB

    def unsupported(self, target: Target) -> Reason | None:
        """Rejects a requested precision in which the engine does not compute."""
        engine = target.engine
        if self.dtype is not None and self.dtype not in engine.dtypes:
            known = " or ".join(engine.dtypes)
            return f"{engine.name} computes in {known}, not in {self.dtype}"
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """The precision to load or export at: the engine's preferred one if necessary."""
        dtype = self.dtype or native
        return dtype if dtype in engine.dtypes else engine.dtypes[0]

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation | None:
        """The conversion named like the engine's format; None for the hub's."""
        if engine.plain is None or engine.plain == HUB:
            return None
        keys: dict[str, JsonValue] = {"dtype": self.compute_dtype(dtype, engine)}
        where = WRITTEN_IN.get(engine.plain, engine.environment)
        return Preparation(engine.plain, keys, environment=where)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The width of the precision for every parameter, ignoring a few different norms.

        An ONNX graph has a separate matrix for a tied head.
        """
        twice = sizes.embedding if sizes.tied and engine.plain == "onnx" else 0
        return (sizes.parameters + twice) * BYTES[dtype]

    def expects_quantized(self) -> bool:
        """False: a cast quantizes no layer."""
        return False

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """Loads it through transformers, which unpacks fp8 if no GPU computes in it."""
        model = load()
        model.weights_were_unpacked = not cls.quantized_layers(model)
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """The number of quantized layers of a published checkpoint; a cast quantizes none."""
        return sum(type(part).__module__.startswith(INTEGRATIONS) for part in model.modules())

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """The precision, if transformers dequantized packed weights, or does so at each use."""
        dtype = str(model.dtype).removeprefix("torch.")
        if any(type(part).__name__ == "BitLinear" for part in model.modules()):
            return f"ternary weights unpacked to {dtype} at each use, activations rounded to int8"
        if not getattr(model, "weights_were_unpacked", False):
            return None
        return f"weights dequantized to {dtype} while loading"
