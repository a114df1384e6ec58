"""llama.cpp on cpu, cuda and mps (Metal), through its C interface: eval, argmax, the next token.

Its own tokenizer and samplers are not used, so that token ids and greedy decoding are the same in
every engine.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
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
from frontier.engines.common import choices, llama_log
from frontier.engines.common.choosing import chooser
from frontier.engines.common.gpu_memory import held
from frontier.engines.common.prompting import Pair, Prompting
from frontier.errors import OutOfMemoryError, UnsupportedError, UserError

CONTEXT = 4096  # tokens; the cache is allocated at once, and a model may have 131,072 positions
OUT_OF_MEMORY = ("allocate", "out of memory")
ALLOCATION_FAILED = -2  # llama_decode's
CACHE_WIDTH = 2  # bytes; llama.cpp caches in float16
PLACE = 12  # bytes of a saved token's position and sequence, next to its keys and values


class LlamaCppModel(LoadedModel):
    """A model, its context and its tokenizer."""

    def __init__(self, model: Any, context: Any, prompting: Prompting, settings: Settings) -> None:
        self.model, self.context, self.prompting = model, context, prompting
        self.settings = settings
        self.memory = llama_cpp.llama_get_memory(context)
        self.seen: list[int] = []
        """The ids of the last request for choices, which the cache has."""
        self.room = _room(model)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self.loaded = Loaded(
            weights_bytes=llama_cpp.llama_model_size(model),
            quantized_layers=None,
            kv_bytes_per_token=_cache_bytes(model, prompting.config),
        )

    def measure_cache(self) -> None:
        """Reads the bytes of a token from the cache. Raises UnsupportedError if it has no fewer."""
        sizes = []
        for _ in range(2):
            self._logits([0])
            sizes.append(llama_cpp.llama_state_seq_get_size(self.context, 0))
        llama_cpp.llama_memory_clear(self.memory, False)
        each, plain = sizes[1] - sizes[0] - PLACE, self.loaded.kv_bytes_per_token
        if plain is None or each >= plain:
            raise UnsupportedError(f"the cache is no smaller: {each} bytes for a token, of {plain}")
        self.loaded = replace(self.loaded, kv_bytes_per_token=each)

    def generate(self, request: Generate) -> Generation:
        """The completion of a prompt. Raises OutOfMemoryError, UnsupportedError (too long)."""
        # No request reuses the cached prefix of an earlier one.
        llama_cpp.llama_memory_clear(self.memory, False)
        start = time.perf_counter_ns()
        ids = self._ids(request)
        tokens: list[int] = []
        token_ns: list[int] = []
        fed: Sequence[int] = ids
        choose = chooser(request.sampling)
        while len(tokens) < request.max_new_tokens:
            tokens.append(choose(self._logits(fed)))
            token_ns.append(time.perf_counter_ns() - start)
            if tokens[-1] in self.prompting.eos or self.prompting.stopped(tokens, request.stop):
                break
            fed = tokens[-1:]
        return self.prompting.answer(len(ids), tokens, token_ns, start, request.stop)

    def choose(self, request: Choose) -> Choice:
        """The choices' log-likelihoods; a prompt that they share is evaluated once."""
        llama_cpp.llama_memory_clear(self.memory, False)
        self.seen = []
        return choices.choice(lambda: self._pairs(request), self._last_logits)

    def _last_logits(self, ids: Sequence[int], last: int) -> NDArray[np.float32]:
        """The logits at the last positions, after what the cache has of a text already."""
        begin = len(ids) - last + 1  # the first position whose logits are asked for is behind it
        same = zip(self.seen, ids, strict=False)
        kept = min(sum(1 for _ in takewhile(lambda one: one[0] == one[1], same)), begin - 1)
        if not kept or not llama_cpp.llama_memory_seq_rm(self.memory, 0, kept, -1):
            llama_cpp.llama_memory_clear(self.memory, False)
            kept = 0
        self.seen = list(ids)
        # Its array of logits is overwritten by the next evaluation.
        rows = [self._logits(ids[kept:begin]).copy()]
        rows += [self._logits([token]).copy() for token in ids[begin:]]
        return np.stack(rows)

    def _ids(self, request: Generate) -> list[int]:
        """The prompt's ids. Raises UnsupportedError if a request is too long."""
        ids = super()._ids(request)
        self._check_room(len(ids) + request.max_new_tokens)
        return ids

    def _pairs(self, request: Choose) -> list[Pair]:
        """The ids of the prompt and each choice. Raises UnsupportedError if they are too long."""
        pairs = super()._pairs(request)
        self._check_room(max(len(one.before) + len(one.after) - 1 for one in pairs))
        return pairs

    def _check_room(self, tokens: int) -> None:
        if tokens > self.room:
            raise UnsupportedError(
                f"a request of {tokens} tokens, new ones included, is longer than the {self.room} "
                "tokens of llama.cpp's context"
            )

    def _logits(self, fed: Sequence[int]) -> NDArray[np.float32]:
        """Evaluates tokens; returns the logits of the next one. Fetching them waits for it."""
        buffer = (llama_cpp.llama_token * len(fed))(*fed)
        batch = llama_cpp.llama_batch_get_one(buffer, len(fed))
        code = llama_cpp.llama_decode(self.context, batch)
        if code == ALLOCATION_FAILED:
            raise OutOfMemoryError(llama_log.last())
        if code:
            raise RuntimeError(f"llama_decode returned {code}: {llama_log.last()}")
        logits = llama_cpp.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(logits, shape=(self.vocabulary,))

    def device_peak_bytes(self) -> int | None:
        """This process's memory on its GPUs according to the driver; None on cpu and mps.

        The current value is the peak, since llama.cpp releases nothing before it is closed.
        """
        return held(self.settings.accelerator, {os.getpid()})

    def close(self) -> None:
        """Releases the weights and the cache."""
        llama_cpp.llama_free(self.context)
        llama_cpp.llama_model_free(self.model)


