"""ONNX Runtime GenAI on a CPU: its own generation loop around the graph that its builder wrote."""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# ONNX Runtime sends telemetry without consent; this is its own switch to stop it.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime_genai as genai
import torch
from numpy.typing import NDArray

from frontier.checkpoints.safetensor_files import json_object
from frontier.engines import Choice, Choose, Generate, Generation, Loaded, Settings
from frontier.engines.common import choices, onnx_graphs
from frontier.engines.common.batches import BatchClock, Batches, Batching
from frontier.engines.common.choosing import chooser
from frontier.engines.common.generating import out_of_memory
from frontier.engines.common.kv_cache import bytes_per_token
from frontier.engines.common.loading import no_way
from frontier.engines.common.padding import Row
from frontier.engines.common.prompting import Pair, Prompting
from frontier.errors import UnsupportedError, UserError, one_line
from frontier.machine import limits

SETTINGS = "genai_config.json"
GREEDY = {
    "do_sample": False, "num_beams": 1, "num_return_sequences": 1, "min_length": 0,
    "repetition_penalty": 1.0, "no_repeat_ngram_size": 0,
}  # fmt: skip
"""A checkpoint's own sampling and penalties would make its answers incomparable."""
STEPS = 2
"""Tokens after a prompt that are compared: the second one is the first that uses the cache."""
ACTIVATIONS = 32
"""Numbers per token and hidden dimension while a prompt is read, roughly."""


class OnnxRuntimeGenAiModel(Batching):
    """A model, with a generator for each request or batch."""

    fixed_rows = False

    def __init__(
        self, model: Any, prompting: Prompting, loaded: Loaded, pad: int, guidance: Any
    ) -> None:
        self.model, self.prompting, self.loaded = model, prompting, loaded
        self.pad, self.guidance = pad, guidance
        self.exact = onnx_graphs.PACKED not in (loaded.kernel or "")
        self.batches = Batches(self, side="right")

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        start = time.perf_counter_ns()
        ids = self._ids(request)
        tokens: list[int] = []
        token_ns: list[int] = []
        # Its own sampling would cut the last of the tokens that have `top_p` together.
        choose = chooser(request.sampling) if request.sampling else None
        with out_of_memory():
            generator = self._generator(len(ids) + request.max_new_tokens)
            generator.append_tokens(np.array(ids, np.int32))
            while len(tokens) < request.max_new_tokens:
                if choose is None:
                    generator.generate_next_token()
                    token = int(generator.get_next_tokens()[0])
                else:
                    if tokens:
                        generator.append_tokens(np.array(tokens[-1:], np.int32))
                    token = choose(np.asarray(generator.get_logits()).reshape(-1))
                token_ns.append(time.perf_counter_ns() - start)
                tokens.append(token)
                if token in self.prompting.eos or self.prompting.stopped(tokens, request.stop):
                    break
        return self.prompting.answer(len(ids), tokens, token_ns, start, request.stop)

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods. Raises OutOfMemoryError, UnsupportedError (too long)."""
        return choices.choice(lambda: self._pairs(request), self._logits)

    def run(self, rows: Sequence[Row], clock: BatchClock, count: int) -> None:
        """Generates for the rows, padded to the longest, in a batch."""
        width = max(len(row.ids) for row in rows)
        new = max(row.request.max_new_tokens for row in rows)
        if len(rows) > 1 and width + new > (self.prompting.positions or width + new):
            for part in (rows[: len(rows) // 2], rows[len(rows) // 2 :]):
                self.run(part, BatchClock(self.prompting, clock.start_ns, part), len(part))
            return
        with out_of_memory():
            generator = self._begun([row.ids for row in rows], new)
            for _ in range(new):
                generator.generate_next_token()
                last = torch.tensor(generator.get_next_tokens())[:, None]
                if bool(clock(last, None).all()):
                    break

    def next_tokens(self, prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """The probabilities of the next tokens after each prompt, in one batch.

        For each prompt of shape (STEPS, vocabulary); less where the positions end.
        """
        steps: list[torch.Tensor] = []
        width = max(map(len, prompts))
        new = min(STEPS, (self.prompting.positions or width + STEPS) - width)
        with out_of_memory():
            generator = self._begun(prompts, new, min_length=width + new)
            while len(steps) < new:
                if steps:
                    generator.generate_next_token()
                logits = torch.tensor(np.array(generator.get_logits())).reshape(len(prompts), -1)
                steps.append(logits.softmax(dim=-1))
        return list(torch.stack(steps, dim=1))

    def _begun(self, prompts: Sequence[Sequence[int]], new: int, **more: Any) -> Any:
        """A generator that has read these prompts, padded on the right, as it wants them."""
        width = max(map(len, prompts))
        padded = [[*prompt, *[self.pad] * (width - len(prompt))] for prompt in prompts]
        generator = self._generator(width + new, batch_size=len(prompts), **more)
        generator.append_tokens(np.array(padded, np.int32))
        return generator

    def _generator(self, tokens: int, **more: Any) -> Any:
        """A generator with an empty cache, for that many tokens in total."""
        params = genai.GeneratorParams(self.model)
        params.set_search_options(**GREEDY | {"max_length": tokens} | more)
        if self.guidance is None:
            return genai.Generator(self.model, params)
        with no_way("guided: ONNX Runtime GenAI cannot read the constraint or the tokenizer"):
            params.set_guidance(*self.guidance)
            return genai.Generator(self.model, params)

    def _logits(self, ids: Sequence[int], last: int) -> NDArray[np.float32]:
        """The logits at the last positions."""
        with out_of_memory():
            generator = self._generator(len(ids))
            generator.append_tokens(np.array(ids, np.int32))
            found: NDArray[np.float32] = np.array(generator.get_output("logits"))[0, -last:]
        if found.shape[0] != last:
            raise UnsupportedError("the graph gives the logits of its last position only")
        return found

    def _ids(self, request: Generate) -> list[int]:
        """The prompt's ids. Raises UnsupportedError if a request is too long."""
        ids = super()._ids(request)
        self._check_end(ids)
        return ids

    def _pairs(self, request: Choose) -> list[Pair]:
        """The ids of the prompt and each choice. Raises UnsupportedError if they are too long."""
        pairs = super()._pairs(request)
        for one in pairs:
            self._check_end([*one.before, *one.after[:-1]])
        return pairs

    def _check_end(self, ids: Sequence[int]) -> None:
        """Raises UnsupportedError for a text whose last token would count as padding."""
        if ids[-1] == self.pad:
            raise UnsupportedError(
                f"a text ends in token {self.pad}, which ONNX Runtime GenAI takes for padding"
            )

    def bytes_per_token(self) -> int:
        """Memory of a token in a batch, roughly: its cache, and while its prompt is read."""
        config = self.prompting.config
        numbers: int = ACTIVATIONS * config.hidden_size + config.vocab_size
        return (self.loaded.kv_bytes_per_token or 0) + 4 * numbers

    def free_bytes(self) -> int:
        """Memory that can still be allocated."""
        return limits.free_bytes()

    def release(self) -> None:
        """Returns what a failed batch has allocated."""
        gc.collect()


