"""Quantizers: ways to make a checkpoint smaller. One file each; its name is its registration.

A quantizer module imports no engine at its top, for it is asked while planning. It offers

- `Options`: the keys of its blocks in config/quantizations.yaml besides `method`;
- `unsupported(options, architecture, accelerator) -> str | None`: a reason known beforehand;
- `bytes_per_parameter(options, dtype) -> float`: for the plan's estimate of memory;
- `compute_dtype(options, native) -> str`: the precision of what is not quantized;
- `load_arguments(options) -> dict`: for transformers' `from_pretrained`;
- `expects_quantized(options) -> bool` and `quantized_layers(model) -> int`: the check that a
  quantization did something, so that none is ever a silent copy.
"""

from __future__ import annotations

import importlib
from typing import Any

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def load(method: str) -> Any:
    """The quantizer module of that name."""
    return importlib.import_module(f"frontier.quantizers.{method}")
