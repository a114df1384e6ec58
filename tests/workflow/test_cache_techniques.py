"""Techniques of caches and of weights, through the real Snakemake: bytes, and who has times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tiny
from workspace import Workspace

PLAIN = 2 * 16 * 2 * 4
"""Bytes of a token: heads of one layer, numbers of a head, keys and values, bytes of a number."""


@pytest.fixture(scope="module")
def place(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study of one model with two caches, and with some of its neurons."""
    place = tiny.grown(finished, tmp_path_factory.mktemp("caches"))
    blocks = {
        "sinks": {"kind": "attention_sinks", "sinks": 1, "window": 4},
        "kv4": {"kind": "kv_quantized", "group_size": 16},
        "sparse": {"kind": "contextual_sparsity", "share": 0.5},
        "all": {"kind": "contextual_sparsity", "share": 1.0},
        "continuous": {"kind": "continuous_batching", "requests": 4, "page": 16},
    }
    place.set("techniques", "techniques", blocks)
    place.set(
        "config",
        "study",
        {
            "models": ["tiny-llama"], "quantizations": ["native"], "devices": ["cpu"],
            "tasks": ["sums"], "techniques": ["sinks", "kv4", "sparse", "all", "continuous"],
            "scenarios": ["single-stream", "offline"],
        },
    )  # fmt: skip
    place.build()
    return place


def rows_of(place: Workspace, *ends: str, scenario: str = "single-stream") -> list[dict[str, Any]]:
    """The study's rows of these variants."""
    rows = pl.read_parquet(place.path("results/study.parquet")).to_dicts()
    rows = [row for row in rows if row["scenario"] == scenario]
    return [next(row for row in rows if row["variant"] == f"tiny-llama{end}") for end in ends]


def test_a_simulated_cache_has_a_size_and_no_times(place: Workspace) -> None:
    """Its five tokens, as they would be stored; the quantized cache is real."""
    plain, packed, sinks = rows_of(place, "", "+kv4", "+sinks")
    assert (plain["simulated"], packed["simulated"], sinks["simulated"]) == (False, False, True)
    assert sinks["kv_cache_bytes"] == 5 * PLAIN
    assert plain["kv_cache_bytes"] > packed["kv_cache_bytes"] > 5 * PLAIN
    assert sinks["latency_p50_s"] is None
    assert None not in (plain["latency_p50_s"], packed["latency_p50_s"], sinks["score"])
    assert sinks["weights_bytes"] == plain["weights_bytes"]


def test_a_simulated_sparsity_has_a_share_and_no_times(place: Workspace) -> None:
    """Half of its neurons are out; all of them would be its parent again, which is refused."""
    plain, half, every = rows_of(place, "", "+sparse", "+all")
    recipe = tiny.recipe("llama")
    out = recipe["layers"] * recipe["intermediate"] / 2 * 3 * recipe["hidden"]
    (measured,) = place.path("results/tiny-llama/cpu/sums").glob("*/measurement.json")
    parameters = json.loads(measured.read_text(encoding="utf-8"))["parameters"]
    assert half["read_share"] == pytest.approx(1 - out / parameters)
    assert (half["simulated"], half["latency_p50_s"], plain["read_share"]) == (True, None, None)
    assert half["score"] is not None
    assert half["weights_bytes"] == plain["weights_bytes"]
    assert every["outcome"] == "unsupported"
    assert "leaves nothing out" in every["reason"]
    assert "Weights read" in place.path("results/report.html").read_text(encoding="utf-8")


def test_continuous_batching_gives_the_parents_answers(place: Workspace) -> None:
    """Offline, with a throughput of its own and a cache of the same size; not one by one."""
    plain, own = rows_of(place, "", "+continuous", scenario="offline")
    assert (plain["outcome"], own["outcome"]) == ("measured", "measured"), own["reason"]
    assert own["output_tokens_per_s"] > 0
    assert own["batching"].startswith("continuously, at most 4 requests")
    assert own["kv_cache_bytes"] == plain["kv_cache_bytes"]
    answers = [
        [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
        for end in ("", "+continuous")
        for path in place.path(f"results/tiny-llama{end}/cpu/sums.offline").glob("*/requests.jsonl")
    ]
    assert len(answers) == 2
    assert answers[0] == answers[1]
    (alone,) = rows_of(place, "+continuous")
    assert alone["outcome"] == "unsupported"
    assert "does not run continuous_batching in the scenario single-stream" in alone["reason"]
