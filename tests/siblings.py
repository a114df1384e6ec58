"""Quantizations converted, loaded and asked like by the programs, one by one in one process."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

from frontier.conversions import CONVERSIONS
from frontier.engines import Generate, Settings
from frontier.quantizers import quantizer_of
from quantizing import ENGINES


def examine(folder: Path, checkpoint: Path, jobs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The bytes that each job's quantization of a checkpoint stores, and the tokens of its answers.

    Conversions write to folders below `folder`.
    """
    return {name: _examine(folder / name, checkpoint, **job) for name, job in jobs.items()}


def _examine(
    output: Path,
    checkpoint: Path,
    block: dict[str, Any],
    engine: str,
    native: str,
    dtype: str,
    texts: str,
    prompts: list[str],
) -> dict[str, Any]:
    quantization = quantizer_of(block)
    asked = quantization.preparation(ENGINES[engine], native)
    built = None
    if asked:
        output.mkdir()
        lines = Path(texts).read_text(encoding="utf-8").splitlines() if asked.calibration else []
        conversion = CONVERSIONS.load(asked.conversion)(**asked.options)
        built = conversion.convert(checkpoint, output, [json.loads(one)["text"] for one in lines])
    load = importlib.import_module(f"frontier.engines.loaded.{engine}").load
    loaded = load(output if built else checkpoint, Settings("cpu", dtype, 1, "plain", quantization))
    answers = [loaded.generate(Generate(prompt, 4, ())) for prompt in prompts]
    found = {
        "weights_bytes": loaded.loaded.weights_bytes,
        "quantized_layers": loaded.loaded.quantized_layers,
        "tokens": [answer.tokens for answer in answers],
        "simulated": False,
    }
    loaded.close()
    if built:
        found["quantized_layers"] = built.quantized_layers
        if built.simulated_bytes is not None:
            found |= {"weights_bytes": built.simulated_bytes, "simulated": True}
    return found
