"""GPTQ and AWQ checkpoints by gptqmodel, on cuda where there is one, else on the CPU.

The same texts give the same weights on one machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from frontier.conversions import Made
from frontier.conversions.common.calibrated import (
    check_rows,
    collect,
    made_of,
    of_checkpoint,
    workshop,
)
from frontier.engines.common.loading import check_causal, check_whole, no_way
from frontier.machine import hardware
from frontier.quantizers.common.linears import plain_linear_layers

# Read at import; it fails with less than two, which its own default is on two cores.
_threads = int(os.environ.get("OMP_NUM_THREADS", hardware.cores()))
os.environ["GPTQMODEL_CPU_WORKERS"] = str(max(2, _threads))
os.environ["GPTQMODEL_DISABLE_GIL_WARNING"] = "1"

with workshop():  # for its banner
    import torch
    from gptqmodel import BACKEND, AWQConfig, GPTQConfig, GPTQModel


def convert(checkpoint: Path, output: Path, options: dict[str, Any], texts: list[str]) -> Made:
    """Quantize by `options["method"]`, gptq or awq; counts the packed matrices.

    Raises UserError for an unreadable checkpoint, an unknown family, rows that groups do not fit,
    texts of too few tokens.
    """
    torch.manual_seed(0)
    checkpoint, output = checkpoint.absolute(), output.absolute()
    samples = [
        {"input_ids": block, "attention_mask": torch.ones_like(block)}
        for block in of_checkpoint(checkpoint, texts)
    ]
    with workshop() as folder, plain_linear_layers():
        model = _load(checkpoint, options)
        check_rows(model.model, options["group_size"])
        # Left to itself it takes the CUDA kernel for packing AWQ, on a machine without one too.
        backend = BACKEND.GPTQ_TORCH if options["method"] == "gptq" else BACKEND.AWQ_TORCH
        with no_way("gptqmodel cannot quantize it"):
            model.quantize(samples, batch_size=1, calibration_sort=None, backend=backend)
        model.save(str(folder))
        collect(folder, checkpoint, output)
    return made_of(output, ".qweight")


def _load(checkpoint: Path, options: dict[str, Any]) -> Any:
    """The model, ready to be quantized. Raises UserError, UnsupportedError.

    First without its weights, only to see that the files have them all.
    """
    check_causal(checkpoint)
    check_whole(checkpoint)
    common = {
        "bits": options["bits"],
        "group_size": options["group_size"],
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "offload_to_disk": False,
        # The others compile C++ for their work.
        "pack_impl": "original",
    }
    if options["method"] == "gptq":
        own = {"desc_act": options["act_order"], "sym": options["symmetric"]}
        config = GPTQConfig(**common, **own)
    else:
        config = AWQConfig(**common, sym=False)
    with no_way("gptqmodel cannot load it"):
        return GPTQModel.load(
            str(checkpoint), config, dtype=getattr(torch, options["dtype"]), use_safetensors=True
        )
