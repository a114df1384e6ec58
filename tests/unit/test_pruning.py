"""Pruning: the right weights become zero, the files are counted, and no zero is taken for granted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.utils import prune
from transformers import PreTrainedTokenizerFast

from environments import run_in
from frontier.catalogue.recipe import Recipe
from frontier.conversions import CONVERSIONS
from frontier.conversions.common import zeros
from frontier.conversions.pruning import Pruning
from frontier.errors import UnsupportedError, UserError
from frontier.growing import train
from frontier.quantizers import Target
from quantizing import TRANSFORMERS, quantizer

TEXTS = [f"{a} + {b} = {a + b}" for a in range(60, 80) for b in range(5, 15)]
FAMILIES = {"llama": 2 * 7, "gpt2": 2 * 4, "falcon": 2 * 4}
PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from frontier.conversions import CONVERSIONS
from quantizing import TRANSFORMERS, quantizer

found = {}
for name, (model, output, keys, texts) in json.loads(sys.argv[1]).items():
    asked = quantizer("llmcompressor_pruning", **keys).preparation(TRANSFORMERS, "float32")
    Path(output).mkdir()
    convert = CONVERSIONS.load(asked.conversion)(**asked.options).convert
    found[name] = asdict(convert(Path(model), Path(output), texts))
print("\\n" + json.dumps(found))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of two layers after a few training steps."""
    built = tmp_path_factory.mktemp("pruning")
    for architecture in FAMILIES:
        recipe = Recipe.model_validate({
            "architecture": architecture, "hidden": 64, "layers": 2, "heads": 4,
            "intermediate": 96, "vocabulary": 300, "positions": 128, "steps": 5,
            "learning_rate": 0.005,
            "corpora": {"arithmetic": {"prompt": "{question} =", "examples": 200, "rows": 8}},
        })  # fmt: skip
        train.save(train.grow(recipe, train.prepare(recipe), lambda _: None), built / architecture)
    torch.use_deterministic_algorithms(False)
    return built


def pruned(checkpoint: Path, output: Path, **keys: Any) -> tuple[dict[str, torch.Tensor], Any]:
    """The weights after the quantizer's own job, and the job's facts."""
    keys |= {"calibration": "texts"} if keys["score"] == "wanda" else {}
    job = quantizer("pruning", **keys).preparation(TRANSFORMERS, "float32")
    assert job is not None
    output.mkdir()
    conversion = CONVERSIONS.load(job.conversion)(**json.loads(json.dumps(job.options)))
    built = conversion.convert(checkpoint, output, TEXTS if job.calibration else [])
    return load_file(output / "model.safetensors"), built


def layers(tensors: dict[str, torch.Tensor], architecture: str) -> dict[str, torch.Tensor]:
    """The matrices of the blocks, [out, in]."""
    found = {name: one for name, one in tensors.items() if one.ndim == 2 and ".1." in f".{name}"}
    found |= {name: one for name, one in tensors.items() if one.ndim == 2 and ".0." in f".{name}"}
    return {name: one.T if architecture == "gpt2" else one for name, one in found.items()}


@pytest.mark.parametrize("score", ["magnitude", "wanda"])
@pytest.mark.parametrize("architecture", FAMILIES)
def test_two_of_every_four(folder: Path, tmp_path: Path, architecture: str, score: str) -> None:
    """Two of every four neighbours of a row are left, as they were, and so is the rest."""
    before = load_file(folder / architecture / "model.safetensors")
    after, built = pruned(folder / architecture, tmp_path / "to", score=score, pattern="2:4")
    matrices = layers(after, architecture)
    assert built.quantized_layers == len(matrices) == FAMILIES[architecture]
    for name, matrix in matrices.items():
        assert bool(((matrix.reshape(-1, 4) == 0).sum(dim=1) == 2).all()), name
        was = layers(before, architecture)[name]
        assert torch.equal(matrix, was.where(matrix != 0, 0))
    others = before.keys() - matrices.keys()
    assert others
    assert all(torch.equal(after[name], before[name]) for name in others)
    assert built.zeros == 0.5


