"""llmcompressor's schemes: converted in its environment, loaded in the core's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoTokenizer

import harmed
from environments import run_in
from frontier.catalogue.recipe import Recipe
from frontier.conversions.common import calibrated
from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.growing import train
from frontier.quantizers import Sizes, Target
from quantizing import TRANSFORMERS, quantizer

TEXTS = [f"{a} + {b} = {a + b}" for a in range(60, 90) for b in range(5, 25)]
OTHER = [f"{a} - {b} = {a - b}" for a in range(60, 90) for b in range(5, 25)]
W8A8: dict[str, Any] = {"scheme": "W8A8", "smoothquant": True, "calibration": "texts"}
W4A16: dict[str, Any] = {"scheme": "W4A16", "calibration": "texts"}
FP8: dict[str, Any] = {"scheme": "FP8_DYNAMIC"}
ROUTES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "w8a8": ("wide", W8A8, TEXTS),
    "fp8": ("wide", FP8, []),
    "w4a16": ("wide", W4A16, TEXTS),
    "again": ("wide", W4A16, TEXTS),
    "other": ("wide", W4A16, OTHER),
    "narrow": ("small", W8A8, TEXTS),
    "falcon": ("falcon", W8A8 | {"smoothquant": False}, TEXTS),
}
LOADED = [name for name in ROUTES if name not in ("again", "other")]
PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from frontier.conversions import CONVERSIONS
from frontier.errors import UnsupportedError
from frontier.errors import UserError
from harmed import conversion_refusals
from quantizing import TRANSFORMERS, quantizer

found = {}
for name, (model, output, options, texts) in json.loads(sys.argv[1]).items():
    asked = quantizer("llmcompressor", **options).preparation(TRANSFORMERS, "float32")
    Path(output).mkdir()
    convert = CONVERSIONS.load(asked.conversion)(**asked.options).convert
    try:
        found[name] = asdict(convert(Path(model), Path(output), texts))
    except (UserError, UnsupportedError) as error:
        found[name] = str(error)
jobs = json.loads(sys.argv[2])
unfit = jobs["folders"], Path(jobs["output"])
found["unfit"] = conversion_refusals(convert, *unfit, jobs["texts"])
print("\\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of two layers after a few training steps."""
    built = tmp_path_factory.mktemp("llmcompressor")
    models = {
        "wide": ("llama", 256, 512),
        "small": ("llama", 64, 160),
        "falcon": ("falcon", 64, 256),
    }
    for name, (architecture, hidden, intermediate) in models.items():
        recipe = Recipe.model_validate({
            "architecture": architecture, "hidden": hidden, "layers": 2, "heads": 4,
            "intermediate": intermediate, "vocabulary": 300, "positions": 512, "steps": 20,
            "learning_rate": 0.005,
            "corpora": {"arithmetic": {"prompt": "{question} =", "examples": 200, "rows": 8}},
        })  # fmt: skip
        train.save(train.grow(recipe, train.prepare(recipe), lambda _: None), built / name)
    torch.use_deterministic_algorithms(False)
    return built


