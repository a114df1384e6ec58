"""All tools, in the order of the table."""

from __future__ import annotations

from side_by_side.tools import Tool
from side_by_side.tools.generate import Generate
from side_by_side.tools.hand import Hand
from side_by_side.tools.llama_bench import LlamaBench
from side_by_side.tools.lm_eval import LmEval
from side_by_side.tools.optimum_benchmark import OptimumBenchmark
from side_by_side.tools.ours import Ours
from side_by_side.tools.ours_llama_cpp import OursLlamaCpp
from side_by_side.tools.vllm_bench import VllmBench

TOOLS: dict[str, type[Tool]] = {
    tool.name: tool
    for tool in (
        Ours, Generate, Hand, LmEval, OptimumBenchmark, OursLlamaCpp, LlamaBench, VllmBench,
    )
}  # fmt: skip
