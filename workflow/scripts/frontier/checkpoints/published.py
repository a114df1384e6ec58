"""How a checkpoint was published quantized, as its config.json says: read here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from frontier import quantizers
from frontier.checkpoints.safetensor_files import CONFIG, headers, json_object
from frontier.engines import Settings
from frontier.errors import Reason, UnsupportedError, UserError, did_you_mean
from frontier.text import visible

KEYS = ("quantization_config", "compression_config")
PLAIN = ("F64", "F32", "F16", "BF16")
SHOWN = 40  # characters of a name that a file gives


@dataclass(frozen=True)
class Published:
    """A quantization that is in the files: it can be loaded as it is, and not be replaced."""

    method: str
    """transformers' name of it; '' where there is none."""
    details: str
    """Its width or type, in words; '' where unknown."""

    def __str__(self) -> str:
        """In words, for reasons."""
        name = visible(self.method, SHOWN) if self.method else "by a method without a name"
        return f"{name} ({self.details})" if self.details else name


def published(checkpoint: Path) -> Published | None:
    """The quantization that a checkpoint was published in; None where it was not.

    Raises UserError where config.json is missing or is no JSON object.
    """
    config = json_object(checkpoint / CONFIG)
    text = config.get("text_config")
    for part in (config, text if isinstance(text, dict) else {}):
        for key in KEYS:
            if part.get(key) is not None:
                return _read(part[key])
    return None


def quantizer_of(checkpoint: Path, settings: Settings) -> Any | None:
    """The quantizer module that loads a checkpoint which was published quantized.

    None where it was not, or where it is what a job made for this very quantization. Raises
    UnsupportedError where another quantization is asked for, or nothing here loads that one.
    """
    found = published(checkpoint)
    if found is None:
        if settings.published:
            raise UserError(
                f"config/models.yaml says published: {settings.published}, and {CONFIG} of the "
                "checkpoint names no quantization"
            )
        return None
    if found.method in _made_by_a_job(settings):
        return None
    wanted = asked(settings.method, settings.quantization)
    if reason := refusal(found, wanted):
        raise UnsupportedError(reason)
    if not _packed(checkpoint):
        raise UnsupportedError(f"published quantized: {found}, and none of its tensors is")
    if settings.published != found.method:
        raise UnsupportedError(
            f"published quantized: {found}; to run it, give the model `published: {found.method}` "
            "in config/models.yaml"
        )
    return quantizers.of_published(found.method)


def refusal(found: Published, wanted: str) -> Reason | None:
    """Why a checkpoint that was published so is not what is `wanted`: `native`, or in words."""
    if wanted != "native":
        return f"published quantized: {found}; it takes no other quantization, as {wanted} is"
    if quantizers.of_published(found.method) is None:
        hint = did_you_mean(found.method, quantizers.published_methods())
        return f"published quantized: {found}, which nothing here loads{hint}"
    return None


def asked(method: str, options: dict[str, Any]) -> str:
    """A quantization in words; `native` whatever it is cast to."""
    keys = ", ".join(f"{name}: {value}" for name, value in options.items())
    return f"{method} ({keys})" if keys and method != "native" else method


def _packed(checkpoint: Path) -> bool:
    """Whether a tensor is stored in anything but plain floating point."""
    return any(
        tensor.dtype not in PLAIN for _, found in headers(checkpoint) for tensor in found.values()
    )


def _made_by_a_job(settings: Settings) -> tuple[str, ...]:
    """The methods that a checkpoint names which the variant's own job has made."""
    module = quantizers.load(settings.method)
    options = module.Options(**settings.quantization)
    job = module.preparation(options, "transformers", settings.dtype)
    return getattr(module, "PUBLISHED", ()) if job else ()


def _read(block: Any) -> Published:
    """What a block says of it. Anything may stand there; what has no meaning has no method."""
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
        return visible(str(block.get("bnb_4bit_quant_type", "fp4")), SHOWN)
    if isinstance(bits := block.get("bits"), int):
        return f"{bits} bits"
    return visible(block["format"], SHOWN) if isinstance(block.get("format"), str) else ""
