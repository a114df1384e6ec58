"""No quantization: the checkpoint at its own precision, or cast to another floating-point one.

An engine that reads the hub's layout casts while loading; the others get a checkpoint converted to
the format that they read, in a precision that they compute in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import JsonValue

from frontier.blocks import Dtype, Measure
from frontier.errors import Reason
from frontier.quantizers import BYTES, HUB, EngineFacts, Load, Preparation, Quantizer, Sizes, Target

if TYPE_CHECKING:
    from transformers import PreTrainedModel

INTEGRATIONS = "transformers.integrations."
"""Where transformers' own layers of packed weights are."""


class Native(Quantizer):
    """Keys of a `native` block."""

    PUBLISHED = ("bitnet", "fp8")  # what transformers loads by itself

    dtype: Annotated[Dtype | None, Measure] = None
    """The precision to cast to; unset: the model's own."""

    def makes(self, engine: EngineFacts) -> str | None:
        """The format in which the engine reads a model as it is; "hub" where there is none."""
        return engine.plain or HUB

    def unsupported(self, target: Target) -> Reason | None:
        """A precision that was asked for, and that the engine does not compute in."""
        engine = target.engine
        if self.dtype is not None and self.dtype not in engine.dtypes:
            known = " or ".join(engine.dtypes)
            return f"{engine.name} computes in {known}, not in {self.dtype}"
        return None

    def compute_dtype(self, native: str, engine: EngineFacts) -> str:
        """The precision to load at, or to export at: the engine's preferred one, if need be."""
        dtype = self.dtype or native
        return dtype if dtype in engine.dtypes else engine.dtypes[0]

    def preparation(self, engine: EngineFacts, dtype: str) -> Preparation | None:
        """The conversion to the engine's own format, whose name it has; None for the hub's."""
        if engine.plain is None or engine.plain == HUB:
            return None
        keys: dict[str, JsonValue] = {"dtype": self.compute_dtype(dtype, engine)}
        return Preparation(engine.plain, keys, environment=engine.environment)

    def stored_bytes(self, sizes: Sizes, dtype: str, engine: EngineFacts) -> int:
        """The width of the precision for every parameter; the few norms that differ do not count.

        An ONNX graph has a matrix of its own for a tied head.
        """
        twice = sizes.embedding if sizes.tied and engine.plain == "onnx" else 0
        return (sizes.parameters + twice) * BYTES[dtype]

    def expects_quantized(self) -> bool:
        """A cast quantizes no layer."""
        return False

    @classmethod
    def load_published(cls, load: Load) -> PreTrainedModel:
        """As transformers loads it; it unpacks fp8 where no GPU computes in it."""
        model = load()
        model.weights_were_unpacked = not cls.quantized_layers(model)
        return model

    @classmethod
    def quantized_layers(cls, model: PreTrainedModel) -> int:
        """How many layers of a checkpoint published quantized are such; a cast quantizes none."""
        return sum(type(part).__module__.startswith(INTEGRATIONS) for part in model.modules())

    @classmethod
    def kernel(cls, model: PreTrainedModel) -> str | None:
        """The precision, where transformers turned packed weights into plain ones."""
        if not getattr(model, "weights_were_unpacked", False):
            return None
        return f"weights dequantized to {str(model.dtype).removeprefix('torch.')} while loading"
