"""ONNX Runtime on a CPU, running the graph that optimum exported."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# ONNX Runtime sends telemetry without consent; this is its own switch to stop it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors
from optimum.onnxruntime import ORTModelForCausalLM

from frontier.engines import Generate, Generation, Loaded, Settings
from frontier.engines.common import onnx_graphs
from frontier.engines.common.choosing import Choose
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.greedy import Forward, Greedy
from frontier.engines.common.kv_cache import bytes_per_token
from frontier.engines.common.prompting import Prompting
from frontier.errors import UnsupportedError, UserError, one_line

FED = {"input_ids", "attention_mask", "position_ids"}
PROVIDER = "CPUExecutionProvider"
UNREADABLE = (
    DecodeError,
    ort_errors.EPFail,
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NoSuchFile,
    OSError,
    ValueError,
    KeyError,
)


class OnnxRuntimeModel(Greedy):
    """A session with its key-value cache in float32."""

    allocation_errors = (ort_errors.RuntimeException, ort_errors.Fail, RuntimeError, DecodeError)

    def begun(self, tokens: int, choose: Choose) -> Forward | None:
        """Starts with an empty cache. None for a graph without the cache's size."""
        session, model = self.model.session, self.model
        wanted = {one.name: one for one in session.get_inputs()}
        past, present = model.key_value_input_names, model.key_value_output_names
        shapes = {name: shape for name in past if (shape := _empty(wanted[name]))}
        if not past or len(shapes) < len(past) or not wanted.keys() - {*past} <= FED:
            return None
        attended, places = np.ones((1, tokens), np.int64), np.arange(tokens)[None]
        # Arrays, which `run` accepts and returns without copies; binding them takes longer.
        fed: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
        seen = 0

        def step(ids: Sequence[int]) -> int:
            nonlocal seen
            begin, seen = seen, seen + len(ids)
            fed["input_ids"] = np.array([ids])
            if "attention_mask" in wanted:
                fed["attention_mask"] = attended[:, :seen]
            if "position_ids" in wanted:
                fed["position_ids"] = places[:, begin:seen]
            logits, *cache = session.run(["logits", *present], fed)
            fed.update(zip(past, cache, strict=True))
            return choose(logits[0, -1])

        return step

    def generate(self, request: Generate) -> Generation:
        """Greedy completion. Raises UnsupportedError too if optimum feeds the graph wrongly."""
        try:
            return super().generate(request)
        except ort_errors.InvalidArgument as error:
            raise UnsupportedError(f"optimum cannot run it: {one_line(error)[:300]}") from error


def load(checkpoint: Path, settings: Settings) -> OnnxRuntimeModel:
    """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
    torch.set_num_threads(settings.threads)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    # On CPUs without VNNI 8-bit sums could overflow; this keeps them exact, but slower.
    options.add_session_config_entry("session.x64quantprecision", "1")
    prompting = Prompting.of(checkpoint, settings)
    try:
        with out_of_memory(OnnxRuntimeModel.allocation_errors):
            graph = onnx_graphs.stored(checkpoint / "model.onnx")
            model = ORTModelForCausalLM.from_pretrained(
                checkpoint,
                file_name="model.onnx",
                provider=PROVIDER,
                session_options=options,
                trust_remote_code=settings.trust_remote_code,
            )
    except UNREADABLE as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    loaded = Loaded(
        weights_bytes=graph.weights_bytes,
        quantized_layers=None,
        kv_bytes_per_token=bytes_per_token(_cached(model), 4),
        kernel=f"{graph.products} on {model.providers[0]}",
    )
    return OnnxRuntimeModel(model, prompting, loaded)


def _cached(model: Any) -> list[list[int | None]]:
    """The shapes of the cached tensors, which the graph has as inputs; None: a size that varies."""
    cached = {*model.key_value_input_names}
    return [
        [size if isinstance(size, int) else None for size in one.shape]
        for one in model.session.get_inputs()
        if one.name in cached
    ]


def _empty(one: Any) -> list[int] | None:
    """The shape of an empty cache; None if it is unknown without running the graph."""
    sizes = {"batch_size": 1, "past_sequence_length": 0}
    shape = [sizes.get(size, size) for size in one.shape]
    known = len(shape) == 4 and all(isinstance(size, int) for size in shape)
    return shape if known and one.type == "tensor(float)" else None
