"""A checkpoint as ONNX Runtime GenAI's model builder writes it: model.onnx and genai_config.json.

The builder writes a graph of its own for each architecture, and ignores keys of config.json that it
does not know. So the graph is asked for the logits of a text, which must be those of transformers,
before it is quantized or used.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Literal

# ONNX Runtime sends telemetry without consent; this is its own switch to stop it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime_genai.models.builder import create_model, parse_extra_options

from frontier.checkpoints import genai_families
from frontier.checkpoints.safetensor_files import json_object
from frontier.conversions import Conversion, ConversionResult, copy_settings
from frontier.engines.common import onnx_graphs
from frontier.engines.common.loading import check_causal, load_whole, no_way
from frontier.errors import UnsupportedError

WRITTEN = ("model.onnx", "model.onnx.data", "genai_config.json")
CACHED = "past_key_values."
HEAD = 16
TOKENS, BEYOND = 64, 32
"""Tokens of the text that is compared, and those beyond a sliding window."""
ROUNDING = 0.01
"""The largest difference of logits, as a share of their standard deviation."""


class OnnxGenAi(Conversion):
    """A graph with a key-value cache, as it is or quantized."""

    weights: Literal["int8", "int4"] | None = None
    """Width of the weights; unset: the unquantized model, in `dtype`."""
    group_size: int | None = None
    """Weights per scale."""
    dtype: Literal["float32"] = "float32"

    def convert(self, checkpoint: Path, output: Path, texts: list[str]) -> ConversionResult:
        """Writes the graph, and quantizes it if requested.

        Raises UnsupportedError for what the builder cannot write or writes wrongly, UserError for
        an unreadable checkpoint.
        """
        check_causal(checkpoint)
        model = load_whole(checkpoint, dtype=torch.float32).eval()
        _check_settings(model.config)
        ids = _text(model.config)
        with torch.inference_mode():
            wanted = model(torch.from_numpy(ids)).logits[0].numpy()
        del model  # the builder loads it again
        with (
            no_way("ONNX Runtime GenAI's builder cannot write it"),
            tempfile.TemporaryDirectory(dir=output.parent) as temporary,
        ):
            built = _built(checkpoint, Path(temporary) / "fp32", "fp32")
            _check_same(built, ids, wanted)
            if self.weights:
                shutil.rmtree(built)
                size = f"block_size={self.group_size}"
                built = _built(checkpoint, Path(temporary) / self.weights, self.weights, size)
            copy_settings(checkpoint, output)
            for path in map(built.joinpath, WRITTEN):
                if path.exists():
                    shutil.move(path, output / path.name)
        return ConversionResult(onnx_graphs.packed(output / "model.onnx"))


def _check_settings(config: Any) -> None:
    """Raises UnsupportedError for an architecture or settings that are not tested."""
    if reason := genai_families.unreadable(config.model_type):
        raise UnsupportedError(reason)
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if width % HEAD:
        raise UnsupportedError(
            f"ONNX Runtime's attention needs heads of a multiple of {HEAD} numbers; the model's "
            f"have {width}"
        )
    block = dict(getattr(config, "rope_parameters", None) or {})
    for one in (block, *(part for part in block.values() if isinstance(part, dict))):
        if one.get("rope_type", "default") not in ("default", "llama3"):
            raise UnsupportedError(
                f"ONNX Runtime GenAI's builder is not tested with rotary positions of "
                f"{one['rope_type']!r}"
            )


def _built(checkpoint: Path, folder: Path, precision: str, *keys: str) -> Path:
    """A new folder with the builder's files."""
    own = ("", str(checkpoint), str(folder), precision, "cpu", str(folder / "cache"))
    # A cache that forgets what a sliding window has left is not tested.
    options = ["hf_token=false", "hf_remote=false", "windowed_kv_cache=false", *keys]
    create_model(*own, **parse_extra_options(*own, options))
    return folder


def _check_same(built: Path, ids: NDArray[np.int64], wanted: NDArray[np.float32]) -> None:
    """Raises UnsupportedError if a graph's logits are not the model's, but for rounding."""
    session = onnxruntime.InferenceSession(built / "model.onnx", providers=["CPUExecutionProvider"])
    cache = json_object(built / "genai_config.json")["model"]["decoder"]
    fed: dict[str, Any] = {
        "input_ids": ids, "attention_mask": np.ones_like(ids),
        "position_ids": np.arange(ids.shape[1])[None],
    }  # fmt: skip
    for one in session.get_inputs():
        if one.name.startswith(CACHED):
            fed[one.name] = np.zeros(
                (1, cache["num_key_value_heads"], 0, cache["head_size"]), np.float32
            )
    names = {one.name for one in session.get_inputs()}
    found = session.run(["logits"], {name: fed[name] for name in names})[0][0]
    difference = float(np.abs(found - wanted).max() / wanted.std())
    if not difference <= ROUNDING:
        raise UnsupportedError(
            "the graph of ONNX Runtime GenAI's builder does not compute this model: its logits "
            f"differ from transformers' by up to {difference:.2g} standard deviations"
        )


def _text(config: Any) -> NDArray[np.int64]:
    """Random tokens, more than a sliding window has if the model has one."""
    window = getattr(config, "sliding_window", None)
    count = max(TOKENS, window + BEYOND) if isinstance(window, int) else TOKENS
    count = min(count, getattr(config, "max_position_embeddings", count))
    return np.random.default_rng(0).integers(0, config.vocab_size, (1, count))
