"""Conversions: jobs that make one checkpoint out of another. One class a file.

The fields of a class are the options that a quantizer's `preparation` gives it. A conversion runs
in the environment that is named there, so it may import that environment's packages at its top.
One that writes models as they are in an engine's format has the format's name (config/engines.yaml,
`reads`), and a key `dtype` for the precision.
"""

from __future__ import annotations

import hashlib
import shutil
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from frontier import values
from frontier.blocks import Block
from frontier.registry import Registry

WEIGHTS = (".safetensors", ".safetensors.index.json", ".bin", ".gguf", ".onnx", ".onnx_data")


@dataclass(frozen=True)
class ConversionResult:
    """What a conversion says of the checkpoint that it wrote."""

    quantized_layers: int
    """Matrices whose stored form differs from the model's; 0 for a change of format."""
    simulated_bytes: int | None = None
    """What the weights would take if they were packed; set where they only carry the rounding."""


class Conversion(Block, ABC):
    """The base of all conversions."""

    @abstractmethod
    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes into `output`, an empty folder, what an engine loads.

        `checkpoint` is a folder in the hub's layout (safetensors). Its weights are written in the
        engine's own form; config.json, generation_config.json and the tokenizer's files as they
        are (`copy_settings`). `texts` are for calibration, [] where none were asked for.
        Raises UserError or UnsupportedError, in one line, for what cannot be converted.
        """


CONVERSIONS: Registry[Conversion] = Registry("conversions", Conversion)


def copy_settings(checkpoint: Path, output: Path) -> None:
    """Copy all of a checkpoint's files but its weights and its lock: configuration, tokenizer."""
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and path.name != "lock.json" and not path.name.endswith(WEIGHTS):
            shutil.copyfile(path, output / path.name)


def weights(folder: Path) -> list[Path]:
    """The files of a converted checkpoint that hold its weights."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(WEIGHTS))


def lock(folder: Path, source: dict[str, Any], result: ConversionResult) -> dict[str, Any]:
    """A converted checkpoint's lock.json: where it is from, its files, what they hold."""
    found = values.facts(path for path in folder.iterdir() if path.is_file())
    shas = "".join(found[path.name]["sha256"] for path in weights(folder))
    return {
        "source": source,
        "files": found,
        "weights_sha256": hashlib.sha256(shas.encode()).hexdigest(),
        "weights_bytes": sum(path.stat().st_size for path in weights(folder)),
        **asdict(result),
    }
