"""llama-bench's way to measure llama.cpp, on the file that this workflow converted."""

from __future__ import annotations

import json

from side_by_side.running import run
from side_by_side.tools import NotHereError, Outcome, Tool, Work, environments
from side_by_side.tools.loop import PROGRAMS
from side_by_side.tools.optimum_benchmark import lengths
from side_by_side.tools.ours_llama_cpp import OursLlamaCpp


class LlamaBench(Tool):
    """Prompt processing and generation, each from an empty cache, without sampling."""

    name = "llama-bench"
    does = "llama-bench's loop: random tokens, nothing sampled"
    answers = False
    against = OursLlamaCpp.name

    def prepare(self, work: Work) -> None:
        """Builds the engine's environment. Raises NotHereError without a converted file."""
        environments.engine("llama_cpp")
        if not work.checkout.gguf():
            raise NotHereError("the checkpoint was not converted")

    def run(self, work: Work) -> Outcome:
        """Runs the loop, as often as there are requests."""
        gguf = work.checkout.gguf()
        assert gguf is not None
        output = work.folder / f"{self.name}.json"
        counts = (work.threads, *lengths(work.asked, work.tokens), len(work.asked.requests))
        command = [environments.engine("llama_cpp"), PROGRAMS / "llama.py", gguf, output]
        ran = run([*command, *map(str, counts)], work.folder / f"{self.name}.log")
        found = json.loads(output.read_text(encoding="utf-8"))
        tests = found["tests"]
        return Outcome(
            ran,
            [prompt for prompt, _ in tests],
            [new / found["new"] for _, new in tests],
            sum(prompt + new for prompt, new in tests),
        )
