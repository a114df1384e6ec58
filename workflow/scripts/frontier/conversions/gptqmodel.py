"""GPTQ and AWQ checkpoints by gptqmodel, on cuda where there is one, else on the CPU.

The same texts give the same weights on one machine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

from frontier.blocks import Dtype
from frontier.conversions import Conversion, ConversionResult
from frontier.conversions.common.calibrated import (
    assemble,
    check_rows,
    result_of,
    scratch_folder,
    token_blocks,
)
from frontier.engines.common.loading import check_causal, check_complete, no_way
from frontier.machine import hardware
from frontier.quantizers.common.linears import plain_linear_layers

# Read at import; it fails with fewer than two, but its default on two cores is one.
_threads = int(os.environ.get("OMP_NUM_THREADS", hardware.cores()))
os.environ["GPTQMODEL_CPU_WORKERS"] = str(max(2, _threads))
os.environ["GPTQMODEL_DISABLE_GIL_WARNING"] = "1"

with scratch_folder():  # hides its banner
    import torch
    from gptqmodel import BACKEND, AWQConfig, GPTQConfig, GPTQModel


class GptqModel(Conversion):
    """gptqmodel's methods; `act_order` and `symmetric` are GPTQ's."""

    method: Literal["gptq", "awq"]
    bits: int
    group_size: int
    act_order: bool = False
    symmetric: bool = False
    dtype: Dtype

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Quantizes; counts the packed matrices.

        Raises UserError for an unreadable checkpoint, an unknown family, rows that groups do not
        fit, texts of too few tokens.
        """
        torch.manual_seed(0)
        checkpoint, output = checkpoint.absolute(), output.absolute()
        samples = [
            {"input_ids": block, "attention_mask": torch.ones_like(block)}
            for block in token_blocks(checkpoint, texts)
        ]
        with scratch_folder() as folder, plain_linear_layers():
            model = self._load(checkpoint)
            check_rows(model.model, self.group_size)
            # By default it uses the CUDA kernel for packing AWQ, even on a machine without CUDA.
            backend = BACKEND.GPTQ_TORCH if self.method == "gptq" else BACKEND.AWQ_TORCH
            with no_way("gptqmodel cannot quantize it"):
                model.quantize(samples, batch_size=1, calibration_sort=None, backend=backend)
            model.save(str(folder))
            assemble(folder, checkpoint, output)
        return result_of(output, ".qweight")

    def _load(self, checkpoint: Path) -> Any:
        """The model, ready to be quantized. Raises UserError, UnsupportedError.

        Loads it first without weights, to check that the files have all of them.
        """
        check_causal(checkpoint)
        check_complete(checkpoint)
        common = {
            "bits": self.bits,
            "group_size": self.group_size,
            "device": "cuda" if torch.cuda.is_available() else "cpu",
            "offload_to_disk": False,
            # The others compile C++.
            "pack_impl": "original",
        }
        if self.method == "gptq":
            config = GPTQConfig(**common, desc_act=self.act_order, sym=self.symmetric)
        else:
            config = AWQConfig(**common, sym=False)
        with no_way("gptqmodel cannot load it"):
            return GPTQModel.load(
                str(checkpoint), config, dtype=getattr(torch, self.dtype), use_safetensors=True
            )
