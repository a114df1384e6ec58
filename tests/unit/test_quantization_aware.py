"""Training with rounded weights: what is saved computes what was trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from torch import nn
from transformers.integrations.bitnet import ActQuant, WeightQuant

from frontier.catalogue.models import Model
from frontier.catalogue.recipe import Recipe
from frontier.conversions.rounding import Rounding
from frontier.engines import Settings
from frontier.engines.loaded import transformers as engine
from frontier.fetching import checkpoints
from frontier.growing import quantization_aware, ternary, train
from frontier.growing.architectures import build
from frontier.growing.layers import layers
from quantizing import quantizer

IDS = torch.arange(20)[None] + 5


def recipe(**changes: Any) -> Recipe:
    """A recipe that takes well under a second."""
    keys = {
        "architecture": "llama", "hidden": 32, "layers": 2, "heads": 2, "intermediate": 64,
        "vocabulary": 300, "steps": 8, "learning_rate": 0.01,
        "corpora": {"arithmetic": {"prompt": "{question} =", "examples": 200, "rows": 8}},
    }  # fmt: skip
    return Recipe.model_validate(keys | changes)


def grown(folder: Path, **changes: Any) -> train.Grown:
    """A model, saved to the folder."""
    asked = recipe(**changes)
    found = train.grow(asked, train.prepare(asked), lambda _: None)
    torch.use_deterministic_algorithms(False)
    train.save(found, folder)
    return found


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        said: torch.Tensor = model(IDS).logits
    return said


def published(folder: Path) -> Any:
    """The engine with a ternary checkpoint."""
    return engine.load(
        folder, Settings("cpu", "float32", 1, "plain", quantizer("native"), published="bitnet")
    )


def test_ternary_as_transformers_rounds() -> None:
    """transformers' own training layers, uncompiled: the same weights, activations and gradients."""
    torch.manual_seed(0)
    weight, states = torch.randn(16, 12), torch.randn(3, 12)
    with torch.compiler.set_stance("force_eager"):
        theirs = WeightQuant.apply(weight), ActQuant.apply(states)
    assert torch.equal(ternary.nearest(weight), theirs[0])
    assert torch.equal(ternary.int8(states), theirs[1])
    assert len(ternary.nearest(weight).unique()) == 3
    weight.requires_grad_()
    apply: Any = quantization_aware.Passing.apply
    (apply(weight, ternary.nearest) * 3).sum().backward()
    assert torch.equal(weight.grad, torch.full_like(weight, 3))  # type: ignore[arg-type]


def test_a_ternary_checkpoint_is_transformers_own(tmp_path: Path) -> None:
    """Two bits a weight in memory, every layer counted, and the logits of the trained model."""
    trained = grown(tmp_path / "ternary", quantization_aware={"weights": "ternary"})
    plain = grown(tmp_path / "plain")
    with torch.compiler.set_stance("force_eager"):  # test_published.py compiles them
        found = published(tmp_path / "ternary")
        ours = logits(found.model)
    assert found.loaded.quantized_layers == 2 * 7
    assert "unpacked to float32 at each use" in found.loaded.kernel
    # Sums of whole numbers are exact in float32, so only an activation between two steps differs.
    theirs = logits(trained.model)
    assert float((ours - theirs).square().mean().sqrt() / theirs.std()) < 0.01
    inside = sum(layer.weight.numel() for _, layer in layers(plain.model))
    others = plain.model.num_parameters() - inside
    frequencies = 2 * 8  # of the positions, which no file has
    assert found.loaded.weights_bytes == inside // 4 + 4 * (others + 2 * 7 + frequencies)
    stored = load_file(tmp_path / "ternary" / "model.safetensors")
    assert sum(one.numel() for one in stored.values() if one.dtype == torch.uint8) == inside // 4
    facts = [checkpoints.describe(tmp_path / name)["parameters"] for name in ("ternary", "plain")]
    assert facts[0] == facts[1] == plain.model.num_parameters()


