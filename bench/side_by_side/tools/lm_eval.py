"""lm-evaluation-harness 0.4.13, one request at a time, on the same texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from side_by_side.running import run
from side_by_side.tools import Outcome, Tool, Work, environments

TASK = "side_by_side"
NAME = "lm-eval"
START = "import sys; from lm_eval.__main__ import cli_evaluate; sys.exit(cli_evaluate())"


class LmEval(Tool):
    """Its generations are in the samples that it logs; it has no times."""

    name = NAME
    does = "lm-evaluation-harness 0.4.13, batch 1: accuracy"

    def prepare(self, work: Work) -> None:
        """Builds its environment, and writes the requests as a local task."""
        environments.tool("lm_eval")
        write_task(work)

    def run(self, work: Work) -> Outcome:
        """Runs its command line."""
        output = work.folder / f"{NAME}-output"
        shutil.rmtree(output, ignore_errors=True)
        tokens = json.loads(work.asked_file.with_suffix(".tokens.json").read_text("utf-8"))
        model = f"pretrained={work.checkpoint},dtype={work.asked.dtype}"
        model += f",add_bos_token={tokens['begins']}"
        command = [environments.tool("lm_eval"), "-c", START, "run", "--model", "hf"]
        command += ["--model_args", model, "--tasks", TASK, "--batch_size", "1", "--device", "cpu"]
        command += ["--include_path", _folder(work), "--output_path", output, "--log_samples"]
        variables = {**work.variables, "HF_HOME": str(work.folder / "hf-home")}
        ran = run(command, work.folder / f"{NAME}.log", variables=variables)
        [samples] = output.rglob(f"samples_{TASK}_*.jsonl")
        lines = samples.read_text(encoding="utf-8").splitlines()
        texts = generations(map(json.loads, lines))
        ids = [one.id for one in work.asked.requests]
        return Outcome(ran, texts={ids[place]: text for place, text in texts.items()})


def generations(samples: Iterable[dict[str, Any]]) -> dict[int, str]:
    """The generations in a log of samples, by the place of their document."""
    return {one["doc_id"]: one["resps"][0][0] for one in samples}


def _folder(work: Work) -> Path:
    return work.folder / f"{NAME}-task"


def write_task(work: Work) -> None:
    """Writes the requests as a task: its prompts are columns, so no template changes them."""
    folder = _folder(work)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{"prompt": one.prompt, "target": one.reference} for one in work.asked.requests]
    data = folder / "requests.jsonl"
    data.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    task = {
        "task": TASK,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}},
        "test_split": "test",
        "output_type": "generate_until",
        "doc_to_text": "prompt",
        "doc_to_target": "target",
        "generation_kwargs": {
            "until": list(work.asked.stop),
            "max_gen_toks": work.asked.max_new_tokens,
            "do_sample": False,
        },
        "metric_list": [{"metric": "exact_match"}],
    }
    (folder / f"{TASK}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
