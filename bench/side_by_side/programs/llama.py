"""llama-bench's way: a prompt of random tokens; then single random tokens, from an empty cache.

    python llama.py GGUF OUTPUT THREADS PROMPT NEW REPETITIONS

As in llama.cpp's tools/llama-bench: nothing is sampled, and no text is written or read.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import llama_cpp


def main(gguf: str, output: str, threads: int, prompt: int, new: int, repetitions: int) -> None:
    """Loads, warms up, and writes the seconds of each test of each repetition."""
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        gguf.encode(), llama_cpp.llama_model_default_params()
    )
    settings = llama_cpp.llama_context_default_params()
    settings.n_ctx = max(256, prompt + new)
    settings.n_threads = settings.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(model, settings)
    memory = llama_cpp.llama_get_memory(context)
    words = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
    rng = random.Random(0)

    def feed(count: int) -> None:
        tokens = (llama_cpp.llama_token * count)(*(rng.randrange(words) for _ in range(count)))
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, count)):
            raise RuntimeError("llama_decode failed")
        llama_cpp.llama_synchronize(context)

    def timed(count: int, at_once: int) -> float:
        llama_cpp.llama_memory_clear(memory, False)
        start = time.perf_counter()
        for _ in range(count // at_once):
            feed(at_once)
        return time.perf_counter() - start

    timed(prompt, prompt)
    timed(1, 1)
    tests = [(timed(prompt, prompt), timed(new, 1)) for _ in range(repetitions)]
    Path(output).write_text(json.dumps({"new": new, "tests": tests}), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
