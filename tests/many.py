"""A study of many cells that are finished without a model: what the workflow would have written.

The samples are drawn, and the cells scored, by the workflow's own programs; only the answers and
their times are invented. Cells of equal content share their files by hard links.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import measurements
import score
from frontier import values
from frontier.arrivals import one_by_one
from frontier.catalogue import configuration
from frontier.host import files
from frontier.machine import hardware
from frontier.planning.cells import Cell
from frontier.planning.steps import Steps
from frontier.results import checksums, layout
from frontier.results.records import Record
from frontier.specs.score import ScoreSpec
from tiny import BUSY, recipe
from workspace import copy_project

QUANTIZATIONS = {
    "native": {"method": "native"},
    **{width: {"method": "quanto", "weights": width} for width in ("int8", "int4", "int2")},
    "float8": {"method": "quanto", "weights": "float8"},
}
CPU = {"accelerator": "cpu", **BUSY}
DEVICES = {"cpu": CPU | {"threads": 2}, "cpu-one": CPU | {"threads": 1}}
SENTIMENT = {"kind": "classification", "labels": ["negative", "positive"], "positive": "positive"}
KINDS = {
    "sentiment": ("sentiment", "{sentence}", SENTIMENT),
    "sentiment-too": ("sentiment", "{sentence}", SENTIMENT),
    "sums": ("arithmetic", "{question} =", {"kind": "mathematics"}),
    "sums-too": ("arithmetic", "{question} =", {"kind": "mathematics"}),
    "translation": ("translation", "{chinese}", {"kind": "translation", "target": "en"}),
}
A_MODEL = len(QUANTIZATIONS) * len(DEVICES) * len(KINDS)  # cells of one
CONTENTS = 4  # different answers of a quantization to a task
WRONG = {"native": 0.1, "int8": 0.11, "int4": 0.15, "int2": 0.4, "float8": 0.1}


def models(cells: int) -> list[str]:
    """Ids of as many models as it takes for so many cells."""
    return [f"model{number:04d}" for number in range(-(-cells // A_MODEL))]


def project(folder: Path, cells: int, requests: int) -> Path:
    """A checkout at `folder` whose study has so many cells, to the next multiple of A_MODEL."""
    copy_project(folder)
    blocks = {model: {"grow": recipe("llama")} for model in models(cells)}
    tasks = {
        name: {
            "dataset": "demo", "sample": {"size": requests, "grammar": grammar, "seed": seed},
            "prompt": prompt, "max_new_tokens": 24, "scorer": scorer,
        }
        for seed, (name, (grammar, prompt, scorer)) in enumerate(KINDS.items())
    }  # fmt: skip
    study = {
        "models": list(blocks), "quantizations": list(QUANTIZATIONS),
        "devices": list(DEVICES), "tasks": list(tasks),
    }  # fmt: skip
    datasets = {"demo": {"loader": "demo", "source": {"generator": "demo"}}}
    for name, content in {
        "models": {"models": blocks},
        "quantizations": {"quantizations": QUANTIZATIONS},
        "techniques": {"techniques": {}},
        "devices": {"devices": DEVICES},
        "tasks": {"datasets": datasets, "tasks": tasks},
        "config": {"title": "Many cells", "study": study},
    }.items():
        text = yaml.safe_dump(content, sort_keys=False)
        (folder / f"config/{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@contextlib.contextmanager
def steps_of(folder: Path) -> Iterator[Steps]:
    """The steps of a checkout, which is the working directory meanwhile."""
    with contextlib.chdir(folder):
        catalogue = configuration.read_catalogue(Path("config"))
        config = configuration.read_study([Path("config/config.yaml")], [], catalogue)
        yield Steps(catalogue, config, hardware.memory_bytes)


def answers(rows: list[dict[str, Any]], wrong: float, seed: int) -> list[dict[str, Any]]:
    """Records of requests: references, a share of them another row's, a token a word."""
    random = np.random.default_rng(seed)
    astray = random.random(len(rows)) < wrong
    others = random.permutation(len(rows))
    records = []
    for row, other, lost in zip(rows, others, astray, strict=True):
        text = rows[other]["reference"] if lost else row["reference"]
        tokens = 2 + len(text.split())
        times = np.cumsum(random.lognormal(15, 0.2, tokens)).astype(int).tolist()
        records.append(
            Record(
                id=row["id"], prompt_sha256="0" * 64, text=text, tokens=tokens, prompt_tokens=20,
                finish_reason="stop", due_ns=10**9, start_ns=10**9, arrivals=one_by_one(times),
                end_ns=times[-1] + 10_000, session=0,
            ).line()
        )  # fmt: skip
    return records


