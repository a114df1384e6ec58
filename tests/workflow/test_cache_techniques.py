"""Techniques of the key-value cache, through the real Snakemake: their bytes, and who has times."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

import tiny
from workspace import Workspace

PLAIN = 2 * 16 * 2 * 4
"""Bytes of a token: heads of one layer, numbers of a head, keys and values, bytes of a number."""


@pytest.fixture(scope="module")
def place(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study of one model with two caches."""
    place = tiny.grown(finished, tmp_path_factory.mktemp("caches"))
    blocks = {
        "sinks": {"kind": "attention_sinks", "sinks": 1, "window": 4},
        "kv4": {"kind": "kv_quantized", "group_size": 16},
    }
    place.set("techniques", "techniques", blocks)
    place.set(
        "config",
        "study",
        {
            "models": ["tiny-llama"], "quantizations": ["native"], "devices": ["cpu"],
            "tasks": ["sums"], "techniques": ["sinks", "kv4"],
        },
    )  # fmt: skip
    place.build()
    return place


def test_a_simulated_cache_has_a_size_and_no_times(place: Workspace) -> None:
    """Its five tokens, as they would be stored; the quantized cache is real."""
    rows = pl.read_parquet(place.path("results/study.parquet")).to_dicts()
    plain, packed, sinks = (
        next(row for row in rows if row["variant"] == f"tiny-llama{end}")
        for end in ("", "+kv4", "+sinks")
    )
    assert (plain["simulated"], packed["simulated"], sinks["simulated"]) == (False, False, True)
    assert sinks["kv_cache_bytes"] == 5 * PLAIN
    assert plain["kv_cache_bytes"] > packed["kv_cache_bytes"] > 5 * PLAIN
    assert sinks["latency_p50_s"] is None
    assert None not in (plain["latency_p50_s"], packed["latency_p50_s"], sinks["score"])
    assert sinks["weights_bytes"] == plain["weights_bytes"]
