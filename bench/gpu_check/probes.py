"""Probes of the GPU check, in their own processes, so that the checking one holds no GPU.

Each probe is a command that prints one line of JSON (`probes.py copy --device cuda`), but for
`limited`, which runs the program behind `--`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import runpy
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention

from frontier.machine import gpus

BACKENDS = ("MATH", "EFFICIENT_ATTENTION", "FLASH_ATTENTION")


def seconds(work: Callable[[], object], device: str, repeats: int = 10) -> float:
    """The median time of `work` on the wall clock, after a warm-up, the device waited for."""

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    times = []
    for _ in range(repeats + 3):
        wait()
        started = time.perf_counter()
        work()
        wait()
        times.append(time.perf_counter() - started)
    return statistics.median(times[3:])


def copy(device: str, size: int) -> dict[str, float]:
    """Bandwidth of a copy in the device's memory in bytes a second: each byte read and written."""
    source = torch.zeros(size, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {"bytes_s": 2 * size / seconds(lambda: target.copy_(source), device)}


def attention(device: str, heads: int, tokens: int) -> dict[str, Any]:
    """Milliseconds of scaled_dot_product_attention by each backend, reading a prompt and decoding.

    Queries, keys and values are (1, heads, tokens, 128) in bfloat16; decoding asks with one query.
    None where the backend refuses; `error` is the largest difference from MATH.
    """
    torch.manual_seed(0)
    keys = [
        torch.randn(1, heads, tokens, 128, device=device, dtype=torch.bfloat16) for _ in range(3)
    ]
    found: dict[str, Any] = {}
    for stage, query in (("prefill", keys[0]), ("decode", keys[0][:, :, -1:])):
        exact = None
        for backend in BACKENDS:
            arguments = (query, keys[1], keys[2])
            causal = stage == "prefill"
            try:
                with sdpa_kernel(getattr(SDPBackend, backend)):
                    out = scaled_dot_product_attention(*arguments, is_causal=causal)
                    took = seconds(
                        lambda: scaled_dot_product_attention(*arguments, is_causal=causal),  # noqa: B023
                        device,
                    )
            except RuntimeError as error:
                found[f"{stage} {backend}"] = {"ms": None, "reason": str(error).splitlines()[0]}
                continue
            exact = out if exact is None else exact
            worst = float((out.float() - exact.float()).abs().max())
            found[f"{stage} {backend}"] = {"ms": 1000 * took, "error": worst}
    return found


def llama(device: str, output: Path, shape: dict[str, int]) -> dict[str, Any]:
    """A Llama of that shape with random weights in bfloat16, and a tokenizer of a token a byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate(["</s>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>"
    ).save_pretrained(output)
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    config = LlamaConfig(**shape, bos_token_id=0, eos_token_id=0, pad_token_id=0)
    with torch.device(device):
        model = LlamaForCausalLM(config)
    model.save_pretrained(output, max_shard_size="4GB")
    # Like a model trained for 0 steps: timed, never scored, and not checked.
    lock = {"files": {}, "random_weights": True}
    (output / "lock.json").write_text(json.dumps(lock), encoding="utf-8")
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def load(device: str, gigabytes: float) -> dict[str, Any]:
    """Computes and holds memory until it is ended, as somebody else on the same device would."""
    torch.set_num_threads(os.cpu_count() or 1)
    held = torch.zeros(int(gigabytes * 1e9), dtype=torch.uint8, device=device)
    matrix = torch.randn(2048, 2048, device=device)
    print(json.dumps({"holds": held.nbytes}), flush=True)
    while True:
        matrix = (matrix @ matrix).clamp(-1, 1)


def limited(most: int, program: list[str]) -> None:
    """Runs measure.py on a GPU of which torch may use that many bytes, as on a smaller one.

    Only once it holds the GPU: a process that is on it before would be taken for somebody else's.
    """
    whole = gpus.reserved

    @contextmanager
    def part(
        user: str, gpu: str | None, count: int, accelerator: str = "cuda"
    ) -> Iterator[list[str]]:
        with whole(user, gpu, count, accelerator) as held:
            share = most / torch.cuda.get_device_properties(0).total_memory
            torch.cuda.set_per_process_memory_fraction(min(1.0, share))
            yield held

    gpus.reserved = part
    sys.argv = program
    sys.path.insert(0, str(Path(program[0]).parent))
    runpy.run_path(program[0], run_name="__main__")


def main() -> None:
    """Reads the arguments and runs the probe."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("probe", choices=("copy", "attention", "llama", "load", "limited"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--shape", type=json.loads, help="LlamaConfig's arguments: JSON")
    parser.add_argument("--gigabytes", type=float, default=4.0)
    # argparse takes what follows "--" only for positional arguments that it still waits for.
    own = list(itertools.takewhile(lambda word: word != "--", sys.argv[1:]))
    given = parser.parse_args(own)
    if given.probe == "limited":
        limited(given.bytes, sys.argv[len(own) + 2 :])
        return
    probes: dict[str, Callable[[], object]] = {
        "copy": lambda: copy(given.device, given.bytes),
        "attention": lambda: attention(given.device, given.heads, given.tokens),
        "llama": lambda: llama(given.device, given.output, given.shape),
        "load": lambda: load(given.device, given.gigabytes),
    }
    print(json.dumps(probes[given.probe]()))


if __name__ == "__main__":
    main()
