"""No quantization: the checkpoint at its own precision, or cast to another floating-point one.

transformers casts while loading; the other engines get a checkpoint in their own format. ONNX
Runtime and OpenVINO compute in float32 on a CPU, so there every model is exported as float32.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import BYTES, EVERY_ENGINE, Preparation, Sizes, Target

ENGINES = EVERY_ENGINE
ENVIRONMENT = None
PUBLISHED = ("bitnet", "fp8")  # what transformers loads by itself

GGUF_TYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
INTEGRATIONS = "transformers.integrations."
"""Where transformers' own layers of packed weights are."""
FLOAT32_ENGINES = {"onnxruntime": "onnx", "openvino": "openvino"}
"""Engines that get float32 only, with the conversion that exports it."""


class Options(BaseModel):
    """Keys of a `native` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    """The precision to cast to; unset: the model's own."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """A half precision that was asked for, where the engine computes in float32 only."""
    if target.engine in FLOAT32_ENGINES and options.dtype not in (None, "float32"):
        return f"{target.engine} computes in float32 here, not in {options.dtype}"
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """The precision to load at, or to export at."""
    return "float32" if engine in FLOAT32_ENGINES else options.dtype or native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """The engine's own format; transformers reads the checkpoint itself."""
    dtype = compute_dtype(options, dtype, engine)
    if engine == "llama_cpp":
        return Preparation("gguf", {"type": GGUF_TYPES[dtype]}, environment=engine)
    if engine in FLOAT32_ENGINES:
        return Preparation(FLOAT32_ENGINES[engine], {"dtype": dtype}, environment=engine)
    return None


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """The width of the precision for every parameter; the few norms that differ do not count.

    ONNX Runtime has a matrix of its own for a tied head.
    """
    twice = sizes.embedding if sizes.tied and engine == "onnxruntime" else 0
    return (sizes.parameters + twice) * BYTES[dtype]


def load_model(load: Any, options: Options) -> Any:
    """As it is; the engine passes the precision."""
    return load()


def load_published(load: Any) -> Any:
    """As transformers loads it; it unpacks fp8 where no GPU computes in it."""
    model = load()
    model.weights_were_unpacked = not quantized_layers(model)
    return model


def expects_quantized(options: Options) -> bool:
    """A cast quantizes no layer."""
    return False


def quantized_layers(model: Any) -> int:
    """How many layers of a checkpoint published quantized are such; a cast quantizes none."""
    return sum(type(part).__module__.startswith(INTEGRATIONS) for part in model.modules())


def kernel(model: Any) -> str | None:
    """Says where transformers turned packed weights into plain ones."""
    if not getattr(model, "weights_were_unpacked", False):
        return None
    return f"weights dequantized to {str(model.dtype).removeprefix('torch.')} while loading"
