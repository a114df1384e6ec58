"""A model grown with ternary weights in a study: its bytes, its kernel, and what refuses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tiny

pytestmark = pytest.mark.timeout(900)


def test_ternary(tmp_path: Path) -> None:
    """Trained, read by transformers' own layers and timed; no other quantization takes it."""
    built = tiny.workspace(tmp_path)
    aware = {"quantization_aware": {"weights": "ternary"}}
    model = {
        "grow": tiny.recipe("llama") | aware, "published": "bitnet", "published_bits": 2,
        "base": "tiny-llama",
    }  # fmt: skip
    built.set("models", "models/tiny-ternary", model)
    wanted = "results/tiny-ternary/cpu/sums.json"
    built.build(wanted)
    cell = json.loads(built.path(wanted).read_text())
    assert cell["outcome"] == "measured", cell["reason"]
    assert not cell["simulated"]
    assert cell["provenance"]["quantized_layers"] == 7
    assert cell["figures"]["kernel"].startswith("ternary weights unpacked to float32 at each use")
    assert cell["figures"]["latency_p50_s"]["value"] > 0
    (path,) = built.root.glob("resources/models/tiny-ternary/*/lock.json")
    lock = json.loads(path.read_text())
    inside = 4 * 32 * 32 + 3 * 32 * 64
    others = lock["architecture"]["vocabulary"] * 32 + 3 * 32
    assert lock["parameters"] == inside + others
    # The counted bytes have 7 scales and the frequencies of the positions, which no file has.
    assert cell["figures"]["weights_bytes"] == inside // 4 + 4 * (others + 7 + 2 * 8)

    other = "results/tiny-ternary-int8/cpu/sums.json"
    built.build(other)
    refused = json.loads(built.path(other).read_text())
    assert refused["outcome"] == "unsupported"
    assert "published quantized: bitnet" in refused["reason"]
