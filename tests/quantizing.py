"""Quantizers by their method and keys, and engines as quantizers see them."""

from __future__ import annotations

from typing import Any

from frontier.quantizers import EngineFacts, Quantizer, quantizer_of

TRANSFORMERS = EngineFacts("transformers")
LLAMA_CPP = EngineFacts("llama_cpp", plain="gguf", environment="llama_cpp")
ONNXRUNTIME, OPENVINO = (
    EngineFacts(name, dtypes=("float32",), plain=format, environment=name)
    for name, format in (("onnxruntime", "onnx"), ("openvino", "openvino"))
)
ENGINES = {one.name: one for one in (TRANSFORMERS, LLAMA_CPP, ONNXRUNTIME, OPENVINO)}


def quantizer(method: str, **keys: Any) -> Quantizer:
    """The quantizer of a block with these keys."""
    return quantizer_of({"method": method, **keys})
