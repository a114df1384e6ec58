"""Adapters that are grown and merged here: reproducible, on the model as a whole, and never a copy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import transformers
import yaml
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

import merge_adapter
import shipped
from conftest import ROOT
from frontier.catalogue.checking import check
from frontier.catalogue.models import Model
from frontier.catalogue.recipe import AdapterRecipe, Recipe
from frontier.engines import Generate, Settings
from frontier.engines.common.padding import try_ways
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.growing import adapt, train
from frontier.planning import cells
from frontier.results import layout
from frontier.techniques.compile import Compile
from quantizing import quantizer

SETTINGS = Settings("cpu", "float32", 1, "plain", quantizer("native"))
METHODS = ("lora", "ia3", "prompt", "bitfit")
MERGEABLE = ("lora", "ia3", "bitfit")
CORPORA = {"comparison": {"prompt": "max {pair} =", "examples": 100, "rows": 8}}
RECIPE: dict[str, Any] = {
    "architecture": "gpt2", "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64, "positions": 64,
    "vocabulary": 300, "steps": 3, "learning_rate": 0.001,
    "corpora": {"arithmetic": {"prompt": "{question} =", "examples": 100, "rows": 4}},
}  # fmt: skip
IDS = torch.tensor([[65, 66, 67, 68, 69]])


def recipe(method: str, **changes: Any) -> dict[str, Any]:
    """An adapter of a few steps, which change logits by far more than rounding does."""
    return {"method": method, "steps": 4, "learning_rate": 0.05, "corpora": CORPORA} | changes


def grow_base(folder: Path, architecture: str) -> Path:
    own = Recipe.model_validate(RECIPE | {"architecture": architecture})
    train.save(train.grow(own, train.prepare(own), lambda _: None), folder)
    return folder


def grow(base: Path, folder: Path, method: str, **changes: Any) -> Path:
    folder.mkdir()
    own = AdapterRecipe.model_validate(recipe(method, **changes))
    adapt.save(adapt.adapt(base, own, lambda _: None), folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It never ends an answer: the end's embedding, which is the head's too, is zero."""
    folder = grow_base(tmp_path_factory.mktemp("grown") / "base", "gpt2")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        model.get_input_embeddings().weight[model.config.eos_token_id] = 0
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return {method: grow(base, folder / method, method) for method in METHODS}


def logits(checkpoint: Path, adapter: Path | None = None) -> torch.Tensor:
    """The engine's own model's logits after some tokens."""
    model = engine.load(checkpoint, replace(SETTINGS, adapter=adapter)).model
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
    return found[:, -IDS.shape[1] :]


