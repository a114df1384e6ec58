"""A cell always has an outcome, a reason, a JSON and a place in the report; only faults are errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import tiny
from workspace import Workspace


@pytest.fixture(scope="module")
def place(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A study with a cell of each outcome."""
    folder = tmp_path_factory.mktemp("outcomes")
    built = tiny.copied(finished, folder)
    models = built.get("models", "models")
    models["fits-not"] = {**models["tiny-llama"], "parameters": 10**13}
    models["too-large"] = {"path": str(large(folder / "large", built))}
    built.set("models", "models", models)
    devices = built.get("devices", "devices")
    devices["small"] = {**devices["cpu"], "memory_gb": 2}
    devices["watched"] = {**devices["cpu"], "max_background_cores": 0.2}
    devices["restless"] = {
        **devices["cpu"], "warmup": {"minimum": 2, "maximum": 4, "tolerance": 1e-9},
    }  # fmt: skip
    built.set("devices", "devices", devices)
    built.set("config", "study", {
        "models": ["tiny-llama", "tiny-gpt2", "fits-not"], "quantizations": ["native", "int8"],
        "devices": ["cpu", "restless"], "tasks": ["sums"],
    })  # fmt: skip
    built.build()
    return built


def large(folder: Path, built: Workspace) -> Path:
    """A checkpoint of 3 GB, more than the small device has; its tokenizer is a grown model's."""
    grown = next(built.root.glob("resources/models/tiny-llama/*"))
    transformers.AutoTokenizer.from_pretrained(grown).save_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(
        grown, hidden_size=8192, intermediate_size=8192, num_attention_heads=64,
        num_key_value_heads=64, head_dim=128, num_hidden_layers=3,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    model.to_empty(device="cpu")
    for parameter in model.parameters():  # values left in memory may be NaN
        torch.nn.init.zeros_(parameter)
    model.save_pretrained(folder)
    return folder


def cell(place: Workspace, name: str) -> dict[str, Any]:
    """A cell's summary."""
    content: dict[str, Any] = json.loads(place.path(f"results/{name}.json").read_text())
    return content


@pytest.mark.parametrize(
    ("name", "outcome", "reason"),
    [
        ("tiny-llama/cpu/sums", "measured", None),
        ("tiny-gpt2-int8/cpu/sums", "unsupported", "Conv1D"),
        ("fits-not/cpu/sums", "does-not-fit", "needs 40001.0 GB, device has "),
        ("fits-not-int8/cpu/sums", "does-not-fit", "GB, device has "),
        (
            "tiny-llama/restless/sums",
            "invalid",
            "warm-up: latency had not settled after 4 requests",
        ),
    ],
)
def test_outcome(place: Workspace, name: str, outcome: str, reason: str | None) -> None:
    """The outcome and its reason, in the cell and in the report."""
    found = cell(place, name)
    assert found["outcome"] == outcome
    if reason is None:
        assert found["reason"] is None
    else:
        assert reason in found["reason"]
        assert reason in place.path("results/report.html").read_text(encoding="utf-8")


def test_invalid_keeps_the_score_and_withholds_the_times(place: Workspace) -> None:
    """Greedy answers do not depend on who else used the machine; times do."""
    found, undisturbed = cell(place, "tiny-llama/restless/sums"), cell(place, "tiny-llama/cpu/sums")
    assert found["score"] == undisturbed["score"]
    assert [found["figures"][name] for name in ("latency_p50_s", "requests_per_s", "mbu")] == [
        None
    ] * 3


def test_the_limits_of_the_machine_are_recorded(place: Workspace) -> None:
    """Measured by the first job on this machine; null with the reason where that is impossible."""
    found = cell(place, "tiny-llama/cpu/sums")["figures"]
    if "too little memory" in found["ceilings"]:
        assert found["mbu_measured"] is found["ceiling_read_gb_s"] is None
        return
    assert found["ceilings"].startswith("measured with torch ")
    assert found["ceiling_read_gb_s"] > 0
    assert all(found[name]["value"] > 0 for name in ("mbu_measured", "mfu_prefill_measured"))
    assert list(place.path("resources/machines").glob("*.json"))


def test_random_weights_are_timed_and_never_scored(place: Workspace) -> None:
    """A checkpoint converted from them is not scored either; only its shape is used."""
    grow = {**place.get("models", "models/tiny-llama/grow"), "steps": 0}
    place.set("models", "models/untrained", {"grow": grow})
    place.set("quantizations", "quantizations/rtn8", {
        "method": "rounding", "bits": 8, "granularity": "channel",
    })  # fmt: skip
    names = ("untrained/cpu/sums", "untrained-rtn8/cpu/sums")
    place.build(*(f"results/{name}.json" for name in names))
    for name in names:
        found = cell(place, name)
        assert (found["outcome"], found["random_weights"]) == ("measured", True)
        assert found["score"] is None
    assert cell(place, names[0])["figures"]["latency_p50_s"]["value"] > 0


def test_foreign_load_is_invalid(place: Workspace) -> None:
    """Other processes that compute all the while are noticed."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        place.build("results/tiny-llama/watched/sums.json")
    finally:
        for process in busy:
            process.kill()
            process.wait()
    found = cell(place, "tiny-llama/watched/sums")
    assert found["outcome"] == "invalid"
    assert "other processes used" in found["reason"]


def test_out_of_memory_is_an_outcome(place: Workspace) -> None:
    """Three gigabytes of weights in fp32 and a device of two; nothing says so beforehand."""
    place.build("results/too-large/small/sums.json")
    found = cell(place, "too-large/small/sums")
    assert found["outcome"] == "out-of-memory", found["reason"]
    assert found["reason"]
    assert found["figures"]["latency_p50_s"] is None
    assert found["figures"]["host_peak_bytes"] < 3e9
