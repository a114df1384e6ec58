"""Conversions: jobs that turn one checkpoint into another. One class per file.

The fields of a class are the options from a quantizer's `preparation`. A conversion runs in the
environment named there, so it may import that environment's packages at the top. One that writes
unquantized models in an engine's format has the format's name (config/engines.yaml, `reads`), and a
key `dtype` for the precision.
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
from frontier.quantizers import HUB, Prepared, usable
from frontier.registry import Registry

WEIGHTS = (
    ".safetensors", ".safetensors.index.json", ".bin", ".gguf", ".onnx", ".onnx_data", ".onnx.data",
)  # fmt: skip


@dataclass(frozen=True)
class ConversionResult:
    """A conversion's facts about the checkpoint that it wrote."""

    quantized_layers: int
    """Matrices whose stored form differs from the model's; 0 for a change of format."""
    simulated_bytes: int | None = None
    """The bytes of the weights if they were packed; set if they are only rounded."""
    zeros: float | None = None
    """The share of zeros among the weights of the layers, counted in the files; set by pruning."""


class Conversion(Block, ABC):
    """The base of all conversions."""

    @abstractmethod
    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes the files that an engine loads to `output`, an empty folder.

        `checkpoint` is a folder in the hub's layout (safetensors). Its weights are written in the
        engine's own form; config.json, generation_config.json and the tokenizer's files unchanged
        (`copy_settings`). `texts` are for calibration, [] if none are needed.
        Raises UserError or UnsupportedError, in one line, if it cannot be converted.
        """


CONVERSIONS: Registry[Conversion] = Registry("conversions", Conversion)


def plain_formats() -> set[str]:
    """The formats in which a model can be written as it is.

    They are the hub's and those that have a conversion of their name. A job by which quantizers
    make another format than its name (gptqmodel) writes none. By the quantizers, since the files
    of conversions cannot be imported without their tools.
    """
    made = [kind for kind in usable() if issubclass(kind, Prepared)]
    jobs = {kind.CONVERSION for kind in made if kind.CONVERSION != kind.FORMAT}
    return {HUB, *CONVERSIONS.names()} - jobs


def copy_settings(checkpoint: Path, output: Path) -> None:
    """Copies a checkpoint's files except weights and lock: configuration, tokenizer."""
    for path in sorted(checkpoint.iterdir()):
        if path.is_file() and path.name != "lock.json" and not path.name.endswith(WEIGHTS):
            shutil.copyfile(path, output / path.name)


def weights(folder: Path) -> list[Path]:
    """The files with the weights of a converted checkpoint."""
    return sorted(path for path in folder.iterdir() if path.name.endswith(WEIGHTS))


def lock(folder: Path, source: dict[str, Any], result: ConversionResult) -> dict[str, Any]:
    """A converted checkpoint's lock.json: its source, its files and facts about them."""
    found = values.facts(path for path in folder.iterdir() if path.is_file())
    shas = "".join(found[path.name]["sha256"] for path in weights(folder))
    return {
        "source": source,
        "files": found,
        "weights_sha256": hashlib.sha256(shas.encode()).hexdigest(),
        "weights_bytes": sum(path.stat().st_size for path in weights(folder)),
        **asdict(result),
    }