@pytest.mark.parametrize("method", METHODS)
def test_a_seed_fixes_every_byte(
    method: str, base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """Nothing of this machine is in the files either."""
    again, other = grow(base, tmp_path / "a", method), grow(base, tmp_path / "b", method, seed=1)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (again / name).read_bytes() == (adapters[method] / name).read_bytes()
    weights = "adapter_model.safetensors"
    assert (again / weights).read_bytes() != (other / weights).read_bytes()
    assert sorted(path.name for path in again.iterdir()) == ["adapter_config.json", weights]
    assert str(base) not in (again / "adapter_config.json").read_text()


@pytest.mark.parametrize("method", METHODS)
def test_a_grown_adapter_changes_answers(
    method: str, base: Path, adapters: dict[str, Path]
) -> None:
    """Its bytes count; those of BitFit are the model's own biases."""
    assert (logits(base, adapters[method]) - logits(base)).abs().max() > 0.01
    bare = engine.load(base, SETTINGS).loaded.weights_bytes or 0
    bytes_ = engine.load(base, replace(SETTINGS, adapter=adapters[method])).loaded.weights_bytes
    stored = load_file(adapters[method] / "adapter_model.safetensors").values()
    own = 0 if method == "bitfit" else sum(tensor.nbytes for tensor in stored)
    assert bytes_ == bare + own


@pytest.mark.parametrize("method", MERGEABLE)
def test_merged_is_the_same_model_without_an_adapter(
    method: str, base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """A whole checkpoint, with its tokenizer, of the same size."""
    whole = tmp_path / "merged"
    whole.mkdir()
    lock = merge_adapter.merge(base, adapters[method], whole)
    torch.testing.assert_close(logits(whole), logits(base, adapters[method]))
    assert lock["source"] == {"merged": True}
    assert lock["random_weights"] is False
    assert (whole / "tokenizer.json").read_bytes() == (base / "tokenizer.json").read_bytes()
    sizes = [engine.load(one, SETTINGS).loaded.weights_bytes for one in (whole, base)]
    assert sizes[0] == sizes[1]


def test_trained_tokens_cannot_be_merged(
    base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "merged").mkdir()
    with pytest.raises(UserError, match="PROMPT_TUNING adds trained tokens"):
        merge_adapter.merge(base, adapters["prompt"], tmp_path / "merged")


def test_a_merge_that_rounding_undoes_is_refused(
    base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """Differences far below the weights' own precision."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    config = "adapter_config.json"
    (folder / config).write_bytes((adapters["bitfit"] / config).read_bytes())
    biases = dict(transformers.AutoModelForCausalLM.from_pretrained(base).named_parameters())
    name, bias = max(
        ((name, one) for name, one in biases.items() if name.endswith(".bias")),
        key=lambda pair: float(pair[1].abs().max()),
    )
    tiny = torch.where(bias.abs() == bias.abs().max(), 1e-30, 0.0)
    save_file({name: tiny}, folder / "adapter_model.safetensors", {"format": "pt"})
    (tmp_path / "merged").mkdir()
    with pytest.raises(UserError, match="merging it changed no weight"):
        merge_adapter.merge(base, folder, tmp_path / "merged")


def test_trained_tokens_come_before_the_prompt(base: Path, adapters: dict[str, Path]) -> None:
    """Greedy answers are those of their embeddings in front, and they take positions."""
    adapter = adapters["prompt"]
    loaded = engine.load(base, replace(SETTINGS, adapter=adapter))
    assert loaded.prompting.positions == 64 - 16
    found = loaded.generate(Generate("47 + 38 =", 6, ()))
    assert found.tokens == 6
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    ids = transformers.AutoTokenizer.from_pretrained(base)("47 + 38 =", return_tensors="pt")
    tokens = load_file(adapter / "adapter_model.safetensors")["prompt_embeddings"]
    fed = torch.cat([tokens, model.get_input_embeddings()(ids["input_ids"])[0]])
    known: list[int] = []
    for _ in range(found.tokens):
        with torch.no_grad():
            known.append(int(model(inputs_embeds=fed[None]).logits[0, -1].argmax()))
        fed = torch.cat([fed, model.get_input_embeddings()(torch.tensor(known[-1:]))])
    assert loaded.prompting.tokenizer.decode(known, skip_special_tokens=True) == found.text
    with pytest.raises(UnsupportedError, match="48 positions"):
        loaded.generate(Generate("47 + 38 =", 46, ()))
    with pytest.raises(UnsupportedError, match="not tried with techniques"):
        engine.load(base, replace(SETTINGS, adapter=adapter, techniques=(Compile(),)))


@pytest.mark.parametrize("method", METHODS)
def test_batches_compute_as_single_requests(
    method: str, base: Path, adapters: dict[str, Path]
) -> None:
    """Padding behind trained tokens changes answers, so only equal lengths share a batch then."""
    loaded = engine.load(base, replace(SETTINGS, adapter=adapters[method]))
    ids = loaded.prompting.encode("47 + 38 =", 5)
    way = try_ways(loaded.next_tokens, ids, exact=True)
    assert way.together
    assert way.padded == (method != "prompt")


@pytest.mark.parametrize(("method", "value"), [("lora", 0.0), ("ia3", 1.0), ("bitfit", 0.0)])
def test_an_adapter_that_changes_nothing_is_refused(
    method: str, value: float, base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    """It is as peft initialises it: one of LoRA's factors is zero, IA3's are all one."""
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (tmp_path / name).write_bytes((adapters[method] / name).read_bytes())
    path = tmp_path / "adapter_model.safetensors"
    part = "lora_B" if method == "lora" else ""
    changed = {
        name: torch.full_like(one, value) if part in name else one
        for name, one in load_file(path).items()
    }
    save_file(changed, path, {"format": "pt"})
    with pytest.raises(UserError, match="the adapter changes nothing"):
        engine.load(base, replace(SETTINGS, adapter=tmp_path))
    last = sorted(name for name in changed if part in name)[-1]
    save_file(changed | {last: changed[last] + 1}, path, {"format": "pt"})
    engine.load(base, replace(SETTINGS, adapter=tmp_path))


def test_differences_of_another_model_are_refused(
    base: Path, adapters: dict[str, Path], tmp_path: Path
) -> None:
    llama = grow_base(tmp_path / "llama", "llama")
    with pytest.raises(UserError, match=r"LlamaForCausalLM has no bias .* it has none"):
        engine.load(llama, replace(SETTINGS, adapter=adapters["bitfit"]))
    wide = tmp_path / "wide"
    wide.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (wide / name).write_bytes((adapters["bitfit"] / name).read_bytes())
    found = load_file(wide / "adapter_model.safetensors")
    save_file(
        {name: torch.cat([one, one]) for name, one in found.items()},
        wide / "adapter_model.safetensors", {"format": "pt"},
    )  # fmt: skip
    with pytest.raises(UserError, match="has the shape"):
        engine.load(base, replace(SETTINGS, adapter=wide))


@pytest.mark.parametrize("task", [None, "CAUSAL_LM"])
def test_a_checkpoints_own_decoding_never_applies(
    task: str | None, base: Path, tmp_path: Path
) -> None:
    """A request is greedy with any adapter on, whatever its task is."""
    own = tmp_path / "base"
    transformers.AutoTokenizer.from_pretrained(base).save_pretrained(own)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_pretrained(base)
    config = peft.LoraConfig(
        task_type=task, target_modules="all-linear", init_lora_weights=False, fan_in_fan_out=True
    )
    peft.get_peft_model(model, config).save_pretrained(tmp_path / "adapter")
    settings = replace(SETTINGS, adapter=tmp_path / "adapter")
    plain = transformers.AutoModelForCausalLM.from_pretrained(base)
    plain.save_pretrained(own)
    greedy = engine.load(own, settings).generate(Generate("47 + 38 =", 8, ()))
    plain.generation_config = transformers.GenerationConfig(
        do_sample=True, temperature=5.0, repetition_penalty=9.0
    )
    plain.save_pretrained(own)
    found = engine.load(own, settings)
    assert found.generate(Generate("47 + 38 =", 8, ())).text == greedy.text
    assert found.generate(Generate("47 + 38 =", 8, ())).tokens == greedy.tokens


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"path": "x", "adapter": {"grow": recipe("lora")}}, "adapter.grow: only on a model that"),
        (
            {"grow": RECIPE | {"architecture": "llama"}, "adapter": {"grow": recipe("bitfit")}},
            "a llama that is grown here has no biases",
        ),
        ({"grow": RECIPE, "adapter": {"grow": recipe("lora"), "path": "x"}}, "give exactly one of"),
        ({"grow": RECIPE, "adapter": {"grow": recipe("ia3", rank=4)}}, "rank: only with method"),
        ({"grow": RECIPE, "adapter": {"grow": recipe("lora", steps=0)}}, "steps"),
        (
            {"grow": RECIPE, "adapter": {"grow": recipe("lora", corpora={})}},
            "corpora",
        ),
    ],
)
def test_a_recipe_that_cannot_work_is_refused(model: dict[str, Any], words: str) -> None:
    with pytest.raises((UserError, ValidationError), match=words):
        check(Model, model, "models.x")


def reasons(adapter: dict[str, Any]) -> dict[str, str | None]:
    """The reasons why variants of a model with an adapter are left out, by variant and device."""
    sections: dict[str, Any] = {}
    for stem in ("quantizations", "devices", "tasks"):
        sections |= yaml.safe_load((ROOT / f"config/{stem}.yaml").read_text(encoding="utf-8"))
    sections["models"] = {"m": {"grow": RECIPE | {"architecture": "llama"}, "adapter": adapter}}
    sections["devices"] = {name: one for name, one in sections["devices"].items() if "cpu" in name}
    catalogue = shipped.catalogue(**sections)
    return {
        f"{variant} {device}": cells.cell(
            catalogue, layout.asked(variant, device, "demo-arithmetic"), lambda *_: None
        ).reason
        for variant in ("m", "m-int8", "m-gptq4-demo")
        for device in ("cpu", "cpu-llamacpp", "cpu-onnxruntime")
    }


def test_merged_adapters_run_wherever_a_checkpoint_does() -> None:
    found = reasons({"grow": recipe("lora"), "merged": True})
    assert found["m cpu"] is found["m cpu-llamacpp"] is found["m cpu-onnxruntime"] is None
    assert found["m-int8 cpu"] is None


def test_others_are_refused_while_planning() -> None:
    """The reason names the way out, if there is one."""
    found = reasons({"grow": recipe("lora")})
    assert found["m cpu"] is found["m-int8 cpu"] is None
    assert str(found["m cpu-llamacpp"]).endswith("one with merged: true can be used")
    trained = reasons({"grow": recipe("prompt")})
    assert trained["m cpu"] is None
    assert str(trained["m cpu-llamacpp"]) == "llama_cpp does not apply adapters"
    merged = reasons({"grow": recipe("prompt"), "merged": True})
    assert "it cannot be merged" in str(merged["m cpu"])


def test_a_folders_kind_is_read_while_planning(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "PREFIX_TUNING"}')
    found = reasons({"path": str(tmp_path), "merged": True})
    assert "PREFIX_TUNING adds trained tokens" in str(found["m cpu"])
