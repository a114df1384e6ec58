"""GPTQ and AWQ: real conversions of small grown models, loaded by the engine in its environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import harmed
from environments import run_in
from frontier.catalogue.recipe import Recipe
from frontier.conversions.common import calibrated
from frontier.errors import UserError
from frontier.growing import train
from frontier.quantizers import Sizes, Target
from quantizing import TRANSFORMERS, quantizer

GROUP = 32
TEXTS = [f"{a} + {b} = {a + b}" for a in range(60, 90) for b in range(5, 25)]
OTHER = [f"{a} - {b} = {a - b}" for a in range(60, 90) for b in range(5, 25)]
GPTQ: dict[str, Any] = {"bits": 4, "group_size": GROUP, "calibration": "texts"}
# The variant: model, method, options, texts.
ROUTES: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "gptq8": ("narrow", "gptq", GPTQ | {"bits": 8}, TEXTS),
    "gptq4": ("narrow", "gptq", GPTQ, TEXTS),
    "again": ("narrow", "gptq", GPTQ, TEXTS),
    "other": ("narrow", "gptq", GPTQ, OTHER),
    "ordered": ("narrow", "gptq", GPTQ | {"act_order": True, "symmetric": False}, TEXTS),
    "awq4": ("narrow", "awq", {"group_size": GROUP, "calibration": "texts"}, TEXTS),
    "wide": ("wide", "gptq", GPTQ | {"group_size": 128}, TEXTS),
    "falcon": ("falcon", "gptq", GPTQ, TEXTS),
}
PROGRAM = """
import json, sys
from pathlib import Path
import torch
from frontier.conversions import CONVERSIONS
from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from harmed import conversion_refusals
from quantizing import TRANSFORMERS, quantizer

found = {}
for name, (model, output, method, options, texts) in json.loads(sys.argv[1]).items():
    quantization = quantizer(method, **options)
    asked = quantization.preparation(TRANSFORMERS, "float32")
    Path(output).mkdir()
    conversion = CONVERSIONS.load(asked.conversion)(**asked.options)
    made = conversion.convert(Path(model), Path(output), texts)
    if name in ("again", "other"):
        continue
    loaded = engine.load(
        Path(output), Settings("cpu", "float32", 1, "plain", quantization)
    )
    texts = [loaded.generate(Generate("61 + 7 =", 12, ())).text for _ in range(2)]
    with torch.no_grad():
        logits = loaded.model(torch.arange(20)[None] + 5).logits[0].tolist()
    found[name] = {
        "made": made.quantized_layers, "layers": loaded.loaded.quantized_layers,
        "bytes": loaded.loaded.weights_bytes, "kernel": loaded.loaded.kernel,
        "same": texts[0] == texts[1], "logits": logits,
    }
jobs = json.loads(sys.argv[2])
for name, (output, method) in jobs["published"].items():
    loaded = engine.load(
        Path(output), Settings("cpu", "float32", 1, "plain", quantizer("native"), published=method)
    )
    with torch.no_grad():
        logits = loaded.model(torch.arange(20)[None] + 5).logits[0].tolist()
    found[f"{name} published"] = {
        "layers": loaded.loaded.quantized_layers, "bytes": loaded.loaded.weights_bytes,
        "kernel": loaded.loaded.kernel, "logits": logits,
    }
unfit = jobs["folders"], Path(jobs["output"])
found["unfit"] = conversion_refusals(conversion.convert, *unfit, jobs["texts"])
print("\\n" + json.dumps(found))
"""


def grown(folder: Path, architecture: str, hidden: int) -> Path:
    """A model of two layers after a few training steps: its weights have some structure."""
    recipe = Recipe.model_validate({
        "architecture": architecture, "hidden": hidden, "layers": 2, "heads": 4,
        "intermediate": 3 * hidden if architecture == "llama" else 4 * hidden,
        "vocabulary": 300, "positions": 512, "steps": 20, "learning_rate": 0.005,
        "corpora": {"arithmetic": {"prompt": "{question} =", "examples": 200, "rows": 8}},
    })  # fmt: skip
    train.save(train.grow(recipe, train.prepare(recipe), lambda _: None), folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models and of all conversions."""
    built = tmp_path_factory.mktemp("gptqmodel")
    for name, kind, hidden in (
        ("narrow", "llama", 64),
        ("wide", "llama", 256),
        ("falcon", "falcon", 64),
    ):
        grown(built / name, kind, hidden)
    torch.use_deterministic_algorithms(False)
    return built


