"""ONNX Runtime on converted checkpoints, in its own environment, against transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

import converted
import harmed
from frontier.quantizers import Sizes
from quantizing import ONNXRUNTIME, quantizer

INT8 = {"weights": "int8"}
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "stories": ("stories", "native", {}),
    "gpt2": ("gpt2", "native", {}),
    "falcon": ("falcon", "native", {}),
    "untied": ("untied", "native", {}),
    "stories-int8": ("stories", "onnxruntime", INT8),
    "gpt2-int8": ("gpt2", "onnxruntime", INT8),
    "falcon-int8": ("falcon", "onnxruntime", INT8),
    "untied-int8": ("untied", "onnxruntime", INT8),
}
NATIVE = [label for label, (_, method, _) in VARIANTS.items() if method == "native"]


@pytest.fixture(scope="module")
def built(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The checkpoints."""
    return converted.checkpoints(test_data, tmp_path_factory.mktemp("checkpoints"))


@pytest.fixture(scope="module")
def found(
    built: dict[str, Path],
    environment: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Any]:
    """The engine's answers."""
    return converted.run_engine(
        "onnxruntime", environment, tmp_path_factory.mktemp("made") / "onnx", built, VARIANTS,
        "model.onnx", ("falcon-new", "narrow-heads"),
    )  # fmt: skip


@pytest.mark.parametrize("label", NATIVE)
def test_float32_answers_as_transformers_does(
    label: str, built: dict[str, Path], found: dict[str, Any]
) -> None:
    """Thirty greedy tokens of two prompts, other rotary settings and a tied head included."""
    checkpoint = built[VARIANTS[label][0]]
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    for prompt, answer in zip(converted.PROMPTS, found[label]["answers"], strict=True):
        tokens = converted.greedy(checkpoint, prompt)
        assert answer["text"] == tokenizer.decode(tokens, skip_special_tokens=True)
        assert answer["prompt_tokens"] == len(tokenizer(prompt)["input_ids"])


@pytest.mark.parametrize("label", list(VARIANTS))
def test_tokens_are_timed(label: str, found: dict[str, Any]) -> None:
    """Every variant has token times, quantized ones included."""
    converted.check_answers(found[label])


@pytest.mark.parametrize("label", list(VARIANTS))
def test_answers_are_those_of_generate(label: str, found: dict[str, Any]) -> None:
    """Every architecture and width is compared, with the same kernels."""
    converted.check_against_optimum(found[label])


def test_quantized_layers_are_counted_and_smaller(found: dict[str, Any]) -> None:
    """Every matrix, the embedding and the head: of 5 layers of 7 in stories, 2 of 4 in Falcon."""
    assert found["stories-int8"]["quantized layers"] == 5 * 7 + 2
    assert found["falcon-int8"]["quantized layers"] == 2 * 4 + 2
    assert found["gpt2-int8"]["quantized layers"] == 2 * 4 + 3, "positions have an embedding too"
    for label in NATIVE:
        assert found[label]["quantized layers"] == 0
        whole, small = (found[name]["loaded"]["weights_bytes"] for name in (label, f"{label}-int8"))
        assert small < 0.3 * whole
    assert found["stories-int8"]["loaded"]["kernel"] == "MatMulInteger on CPUExecutionProvider"
    assert found["stories"]["loaded"]["kernel"] == "MatMul on CPUExecutionProvider"


@pytest.mark.parametrize("label", list(VARIANTS))
def test_predicted_bytes(label: str, built: dict[str, Path], found: dict[str, Any]) -> None:
    """Within a tenth of the graph's."""
    name, method, options = VARIANTS[label]
    hidden = 256 if name == "untied" else 64
    sizes = Sizes(
        converted.parameters(built[name]), 512 * hidden, tied=name != "untied", hidden=hidden
    )
    predicted = quantizer(method, **options).stored_bytes(sizes, "float32", ONNXRUNTIME)
    assert predicted == pytest.approx(found[label]["loaded"]["weights_bytes"], rel=0.1)


def test_what_it_holds(found: dict[str, Any]) -> None:
    """Layers, cached heads and their width: keys and values, in float32."""
    numbers = {"stories": 5 * 4 * 8, "gpt2": 2 * 4 * 16, "falcon": 2 * 1 * 16, "untied": 2 * 2 * 64}
    cached = {label: found[label]["loaded"]["kv_bytes_per_token"] for label in NATIVE}
    assert cached == {label: 2 * 4 * number for label, number in numbers.items()}
    assert {"config.json", "tokenizer.json", "model.onnx"} <= set(found["stories"]["files"])


def test_what_it_cannot_do_is_reported(found: dict[str, Any]) -> None:
    """The reason is one line, given while converting or loading."""
    assert "new decoder architecture" in found["falcon-new"]
    assert "width is hidden size / heads" in found["narrow-heads"]
    assert "unreadable checkpoint" in found["cut off"]


def test_unfit_checkpoints_are_not_converted(found: dict[str, Any]) -> None:
    """Incomplete checkpoints, and models without attention heads."""
    harmed.check_refusals(found["unfit"])
