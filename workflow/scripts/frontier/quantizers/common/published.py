"""The quantizers that load checkpoints published quantized, and reasons to reject others."""

from __future__ import annotations

from pathlib import Path

from frontier.checkpoints.gguf_header import METHOD
from frontier.checkpoints.published import Published, packed, published
from frontier.checkpoints.safetensor_files import CONFIG
from frontier.errors import Reason, UnsupportedError, UserError, did_you_mean
from frontier.quantizers import Prepared, Quantizer, published_loaders


def loader_of(
    checkpoint: Path, quantizer: Quantizer, expected: str | None
) -> type[Quantizer] | None:
    """The class that loads a checkpoint published quantized.

    `expected` is the method according to the plan. None if the checkpoint was not published
    quantized, or the quantizer's own job produced it. Raises UnsupportedError if another
    quantization is requested, or none here loads this one.
    """
    found = published(checkpoint)
    if found is None:
        if expected:
            raise UserError(
                f"config/models.yaml says published: {expected}, and {CONFIG} of the checkpoint "
                "names no quantization"
            )
        return None
    if isinstance(quantizer, Prepared) and found.method == quantizer.FORMAT:
        return None
    if reason := refusal(found, quantizer):
        raise UnsupportedError(reason)
    if not packed(checkpoint):
        raise UnsupportedError(f"published quantized: {found}, and none of its tensors is")
    if expected != found.method:
        raise UnsupportedError(
            f"published quantized: {found}; to run it, give the model `published: {found.method}` "
            "in config/models.yaml"
        )
    return published_loaders()[found.method]


def refusal(found: Published, quantizer: Quantizer) -> Reason | None:
    """The reason why a checkpoint published this way does not fit the request."""
    wanted = output(quantizer)
    if quantizer.method != "native" or (found.method == METHOD and wanted != "native"):
        return f"published quantized: {found}; it cannot be quantized again by {wanted}"
    if found.method not in published_loaders():
        hint = did_you_mean(found.method, published_loaders())
        return f"published quantized: {found}, which no quantizer here loads{hint}"
    return None


def output(quantizer: Quantizer) -> str:
    """A quantization's method and its keys with other values than the defaults."""
    given = quantizer.model_dump(exclude_defaults=True, exclude={"label"})
    keys = ", ".join(f"{name}: {value}" for name, value in given.items())
    return f"{quantizer.method} ({keys})" if keys else quantizer.method
