"""Real SST-2, OpenSubtitles and DeepMind mathematics on a real pretrained model, to the end.

Scores are recomputed with scikit-learn and with sacreBLEU's own program, latencies from the
records of the requests.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

import tiny
from stories import stories260k
from workspace import Workspace, copy_project

TASKS = {"sst2": 60, "opensubtitles-zh-en": 40, "opensubtitles-en-zh": 40, "mathematics": 64}


@pytest.fixture(scope="module")
def study(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The shipped tasks from local folders, on the pretrained 260K Llama and its int8."""
    folder = tmp_path_factory.mktemp("real")
    place = Workspace(copy_project(folder / "checkout"))
    model = {"path": str(stories260k(test_data, folder / "stories")), "label": "Stories 260K"}
    place.set("models", "models/stories", model)
    for task, size in TASKS.items():
        place.set("tasks", f"tasks/{task}/sample/size", size)
        place.set("tasks", f"tasks/{task}/max_new_tokens", 12)
    for key, value in tiny.BUSY.items():
        place.set("devices", f"devices/cpu/{key}", value)
    place.set("devices", "devices/cpu/warmup", {"tolerance": 50.0})
    axes = {"models": ["stories"], "quantizations": ["native", "int8"], "devices": ["cpu"]}
    place.set("config", "study", {**axes, "tasks": list(TASKS)})
    sources = {
        name: {"path": str(test_data / name)} for name in ("sst2", "opensubtitles", "mathematics")
    }
    place.set("config", "sources", sources)
    place.build()
    return place


def cell(
    study: Workspace, task: str, variant: str = "stories"
) -> tuple[dict[str, Any], pl.DataFrame]:
    """A cell's summary and its requests."""
    path = study.path(f"results/{variant}/cpu/{task}.json")
    return json.loads(path.read_text()), pl.read_parquet(path.with_suffix(".parquet"))


@pytest.mark.parametrize("variant", ["stories", "stories-int8"])
def test_sst2_by_scikit_learn(study: Workspace, variant: str) -> None:
    """The label that a generation names; anything else is a label of its own, and wrong."""
    summary, requests = cell(study, "sst2", variant)
    truth = requests["reference"].to_list()
    words = [re.findall(r"\w+", text.casefold()) for text in requests["prediction"]]
    found = [next((w for w in text if w in ("negative", "positive")), "invalid") for text in words]
    metrics = {name: metric["value"] for name, metric in summary["score"]["metrics"].items()}
    assert metrics["accuracy"] == pytest.approx(accuracy_score(truth, found))
    assert metrics["invalid_rate"] == pytest.approx(found.count("invalid") / len(found))
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, found, labels=["positive"], average=None, zero_division=np.nan
    )
    for name, value in (("precision", precision), ("recall", recall), ("f1", f1)):
        if metrics[name] is not None:
            assert metrics[name] == pytest.approx(float(value[0]))
    assert sorted(set(truth)) == ["negative", "positive"]
    assert truth.count("positive") == 30


@pytest.mark.parametrize(
    ("task", "tokenizer"), [("opensubtitles-zh-en", "13a"), ("opensubtitles-en-zh", "zh")]
)
def test_translation_by_sacrebleu_program(
    study: Workspace, tmp_path: Path, task: str, tokenizer: str
) -> None:
    """chrF2 and BLEU as the program prints them, with the tokenizer of the target language."""
    summary, requests = cell(study, task)
    for name in ("reference", "prediction"):
        lines = (" ".join(text.split()) for text in requests[name])
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "sacrebleu",
        str(tmp_path / "reference"),
        "-i",
        str(tmp_path / "prediction"),
    ]
    for metric, options in (("chrf2", ["-m", "chrf"]), ("bleu", ["-m", "bleu", "-tok", tokenizer])):
        done = subprocess.run(
            [*command, *options, "-b", "-w", "6"], capture_output=True, text=True, check=True
        )
        assert summary["score"]["metrics"][metric]["value"] == pytest.approx(
            float(done.stdout), abs=1e-6
        )


def test_mathematics_exact_match(study: Workspace) -> None:
    """Every module of the eight categories has its share; exact match by plain comparison."""
    summary, requests = cell(study, "mathematics")
    exact = [
        p.strip() == r for p, r in zip(requests["prediction"], requests["reference"], strict=True)
    ]
    metrics = summary["score"]["metrics"]
    assert metrics["exact_match"]["value"] == pytest.approx(sum(exact) / len(exact))
    assert metrics["equivalent"]["value"] >= metrics["exact_match"]["value"]
    assert requests["module"].n_unique() == 54
    assert requests["module"].value_counts()["count"].max() == 2


@pytest.mark.parametrize("task", TASKS)
def test_published_latencies_from_the_records(study: Workspace, task: str) -> None:
    """Medians, means and rates by numpy from the arrivals, each of one token; nothing else went into them."""
    summary, requests = cell(study, task)
    path = next(study.root.glob(f"results/stories/cpu/{task}/*/requests.jsonl"))
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    latency = np.array([record["end_ns"] for record in records]) / 1e9
    first = np.array([record["arrivals"][0][0] for record in records]) / 1e9
    count = np.array([len(record["arrivals"]) for record in records])
    per_token = ((latency - first)[count > 1] / (count - 1)[count > 1]).tolist()
    assert [record["tokens"] for record in records] == count.tolist()
    published = summary["figures"]
    for name, values in (("latency", latency), ("ttft", first), ("tpot", per_token)):
        assert published[f"{name}_mean_s"]["value"] == pytest.approx(np.mean(values))
        assert published[f"{name}_p50_s"]["value"] == pytest.approx(np.median(values))
        assert published[f"{name}_p99_s"] is None
    rate = published["output_tokens_per_s"]["value"]
    assert rate == pytest.approx(count.sum() / latency.sum())
    assert requests["latency_s"].to_list() == pytest.approx(latency.tolist())


def test_table_says_what_the_cells_say(study: Workspace) -> None:
    """study.parquet has every cell once, with the cell's own figures."""
    table = pl.read_parquet(study.path("results/study.parquet"))
    assert table.height == 2 * len(TASKS)
    for row in table.iter_rows(named=True):
        summary, _ = cell(study, row["task"], row["variant"])
        assert row["latency_p50_s"] == summary["figures"]["latency_p50_s"]["value"]
        primary = summary["score"]["metrics"][summary["score"]["primary"]]
        assert (row["score"], row["score_low"]) == (primary["value"], primary["low"])
        assert row["weights_bytes"] == summary["figures"]["weights_bytes"]


def test_report_shows_every_cell_and_no_prompt_runs(study: Workspace) -> None:
    """The page names both variants and all tasks."""
    page = study.path("results/report.html").read_text(encoding="utf-8")
    for text in ("Stories 260K", "INT8", "SST-2 sentiment", "DeepMind mathematics", "Subtitles"):
        assert text in page
    assert page.count("<script") == 2, "the page's own data and program"
