"""Compare the transformers engine's batches with a plain loop over `generate`, side by side.

    python bench/batches.py [--checkpoint FOLDER] [--requests 96] [--rows 32] [--rounds 7]

Without a checkpoint: a random Llama. Both get the same prompts, longest first, in batches of the
same size, and write texts. Rounds alternate, so that the load of the machine falls on both; printed
are the median seconds of each and the median of the rounds' ratios (plain / engine: above 1, the
engine is faster), of the clock and of processor time, which others disturb less. The engine also
records when each token arrived, and looks for stop texts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "workflow" / "scripts"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import little
from frontier.engines import Due, Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.engines.loaded.generated import TransformersModel
from quantizing import quantizer

SIZES = {
    "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 4,
    "num_attention_heads": 8, "num_key_value_heads": 4, "max_position_embeddings": 512,
}  # fmt: skip
WORDS = ("model", "film", "good", "upon", "time", "little", "there", "What")


def plain(model: object, tokenizer: object, prompts: Sequence[str], new: int, rows: int) -> int:
    """The loop of a user: padded, generated, decoded, batch after batch; returns the tokens."""
    assert isinstance(model, transformers.PreTrainedModel)
    assert isinstance(tokenizer, transformers.PreTrainedTokenizerBase)
    ordered = sorted(prompts, key=lambda prompt: -len(tokenizer(prompt)["input_ids"]))
    count = 0
    for first in range(0, len(ordered), rows):
        batch = ordered[first : first + rows]
        given = tokenizer(batch, return_tensors="pt", padding=True).to(model.device)
        output = model.generate(**given, max_new_tokens=new, do_sample=False)
        made = output[:, given["input_ids"].shape[1] :]
        tokenizer.batch_decode(made, skip_special_tokens=True)
        count += made.numel()
    return count


def ours(model: TransformersModel, prompts: Sequence[str], new: int) -> int:
    """The same by the engine; returns the tokens."""
    now = time.perf_counter_ns()
    stop = ("\n\n\n",)
    due = [Due(str(at), Generate(one, new, stop), now) for at, one in enumerate(prompts)]
    return sum(getattr(answer, "tokens", 0) for _, answer in model.answer(due))


def main() -> None:
    """Prints the times and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--requests", type=int, default=96)
    parser.add_argument("--new", type=int, default=24, help="tokens of each answer")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = given.checkpoint or little.checkpoint(Path(folder) / "model", **SIZES)
        settings = Settings(
            given.accelerator, given.dtype, given.threads, "plain", quantizer("native")
        )
        model = engine.load(checkpoint, settings)
    model.batches.rows = given.rows
    tokenizer = model.prompting.tokenizer
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    prompts = [
        " ".join(WORDS[(at * place) % len(WORDS)] for place in range(4 + at % 24))
        for at in range(given.requests)
    ]
    times: dict[str, list[tuple[float, float]]] = {"plain": [], "engine": []}
    for number in range(given.rounds + 1):
        for name in sorted(times, reverse=bool(number % 2)):
            model.synchronize()
            begun = time.perf_counter(), time.process_time()
            if name == "plain":
                tokens = plain(model.model, tokenizer, prompts, given.new, given.rows)
            else:
                tokens = ours(model, prompts, given.new)
            model.synchronize()
            if number:  # the first round warms up
                ended = time.perf_counter(), time.process_time()
                times[name].append((ended[0] - begun[0], ended[1] - begun[1]))
                wall, used = times[name][-1]
                print(f"{name}: {wall:.3f} s, processor {used:.3f} s, {tokens} tokens", flush=True)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")
    print(f"batching: {model.loaded.batching}; {given.rows} rows, {given.requests} requests")
    for place, what in enumerate(("seconds", "processor seconds")):
        found = [[one[place] for one in times[name]] for name in ("plain", "engine")]
        ratios = sorted(one / other for one, other in zip(*found, strict=True))
        middle = " and ".join(f"{statistics.median(one):.3f}" for one in found)
        print(f"{what}: median {middle}; plain / engine {statistics.median(ratios):.3f} {ratios}")


if __name__ == "__main__":
    main()