def _room(model: Any) -> int:
    """The length of the context in tokens: a sliding window, the model's positions, or CONTEXT.

    The context itself reports a multiple of 256, but accepts no more than this at once.
    """
    return int(min(llama_cpp.llama_model_n_ctx_train(model), CONTEXT))


def _cache_bytes(model: Any, config: Any) -> int:
    """Bytes of the key-value cache per token, with the heads that it really has."""
    embedding, heads = llama_cpp.llama_model_n_embd(model), llama_cpp.llama_model_n_head(model)
    head_dim = getattr(config, "head_dim", None) or embedding // heads
    cached = llama_cpp.llama_model_n_layer(model) * llama_cpp.llama_model_n_head_kv(model)
    return int(cached * head_dim * 2 * CACHE_WIDTH)


def _refused(path: Path) -> Exception:
    """The error for a model or context that llama.cpp could not create."""
    if any(words in error for error in llama_log.errors for words in OUT_OF_MEMORY):
        return OutOfMemoryError(llama_log.last())
    return UserError(f"{path}: unreadable: {llama_log.last()}")


def load(checkpoint: Path, settings: Settings) -> LlamaCppModel:
    """Loads CHECKPOINT/model.gguf. Raises UnsupportedError, OutOfMemoryError or UserError."""
    llama_log.listen()
    llama_cpp.llama_backend_init()
    on_cpu = settings.accelerator == "cpu"
    if not on_cpu and not llama_cpp.llama_supports_gpu_offload():
        raise UnsupportedError(f"llama.cpp was built without {settings.accelerator}")
    path = checkpoint / "model.gguf"
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    prompting = Prompting.of(checkpoint, settings)
    options = llama_cpp.llama_model_default_params()
    options.n_gpu_layers = 0 if on_cpu else -1
    no_devices = (ctypes.c_void_p * 1)(None)
    if on_cpu:
        # Otherwise it would use a GPU for long prompts.
        options.devices = ctypes.cast(no_devices, ctypes.c_void_p)
    model = llama_cpp.llama_model_load_from_file(bytes(path), options)
    if not model:
        raise _refused(path)
    use = llama_cpp.llama_context_default_params()
    use.n_ctx = use.n_batch = _room(model)
    use.n_outputs_max = 1
    use.n_threads = use.n_threads_batch = settings.threads
    cached = [one.llama_cpp_cache for one in settings.techniques if one.llama_cpp_cache]
    for name in cached:
        use.type_k = use.type_v = getattr(llama_cpp, f"GGML_TYPE_{name}")
        use.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_ENABLED  # which such values need
    context = llama_cpp.llama_init_from_model(model, use)
    if not context:
        llama_cpp.llama_model_free(model)
        refused = _refused(path)
        if cached and isinstance(refused, UserError):
            raise UnsupportedError(f"no cache in {cached[-1]}: {llama_log.last()}")
        raise refused
    loaded = LlamaCppModel(model, context, prompting, settings)
    if cached:
        loaded.measure_cache()
    return loaded
