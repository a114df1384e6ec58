"""llmcompressor's `oneshot`: a checkpoint changed by a recipe, calibrated layer by layer.

On cuda if available, else on the CPU. The same texts give the same weights on one machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["LLM_COMPRESSOR_LOG_LEVEL"] = "ERROR"

import torch
import transformers
from llmcompressor import oneshot

from frontier.conversions.common.calibrated import check_rows, scratch_folder, token_blocks
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.quantizers.common.linears import plain_linear_layers


@contextmanager
def compressed(
    checkpoint: Path, dtype: str, group_size: int, recipe: list[Any], texts: list[str] | None
) -> Iterator[Path]:
    """A folder with the checkpoint as llmcompressor writes it; `texts` None: without calibration.

    Raises UserError for an unreadable checkpoint or texts of too few tokens, UnsupportedError for
    rows that groups do not fit.
    """
    torch.manual_seed(0)
    transformers.utils.logging.disable_progress_bar()
    calibrating: dict[str, Any] = {}
    if texts is not None:
        samples: Any = [{"input_ids": block} for block in token_blocks(checkpoint, texts)]
        calibrating = {
            "dataset": torch.utils.data.DataLoader(samples, batch_size=None),
            "num_calibration_samples": len(samples),
            "shuffle_calibration_samples": False,
        }
    check_causal(checkpoint)
    with plain_linear_layers():
        model = load_whole(checkpoint, dtype=getattr(torch, dtype))
    check_rows(model, group_size)
    with scratch_folder() as folder:
        with no_way("llmcompressor cannot quantize it"):
            oneshot(model=model, recipe=recipe, **calibrating)
        model.save_pretrained(folder, save_compressed=True)
        yield folder
