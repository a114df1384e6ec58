"""Ask requests of transformers' `generate`, one after another, with a clock and nothing else.

python generate.py CHECKPOINT ASKED OUTPUT THREADS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers


class Clock(transformers.generation.streamers.BaseStreamer):  # type: ignore[misc]
    """Reads the clock when a token arrives; the first call brings the prompt."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def put(self, value: Any) -> None:
        """Notes the time."""
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Does nothing."""


def main(checkpoint: str, asked_file: str, output: str, threads: int) -> None:
    """Loads, asks, writes each answer's text and times."""
    torch.set_num_threads(threads)
    asked = json.loads(Path(asked_file).read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    dtype = getattr(torch, asked["dtype"])
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype)
    model.eval()
    ends = [*asked["ends"], *asked["stopping"]]
    model.generation_config = transformers.GenerationConfig(
        do_sample=False, eos_token_id=ends or None, pad_token_id=0
    )

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        clock = Clock()
        start = time.perf_counter()
        ids = torch.tensor([request["ids"]])
        tokenizer(request["prompt"], add_special_tokens=False)
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=asked["max_new_tokens"],
            streamer=clock,
        )
        text = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
        end = time.perf_counter()
        times = [one - start for one in clock.times[1:]]
        return {"id": request["id"], "text": text, "times": times, "s": end - start}

    for request in asked["requests"][:10]:
        ask(request)
    answers = [ask(request) for request in asked["requests"]]
    Path(output).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
