"""GPTQ (Frantar and others, 2022): weights rounded one column after another, each error repaid.

gptqmodel makes the checkpoint and brings the kernels that run it, in an environment of its own:
torch's int4 product for 4 bits on a CPU, on cuda what its installation offers. Embeddings, norms
and the head keep their precision.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from frontier.errors import Reason
from frontier.quantizers import BYTES, Preparation, Sizes, Target
from frontier.quantizers.common.linears import plain_linear_layers

ENGINES = frozenset({"transformers"})
ENVIRONMENT = "gptqmodel"
PUBLISHED = ("gptq",)

ROWS = 0.7  # Σ row lengths · hidden / Σ weights of a block's matrices: .72 for Llama 2, .58 GPT-2

NOT_LOADED: dict[str, Reason] = {
    "gpt2": "transformers cannot load GPT-2's layers as gptqmodel packs them",
    "mixtral": "transformers cannot load Mixtral's experts as gptqmodel packs them",
}
UNFIT: dict[str, dict[str, Reason]] = {
    "GPTQ": NOT_LOADED,
    "AWQ": {
        "gpt2": "gptqmodel's AWQ cannot scale GPT-2's Conv1D layers",
        "mixtral": NOT_LOADED["mixtral"],
        "falcon": "gptqmodel's AWQ cannot scale Falcon's joint layers",
    },
}


class Options(BaseModel):
    """Keys of a `gptq` block."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    bits: Literal[8, 4]
    """Width of the weights."""
    group_size: Literal[128, 64, 32, -1] = 128
    """Weights of one scale and zero point; -1: the whole row."""
    act_order: bool = False
    """Round the columns with the largest activations first (`desc_act`)."""
    symmetric: bool = True
    """No zero point: as many steps below zero as above."""
    calibration: str
    """Id of the texts that it looks at."""


def unsupported(options: Options, target: Target) -> Reason | None:
    """Rows that a group does not divide, and what gptqmodel has no kernel for."""
    return unfit("GPTQ", options.group_size, target)


def unfit(name: str, group_size: int, target: Target) -> Reason | None:
    """What gptqmodel cannot do, for one of its methods."""
    if target.accelerator == "mps":
        return f"{name} is not tried on mps"
    if target.architecture in UNFIT[name]:
        return UNFIT[name][target.architecture]
    if group_size > 0 and target.hidden is not None and target.hidden % group_size:
        return f"{name} cannot cut rows of {target.hidden} weights into groups of {group_size}"
    return None


def compute_dtype(options: Options, native: str, engine: str) -> str:
    """What is not quantized stays as it is."""
    return native


def preparation(options: Options, engine: str, dtype: str) -> Preparation | None:
    """gptqmodel's job, in the environment that loading needs too."""
    keys = {
        "method": "gptq",
        "bits": options.bits,
        "group_size": options.group_size,
        "act_order": options.act_order,
        "symmetric": options.symmetric,
        "dtype": dtype,
    }
    return Preparation("gptqmodel", keys, ENVIRONMENT, options.calibration)


def stored_bytes(options: Options, sizes: Sizes, dtype: str, engine: str) -> int:
    """Packed weights, two-byte scales, zero points, and each column's group in four bytes.

    The CPU's int4 product keeps zero points in two bytes; other kernels pack them.
    """
    group = options.group_size if options.group_size > 0 else sizes.hidden
    unpacked = options.bits == 4 and options.group_size > 0
    zero = 2 if unpacked else options.bits / 8
    columns = 4 * ROWS / sizes.hidden
    weight = options.bits / 8 + (2 + zero) / group + columns
    return round(sizes.layers * weight + (sizes.embedding + sizes.head) * BYTES[dtype])


def load_model(load: Any, options: Options) -> Any:
    """As transformers loads it, settled."""
    return settled(load)


def load_published(load: Any) -> Any:
    """As what is made here."""
    return settled(load)


def settled(load: Any) -> Any:
    """Load a gptqmodel checkpoint and run it once: its kernels repack on their first call.

    So the bytes counted afterwards are those that the model keeps.
    """
    import os
    from contextlib import redirect_stdout
    from logging import WARNING
    from sys import stderr

    import logbar
    import torch

    os.environ["GPTQMODEL_DISABLE_GIL_WARNING"] = "1"
    logbar.LogBar.shared().setLevel(WARNING)  # else it tells much, a banner first, and on stdout
    with redirect_stdout(stderr), torch.no_grad(), plain_linear_layers():
        model = load().eval()
        model(torch.zeros((1, 1), dtype=torch.long, device=model.device))
    return model


def expects_quantized(options: Options) -> bool:
    """Both widths quantize layers."""
    return True


def packed(model: Any) -> list[Any]:
    """The modules that hold packed weights."""
    from gptqmodel.nn_modules.qlinear import BaseQuantLinear

    return [module for module in model.modules() if isinstance(module, BaseQuantLinear)]


def quantized_layers(model: Any) -> int:
    """How many modules hold packed weights."""
    return len(packed(model))


def kernel(model: Any) -> str:
    """The class, or classes, that gptqmodel chose for the layers."""
    return ", ".join(sorted({type(module).__name__ for module in packed(model)}))
