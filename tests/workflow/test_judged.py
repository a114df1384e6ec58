"""A judge through the workflow: a model judges the answers of others, and its errors are counted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from workspace import Workspace, jobs_in

CELL = "results/tiny-llama-int8/cpu/judged.json"
SCORER: dict[str, Any] = {
    "kind": "judge", "judge": "tiny-gpt2", "device": "cpu", "form": "pair", "against": ["tiny-llama"],
    "question": "question", "max_new_tokens": 4,
}  # fmt: skip


@pytest.fixture
def judged(place: Workspace) -> Workspace:
    """The finished tiny study with a task that another model judges, which is not measured yet."""
    task = {
        "dataset": "demo", "sample": {"size": 6, "grammar": "arithmetic"},
        "prompt": "{question} =", "max_new_tokens": 4, "scorer": SCORER,
    }  # fmt: skip
    place.set("tasks", "tasks/judged", task)
    return place


def cell_of(place: Workspace, path: str = CELL) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(place.path(path).read_text(encoding="utf-8"))
    return found


def test_a_judge_is_asked_once_and_its_nonsense_is_no_score(judged: Workspace) -> None:
    planned = judged.jobs(CELL)
    ran = jobs_in(judged.build(CELL))
    assert ran == planned
    assert {job.split()[0] for job in ran} >= {
        "sample",
        "measure",
        "judge_requests",
        "judge",
        "score",
    }
    cell = cell_of(judged)
    assert cell["outcome"] == "measured"
    details = cell["score"]["details"]
    assert details["check"]["pairs"] >= 5
    assert "named the better answer" in details["withheld"]
    assert cell["score"]["metrics"]["judged"]["value"] is None
    assert cell["figures"]["unscored_answers"] == 6

    assert judged.jobs(CELL) == set()
    judged.set("tasks", "tasks/judged/scorer/at_least", 0.0)
    assert judged.jobs(CELL) == {"score tiny-llama-int8 judged"}
    judged.build(CELL)
    assert cell_of(judged)["score"]["details"]["withheld"] is None
