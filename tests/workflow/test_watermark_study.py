"""A watermark, through the real Snakemake and transformers: put into answers, and found again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tiny
from workspace import Workspace

MARK = {"kind": "watermark", "bias": 6.0}
FAINT = {"kind": "watermark", "bias": 1e-6}
TOKENS = 24


@pytest.fixture(scope="module")
def place(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study of one model with a strong watermark, and one too faint to change a token."""
    place = tiny.grown(finished, tmp_path_factory.mktemp("watermark"))
    place.set("techniques", "techniques", {"mark": MARK, "faint": FAINT})
    place.set("tasks", "tasks/sums/max_new_tokens", TOKENS)
    place.set(
        "config",
        "study",
        {
            "models": ["tiny-llama"], "quantizations": ["native"], "devices": ["cpu"],
            "tasks": ["sums"], "techniques": ["mark", "faint"],
        },
    )  # fmt: skip
    place.build()
    return place


def requests(place: Workspace, variant: str) -> list[dict[str, Any]]:
    """The records of a variant."""
    (path,) = place.path(f"results/{variant}/cpu/sums").glob("*/requests.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def figures(place: Workspace, variant: str) -> dict[str, Any]:
    """The figures of a variant's cell."""
    return json.loads(place.path(f"results/{variant}/cpu/sums.json").read_bytes())["figures"]


def test_it_is_found(place: Workspace) -> None:
    """Nearly all tokens are green, a quarter of the vocabulary; nothing is tested without one."""
    found = figures(place, "tiny-llama+mark")
    assert found["green_expected"] == 0.25
    assert found["green_share"]["value"] > 0.7
    assert found["watermark_p"] < 1e-6
    assert {one["watermark"][1] for one in requests(place, "tiny-llama+mark")} != {0}
    alone = figures(place, "tiny-llama")
    assert alone["green_share"] is alone["watermark_p"] is None
    assert not any("watermark" in one for one in requests(place, "tiny-llama"))


def test_one_that_changes_nothing_is_not_found(place: Workspace) -> None:
    """The answers are the parent's, and have no more green tokens than chance explains."""
    rows = pl.read_parquet(place.path("results/comparisons.parquet")).to_dicts()
    changed = {row["variant"]: row["changed"] for row in rows}
    assert changed["tiny-llama+faint"] == 0
    assert changed["tiny-llama+mark"] > 0
    assert figures(place, "tiny-llama+faint")["watermark_p"] > 0.001