@pytest.fixture(scope="module")
def found(folder: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """The results of every method in the tool's environment; one process runs them all."""
    routes = {
        name: (str(folder / model), str(folder / name.join("<>")), method, options, texts)
        for name, (model, method, options, texts) in ROUTES.items()
    }
    jobs = {
        "folders": harmed.unfit(folder / "unfit"),
        "output": str(folder / "made"),
        "texts": TEXTS,
        "published": {name: (routes[name][1], routes[name][2]) for name in ("gptq4", "awq4")},
    }
    printed = run_in(environment("gptqmodel"), PROGRAM, json.dumps(routes), json.dumps(jobs))
    answer: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return answer


def native(folder: Path, name: str) -> Any:
    return AutoModelForCausalLM.from_pretrained(
        folder / ROUTES[name][0], dtype=torch.float32
    ).eval()


def error(folder: Path, found: dict[str, Any], name: str) -> float:
    """Root mean square of the logits' difference, as a share of the logits' own spread."""
    with torch.no_grad():
        right = native(folder, name)(torch.arange(20)[None] + 5).logits[0]
    return float((torch.tensor(found[name]["logits"]) - right).square().mean().sqrt() / right.std())


LOADED = [name for name in ROUTES if name not in ("again", "other")]


@pytest.mark.parametrize("name", LOADED)
def test_a_route_ends_in_a_model_that_answers(found: dict[str, Any], name: str) -> None:
    """Every matrix of the two layers is packed, and decoding is the same twice."""
    matrices = 8 if name == "falcon" else 14
    assert found[name]["made"] == found[name]["layers"] == matrices
    assert found[name]["same"]
    assert "Linear" in found[name]["kernel"]


def test_fewer_bits_are_further_from_native(folder: Path, found: dict[str, Any]) -> None:
    """8 bits are close, 4 bits are not far; nothing was left at random."""
    errors = {name: error(folder, found, name) for name in LOADED}
    assert errors["gptq8"] < 0.02
    assert all(0.005 < errors[name] < 0.3 for name in LOADED if name != "gptq8"), errors
    assert errors["gptq8"] < min(errors["gptq4"], errors["ordered"], errors["awq4"])


@pytest.mark.parametrize("name", LOADED)
def test_predicted_bytes(folder: Path, found: dict[str, Any], name: str) -> None:
    """Within a tenth of what the engine counts, in models of a few thousand parameters too."""
    weights = native(folder, name)
    sizes = Sizes(
        weights.num_parameters(), weights.get_input_embeddings().weight.numel(), True,
        weights.config.hidden_size,
    )  # fmt: skip
    built = quantizer(ROUTES[name][1], **ROUTES[name][2])
    predicted = built.stored_bytes(sizes, "float32", TRANSFORMERS)
    assert predicted == pytest.approx(found[name]["bytes"], rel=0.1)


def stored(folder: Path, name: str) -> bytes:
    return (folder / name.join("<>") / "model.safetensors").read_bytes()


def test_the_texts_decide(folder: Path, found: dict[str, Any]) -> None:
    """The same texts give the same bytes, others give others; the model's own files stay."""
    assert found
    assert stored(folder, "gptq4") == stored(folder, "again")
    assert stored(folder, "gptq4") != stored(folder, "other")
    for path in (folder / "narrow").iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            assert (folder / "<gptq4>" / path.name).read_bytes() == path.read_bytes()


def unpacked(tensors: dict[str, torch.Tensor], layer: str) -> torch.Tensor:
    """A 4-bit matrix, [out, in], from AutoGPTQ's layout: eight rows in an int32, zero points less 1."""
    shifts = torch.arange(8) * 4
    codes = (tensors[f"{layer}.qweight"][:, None] >> shifts[:, None]) & 15
    zeros = ((tensors[f"{layer}.qzeros"][:, :, None] >> shifts) & 15).flatten(1) + 1
    groups = tensors[f"{layer}.g_idx"].long()
    scales = tensors[f"{layer}.scales"].float()
    return ((codes.flatten(0, 1) - zeros[groups]) * scales[groups]).T


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """Rounds to nearest in 16 steps a group, from minus to plus the largest weight: no GPTQ."""
    grouped = weight.view(len(weight), -1, GROUP)
    step = 2 * grouped.abs().amax(-1, keepdim=True) / 15
    return (((grouped / step).round() + 8).clamp(0, 15) - 8).mul(step).view_as(weight)


def test_outputs_are_nearer_than_rounding_to_nearest(folder: Path, found: dict[str, Any]) -> None:
    """The purpose of GPTQ: a smaller error of a layer's outputs on the calibration texts."""
    assert found
    model = native(folder, "gptq4")
    tokenizer = AutoTokenizer.from_pretrained(folder / "narrow")
    inputs: list[torch.Tensor] = []
    layer = model.model.layers[0].self_attn
    hook = layer.q_proj.register_forward_hook(lambda _, given, __: inputs.append(given[0][0]))
    with torch.no_grad():
        for block in calibrated.blocks(tokenizer, TEXTS, 512):
            model(block)
    hook.remove()
    x = torch.cat(inputs)
    tensors = load_file(folder / "<gptq4>" / "model.safetensors")
    for name in ("q_proj", "k_proj", "v_proj"):
        weight = getattr(layer, name).weight.detach()
        built = unpacked(tensors, f"model.layers.0.self_attn.{name}")
        nearest = (x @ (weight - rounded(weight)).T).square().sum()
        assert (x @ (weight - built).T).square().sum() < 0.8 * nearest


def test_calibration_is_needed() -> None:
    """Both methods need texts; the error names the missing key."""
    for method, options in (("gptq", {"bits": 4}), ("awq", {})):
        with pytest.raises(ValidationError, match=r"calibration\s+Field required"):
            quantizer(method, **options)


def test_what_is_known_beforehand() -> None:
    """Rows that groups do not divide, and families that do not come through."""
    four, activation = quantizer("gptq", bits=4, calibration="x"), quantizer("awq", calibration="x")
    narrow = Target("llama", "cpu", TRANSFORMERS, hidden=64)
    assert "rows of 64 weights into groups of 128" in (four.unsupported(narrow) or "")
    assert four.unsupported(Target("llama", "cpu", TRANSFORMERS, hidden=256)) is None
    assert four.unsupported(Target("falcon", "cuda", TRANSFORMERS, hidden=256)) is None
    assert "Falcon" in (activation.unsupported(Target("falcon", "cpu", TRANSFORMERS)) or "")
    assert "GPT-2" in (four.unsupported(Target("gpt2", "cpu", TRANSFORMERS)) or "")


def test_blocks(folder: Path) -> None:
    """No token is lost, an end stands between texts, and no block is longer than the model."""
    tokenizer = AutoTokenizer.from_pretrained(folder / "narrow")
    built = calibrated.blocks(tokenizer, TEXTS, 100)
    assert max(block.shape[1] for block in built) <= 100
    assert min(block.shape[1] for block in built) >= 99
    text = tokenizer.decode(torch.cat(built, dim=1)[0])
    assert text == "".join(one + tokenizer.eos_token for one in TEXTS)
    with pytest.raises(UserError, match="the calibration texts have 0 tokens; 32 are needed"):
        calibrated.blocks(tokenizer, [], 100)


def test_unfit_checkpoints_are_not_quantized(found: dict[str, Any]) -> None:
    """Incomplete checkpoints, and models without attention heads."""
    harmed.check_refusals(found["unfit"])


@pytest.mark.parametrize("name", ["gptq4", "awq4"])
def test_published_ones_run_as_the_parent_variant(name: str, found: dict[str, Any]) -> None:
    """A checkpoint quantized elsewhere is loaded like those converted here."""
    own, parent_variant = found[name], found[f"{name} published"]
    for fact in ("layers", "bytes", "kernel", "logits"):
        assert parent_variant[fact] == own[fact]
