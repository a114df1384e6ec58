"""Another sample of a task, through the workflow: only what is new is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from disturbed import lines
from workspace import Workspace, jobs_in, refused

SUMS = "tasks/sums/sample"


@pytest.fixture
def small(place: Workspace) -> Workspace:
    """The finished tiny study, of which one variant and one task are looked at."""
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    place.set("config", "study/tasks", ["sums"])
    return place


def sessions(place: Workspace) -> list[int]:
    """The number of requests that each session of the cell ran, by the cell's own JSON."""
    found: dict[str, Any] = json.loads(
        place.path("results/tiny-llama/cpu/sums.json").read_text(encoding="utf-8")
    )
    return [one["requests"] for one in found["provenance"]["sessions"]]


def answered(folder: Path) -> list[tuple[str, str]]:
    """The answers of a measurement."""
    return [(line["id"], line["text"]) for line in lines(folder / "requests.jsonl")]


def test_a_sample_grows_and_shrinks(small: Workspace, tmp_path: Path) -> None:
    """Measured in a job, as the plan says, which asks what is new, and everything if its sample is forced."""
    (first,) = small.root.glob("results/tiny-llama/cpu/sums/*")
    small.set("tasks", f"{SUMS}/size", 12)
    log = small.build()
    assert {"sample sums", "measure tiny-llama sums"} <= jobs_in(log)
    assert "8 of 12 requests were asked before for another sample" in log
    assert sessions(small) == [8, 4]
    (grown,) = set(small.root.glob("results/tiny-llama/cpu/sums/*")) - {first}
    answers = answered(grown)

    for path in first.iterdir():
        path.unlink()
    first.rmdir()
    small.set("tasks", f"{SUMS}/size", 8)
    log = small.build()
    assert "8 of 8 requests were asked before" in log
    assert sessions(small) == [8]

    small.set("tasks", f"{SUMS}/size", 12)
    assert "measure tiny-llama sums" not in small.jobs()
    assert small.program("plan", "--verify").returncode == 0
    assert small.program("pack_results", str(tmp_path / "bundle.tar.gz")).returncode == 0
    small.build("--forcerun", "sample")
    assert sessions(small) == [12]
    assert answered(grown) == answers
    assert small.jobs() == set()
    assert not list(small.root.glob("results/**/journal.jsonl"))


def test_worked_examples_before_each_question(small: Workspace) -> None:
    """Drawn with the sample from other rows; a request that has no room for all is counted."""
    shots = {"from": "train", "count": 2}
    small.set("tasks", "tasks/sums/shots", shots)
    assert {"sample sums", "measure tiny-llama sums"} <= jobs_in(small.build())
    (drawn,) = (
        path for path in small.root.glob("resources/samples/sums/*/sample.jsonl") if shown(path)
    )
    (examples,) = {json.dumps(row["shots"]) for row in lines_of(drawn)}
    assert len(json.loads(examples)) == 2
    cell = json.loads(small.path("results/tiny-llama/cpu/sums.json").read_text(encoding="utf-8"))
    found = {name: cell["figures"][name] for name in ("shots", "shots_as", "lost_shots")}
    assert found == {"shots": 2, "shots_as": "text", "lost_shots": 0}
    assert small.jobs() == set()

    small.set("tasks", "tasks/sums/shots", {**shots, "from": "trial"})
    refused(
        small.program("plan"), "tasks.sums.shots.from: unknown id 'trial' (did you mean 'train'?)"
    )


def test_random_answers_to_each_question(small: Workspace) -> None:
    """Several requests for each row, asked at random and scored together; cells of others stay."""
    rows = [
        {"id": f"p{n}", "question": f"{n} + 1", "prompt": "def f():\n", "entry_point": "f",
         "test": "def check(f):\n    assert f() == 1\n"}
        for n in range(4)
    ]  # fmt: skip
    small.path("programs.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    table = {"loader": "table", "source": {"path": "programs.jsonl"}}
    samples = {"count": 3, "temperature": 3.0}
    scorer = {"kind": "code", "form": "continuation", "pass_at": [2]}
    task = {
        "dataset": "programs", "sample": {"size": 4, "id": "id"}, "prompt": "{question} =",
        "max_new_tokens": 8, "samples": samples, "scorer": scorer,
    }  # fmt: skip
    small.set("tasks", "datasets/programs", table)
    small.set("tasks", "tasks/programs", task)
    path = "results/tiny-llama/cpu/programs.json"
    small.build(path)
    cell = json.loads(small.path(path).read_text(encoding="utf-8"))
    assert cell["figures"]["decoding"] == "sampled, temperature 3"
    assert cell["score"]["metrics"].keys() == {"pass_at_1", "pass_at_2"}
    requests = pl.read_parquet(small.path(path).with_suffix(".parquet"))
    assert sorted(requests["id"]) == [f"p{n}#{m}" for n in range(4) for m in (1, 2, 3)]
    assert dict(requests["question"].value_counts().iter_rows()) == {f"p{n}": 3 for n in range(4)}
    assert requests["prediction"].n_unique() > 4
    assert small.jobs(path) == set()
    answers = dict(requests.select("id", "prediction").iter_rows())

    small.set("tasks", "tasks/programs/samples", {**samples, "count": 2})
    small.build(path)
    fewer = pl.read_parquet(small.path(path).with_suffix(".parquet"))
    assert fewer.height == 8
    assert all(answers[name] == text for name, text in fewer.select("id", "prediction").iter_rows())

    small.set("tasks", "tasks/programs/scorer", {**scorer, "pass_at": [5]})
    refused(small.program("plan"), "tasks.programs.scorer: needs 5 answers", "samples.count is 2")
    small.set("tasks", "tasks/programs/sample/reference", "entry_point")
    small.set("tasks", "tasks/programs/scorer", {"kind": "mathematics"})
    refused(
        small.program("plan"), "tasks.programs.samples.count: mathematics takes one answer", "code"
    )


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a sample."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shown(path: Path) -> bool:
    """True if the rows of a sample have worked examples."""
    return "shots" in lines_of(path)[0]
