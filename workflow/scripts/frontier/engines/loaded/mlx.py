"""MLX on a Mac's GPU (Metal), through mlx-lm's `generate_step`, as its users run it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

# On the newest GPUs, MLX would compute float32 in 19 bits; read at its first product of matrices.
os.environ["MLX_ENABLE_TF32"] = "0"

import mlx.core as mx
import numpy as np
from mlx_lm.generate import generate_step, wired_limit
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.sample_utils import apply_top_p
from numpy.typing import NDArray

from frontier.engines import (
    Choice,
    Choose,
    Generate,
    Generation,
    Loaded,
    LoadedModel,
    Settings,
)
from frontier.engines.common import choices, mlx_models
from frontier.engines.common.kv_cache import bytes_per_token
from frontier.engines.common.mlx_models import out_of_memory
from frontier.engines.common.prompting import Pair, Prompting
from frontier.errors import UnsupportedError
from frontier.quantizers.mlx import Mlx
from frontier.requests import Sampling

CHUNK = 2048  # tokens of a prompt that are evaluated together, as by generate_step
COMPILER = "g++"  # by which MLX compiles fused operations on a CPU


class MlxModel(LoadedModel):
    """A model, and the stream of its device."""

    def __init__(self, whole: mlx_models.Whole, prompting: Prompting, loaded: Loaded) -> None:
        self.model, self.prompting, self.loaded = whole.model, prompting, loaded
        self.window = whole.window
        self.stream = mx.default_stream(mx.default_device())
        # generate_step computes one token more than it gives, and GPT-2 looks up its position.
        self.spare = int(prompting.config.model_type == "gpt2")

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self.synchronize()
        start = time.perf_counter_ns()
        ids = self._ids(request)
        tokens: list[int] = []
        token_ns: list[int] = []
        cache = make_prompt_cache(self.model)
        with out_of_memory(), wired_limit(self.model, [self.stream]):
            # A token comes as a number, once it is computed; the next one is being computed then.
            for token, _ in generate_step(
                mx.array(ids),
                self.model,
                self.stream,
                max_tokens=request.max_new_tokens,
                sampler=_sampler(request.sampling),
                prompt_cache=cache,
                prefill_step_size=CHUNK,
            ):
                token_ns.append(time.perf_counter_ns() - start)
                tokens.append(int(token))
                if tokens[-1] in self.prompting.eos or self.prompting.stopped(tokens, request.stop):
                    break
            answer = self.prompting.answer(len(ids), tokens, token_ns, start, request.stop)
        if self.loaded.kv_bytes_per_token is None:
            self.loaded = replace(self.loaded, kv_bytes_per_token=_cache_bytes(cache))
        return answer

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods. Raises OutOfMemoryError, UnsupportedError (too long)."""
        self.synchronize()
        return choices.choice(lambda: self._pairs(request), self._logits)

    def _logits(self, ids: Sequence[int], last: int) -> NDArray[np.float32]:
        """The logits at the last positions; those before only fill the cache."""
        cache, begin = make_prompt_cache(self.model), len(ids) - last
        with out_of_memory():
            for at in range(0, begin, CHUNK):
                self.model(mx.array([ids[at : min(at + CHUNK, begin)]]), cache=cache)
                mx.eval([layer.state for layer in cache])
            logits = self.model(mx.array([ids[begin:]]), cache=cache)[0].astype(mx.float32)
            return np.array(logits)

    def _ids(self, request: Generate) -> list[int]:
        """The prompt's ids. Raises UnsupportedError if a request is too long."""
        ids = self.prompting.encode(request.prompt, request.max_new_tokens + self.spare)
        self._check_window(len(ids) + request.max_new_tokens)
        return ids

    def _pairs(self, request: Choose) -> list[Pair]:
        """The ids of the prompt and each choice. Raises UnsupportedError if they are too long."""
        pairs = super()._pairs(request)
        self._check_window(max(len(one.before) + len(one.after) - 1 for one in pairs))
        return pairs

    def _check_window(self, tokens: int) -> None:
        if self.window is not None and tokens > self.window:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the model's "
                f"sliding window of {self.window} tokens, which mlx-lm ignores"
            )

    def synchronize(self) -> None:
        """Waits for the token after the last one of an earlier request."""
        mx.synchronize(self.stream)

    def device_peak_bytes(self) -> int | None:
        """Peak memory of MLX's arrays on a Mac's GPU, which shares it with the CPU."""
        return mx.get_peak_memory() if self.stream.device == mx.gpu else None

    def close(self) -> None:
        """Releases the weights and the memory that MLX keeps for reuse."""
        self.synchronize()
        super().close()
        mx.clear_cache()


def _sampler(sampling: Sampling | None) -> Callable[[mx.array], mx.array] | None:
    """The choice of a token at random, on the device; None for the likeliest one.

    mlx-lm's own sampler would cut by `top_p` before the temperature changes the probabilities.
    """
    if sampling is None:
        return None
    mx.random.seed(sampling.seed)

    def choose(logprobs: mx.array) -> mx.array:
        scaled = logprobs.astype(mx.float32) / sampling.temperature
        scaled = scaled - mx.logsumexp(scaled, axis=-1, keepdims=True)
        if sampling.top_p < 1:
            scaled = apply_top_p(scaled, sampling.top_p)
        return mx.random.categorical(scaled)

    return choose


def _cache_bytes(cache: Sequence[Any]) -> int | None:
    """Bytes of the key-value cache per token, by the shapes of its tensors.

    Its keys and values have the shape batch · heads · tokens · head_dim, with the heads that are
    really cached. A sliding window counts like a cache that grows.
    """
    found = 0
    for layer in cache:
        for part in (getattr(layer, "keys", None), getattr(layer, "values", None)):
            if part is not None:
                _, heads, _, head_dim = part.shape
                found += bytes_per_token([(None, heads, None, head_dim)], part.itemsize) or 0
    return found or None


def _device(settings: Settings) -> str:
    """Makes the accelerator MLX's device; its description. Raises UnsupportedError."""
    if settings.accelerator == "mps":
        if not mx.metal.is_available():
            raise UnsupportedError("MLX was built without Metal, or there is no Apple GPU")
        mx.set_default_device(mx.gpu)
        return f"Metal in {settings.dtype}"
    if settings.threads > 1:
        raise UnsupportedError("MLX computes in one thread on a CPU: threads: 1 of a device")
    mx.set_default_device(mx.cpu)
    fused = (
        f"compiled by {COMPILER}" if shutil.which(COMPILER) else f"not fused, without {COMPILER}"
    )
    return f"CPU, one thread, in {settings.dtype}; fused operations {fused}"


def load(checkpoint: Path, settings: Settings) -> MlxModel:
    """Loads a variant. Raises UnsupportedError, OutOfMemoryError or UserError (unreadable)."""
    kernel = _device(settings)
    prompting = Prompting.of(checkpoint, settings)
    whole = mlx_models.load_whole(checkpoint, settings.dtype)
    with out_of_memory():
        mx.eval(whole.model.parameters())
    layers = mlx_models.packed_layers(whole.model)
    if isinstance(settings.quantizer, Mlx) != bool(layers):
        method = settings.quantizer.method
        raise UnsupportedError(
            f"{layers} layers of the checkpoint are packed, to run it by {method}"
        )
    loaded = Loaded(
        weights_bytes=mlx_models.stored_bytes(whole.model),
        quantized_layers=layers or None,
        kv_bytes_per_token=None,  # known from the cache of the first request
        kernel=kernel,
    )
    return MlxModel(whole, prompting, loaded)
