"""Grown adapters through the workflow: next to the weights and merged, compared with their base."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

import tiny
from workspace import Workspace

ADAPTER = {
    "method": "lora", "steps": 6, "learning_rate": 0.05,
    "corpora": {"comparison": {"prompt": "{pair} =", "examples": 50, "rows": 8}},
}  # fmt: skip
SCORED = {"aggregate", "compare", "render"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A study of the tiny Llama with an adapter next to its weights, and in them."""
    place = tiny.workspace(tmp_path_factory.mktemp("adapters"))
    grow = place.get("models", "models/tiny-llama/grow")
    for name, merged in (("lora", {}), ("merged", {"merged": True})):
        block = {"grow": grow, "base": "tiny-llama", "adapter": {"grow": ADAPTER, **merged}}
        place.set("models", f"models/tiny-{name}", block)
    study = {
        "models": ["tiny-llama", "tiny-lora", "tiny-merged"], "quantizations": ["native"],
        "devices": ["cpu"], "tasks": ["sums"],
    }  # fmt: skip
    place.set("config", "study", study)
    jobs = {job for job in place.jobs() if not job.startswith(("measure", "score"))} - SCORED
    assert jobs == {
        "grow_model tiny-llama", "grow_adapter tiny-lora", "merge_adapter tiny-merged",
        "fetch_dataset demo", "sample sums",
    }  # fmt: skip
    place.build()
    return place


def cell(place: Workspace, variant: str) -> dict[str, Any]:
    """A cell's outcome and figures."""
    path = place.path(f"results/{variant}/cpu/sums.json")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def answers(place: Workspace, variant: str) -> list[str]:
    """Its answers, in the order of its requests."""
    path = place.path(f"results/{variant}/cpu/sums.parquet")
    found: list[str] = pl.read_parquet(path)["prediction"].to_list()
    return found


def test_both_answer_alike_and_differ_from_their_base(built: Workspace) -> None:
    """The unmerged one is larger, and the merged one as large as its base."""
    assert answers(built, "tiny-merged") == answers(built, "tiny-lora")
    assert answers(built, "tiny-merged") != answers(built, "tiny-llama")
    size = {
        name: cell(built, f"tiny-{name}")["figures"]["weights_bytes"]
        for name in ("llama", "lora", "merged")
    }
    assert size["merged"] == size["llama"] < size["lora"]


def test_each_is_compared_with_its_base(built: Workspace) -> None:
    """The comparisons have its score and latency on the same requests."""
    found = pl.read_parquet(built.path("results/comparisons.parquet"))
    assert set(found.select("variant", "parent_variant").iter_rows()) == {
        ("tiny-lora", "tiny-llama"), ("tiny-merged", "tiny-llama"),
    }  # fmt: skip
    assert found["requests"].to_list() == [8, 8]
    assert found["changed"].min() > 0
    assert found["latency_ratio"].null_count() == 0


def test_what_changes_runs_again(built: Workspace) -> None:
    """A recipe repeats its own adapter and the cells with it; a label nothing but the report."""
    assert built.jobs() == set()
    built.set("models", "models/tiny-lora/adapter/grow/seed", 1)
    repeated = {"grow_adapter tiny-lora", "measure tiny-lora sums", "score tiny-lora sums"}
    assert built.jobs() == repeated | SCORED
    why = built.program("plan", "--why")
    assert "models.tiny-lora.adapter.grow.seed" in why.stdout
    built.set("models", "models/tiny-lora/adapter/grow/seed", None)
    built.set("models", "models/tiny-merged/label", "Merged")
    assert built.jobs() == {"render"}
    built.set("models", "models/tiny-merged/label", None)


def test_a_merged_one_is_quantized_like_any_checkpoint(built: Workspace) -> None:
    """One that cannot be merged is refused before anything is grown for it."""
    grow = built.get("models", "models/tiny-llama/grow")
    trained = {"grow": ADAPTER | {"method": "prompt"}, "merged": True}
    built.set("models", "models/tiny-prompt", {"grow": grow, "adapter": trained})
    paths = [f"results/{name}/cpu/sums.json" for name in ("tiny-merged-int8", "tiny-prompt")]
    assert built.jobs(*paths) == {
        "measure tiny-merged-int8 sums", "score tiny-merged-int8 sums", "score tiny-prompt sums",
    }  # fmt: skip
    built.build(*paths)
    quantized, whole = cell(built, "tiny-merged-int8"), cell(built, "tiny-merged")
    assert quantized["outcome"] == "measured"
    assert quantized["figures"]["weights_bytes"] < whole["figures"]["weights_bytes"]
    left_out = cell(built, "tiny-prompt")
    assert left_out["outcome"] == "unsupported"
    assert "it cannot be merged" in left_out["reason"]
