"""Each request by our engine and by a bare `generate` in turns, on one model in one process.

    python -m side_by_side.in_turns MEASUREMENT CHECKPOINT ASKED OUTPUT ROUNDS SAMPLE

Two processes with the same program differ by some per cent, from their memory's layout; here
nothing differs but the code around the model. Writes pairs of seconds per token, and of processor
seconds for whole requests, texts to text, which other processes disturb less.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

import measure
from frontier.engines.loaded.batched import BatchedModel
from frontier.requests import Generate
from frontier.results import measurement
from frontier.specs.measure import MeasureSpec
from side_by_side.asked import Asked, Request
from side_by_side.programs.generate import Clock


def bare(model: BatchedModel, request: Request, asked: Asked) -> list[float]:
    """The times of the tokens of a bare `generate`."""
    clock, tokenizer = Clock(), model.prompting.tokenizer
    tokenizer(request.prompt, add_special_tokens=False)
    ids = torch.tensor([request.ids])
    made = model.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=asked.max_new_tokens,
        eos_token_id=[*asked.ends, *asked.stopping] or None,
        streamer=clock,
    )
    tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return clock.times[1:]


def used(ask: Callable[[], list[float]]) -> tuple[list[float], float]:
    """The times of the tokens, and the seconds of the processor."""
    start = time.process_time()
    times = ask()
    return times, time.process_time() - start


def per_token(times: list[float]) -> float | None:
    """TPOT; None with fewer than two tokens."""
    return (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else None


def main() -> None:
    """Asks each request several times, in an order that changes each time."""
    folder, checkpoint, asked_file, output = map(Path, sys.argv[1:5])
    found = measurement.read(folder / "measurement.json")
    spec = MeasureSpec.model_validate_json(json.dumps(found.spec))
    engine = spec.engine.only("measure")
    engine.prepare()
    model = engine.load(checkpoint, measure.settings_of(spec, None, folder))
    assert isinstance(model, BatchedModel)
    asked = Asked.read(asked_file)
    prompts = {
        name: question.whole
        for name, question in spec.task.questions(
            [json.loads(line) for line in Path(sys.argv[6]).read_text("utf-8").splitlines()]
        ).items()
    }

    def ours(request: Request) -> list[float]:
        own = Generate(prompts[request.id], asked.max_new_tokens, tuple(asked.stop))
        return [one.ns / 1e9 for one in model.generate(own).arrivals]

    pairs = []
    for number in range(int(sys.argv[5]) + 1):
        for place, request in enumerate(asked.requests):
            asks = partial(ours, request), partial(bare, model, request, asked)
            if (number + place) % 2:
                (theirs, their_cpu), (own, cpu) = used(asks[1]), used(asks[0])
            else:
                (own, cpu), (theirs, their_cpu) = used(asks[0]), used(asks[1])
            pair = per_token(own), per_token(theirs), cpu, their_cpu
            if number and len(own) == len(theirs) and None not in pair:  # the first warms up
                pairs.append(pair)
    output.write_text(json.dumps(pairs), encoding="utf-8")


if __name__ == "__main__":
    main()