@pytest.mark.parametrize("architecture", FAMILIES)
def test_magnitude_as_torch_prunes(folder: Path, tmp_path: Path, architecture: str) -> None:
    """torch's own l1_unstructured sets the same weights to zero."""
    before = load_file(folder / architecture / "model.safetensors")
    after, built = pruned(folder / architecture, tmp_path / "to", score="magnitude", sparsity=0.3)
    for name, matrix in layers(before, architecture).items():
        layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False)
        layer.weight.data = matrix.clone().contiguous()
        prune.l1_unstructured(layer, "weight", amount=int(0.3 * matrix.numel()))
        assert torch.equal(layers(after, architecture)[name], layer.weight)
    assert built.zeros == pytest.approx(0.3, abs=0.001)


def test_wanda_by_hand() -> None:
    """A small weight stays where its inputs are large: each row keeps its own best ones."""
    job = Pruning(score="wanda", pattern="unstructured", sparsity=0.5, dtype="float32")
    matrix = torch.tensor([[1.0, -2.0, 3.0, 0.5], [-8.0, 1.0, 1.0, 9.0]])
    norm = torch.tensor([1.0, 1.0, 1.0, 100.0])
    assert job.pruned(matrix, norm).tolist() == [[0, 0, 3, 0.5], [-8, 0, 0, 9]]
    assert job.pruned(matrix, None).tolist() == [[0, -2, 3, 0], [-8, 0, 0, 9]]


@pytest.fixture(scope="module")
def theirs(folder: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """llmcompressor's conversions; one process runs them all."""
    routes = {
        f"{algorithm} {pattern} {model}": (
            str(folder / model), str(folder / f"{algorithm}-{pattern}-{model}".replace(":", "-")),
            {"algorithm": algorithm, "pattern": pattern, "calibration": "texts"}, TEXTS,
        )
        for algorithm, pattern, model in (
            ("wanda", "2:4", "llama"), ("wanda", "unstructured", "falcon"),
            ("sparsegpt", "2:4", "llama"),
        )
    }  # fmt: skip
    message = run_in(environment("llmcompressor"), PROGRAM, json.dumps(routes))
    found: dict[str, Any] = json.loads(message.splitlines()[-1])
    return found


@pytest.mark.parametrize(("pattern", "model"), [("2:4", "llama"), ("unstructured", "falcon")])
def test_wanda_as_llmcompressor_prunes(
    folder: Path, tmp_path: Path, theirs: dict[str, Any], pattern: str, model: str
) -> None:
    """Another implementation, with the same texts: the same zeros."""
    assert theirs[f"wanda {pattern} {model}"]["zeros"] == 0.5
    ours, _ = pruned(folder / model, tmp_path / "to", score="wanda", pattern=pattern)
    path = folder / f"wanda-{pattern}-{model}".replace(":", "-") / "model.safetensors"
    other = layers(load_file(path), model)
    for name, matrix in layers(ours, model).items():
        assert float(((matrix == 0) == (other[name] == 0)).float().mean()) > 0.999, name


def test_sparsegpt_errs_less(folder: Path, tmp_path: Path, theirs: dict[str, Any]) -> None:
    """Two of every four are zero, and the others were changed to make up for them."""
    found = theirs["sparsegpt 2:4 llama"]
    assert (found["quantized_layers"], found["zeros"]) == (FAMILIES["llama"], 0.5)
    written = folder / "sparsegpt-2-4-llama"
    for matrix in layers(load_file(written / "model.safetensors"), "llama").values():
        assert bool(((matrix.reshape(-1, 4) == 0).sum(dim=1) == 2).all())
    pruned(folder / "llama", tmp_path / "magnitude", score="magnitude", pattern="2:4")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder / "llama")
    ids = tokenizer("\n".join(TEXTS[:10]), return_tensors="pt")["input_ids"][:, :100]

    def logits(path: Path) -> torch.Tensor:
        with torch.no_grad():
            model = transformers.AutoModelForCausalLM.from_pretrained(path)
            said: torch.Tensor = model(ids).logits
        return said

    right = logits(folder / "llama")
    errors = [
        float((logits(path) - right).square().mean()) for path in (written, tmp_path / "magnitude")
    ]
    assert 0 < errors[0] < errors[1]


