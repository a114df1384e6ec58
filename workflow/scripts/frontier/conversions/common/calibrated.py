"""What the conversions share that quantize with calibration texts."""

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
from frontier.errors import UnsupportedError, UserError, one_line

BLOCK = 512  # tokens at most
LEAST = 32  # tokens of all texts together


def blocks(tokenizer: Any, texts: list[str], positions: int) -> list[torch.Tensor]:
    """All texts' tokens, an end of text between them, in equal parts of at most BLOCK; each [1, n].

    Tools drop short texts, and a forward pass for each of many short ones takes far longer than
    the same tokens in a row. Raises UserError where there is next to nothing.
    """
    between = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
    ids = [token for text in texts for token in (*tokenizer(text)["input_ids"], *between)]
    if len(ids) < LEAST:
        raise UserError(f"the calibration texts have {len(ids)} tokens; {LEAST} are needed")
    parts = -(-len(ids) // min(BLOCK, positions))
    return [part[None] for part in torch.tensor(ids).tensor_split(parts)]


def token_blocks(checkpoint: Path, texts: list[str]) -> list[torch.Tensor]:
    """The blocks in a checkpoint's own tokens. Raises UserError (unreadable)."""
    try:
        config = transformers.AutoConfig.from_pretrained(checkpoint)
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    except Exception as error:  # of classes that check their own keys in any way they like
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    return blocks(tokenizer, texts, getattr(config, "max_position_embeddings", BLOCK))


def check_rows(model: Any, group_size: int) -> None:
    """Raise UnsupportedError where a layer's rows cannot be cut into whole groups."""
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
                f"{name} has rows of {rows} weights, which cannot be cut into groups of "
                f"{group_size}"
            )


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder to work in: tools leave logs where they run. Their stdout is dropped.

    They draw bars there, thousands of lines for a large model; what fails they raise.
    """
    with (
        tempfile.TemporaryDirectory() as name,
        contextlib.chdir(name),
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        contextlib.redirect_stdout(nowhere),
    ):
        yield Path(name)


def assemble(written: Path, checkpoint: Path, output: Path) -> None:
    """Weights from what a tool wrote, all else from the checkpoint but for how to load them.

    Tools write tokenizers and generation settings again, changed.
    """
    copy_settings(checkpoint, output)
    files = safetensor_files.chosen(written)
    for name in filter(None, (files.index, *files.files)):
        shutil.move(written / name, output / name)
    own = json.loads((written / "config.json").read_text(encoding="utf-8"))
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    config["quantization_config"] = own["quantization_config"]
    config.pop("transformers_weights", None)  # the name of the checkpoint's own
    text = json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False)
    (output / "config.json").write_text(text + "\n", encoding="utf-8")


def result_of(output: Path, mark: str) -> ConversionResult:
    """Counts the tensors whose names end in `mark`, one a layer."""
    headers = safetensor_files.headers(output)
    return ConversionResult(sum(name.endswith(mark) for _, tensors in headers for name in tensors))
