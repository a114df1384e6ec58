"""Quantizers by their method and keys, and engines as quantizers see them."""

from __future__ import annotations

from typing import Any

import shipped
from frontier.planning.placement import engine_facts
from frontier.quantizers import Quantizer, quantizer_of

# Of the shipped catalogue without its tasks, whose scorers an engine's environment cannot import.
ENGINES = {
    engine.kind: engine_facts(engine)
    for engine in shipped.catalogue().engines.values()
    if engine.kind != "server"
}
"""The engines of config/engines.yaml in this process, by kind."""
TRANSFORMERS, LLAMA_CPP = ENGINES["transformers"], ENGINES["llama_cpp"]
ONNXRUNTIME, OPENVINO = ENGINES["onnxruntime"], ENGINES["openvino"]


def quantizer(method: str, **keys: Any) -> Quantizer:
    """The quantizer of a block with these keys."""
    return quantizer_of({"method": method, **keys})
