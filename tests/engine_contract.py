"""Every engine's duties to its callers, as JSON: for tests in the engine's own environment.

It asks and tells; what the answers have to be is for the tests. No import but the standard library's
and psutil, so that what else is loaded is the engine's doing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from frontier.engines import ENGINES, Choose, Generate, Settings
from frontier.errors import UnsupportedError
from frontier.requests import Sampling
from quantizing import quantizer

SETTINGS = Settings("cpu", "float32", 1, "plain", quantizer("native"))
CUTS = (0.2, 0.5, 0.8)
"""The points at which generations are interrupted, as shares of their usual time."""
ROUNDS = 6
TEMPERATURE = 100.0
"""At which any token may be next, whatever the model."""
SEEDS = (1, 1, 2, 3, 4)


def ask(engine: Any, prompt: str, tokens: int, stop: list[str]) -> dict[str, Any]:
    """One request's generation, with the clock before and after it."""
    before = time.perf_counter_ns()
    answer = dataclasses.asdict(engine.generate(Generate(prompt, tokens, tuple(stop))))
    return answer | {"before_ns": before, "after_ns": time.perf_counter_ns()}


def interrupted(engine: Any, prompt: str, tokens: int, seconds: float) -> bool:
    """Whether a request was interrupted, as Ctrl-C does it, that many seconds after its start."""
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            engine.generate(Generate(prompt, tokens, ()))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except KeyboardInterrupt:
        return True
    return False


def parting(engine: Any, prompt: str, text: str, expected: list[str]) -> int | None:
    """The first token of `text` that is not as `expected`, the texts of 1, 2, … tokens, if any."""
    if text == expected[-1]:
        return None
    texts = (
        engine.generate(Generate(prompt, count + 1, ())).text for count in range(len(expected))
    )
    return next(at for at, text in enumerate(texts) if text != expected[at])


def refusal(engine: Any, prompt: str, tokens: int) -> str | None:
    """The reason why a request is not supported."""
    try:
        engine.generate(Generate(prompt, tokens, ()))
    except UnsupportedError as error:
        return str(error)
    return None


def chosen(engine: Any, work: dict[str, Any]) -> dict[str, Any] | str:
    """The log-likelihoods of the choices, or why there are none."""
    try:
        return dataclasses.asdict(
            engine.choose(Choose(work["chosen"][0], tuple(work["chosen"][1])))
        )
    except UnsupportedError as error:
        return str(error)


def examine(load: Any, folder: Path, work: dict[str, Any]) -> dict[str, Any]:
    """Loads a checkpoint, requests all that `work` names, and closes it.

    The first of its requests is the one that is interrupted and asked for again; `expected` are
    the texts of the first few, token by token.
    """
    engine = load(folder, SETTINGS)
    found: dict[str, Any] = {"modules": sorted(sys.modules)}
    first = work["requests"][0]
    prompt, tokens, _ = first
    engine.reserve([Generate(asked, tokens) for asked, _, _ in work["requests"]])
    found["answers"] = [ask(engine, *request) for request in work["requests"]]
    found["parted"] = [
        parting(engine, request[0], answer["text"], texts)
        for request, answer, texts in zip(
            work["requests"], found["answers"], work["expected"], strict=False
        )
    ]
    found["too long"] = refusal(engine, work["long"], tokens)
    found["after too long"] = ask(engine, *first)
    pairs = zip(work["requests"], found["answers"], strict=True)
    seconds = min(answer["end_ns"] for request, answer in pairs if request == first) / 1e9
    found["after"] = []
    for cut in CUTS:
        limit = cut * seconds  # shorter if it took longer then than now, on a busy machine
        while not interrupted(engine, prompt, tokens, limit):
            limit = max(limit / 2, 1e-6)
        # Another than the interrupted one comes next, so that anything left behind would show.
        found["after"] += [ask(engine, *work["requests"][1]), ask(engine, *first)]
    random = [Sampling(TEMPERATURE, 1.0, seed) for seed in SEEDS]
    found["random"] = [
        engine.generate(Generate(prompt, tokens, (), sampling=one)).text for one in random
    ]
    found["after random"] = ask(engine, *first)
    found["chosen"] = chosen(engine, work)
    found["loaded"] = dataclasses.asdict(engine.loaded)
    found["peak"] = engine.device_peak_bytes()
    engine.close()
    return found


def rounds(load: Any, folder: Path, prompt: str) -> tuple[list[int], list[str]]:
    """Bytes that the process holds after each round of load, generate and close; the texts."""
    held, texts = [], []
    for _ in range(ROUNDS):
        engine = load(folder, SETTINGS)
        texts.append(engine.generate(Generate(prompt, 4, ())).text)
        engine.close()
        del engine
        held.append(psutil.Process().memory_info().rss)
    return held, texts


def main() -> None:
    """Arguments: an engine's kind, its keys, and the path of its work, checkpoint by checkpoint."""
    kind, options, path = sys.argv[1:]
    work = json.loads(Path(path).read_text(encoding="utf-8"))
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    with contextlib.redirect_stdout(sys.stderr):
        block = ENGINES.load(kind)(**json.loads(options)).only("measure")
        block.prepare()
        load = block.load
        found = {}
        for label, part in work.items():
            folder = Path(part["folder"])
            found[label] = examine(load, folder, part)
            if part["rounds"]:
                found[label]["rounds"] = rounds(load, folder, part["requests"][0][0])
    print(json.dumps(found))
