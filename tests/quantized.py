"""The results of quantizing checkpoints, as JSON: for tests in an environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError
from quantizing import quantizer

Job = tuple[str, dict[str, Any], str, str]
"""Method, its keys, the checkpoint's folder, the precision to load at."""


def examine(jobs: list[Job]) -> list[dict[str, Any]]:
    """Loads each, next to the native model, and reports its stored bytes and answers."""
    return [_examine(*job) for job in jobs]


def _examine(method: str, keys: dict[str, Any], folder: str, dtype: str) -> dict[str, Any]:
    try:
        found = engine.load(
            Path(folder), Settings("cpu", dtype, 1, "plain", quantizer(method, **keys))
        )
    except UnsupportedError as error:
        return {"refused": str(error)}
    native = engine.load(Path(folder), Settings("cpu", dtype, 1, "plain", quantizer("native")))
    of_quantized, true = _logits(found.model), _logits(native.model)
    return {
        "bytes": found.loaded.weights_bytes,
        "parent_bytes": native.loaded.weights_bytes,
        "layers": found.loaded.quantized_layers,
        "error": float((of_quantized - true).square().mean().sqrt()),
        "spread": float(true.std()),
        "texts": [found.generate(Generate("Once upon a time", 12, ())).text for _ in range(3)],
    }


def _logits(model: Any) -> torch.Tensor:
    """A model's logits for twenty fixed tokens, [20, vocabulary]."""
    with torch.no_grad():
        said: torch.Tensor = model(torch.arange(20)[None] + 5).logits[0].float()
    return said