def load(checkpoint: Path, settings: Settings) -> OnnxRuntimeGenAiModel:
    """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
    torch.set_num_threads(settings.threads)
    prompting = Prompting.of(checkpoint, settings)
    pad = min(prompting.eos, default=0)  # no prompt ends in what ends a text
    options = {"intra_op_num_threads": settings.threads, "inter_op_num_threads": 1}
    own = {"eos_token_id": sorted(prompting.eos) or [pad], "pad_token_id": pad}
    try:
        with out_of_memory():
            graph = onnx_graphs.stored(checkpoint / "model.onnx")
            config = genai.Config(str(checkpoint))
            config.overlay(json.dumps({"model": {**own, "decoder": {"session_options": options}}}))
            model = genai.Model(config)
            cached = _cached(checkpoint)
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(f"{checkpoint}: unreadable checkpoint: {one_line(error)[:300]}") from error
    loaded = Loaded(
        weights_bytes=graph.weights_bytes,
        quantized_layers=None,
        kv_bytes_per_token=cached,
        kernel=f"{graph.products} on {model.device_type}",
    )
    guidance = [one.genai_guidance for one in settings.techniques if one.genai_guidance]
    return OnnxRuntimeGenAiModel(model, prompting, loaded, pad, next(iter(guidance), None))


def _cached(checkpoint: Path) -> int | None:
    """Bytes of the cache per token: keys and values of each layer, in float32."""
    own = json_object(checkpoint / SETTINGS)["model"]["decoder"]
    shape = (None, own["num_key_value_heads"], None, own["head_size"])
    return bytes_per_token([shape] * 2 * own["num_hidden_layers"], 4)
