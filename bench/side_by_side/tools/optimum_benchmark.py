"""optimum-benchmark 0.6: as many requests of the median lengths, of random tokens."""

from __future__ import annotations

import json
import shutil
import statistics
from typing import Any

import yaml

from side_by_side.asked import Asked
from side_by_side.running import run
from side_by_side.tools import Outcome, Tool, Work, environments

NAME = "optimum-benchmark"
START = "from optimum_benchmark.cli import main; main()"


class OptimumBenchmark(Tool):
    """Its report has medians of prefill and decoding; its times by token are unusable."""

    name = NAME
    does = "optimum-benchmark 0.6: times and memory, random tokens, on transformers 4.57"
    answers = False

    def prepare(self, work: Work) -> None:
        """Builds its environment."""
        environments.tool("optimum_benchmark")

    def run(self, work: Work) -> Outcome:
        """Runs its command line on a configuration."""
        output = work.folder / f"{NAME}-output"
        shutil.rmtree(output, ignore_errors=True)
        settings = configuration(work, str(output))
        folder = work.folder / f"{NAME}-settings"
        folder.mkdir(exist_ok=True)
        (folder / "bench.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        command = [environments.tool("optimum_benchmark"), "-c", START]
        command += ["--config-dir", folder, "--config-name", "bench"]
        ran = run(command, work.folder / f"{NAME}.log", variables=work.variables)
        report = json.loads((output / "benchmark_report.json").read_text(encoding="utf-8"))
        return outcome(report, ran)


def lengths(asked: Asked, tokens: int) -> tuple[int, int]:
    """The tokens of a prompt (the median) and of an answer, at least 2."""
    return round(statistics.median(len(one.ids) for one in asked.requests)), max(2, tokens)


def configuration(work: Work, output: str) -> dict[str, Any]:
    """Its settings: the defaults, but for as many requests as ours, and their lengths."""
    prompt, new = lengths(work.asked, work.tokens)
    return {
        "defaults": [
            "benchmark",
            {"scenario": "inference"},
            {"launcher": "process"},
            {"backend": "pytorch"},
            "_self_",
        ],
        "name": "side-by-side",
        "hydra": {"run": {"dir": output}, "job": {"chdir": True}},
        "backend": {
            "device": "cpu",
            "model": str(work.checkpoint),
            "task": "text-generation",
            "library": "transformers",
            "torch_dtype": work.asked.dtype,
            "no_weights": False,
            "intra_op_num_threads": work.threads,
        },
        "scenario": {
            "latency": True,
            "memory": True,
            "iterations": len(work.asked.requests),
            "duration": 0,
            "input_shapes": {"batch_size": 1, "sequence_length": prompt},
            "generate_kwargs": {"max_new_tokens": new, "min_new_tokens": new},
        },
    }


def outcome(report: dict[str, Any], ran: Any) -> Outcome:
    """The figures of a report. Its decoding is all tokens of a request but the first."""
    prefill, decode = (report[name]["latency"]["values"] for name in ("prefill", "decode"))
    # Tokens per second are those of all tokens but the first: their number follows from it.
    rate = report["decode"]["throughput"]["value"]
    tokens = round(rate * statistics.mean(decode))
    model = sum(prefill) + sum(decode)
    return Outcome(ran, prefill, [one / tokens for one in decode], model)
