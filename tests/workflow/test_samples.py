"""Another sample of a task, through the workflow: only what is new is asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from disturbed import lines
from workspace import Workspace, jobs_in

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
    refused = small.program("plan")
    assert refused.returncode != 0
    assert refused.stderr.strip().count("\n") == 0
    assert "tasks.sums.shots.from: unknown id 'trial' (did you mean 'train'?)" in refused.stderr


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a sample."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def shown(path: Path) -> bool:
    """True if the rows of a sample have worked examples."""
    return "shots" in lines_of(path)[0]
