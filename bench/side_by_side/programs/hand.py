"""Ask requests of a decoding loop written by hand: the forward pass, the likeliest token, again.

    python hand.py CHECKPOINT ASKED OUTPUT THREADS

With MARGINS set, which takes time, an answer has for each step the lead of the largest logit over
the next one, and the text so far: they explain differences between tools.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
import transformers


def main(checkpoint: str, asked_file: str, output: str, threads: int) -> None:
    """Loads, asks, writes each answer's text and times."""
    torch.set_num_threads(threads)
    asked = json.loads(Path(asked_file).read_text(encoding="utf-8"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    dtype = getattr(torch, asked["dtype"])
    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint, dtype=dtype)
    model.eval()
    ends = {*asked["ends"], *asked["stopping"]}
    with_margins = bool(os.environ.get("MARGINS"))

    @torch.inference_mode()
    def ask(request: dict[str, Any]) -> dict[str, Any]:
        tokens: list[int] = []
        times: list[float] = []
        margins: list[float] = []
        start = time.perf_counter()
        tokenizer(request["prompt"], add_special_tokens=False)
        fed, cache = torch.tensor([request["ids"]]), None
        while len(tokens) < asked["max_new_tokens"]:
            found = model(input_ids=fed, past_key_values=cache, use_cache=True, logits_to_keep=1)
            cache = found.past_key_values
            logits = found.logits[:, -1]
            fed = logits.argmax(dim=-1, keepdim=True)
            tokens.append(int(fed))
            times.append(time.perf_counter() - start)
            if with_margins:
                first, second = logits[0].topk(2).values.tolist()
                margins.append(first - second)
            if tokens[-1] in ends:
                break
        text = tokenizer.decode(tokens, skip_special_tokens=True)
        took = time.perf_counter() - start
        own = {"id": request["id"], "text": text, "times": times, "s": took}
        if not with_margins:
            return own
        texts = [
            tokenizer.decode(tokens[: step + 1], skip_special_tokens=True)
            for step in range(len(tokens))
        ]
        return own | {"margins": margins, "texts": texts}

    for request in asked["requests"][:10]:
        ask(request)
    answers = [ask(request) for request in asked["requests"]]
    Path(output).write_text(json.dumps(answers), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
