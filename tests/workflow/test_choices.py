"""Tasks whose answers are choices by likelihood, from the sample to the report."""

from __future__ import annotations

import json
import math
from typing import Any

import polars as pl
import pytest

from disturbed import lines
from workspace import Workspace, jobs_in, refused

TASK: dict[str, Any] = {
    "label": "Reviews, by likelihood",
    "dataset": "reviews",
    "sample": {"size": 8, "split": "validation"},
    "prompt": "{sentence} =>",
    "choices": ["negative", "positive"],
    "scorer": {"kind": "loglikelihood"},
}
VARIANTS = ("tiny-llama", "tiny-llama-int8")
CELL = "results/tiny-llama/cpu/chosen.json"


@pytest.fixture
def chosen(place: Workspace) -> Workspace:
    """The finished tiny study with a task of choices, which is not measured yet."""
    place.set("tasks", "tasks/chosen", TASK)
    place.set("config", "study/tasks", ["reviews", "chosen"])
    return place


def summary(place: Workspace, variant: str = VARIANTS[0]) -> dict[str, Any]:
    path = place.path(f"results/{variant}/cpu/chosen.json")
    cell: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return cell


def test_choices_are_measured_scored_and_compared(chosen: Workspace) -> None:
    """Their times are a figure of their own, and no figure of generated texts has them."""
    chosen.build()
    cell = summary(chosen)
    assert cell["outcome"] == "measured", cell["reason"]
    figures = cell["figures"]
    assert figures["choice_p50_s"]["value"] > 0
    assert figures["requests"] == 8
    assert figures["sampled_from"] == 20
    texts = (
        "latency",
        "ttft",
        "tpot",
        "output_tokens",
        "requests_per_s",
        "mbu",
        "cut_off",
        "empty",
    )
    assert all(one is None for name, one in figures.items() if name.startswith(texts))
    assert cell["score"]["primary"] == "accuracy"
    assert cell["score"]["metrics"]["invalid_rate"]["value"] == 0

    path = chosen.path(CELL).with_suffix(".parquet")
    requests = pl.read_parquet(path)
    assert requests["latency_s"].null_count() == requests.height
    (folder,) = [
        one.parent for one in chosen.root.glob("results/tiny-llama/cpu/chosen/*/requests.jsonl")
    ]
    records = {one["id"]: one for one in lines(folder / "requests.jsonl")}
    for row in requests.iter_rows(named=True):
        record = records[row["id"]]
        assert record["choices"] == TASK["choices"]
        assert record["logprobs"] == row["logprobs"]
        assert record["arrivals"] == []
        assert record["tokens"] == 0
        right = row["logprobs"][TASK["choices"].index(row["reference"])]
        assert row["score"] == float(right == max(row["logprobs"]))
        assert row["prediction"] == TASK["choices"][row["logprobs"].index(max(row["logprobs"]))]

    other = pl.read_parquet(chosen.path("results/tiny-llama-int8/cpu/chosen.parquet"))
    compared = pl.read_parquet(chosen.path("results/comparisons.parquet")).filter(
        (pl.col("task") == "chosen") & (pl.col("variant") == VARIANTS[1])
    )
    divergences = []
    for one, two in zip(requests["logprobs"], other["logprobs"], strict=True):
        p, q = ([math.exp(x) / sum(map(math.exp, row)) for x in row] for row in (one, two))
        divergences.append(sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)))
    flips = (requests["prediction"] != other["prediction"]).sum()
    assert compared["kl_divergence"][0] == pytest.approx(sum(divergences) / 8, abs=1e-9)
    assert compared["changed"][0] == flips
    verdicts = (requests["score"] != other["score"]).sum()
    assert compared["lost"][0] + compared["gained"][0] == verdicts
    assert compared["flips"][0] == verdicts / requests.height
    assert compared["latency_ratio"][0] is None
    page = chosen.path("results/report.html").read_text(encoding="utf-8")
    assert "Reviews, by likelihood" in page
    assert "KL, nats" in page
    assert "per choice" in page

    chosen.set("tasks", "tasks/chosen/scorer", {"kind": "loglikelihood", "metric": "mass_on_right"})
    assert chosen.jobs(CELL) == {"score tiny-llama chosen"}
    assert jobs_in(chosen.build(CELL)) == {"score tiny-llama chosen"}
    assert summary(chosen)["score"]["primary"] == "mass_on_right"
    chosen.set("tasks", "tasks/chosen/choices", ["positive", "negative"])
    assert "measure tiny-llama chosen" in chosen.jobs(CELL)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("max_new_tokens", 4, ("max_new_tokens", "nothing is generated")),
        ("stop", ["\n"], ("stop", "nothing is generated")),
        ("choices", None, ("tasks.chosen", "max_new_tokens: Field required")),
        ("choices", ["yes", "yes "], ("choices", "white space")),
        ("choices", ["yes", "yes"], ("choices", "two of the choices are the same")),
        ("choices", ["yes"], ("choices", "at least 2")),
        ("choices", "row", ("choices", "no wrong answers")),
        ("choices", "rows", ("choices", "row")),
        ("preamble", "About {sentense}.", ("preamble", "no field 'sentense'", "'sentence'")),
        ("scorer", {"kind": "exact"}, ("tasks.chosen.choices", "exact reads generated texts")),
        ("scorer", {"kind": "loglikelihood", "macro": "topic"}, ("'topic'",)),
        ("scorer", {"kind": "loglikelihood", "metric": "acuracy"}, ("metric", "accuracy")),
    ],
)
def test_what_is_wrong_is_said_before_any_job(
    chosen: Workspace, key: str, value: Any, words: tuple[str, ...]
) -> None:
    task = {name: one for name, one in {**TASK, key: value}.items() if one is not None}
    chosen.set("tasks", "tasks/chosen", task)
    refused(chosen.program("plan", CELL), *words)


def test_a_generating_task_has_no_likelihoods(chosen: Workspace) -> None:
    task = {name: one for name, one in TASK.items() if name != "choices"} | {"max_new_tokens": 4}
    chosen.set("tasks", "tasks/chosen", task)
    refused(chosen.program("plan", CELL), "tasks.chosen.choices: Field required", "loglikelihood")


def test_a_right_answer_outside_the_choices_is_named(chosen: Workspace) -> None:
    chosen.set("tasks", "tasks/chosen/choices", ["negative", "positives"])
    done = chosen.snakemake(CELL)
    assert done.returncode != 0
    (line,) = [one for one in done.stderr.splitlines() if one.startswith("error: ")]
    assert "reference 'positive' is not one of the choices" in line
    assert "'positives'" in line
    assert not chosen.path(CELL).exists()


@pytest.mark.parametrize(
    ("change", "cell", "reason"),
    [
        (("engines", "engines/transformers/asks", ["generate"]), CELL, "likelihood of a text"),
        (None, CELL.replace(".json", ".offline.json"), "one at a time"),
    ],
)
def test_where_choices_cannot_be_asked_is_known_while_planning(
    chosen: Workspace, change: tuple[str, str, Any] | None, cell: str, reason: str
) -> None:
    if change:
        chosen.set(*change)
    done = chosen.program("plan", cell)
    assert done.returncode == 0, done.stderr
    assert "unsupported" in done.stdout
    assert reason in " ".join(done.stdout.split())
