"""The published quantization of a checkpoint, from its config.json; read only here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object
from frontier.text import visible

KEYS = ("quantization_config", "compression_config")
PLAIN = ("F64", "F32", "F16", "BF16")
SHOWN = 40  # characters of a text from a file


@dataclass(frozen=True)
class Published:
    """A quantization in the files, which can be loaded but not replaced."""

    method: str
    """transformers' name for it; '' if there is none."""
    details: str
    """Its width or type, as text; '' if unknown."""

    def __str__(self) -> str:
        """A description, for reasons."""
        name = _short(self.method) or "by a method without a name"
        return f"{name} ({self.details})" if self.details else name


def published(checkpoint: Path) -> Published | None:
    """The quantization in which a checkpoint was published; None if it was not quantized.

    Raises UserError if config.json is missing or not a JSON object.
    """
    block = settings(json_object(checkpoint / CONFIG))
    return None if block is None else _read(block)


def settings(config: Mapping[str, Any]) -> Any:
    """The block on the quantization in a config.json, which may be anything; None without one."""
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        for key in KEYS:
            if part.get(key) is not None:
                return part[key]
    return None


def packed(checkpoint: Path) -> bool:
    """True if a tensor is not stored in plain floating point."""
    return any(
        tensor.dtype not in PLAIN for _, found in headers(checkpoint) for tensor in found.values()
    )


def _read(block: Any) -> Published:
    """The quantization in a block, which may contain anything; no method if it is meaningless."""
    if not isinstance(block, dict):
        return Published("", "")
    method = block.get("quant_method")
    if block.get("load_in_4bit") is True or block.get("load_in_8bit") is True:
        method = "bitsandbytes"
    if not isinstance(method, str):
        return Published("", "")
    return Published(method, _details(method, block))


def _details(method: str, block: dict[str, Any]) -> str:
    if method == "bitsandbytes":
        if block.get("load_in_4bit") is not True:
            return "LLM.int8()"
        return _short(str(block.get("bnb_4bit_quant_type", "fp4")))
    if isinstance(bits := block.get("bits"), int | float):  # EXL3 has 3.5 too
        return _short(f"{bits:g} bits")
    return _short(block["format"]) if isinstance(block.get("format"), str) else ""


def _short(text: str) -> str:
    """A text from a file as one short line."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= SHOWN else f"{line[:SHOWN]}…"
