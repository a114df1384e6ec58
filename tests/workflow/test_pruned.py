"""Pruned checkpoints in a study: their zeros counted, their scores without times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny

pytestmark = pytest.mark.timeout(900)


def test_wanda(finished: Path, tmp_path: Path) -> None:
    """Calibrated, pruned and measured; the cell has the share of zeros and no latency."""
    built = tiny.grown(finished, tmp_path / "pruned")
    texts = {"texts": {"tasks": ["sums"], "size": 16}}
    built.set("quantizations", "calibrations", texts)
    block = {"method": "pruning", "score": "wanda", "pattern": "2:4", "calibration": "texts"}
    built.set("quantizations", "quantizations/wanda", block)
    path = "results/tiny-llama-wanda/cpu/sums.json"
    built.build(path)
    cell = json.loads(built.path(path).read_text())
    assert (cell["outcome"], cell["simulated"]) == ("measured", True), cell["reason"]
    assert cell["figures"]["zero_share"] == 0.5
    assert cell["figures"]["latency_p50_s"] is None
    assert cell["provenance"]["quantized_layers"] == 7
    (lock,) = built.root.glob("resources/quantized/tiny-llama-wanda/hub/*/lock.json")
    assert json.loads(lock.read_text())["zeros"] == 0.5

    # What is pruned already has nothing left to be set to zero: an outcome, and no silent copy.
    built.set("models", "models/pruned", {"path": str(lock.parent)})
    again = "results/pruned-wanda/cpu/sums.json"
    built.build(again)
    other = json.loads(built.path(again).read_text())
    assert other["outcome"] == "unsupported"
    assert "the pruning changed nothing" in other["reason"]
