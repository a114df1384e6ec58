"""Adapters are on the model with all their tensors, or nothing is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import harmed
from frontier.engines import Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UserError
from quantizing import quantizer

SETTINGS = Settings("cpu", "float32", 1, "plain", quantizer("native"))
PROMPT = "w5 w7 w9 w11"
Change = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with a head of its own."""
    return harmed.write(tmp_path_factory.mktemp("base"), harmed.configs()["llama"])


def save(base: Path, folder: Path, **keys: Any) -> Path:
    """An adapter of random weights, which changes answers."""
    torch.manual_seed(1)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    asked = {"r": 4, "target_modules": ["q_proj", "down_proj"], "init_lora_weights": False} | keys
    peft.get_peft_model(model, peft.LoraConfig(**asked)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sound one, which brings a head too."""
    return save(base, tmp_path_factory.mktemp("adapter") / "made", modules_to_save=["lm_head"])


def rewrite(change: Change) -> Callable[[Path], None]:
    """A harm: other tensors."""

    def harm(folder: Path) -> None:
        path = folder / "adapter_model.safetensors"
        save_file(change(load_file(path)), path, {"format": "pt"})

    return harm


def reconfigure(**changes: Any) -> Callable[[Path], None]:
    """A harm: another configuration."""

    def harm(folder: Path) -> None:
        path = folder / "adapter_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return harm


def renamed(before: str, after: str) -> Callable[[Path], None]:
    return rewrite(lambda found: {name.replace(before, after): one for name, one in found.items()})


def without(part: str) -> Callable[[Path], None]:
    return rewrite(lambda found: {name: one for name, one in found.items() if part not in name})


def scaled(factor: float) -> Callable[[Path], None]:
    return rewrite(lambda found: {name: one * factor for name, one in found.items()})


HARMS: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "another model's layers": (
        renamed("model.layers.", "model.language_model.layers."),
        ("no place for", "model.language_model.layers.0.mlp.down_proj.lora_A"),
    ),
    "no prefix": (renamed("base_model.model.", ""), ("lack", "lm_head")),
    "a layer without tensors": (
        without("layers.1.mlp"),
        ("lacks", "layers.1.mlp.down_proj.lora_A.weight and 1 more"),
    ),
    "half of a pair": (without("layers.0.mlp.down_proj.lora_B"), ("lacks", "down_proj.lora_B")),
    "the replaced head lost": (without("lm_head"), ("lacks base_model.model.lm_head.weight",)),
    "a layer that the model has not": (
        reconfigure(target_modules=["q_proj", "down_proj", "foo_proj"]),
        ("target_modules", "'foo_proj'", "LlamaForCausalLM has no such layer", "o_proj"),
    ),
    "layers that are not configured": (
        reconfigure(target_modules=["q_proj"]),
        ("no place for", "down_proj.lora_A"),
    ),
    "deeper than the model": (
        renamed("layers.1.", "layers.7."),
        ("no place for", "layers.7."),
    ),
    "another rank": (reconfigure(r=8), ("does not fit", "size mismatch")),
    "no rank": (reconfigure(r=None), ("does not fit",)),
    "an unknown kind": (reconfigure(peft_type="XYZ"), ("XYZ",)),
    "no configuration": (
        lambda folder: (folder / "adapter_config.json").write_text("{"),
        ("adapter_config.json", "not valid JSON"),
    ),
    "NaN": (scaled(float("nan")), ("NaN", "lm_head")),
    "cut off": (
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"1234567890"),
        ("not a safetensors file",),
    ),
}


@pytest.mark.parametrize("name", HARMS)
def test_adapters_that_do_not_fit_are_refused(
    name: str,
    base: Path,
    adapter: Path,
    tmp_path: Path,
    recwarn: pytest.WarningsRecorder,
) -> None:
    """The error is one line that names what has no place or no tensor."""
    harm, words = HARMS[name]
    harm(Path(shutil.copytree(adapter, tmp_path / "adapter")))
    with pytest.raises(UserError) as refusal:
        engine.load(base, replace(SETTINGS, adapter=tmp_path / "adapter"))
    assert "\n" not in str(refusal.value)
    for word in words:
        assert word in str(refusal.value)
    assert not [one for one in recwarn if "adapter keys" in str(one.message)]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"modules_to_save": ["lm_head"]},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.layers\.1\..*_proj"},
        {"use_dora": True},
        {"layers_to_transform": [1]},
        {"rank_pattern": {"down_proj": 2}},
    ],
)
def test_whole_adapters_answer_as_the_merged_model(
    keys: dict[str, Any], base: Path, tmp_path: Path
) -> None:
    """They do not answer like the model without the adapter."""
    folder = save(base, tmp_path / "adapter", **keys)
    loaded = engine.load(base, replace(SETTINGS, adapter=folder))
    plain = transformers.AutoModelForCausalLM.from_pretrained(base)
    merged = peft.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(base), folder
    ).merge_and_unload()
    ids = torch.tensor([[5, 7, 9, 11]])
    with torch.no_grad():
        ours, other, bare = (model(ids).logits for model in (loaded.model, merged, plain))
    torch.testing.assert_close(ours, other)
    assert (ours - bare).abs().max() > 0.01
