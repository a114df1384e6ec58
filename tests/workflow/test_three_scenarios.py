"""A study in MLPerf's three scenarios, through the workflow: each measured by its own rules."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from workspace import Workspace

LIMITS = {"ttft_s": 600.0, "tpot_s": 600.0, "percentile": 50.0}
"""Limits that a busy machine holds as well."""
RATES = {
    "shares": [0.5, 1.0], "searched": 1, "min_seconds": 0.01, "max_seconds": 20.0,
    "max_requests": 40,
}  # fmt: skip
SCENARIOS = ["single-stream", "offline", "server"]


@pytest.fixture
def small(place: Workspace) -> Workspace:
    """The finished tiny study, of which one variant and one task are measured in all scenarios."""
    place.set("config", "study/models", ["tiny-llama"])
    place.set("config", "study/quantizations", ["native"])
    place.set("config", "study/tasks", ["sums"])
    place.set("config", "study/scenarios", SCENARIOS)
    place.set("tasks", "tasks/sums/limits", LIMITS)
    place.set("tasks", "tasks/sums/rates", RATES)
    return place


def cell(place: Workspace, ending: str) -> dict[str, Any]:
    path = place.path(f"results/tiny-llama/cpu/sums{ending}.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_study_in_three_scenarios(small: Workspace) -> None:
    """The load has a row for each rate; a change of its limits measures nothing else again."""
    small.build()
    single, offline, server = (cell(small, ending) for ending in ("", ".offline", ".server"))
    for one in (single, offline, server):
        assert (one["outcome"], one["reason"]) == ("measured", None)
        assert one["score"]["requests"] == 8
    assert single["figures"]["latency_p50_s"]["value"] > 0
    assert single["load"] is offline["load"] is None
    load = server["load"]
    assert len(load["rates"]) == 3
    assert {one["holds"] for one in load["rates"]} == {True}
    assert load["max_rate"] == max(one["rate"] for one in load["rates"])
    assert [one["share"] for one in load["rates"][:2]] == pytest.approx([0.5, 1.0], rel=0.01)
    for one in load["rates"]:
        assert one["requests"] == one["answered"] == one["within"]
        assert one["requests"] % 8 == 0
        assert 0 < one["ttft_sent"]["p50"]["value"] <= one["ttft"]["p50"]["value"]
        assert one["ttft"]["p99"] is None
    assert server["figures"]["max_rate_per_s"] == load["max_rate"]
    assert server["figures"]["latency_p50_s"] is None
    study = pl.read_parquet(small.path("results/study.parquet"))
    assert sorted(study["scenario"]) == sorted(SCENARIOS)
    assert small.jobs() == set()

    small.set("tasks", "tasks/sums/limits/ttft_s", 700.0)
    cells = {ending: f"results/tiny-llama/cpu/sums{ending}.json" for ending in ("", ".server")}
    assert small.would_run(cells[""]) == set()
    assert "measure tiny-llama sums" in {
        " ".join(job.split()[:3]) for job in small.would_run(cells[".server"])
    }
