"""OpenVINO on a CPU, running the graph that optimum exported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from optimum.intel import OVModelForCausalLM

from frontier.engines import Loaded, Settings
from frontier.engines.common.choosing import Choose
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.greedy import Forward, Greedy
from frontier.engines.common.kv_cache import bytes_per_token
from frontier.engines.common.openvino_runtime import check_cache, chosen, properties
from frontier.engines.common.prompting import Prompting
from frontier.errors import UserError, one_line

FED = {"input_ids", "attention_mask", "position_ids", "beam_idx"}
WIDTHS = {"f32": 4, "f16": 2, "bf16": 2, "u8": 1, "i8": 1}


class OpenVinoModel(Greedy):
    """A stateful model, whose key-value cache is in its only inference request."""

    def begun(self, tokens: int, choose: Choose) -> Forward | None:
        """Empties the cache. None for graphs with a special class in optimum or more inputs."""
        names, request = self.model.input_names, self.model.request
        if type(self.model) is not OVModelForCausalLM or not self.model.stateful:
            return None
        if not {"input_ids", "beam_idx"} <= set(names) <= FED:
            return None
        request.reset_state()
        fed: dict[str, Any] = {"beam_idx": np.zeros(1, np.int32)}  # a single beam
        attended, places = np.ones((1, tokens), np.int64), np.arange(tokens)[None]
        seen = 0

        def step(ids: Sequence[int]) -> int:
            nonlocal seen
            fed["input_ids"] = np.array([ids])
            begin, seen = seen, seen + len(ids)
            if "attention_mask" in names:
                fed["attention_mask"] = attended[:, :seen]
            if "position_ids" in names:
                fed["position_ids"] = places[:, begin:seen]
            request.infer(fed, share_inputs=True, share_outputs=True)
            return choose(request.get_tensor("logits").data[0, -1])

        return step

    def synchronize(self) -> None:
        """Waits for the inference of an interrupted request, which blocks any other."""
        self.model.request.wait()


def load(checkpoint: Path, settings: Settings) -> OpenVinoModel:
    """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
    torch.set_num_threads(settings.threads)
    prompting = Prompting.of(checkpoint, settings)
    try:
        with out_of_memory():
            model = OVModelForCausalLM.from_pretrained(
                checkpoint,
                device="CPU",
                ov_config=properties(settings),
                trust_remote_code=settings.trust_remote_code,
            )
            model.compile()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    cache, kernel = chosen(model.request.get_compiled_model())
    check_cache(checkpoint, settings, cache)
    loaded = Loaded(
        weights_bytes=(checkpoint / "openvino_model.bin").stat().st_size,
        quantized_layers=None,
        kv_bytes_per_token=bytes_per_token(_cached(model), WIDTHS[cache]),
        kernel=kernel,
    )
    return OpenVinoModel(model, prompting, loaded)


def _cached(model: Any) -> list[list[int | None]]:
    """The shapes of the cached tensors, the graph's variables; None: a size that varies."""
    shapes = (variable.info.data_shape for variable in model.model.get_variables())
    return [[None if size.is_dynamic else size.get_length() for size in one] for one in shapes]
