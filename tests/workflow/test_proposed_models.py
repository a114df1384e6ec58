"""Real quantized checkpoints as models of their own: proposed, measured, compared with their base.

The quantizers' own jobs write them; bitsandbytes' is saved by transformers.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import transformers

import tiny
from workspace import Workspace

pytestmark = pytest.mark.timeout(1800)
WIDE = {"hidden": 256, "heads": 4, "intermediate": 256, "layers": 2}  # for groups of 128
QUANTIZATIONS: dict[str, dict[str, Any]] = {
    "gptq4": {"method": "gptq", "bits": 4, "group_size": 128, "calibration": "sums"},
    "awq4": {"method": "awq", "group_size": 128, "calibration": "sums"},
    "w4a16": {"method": "llmcompressor", "scheme": "W4A16", "calibration": "sums"},
    "nf4": {"method": "bitsandbytes", "weights": "nf4"},
}
FORMATS = {
    "gptq4": "gptq", "awq4": "awq", "w4a16": "compressed-tensors", "nf4": "bitsandbytes",
}  # fmt: skip
SIZES = ("parameters", "vocabulary", "hidden", "tied", "layers", "kv_heads", "head_dim")


def cell(model: str) -> str:
    """The path of its results."""
    return f"results/{model}/cpu/sums.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The Llama's variants are measured; copies of their checkpoints are models by their proposals."""
    place = tiny.workspace(tmp_path_factory.mktemp("proposed"))
    place.share_environments()
    for key, value in WIDE.items():
        place.set("models", f"models/tiny-llama/grow/{key}", value)
    place.set("quantizations", "calibrations", {"sums": {"tasks": ["sums"], "size": 16}})
    for name, block in QUANTIZATIONS.items():
        place.set("quantizations", f"quantizations/{name}", block)
    place.build(*(cell(f"tiny-llama-{name}") for name in QUANTIZATIONS), cell("tiny-llama"))
    for name in QUANTIZATIONS:
        folder = place.path(f"own/{name}")
        source = base(place) if name == "nf4" else produced(place, name)
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("lock.json"))
        if name == "nf4":
            nf4 = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")
            load = transformers.AutoModelForCausalLM.from_pretrained
            load(base(place), quantization_config=nf4).save_pretrained(folder)
        done = place.program("new_model", "--path", f"own/{name}", "--name", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "not decided: base: its card does not name its original" in done.stdout
    return place


def base(place: Workspace) -> Path:
    """The folder of the grown Llama."""
    return next(place.root.glob("resources/models/tiny-llama/*/lock.json")).parent


def produced(place: Workspace, name: str) -> Path:
    """The checkpoint that a quantizer's job wrote."""
    where = f"resources/quantized/tiny-llama-{name}/{FORMATS[name]}/*/lock.json"
    return next(place.root.glob(where)).parent


@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_the_proposal_is_right(name: str, built: Workspace) -> None:
    """Method and bits are the quantizer's; the sizes are those of the original."""
    done = built.program("new_model", "--path", str(base(built)), "--name", f"plain-{name}")
    assert done.returncode == 0, done.stderr
    block, plain = (built.get("models", f"models/{one}") for one in (name, f"plain-{name}"))
    assert (block["published"], block["published_bits"]) == (FORMATS[name], 4)
    sizes = {key: block.get(key) for key in SIZES}
    assert sizes == {key: plain.get(key) for key in SIZES}
    facts = json.loads((base(built) / "lock.json").read_text(encoding="utf-8"))
    assert block["parameters"] == facts["parameters"]
    # gptqmodel's AWQ computes, and stores the rest, in half precision.
    dtype = "float16" if name == "awq4" else "float32"
    assert (block["architecture"], block["dtype"]) == ("llama", dtype)


def test_they_run_and_are_compared_with_their_base(built: Workspace) -> None:
    """Each answers as the quantizer's own variant does; the study has a row against the original."""
    for name in QUANTIZATIONS:
        built.set("models", f"models/{name}/base", "tiny-llama")
        built.set("models", f"models/{name}/dtype", "float32")  # as the variants compute
    study = {
        "models": ["tiny-llama", *QUANTIZATIONS], "quantizations": ["native"],
        "devices": ["cpu"], "tasks": ["sums"],
    }  # fmt: skip
    built.set("config", "study", study)
    built.build()
    rows = pl.read_parquet(built.path("results/comparisons.parquet"))
    for name in QUANTIZATIONS:
        own, variant = (
            pl.read_parquet(built.path(cell(one)).with_suffix(".parquet")).sort("input")
            for one in (name, f"tiny-llama-{name}")
        )
        assert own["prediction"].to_list() == variant["prediction"].to_list(), name
        ours, other = (
            json.loads(built.path(cell(one)).read_text(encoding="utf-8"))["figures"]
            for one in (name, f"tiny-llama-{name}")
        )
        assert ours["weights_bytes"] == other["weights_bytes"], name
        (row,) = rows.filter(variant=name).to_dicts()
        assert row["parent_variant"] == "tiny-llama"
        assert row["requests"] == 8
        assert row["difference"] is not None