def test_the_rounding_of_the_training_is_the_quantizers(tmp_path: Path) -> None:
    """The saved model computes what it computed in training, and the quantizer changes no weight."""
    keys: dict[str, Any] = {"bits": 3, "granularity": "group", "group_size": 16}
    asked = recipe(quantization_aware={"weights": keys})
    model = build(asked, 300, 0).eval()
    before = logits(model)
    quantization_aware.prepare(model, asked)
    quantization_aware.begin(model, asked, 0)
    training = logits(model)
    assert not torch.equal(training, before)
    quantization_aware.finish(model, asked)
    assert torch.equal(logits(model), training)
    model.save_pretrained(tmp_path / "before")
    (tmp_path / "after").mkdir()
    Rounding(**keys, dtype="float32").convert(tmp_path / "before", tmp_path / "after", [])
    stored = [load_file(tmp_path / name / "model.safetensors") for name in ("before", "after")]
    assert all(torch.equal(one, stored[1][name]) for name, one in stored[0].items())


def test_rounding_begins_where_the_recipe_says() -> None:
    """Training before that is that of the recipe without the key, to the last bit."""
    losses = {}
    for name, changes in {
        "plain": {},
        "half": {"quantization_aware": {"weights": {"bits": 2}, "after": 0.5}},
        "all": {"quantization_aware": {"weights": {"bits": 2}}},
    }.items():
        asked, found = recipe(**changes), []
        train.grow(asked, train.prepare(asked), found.append)
        losses[name] = found
    torch.use_deterministic_algorithms(False)
    assert losses["half"][:4] == losses["plain"][:4]
    assert losses["half"][4] != losses["plain"][4]
    assert losses["all"][0] != losses["plain"][0]


def test_training_for_few_bits_helps_at_few_bits() -> None:
    """The loss at 2 bits: of a model trained with them, and of one rounded afterwards."""
    only = {"translation": {"prompt": "{chinese}\n", "examples": 300, "rows": 16}}
    after = {}
    for name, aware in {"plain": None, "aware": {"weights": {"bits": 2}, "after": 0.3}}.items():
        asked = recipe(steps=80, corpora=only, quantization_aware=aware)
        found = train.grow(asked, train.prepare(asked), lambda _: None)
        rounding = recipe(quantization_aware={"weights": {"bits": 2}})
        quantization_aware.prepare(found.model, rounding)
        quantization_aware.begin(found.model, rounding, 0)
        lessons = train.prepare(asked)
        with torch.no_grad():
            batches = [next(lessons.streams["translation"]) for _ in range(4)]
            after[name] = sum(float(train.answer_loss(found.model, *one)) for one in batches)
    torch.use_deterministic_algorithms(False)
    assert after["aware"] < 0.8 * after["plain"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "gpt2", "quantization_aware": {"weights": {"bits": 4}}}, "Conv1D"),
        ({"architecture": "falcon", "quantization_aware": {"weights": "ternary"}}, "for llama"),
        ({"intermediate": 66, "quantization_aware": {"weights": "ternary"}}, "multiple of 4"),
        ({"quantization_aware": {"weights": {"bits": 9}}}, "less than or equal to 8"),
        ({"quantization_aware": {"weights": "ternary", "after": 1}}, "equal to 0.99"),
    ],
)
def test_recipes_that_cannot_work(changes: dict[str, Any], message: str) -> None:
    """Refused while planning."""
    with pytest.raises(ValidationError, match=message):
        recipe(**changes)


@pytest.mark.parametrize(
    ("weights", "keys", "message"),
    [
        ("ternary", {}, "says `published: bitnet`"),
        (None, {"published": "bitnet"}, "writes no bitnet weights"),
    ],
)
def test_a_block_says_what_the_recipe_writes(
    weights: str | None, keys: dict[str, Any], message: str
) -> None:
    """Otherwise a cell would be planned that loading refuses."""
    asked = json.loads(recipe().model_dump_json(exclude_none=True))
    asked |= {"quantization_aware": {"weights": weights}} if weights else {}
    with pytest.raises(ValidationError, match=message):
        Model.model_validate({"grow": asked, **keys})


def test_linear_layers_without_the_head() -> None:
    """The same matrices as the quantizers take."""
    model = build(recipe(), 300, 0)
    assert len(list(layers(model))) == 14
    assert all(isinstance(layer, nn.Linear) for _, layer in layers(model))
