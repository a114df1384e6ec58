"""Shared by conversions that quantize with calibration texts."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers

from frontier.checkpoints import safetensor_files
from frontier.conversions import ConversionResult, copy_settings
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError, one_line

BLOCK = 512  # tokens at most
LEAST = 32  # tokens of all texts together


def blocks(tokenizer: Any, texts: list[str], positions: int) -> list[torch.Tensor]:
    """All texts' tokens, separated by end-of-text, in equal blocks of at most BLOCK, each [1, n].

    Tools drop short texts, and a forward pass for each short text takes far longer than the same
    tokens in a row. Raises UserError if there are too few tokens.
    """
    between = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids = [token for text in texts for token in (*tokenizer(text)["input_ids"], *between)]
    if len(ids) < LEAST:
        raise UserError(f"the calibration texts have {len(ids)} tokens; {LEAST} are needed")
    parts = -(-len(ids) // min(BLOCK, positions))
    return [part[None] for part in torch.tensor(ids).tensor_split(parts)]


def token_blocks(checkpoint: Path, texts: list[str]) -> list[torch.Tensor]:
    """The blocks in the checkpoint's own tokens. Raises UserError (unreadable)."""
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint)
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    except OutOfMemoryError:
        raise
    except Exception as error:  # from classes that may check their keys in any way
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    return blocks(tokenizer, texts, getattr(config, "max_position_embeddings", BLOCK))


def check_rows(model: Any, group_size: int) -> None:
    """Raises UnsupportedError if a layer's rows cannot be divided into whole groups."""
    head = model.get_output_embeddings()
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            rows = module.in_features
        elif isinstance(module, transformers.pytorch_utils.Conv1D):
            rows = module.nx
        else:
            continue
        if group_size > 0 and rows % group_size:
            raise UnsupportedError(
                f"{name} has rows of {rows} weights, which cannot be divided into groups of "
                f"{group_size}"
            )


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Runs the block in a temporary folder, since tools leave logs there, and drops its stdout.

    Tools print progress bars, thousands of lines for a large model; errors are raised.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.chdir(name),
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        yield Path(name)


def assemble(written: Path, checkpoint: Path, output: Path) -> None:
    """Takes weights and loading settings from a tool's output, all else from the checkpoint.

    Tools rewrite tokenizers and generation settings with changes.
    """
    copy_settings(checkpoint, output)
    files = safetensor_files.chosen(written)
    for name in filter(None, (files.index, *files.files)):
        shutil.move(written / name, output / name)
    own = json.loads((written / "config.json").read_text(encoding="utf-8"))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    if "quantization_config" in own:  # pruning has none
        config["quantization_config"] = own["quantization_config"]
    config.pop("transformers_weights", None)  # refers to the original's files
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (output / "config.json").write_text(text + "\n", encoding="utf-8")


def result_of(output: Path, mark: str) -> ConversionResult:
    """Counts the tensors whose names end in `mark`, one per layer."""
    headers = safetensor_files.headers(output)
    return ConversionResult(sum(name.endswith(mark) for _, tensors in headers for name in tensors))