def measurement(requests: Path, sample: Path) -> dict[str, Any]:
    """The content of measure.py's measurement, except the cell's specification."""
    load = {"before": [0.2, 0.3, 0.3], "after": [1.9, 0.8, 0.4]}
    contention = {"load_average": load, "foreign_cores": 0.04, "foreign_gpu_processes": None}
    return measurements.measurement(
        requests=500, contention=contention, requests_sha256=values.sha256(requests),
        sample_sha256=values.sha256(sample),
        sessions=[measurements.session(hardware=hardware.describe())],
    )  # fmt: skip


def _program(name: str, *arguments: str) -> None:
    subprocess.run([sys.executable, f"workflow/scripts/{name}.py", *arguments], check=True)


def draw(steps: Steps) -> dict[str, Path]:
    """Each task's sample, drawn by the workflow's programs; a lock in place of each model."""
    built = steps.dataset("demo")
    dataset = f"resources/datasets/demo/{built.identity}"
    _program("fetch_dataset", "--spec", built.spec_with_identity, "--output", dataset)
    samples = {}
    for task in steps.config.study.tasks:
        folder = Path("resources/samples", task, steps.sample(task).identity)
        samples[task] = folder / "sample.jsonl"
        lock = folder / "lock.json"
        places = ("--dataset", dataset, "--output", str(samples[task]), "--lock", str(lock))
        _program("sample", "--spec", steps.sample(task).spec_with_identity, *places)
    for model in steps.config.study.models:
        files.write_text(
            Path("resources/models", model, steps.model(model).identity, "lock.json"),
            '{"files": {}}',
        )
    return samples


def finish(folder: Path) -> None:
    """Writes every cell of the study, as if measured and scored; not the tables and the report."""
    with steps_of(folder) as steps:
        samples, pool = draw(steps), Path("pool")

        @cache
        def content(task: str, quantization: str, variety: int) -> tuple[Path, dict[str, Any], Any]:
            """A requests file, its measurement, and what is scored of both."""
            place = pool / f"{task}-{quantization}-{variety}"
            seed = variety + 7 * list(QUANTIZATIONS).index(quantization)
            records = answers(values.read_lines(samples[task]), WRONG[quantization], seed)
            requests = place.with_suffix(".jsonl")
            files.write_text(requests, "".join(json.dumps(one) + "\n" for one in records))
            recorded = measurement(requests, samples[task])
            cell = steps.cell(f"model0000-{quantization}".removesuffix("-native"), "cpu", task)
            recorded["spec"] = json.loads(steps.measure(cell).spec_with_identity)
            files.write_json(place.with_suffix(".json"), recorded)
            given = Namespace(
                requests=requests, measurement=place.with_suffix(".json"), sample=samples[task],
                judging=None, said=None, asked=None, pairs=None,
            )  # fmt: skip
            result, table = score.cell(_spec(steps, cell), given)
            table.write_parquet(place.with_suffix(".parquet"))
            result["table_sha256"] = values.sha256(place.with_suffix(".parquet"))
            return place, recorded, result

        for place, cell in enumerate(steps.cells):
            variety = place // A_MODEL % CONTENTS
            _finish(steps, cell, *content(cell.task, cell.quantization, variety))


def _spec(steps: Steps, cell: Cell) -> ScoreSpec:
    """The spec that score.py gets for a cell that was measured."""
    given = steps.score(cell).given
    assert isinstance(given, ScoreSpec)
    return given


def _finish(steps: Steps, cell: Cell, pool: Path, recorded: dict[str, Any], result: Any) -> None:
    path, measured = cell.place.summary, steps.measurement(cell)
    measured.parent.mkdir(parents=True)
    os.link(pool.with_suffix(".jsonl"), measured.with_name("requests.jsonl"))
    os.link(pool.with_suffix(".parquet"), path.with_suffix(".parquet"))
    built = json.loads(steps.measure(cell).spec_with_identity)
    checksums.write(measured, {**recorded, "spec": built})
    spec_with_identity = json.loads(steps.score(cell).spec_with_identity)
    whole = {
        "layout": layout.VERSION,
        "cell": spec_with_identity["cell"],
        **result,
        "identity": spec_with_identity["identity"],
    }
    checksums.write(path, whole)
