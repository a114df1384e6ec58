"""Quantizers: ways to make a checkpoint smaller. One file each; its name is its registration.

A quantizer module imports no engine and no tool at its top, for it is asked while planning, in the
core's environment. It offers

- `Options`: the keys of its blocks in config/quantizations.yaml besides `method`;
- `ENGINES`: the engines that can run what it makes;
- `ENVIRONMENT`: the pins (workflow/envs/NAME.txt) that loading it needs besides the engine's own,
  or None;
- `unsupported(options, target) -> str | None`: what it cannot do, a reason known beforehand;
- `compute_dtype(options, native, engine) -> str`: the precision of what is not quantized, where
  `native` is the model's own;
- `preparation(options, engine, dtype) -> Preparation | None`: the job that makes a checkpoint of
  its own for that engine; None where it quantizes while loading, or loads the model as it is;
- `stored_bytes(options, sizes, dtype, engine) -> int`: what the weights take, for the plan;
- `expects_quantized(options) -> bool`: whether layers must come out quantized, so that none is ever
  a silent copy of its model.

Those for the transformers engine offer besides

- `load_model(load, options) -> model`: `load(**arguments)` is `from_pretrained` with the engine's
  own arguments;
- `quantized_layers(model) -> int | None`: how many layers came out quantized; None: the job that
  made the checkpoint counted them;
- `PUBLISHED`, where it can: transformers' names of the methods whose checkpoints, published
  quantized, it loads as they are, with `load_published(load) -> model`;
- `kernel(model) -> str | None`, where it knows: what multiplies by the packed weights.

That engine counts what a loaded model stores from its parameters and buffers; so `load_model` makes
buffers of the scales that a tool keeps elsewhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from typing import Any

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
EVERY_ENGINE = frozenset({"transformers", "llama_cpp", "onnxruntime", "openvino"})


@dataclass(frozen=True)
class Target:
    """What a quantization is asked to do: a model's family, and where it is to run."""

    architecture: str | None
    accelerator: str
    engine: str
    adapter: bool = False
    hidden: int | None = None
    """Length of the model's shortest rows; None where it is not given."""


@dataclass(frozen=True)
class Sizes:
    """How a model's parameters are spread, for what its weights take."""

    parameters: int
    embedding: int
    """Of the token embedding alone: vocabulary × hidden."""
    tied: bool
    """The head is the embedding: it is counted, and stored, once."""
    hidden: int = 4096
    """Length of most rows, for what is stored once a row."""

    @property
    def head(self) -> int:
        """Parameters of a head of its own."""
        return 0 if self.tied else self.embedding

    @property
    def layers(self) -> int:
        """All other parameters: the layers' matrices and their few norms and biases."""
        return self.parameters - self.embedding - self.head


@dataclass(frozen=True)
class Preparation:
    """A job that turns a model's checkpoint into another one."""

    conversion: str
    """frontier/conversions/CONVERSION.py."""
    options: dict[str, Any] = field(default_factory=dict)
    environment: str | None = None
    """workflow/envs/ENVIRONMENT.txt; None: the core's own."""
    calibration: str | None = None
    """The id of the texts that it looks at."""


def load(method: str) -> Any:
    """The quantizer module of that name."""
    return importlib.import_module(f"frontier.quantizers.{method}")


def published_methods() -> dict[str, Any]:
    """By the methods that checkpoints are published quantized by, the modules that load them."""
    modules = (load(name) for _, name, package in pkgutil.iter_modules(__path__) if not package)
    return {method: one for one in modules for method in getattr(one, "PUBLISHED", ())}


def of_published(method: str) -> Any | None:
    """The quantizer module that loads what was published quantized by `method`, if one does."""
    return published_methods().get(method)
