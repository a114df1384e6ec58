"""Conversions: jobs that make one checkpoint out of another. One file each.

A conversion runs in the environment that its quantizer's `preparation` names, so it may import
that environment's packages at its top. It offers

    convert(checkpoint: Path, output: Path, options: dict[str, Any], texts: list[str]) -> Made

`checkpoint` is a folder in the hub's layout (safetensors). Into `output`, an empty folder, go the
weights in the engine's own form, and config.json, generation_config.json and the tokenizer's files
as they are (`copy_settings`). `texts` are for calibration, [] where none were asked for. It raises
UserError in one line for what it cannot do.
"""

from __future__ import annotations

import hashlib
import importlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frontier import values

WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".gguf", ".onnx", ".onnx_data")


@dataclass(frozen=True)
class Made:
    """What a conversion says of the checkpoint that it made."""

    quantized_layers: int
    """Matrices whose stored form differs from the model's; 0 for a change of format."""
    simulated_bytes: int | None = None
    """What the weights would take if they were packed; set where they only carry the rounding."""


def load(name: str) -> Any:
    """The conversion module of that name."""
    return importlib.import_module(f"frontier.conversions.{name}")


def copy_settings(checkpoint: Path, output: Path) -> None:
    """Copy all of a checkpoint's files but its weights and its lock: configuration, tokenizer."""
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and path.name != "lock.json" and not path.name.endswith(WEIGHTS):
            shutil.copyfile(path, output / path.name)


def weights(folder: Path) -> list[Path]:
    """The files of a made checkpoint that hold its weights."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(WEIGHTS))


def lock(folder: Path, source: dict[str, Any], made: Made) -> dict[str, Any]:
    """What a made checkpoint's lock.json tells: where it is from, its files, what they hold."""
    found = values.facts(path for path in folder.iterdir() if path.is_file())
    shas = "".join(found[path.name]["sha256"] for path in weights(folder))
    return {
        "source": source,
        "files": found,
        "weights_sha256": hashlib.sha256(shas.encode()).hexdigest(),
        "weights_bytes": sum(path.stat().st_size for path in weights(folder)),
        **asdict(made),
    }