@pytest.fixture(scope="module")
def built(folder: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """The results of each conversion; one process runs them all."""
    routes = {
        name: (str(folder / model), str(folder / f"{name}-made"), options, texts)
        for name, (model, options, texts) in ROUTES.items()
    }
    for name, model, texts in (
        ("rows", "small", TEXTS),
        ("short", "wide", ["3"]),
        ("cut", "cut", TEXTS),
    ):
        routes[name] = (str(folder / model), str(folder / f"{name}-made"), W4A16, texts)
    shutil.copytree(folder / "wide", folder / "cut")
    content = (folder / "wide" / "model.safetensors").read_bytes()
    (folder / "cut" / "model.safetensors").write_bytes(content[:1000])
    jobs = {
        "folders": harmed.unfit(folder / "unfit"),
        "output": str(folder / "made"),
        "texts": TEXTS,
    }
    message = run_in(environment("llmcompressor"), PROGRAM, json.dumps(routes), json.dumps(jobs))
    answer: dict[str, Any] = json.loads(message.splitlines()[-1])
    return answer


@pytest.fixture(scope="module")
def loaded(folder: Path, built: dict[str, Any]) -> dict[str, Any]:
    """The engine with each variant, and with each model itself."""
    assert built
    variants = {
        name: engine.load(
            folder / f"{name}-made",
            Settings("cpu", "float32", 1, "plain", quantizer("llmcompressor", **ROUTES[name][1])),
        )
        for name in LOADED
    }
    natives = {
        name: engine.load(
            folder / name, Settings("cpu", "float32", 1, "plain", quantizer("native"))
        )
        for name in ("wide", "small", "falcon")
    }
    return variants | {f"{name} itself": found for name, found in natives.items()}


def error(loaded: dict[str, Any], name: str) -> float:
    """Root mean square of the logits' difference, as a share of the logits' own spread."""
    ids = torch.arange(20)[None] + 5
    with torch.no_grad():
        right = loaded[f"{ROUTES[name][0]} itself"].model(ids).logits
        return float((loaded[name].model(ids).logits - right).square().mean().sqrt() / right.std())


@pytest.mark.parametrize("name", LOADED)
def test_a_route_ends_in_a_model_that_answers(
    built: dict[str, Any], loaded: dict[str, Any], name: str
) -> None:
    """Every matrix of the two layers has a scheme, and decoding is the same twice."""
    matrices = 8 if name == "falcon" else 14
    assert built[name]["quantized_layers"] == loaded[name].loaded.quantized_layers == matrices
    texts = {loaded[name].generate(Generate("61 + 7 =", 12, ())).text for _ in range(2)}
    assert len(texts) == 1


def test_fewer_bits_are_further_from_native(loaded: dict[str, Any]) -> None:
    """Eight bits of an integer are nearest, then a float's, then four."""
    errors = {name: error(loaded, name) for name in LOADED}
    assert errors["w8a8"] < errors["fp8"]
    assert errors["w8a8"] < errors["w4a16"]
    assert all(0.0005 < value < 0.2 for value in errors.values()), errors


@pytest.mark.parametrize("name", LOADED)
def test_weights_are_dense_once_loaded(
    built: dict[str, Any], loaded: dict[str, Any], name: str
) -> None:
    """They stay as counted, as the plan says, over the native bytes."""
    found, native = loaded[name], loaded[f"{ROUTES[name][0]} itself"]
    found.generate(Generate("61 + 7 =", 3, ()))
    model = found.model
    now = engine.stored_bytes([*model.parameters(), *model.buffers()])
    assert now == found.loaded.weights_bytes > native.loaded.weights_bytes
    sizes = Sizes(
        native.model.num_parameters(), native.model.get_input_embeddings().weight.numel(), True,
        native.model.config.hidden_size,
    )  # fmt: skip
    built = quantizer("llmcompressor", **ROUTES[name][1])
    predicted = built.stored_bytes(sizes, "float32", TRANSFORMERS)
    assert predicted == pytest.approx(now, rel=0.02)
    assert found.loaded.kernel == "weights decompressed to float32, activations rounded in it"


def test_the_texts_decide(folder: Path, built: dict[str, Any]) -> None:
    """The same texts give the same bytes, others give others; the model's own files stay."""
    assert built
    first, again, other = (
        (folder / f"{name}-made" / "model.safetensors").read_bytes()
        for name in ("w4a16", "again", "other")
    )
    assert first == again
    assert first != other
    for path in (folder / "wide").iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            assert (folder / "w4a16-made" / path.name).read_bytes() == path.read_bytes()


def rounded(weight: torch.Tensor) -> torch.Tensor:
    """Rounds to nearest in 16 steps a group of 128, from minus to plus the largest weight."""
    grouped = weight.view(len(weight), -1, 128)
    step = 2 * grouped.abs().amax(-1, keepdim=True) / 15
    return (grouped / step).round().clamp(-8, 7).mul(step).view_as(weight)


def test_outputs_are_nearer_than_rounding_to_nearest(folder: Path, loaded: dict[str, Any]) -> None:
    """The purpose of GPTQ: a smaller error of a layer's outputs on the calibration texts."""
    native, built = loaded["wide itself"].model, loaded["w4a16"].model
    inputs: list[torch.Tensor] = []
    layer = native.model.layers[0].self_attn
    hook = layer.q_proj.register_forward_hook(lambda _, given, __: inputs.append(given[0][0]))
    with torch.no_grad():
        for block in calibrated.blocks(AutoTokenizer.from_pretrained(folder / "wide"), TEXTS, 512):
            native(block)
    hook.remove()
    x = torch.cat(inputs)
    for name in ("q_proj", "k_proj", "v_proj"):
        weight = getattr(layer, name).weight.detach()
        found = getattr(built.model.layers[0].self_attn, name).weight.detach()
        nearest = (x @ (weight - rounded(weight)).T).square().sum()
        assert (x @ (weight - found).T).square().sum() < 0.8 * nearest


def test_bad_input(built: dict[str, Any]) -> None:
    """A line that says what is wrong."""
    assert "the calibration texts have" in built["short"]
    assert "model.safetensors: truncated" in built["cut"]
    assert "\n" not in built["cut"]


def test_rows_that_groups_do_not_fit(built: dict[str, Any]) -> None:
    """Found while planning from the hidden size, else reported in a line by the job."""
    assert "rows of 64 weights, which cannot be divided into groups of 128" in built["rows"]
    weights = quantizer("llmcompressor", **W4A16)
    narrow = Target("llama", "cpu", TRANSFORMERS, hidden=64)
    assert "rows of 64 weights" in (weights.unsupported(narrow) or "")
    assert weights.unsupported(Target("llama", "cpu", TRANSFORMERS, hidden=256)) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scheme": "W8A8"}, "scheme W8A8 needs calibration"),
        ({"scheme": "W4A16"}, "scheme W4A16 needs calibration"),
        (FP8 | {"calibration": "x"}, "FP8_DYNAMIC uses no texts"),
        (W4A16 | {"smoothquant": True}, "smoothquant goes with scheme W8A8"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    """One clear line each."""
    with pytest.raises(ValidationError, match=message):
        quantizer("llmcompressor", **options)


def test_families() -> None:
    """GPT-2 has no nn.Linear; SmoothQuant knows few orders of layers."""
    floats, smoothed = quantizer("llmcompressor", **FP8), quantizer("llmcompressor", **W8A8)
    assert "GPT-2" in (floats.unsupported(Target("gpt2", "cpu", TRANSFORMERS)) or "")
    assert "falcon" in (smoothed.unsupported(Target("falcon", "cpu", TRANSFORMERS)) or "")


def test_unfit_checkpoints_are_not_quantized(built: dict[str, Any]) -> None:
    """Incomplete checkpoints, and models without attention heads."""
    harmed.check_refusals(built["unfit"])


@pytest.mark.parametrize("name", ["w8a8", "fp8", "w4a16"])
def test_published_ones_run_as_the_parent_variant(name: str, folder: Path, loaded: Any) -> None:
    """A checkpoint compressed elsewhere is loaded like those converted here."""
    asked = Settings(
        "cpu", "float32", 1, "plain", quantizer("native"), published="compressed-tensors"
    )
    found = engine.load(folder / f"{name}-made", asked)
    own = loaded[name]
    for one in (found, own):
        one.generate(Generate("1 + 1 =", 2))  # the cache is known from a request
    assert found.loaded == own.loaded
    with torch.no_grad():
        ids = torch.arange(20)[None] + 5
        torch.testing.assert_close(found.model(ids).logits, own.model(ids).logits)