def test_bytes_of_the_packed_form(folder: Path, tmp_path: Path) -> None:
    """Half of the values and a bit a weight for their places; the rest in its precision."""
    before = load_file(folder / "llama" / "model.safetensors")
    _, built = pruned(folder / "llama", tmp_path / "to", score="magnitude", pattern="2:4")
    inside = sum(one.numel() for one in layers(before, "llama").values())
    others = sum(one.numel() for one in before.values()) - inside
    assert built.simulated_bytes == inside // 2 * 4 + inside // 8 + others * 4


def written(folder: Path, tmp_path: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """A copy of the Llama's checkpoint with changed matrices."""
    tensors = load_file(folder / "llama" / "model.safetensors")
    for name in layers(tensors, "llama"):
        tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_bytes((folder / "llama" / "config.json").read_bytes())
    return tmp_path


def halves(matrix: torch.Tensor) -> torch.Tensor:
    """The first half of each row becomes zero: the right share, in the wrong places."""
    kept = matrix.clone()
    kept[:, : matrix.shape[1] // 2] = 0
    return kept


@pytest.mark.parametrize(
    ("change", "pattern", "message"),
    [
        (lambda matrix: matrix, "unstructured", "the pruning changed nothing: 0 of"),
        (lambda matrix: matrix, "2:4", "four neighbours have 0 zeros"),
        (halves, "2:4", "four neighbours have 0 zeros, not two"),
        (lambda matrix: matrix.where(matrix.abs() > 0.01, 0), "unstructured", "zero, not 50.0%"),
    ],
)
def test_what_was_not_pruned_is_found_out(
    folder: Path, tmp_path: Path, change: Any, pattern: str, message: str
) -> None:
    """Read from the files, a job that changed nothing, or something else, ends as unsupported."""
    with pytest.raises(UnsupportedError, match=message):
        zeros.result_of(
            folder / "llama", written(folder, tmp_path, change), "float32", pattern, 0.5
        )


def test_pruning_what_is_pruned_already(folder: Path, tmp_path: Path) -> None:
    """It changes nothing, which is said; zeros of the checkpoint's own do not count as pruned."""
    pruned(folder / "llama", tmp_path / "once", score="magnitude", pattern="2:4")
    with pytest.raises(UnsupportedError, match="changed nothing"):
        pruned(tmp_path / "once", tmp_path / "twice", score="magnitude", pattern="2:4")


def test_few_texts_and_odd_rows(folder: Path, tmp_path: Path) -> None:
    """One line each."""
    job = Pruning(score="wanda", pattern="2:4", sparsity=0.5, dtype="float32")
    with pytest.raises(UserError, match="the calibration texts have"):
        job.convert(folder / "llama", tmp_path, ["3"])
    with pytest.raises(UnsupportedError, match="rows of 6 weights"):
        job.pruned(torch.ones(2, 6), None)
    narrow = Target("llama", "cpu", TRANSFORMERS, hidden=66)
    asked = quantizer("pruning", score="magnitude", pattern="2:4")
    assert "rows of 66" in (asked.unsupported(narrow) or "")
    of_experts = quantizer("pruning", score="wanda", calibration="texts")
    assert "Mixtral" in (of_experts.unsupported(Target("mixtral", "cpu", TRANSFORMERS)) or "")


@pytest.mark.parametrize(
    ("method", "keys", "message"),
    [
        ("pruning", {"score": "wanda"}, "required by wanda"),
        ("pruning", {"score": "magnitude", "calibration": "x"}, "only by it"),
        ("pruning", {"score": "magnitude", "pattern": "2:4", "sparsity": 0.3}, "0.5, not 0.3"),
        ("pruning", {"score": "magnitude", "sparsity": 1.0}, "equal to 0.99"),
        ("llmcompressor_pruning", {"algorithm": "sparsegpt"}, "calibration"),
    ],
)
def test_keys_that_make_no_sense(method: str, keys: dict[str, Any], message: str) -> None:
    """A wrong key is an error while planning."""
    with pytest.raises(ValidationError, match=message):
        quantizer(method, **keys)
