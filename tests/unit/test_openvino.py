"""OpenVINO on converted checkpoints, in its own environment, against transformers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

import converted
import harmed
from frontier.quantizers import Sizes
from quantizing import OPENVINO, quantizer

INT8, INT4 = {"weights": "int8"}, {"weights": "int4"}
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "stories": ("stories", "native", {}),
    "gpt2": ("gpt2", "native", {}),
    "falcon": ("falcon", "native", {}),
    "untied": ("untied", "native", {}),
    "stories-int8": ("stories", "openvino", INT8),
    "falcon-int4": ("falcon", "openvino", INT4),
    "gpt2-int8": ("gpt2", "openvino", INT8),
    "untied-int4": ("untied", "openvino", INT4),
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
        "openvino", environment, tmp_path_factory.mktemp("made") / "openvino", built, VARIANTS,
        "openvino_model.bin", (),
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
    """Every matrix and the embedding: of 5 layers of 7 in stories, whose head is tied to it."""
    layers = {label: found[label]["quantized layers"] for label in VARIANTS}
    assert layers["stories-int8"] == 5 * 7 + 1
    assert layers["falcon-int4"] == 2 * 4 + 1
    assert layers["gpt2-int8"] == 2 * 4 + 2, "positions have an embedding too"
    assert layers["untied-int4"] == 2 * 7 + 2
    assert {layers[label] for label in NATIVE} == {0}
    stored = {label: found[label]["loaded"]["weights_bytes"] for label in VARIANTS}
    assert stored["stories-int8"] < 0.3 * stored["stories"]
    assert stored["untied-int4"] < 0.2 * stored["untied"], "no more than the head has 8 bits"


def test_precision_is_the_same_on_every_cpu(found: dict[str, Any]) -> None:
    """float32 throughout; what is quantized keeps cache and activations as OpenVINO chooses."""
    native = found["stories"]["loaded"]
    assert native["kernel"] == "CPU in f32, key-value cache in f32, activations as they are"
    quantized = found["stories-int8"]["loaded"]
    assert quantized["kernel"].startswith(
        "CPU in f32, key-value cache in u8, activations in groups"
    )


def test_what_it_holds(found: dict[str, Any]) -> None:
    """Layers, cached heads and their width: keys and values, in four bytes or, quantized, one."""
    numbers = {"stories": 5 * 4 * 8, "gpt2": 2 * 4 * 16, "falcon": 2 * 1 * 16, "untied": 2 * 2 * 64}
    for label, (name, _, _) in VARIANTS.items():
        width = 4 if label in NATIVE else 1
        assert found[label]["loaded"]["kv_bytes_per_token"] == 2 * width * numbers[name], label


@pytest.mark.parametrize("label", list(VARIANTS))
def test_predicted_bytes(label: str, built: dict[str, Path], found: dict[str, Any]) -> None:
    """Within a tenth of the file's."""
    name, method, options = VARIANTS[label]
    hidden = 256 if name == "untied" else 64
    sizes = Sizes(
        converted.parameters(built[name]), 512 * hidden, tied=name != "untied", hidden=hidden
    )
    predicted = quantizer(method, **options).stored_bytes(sizes, "float32", OPENVINO)
    assert predicted == pytest.approx(found[label]["loaded"]["weights_bytes"], rel=0.1)


def test_what_it_leaves(found: dict[str, Any]) -> None:
    """No cache of compiled code is next to the weights."""
    names = {"openvino_model.xml", "openvino_model.bin", "config.json", "generation_config.json"}
    assert set(found["stories"]["files"]) == names | {"tokenizer.json", "tokenizer_config.json"}


def test_what_it_cannot_do_is_reported(found: dict[str, Any]) -> None:
    """The reason is one line, given while loading."""
    assert "unreadable checkpoint" in found["cut off"]


def test_unfit_checkpoints_are_not_converted(found: dict[str, Any]) -> None:
    """Incomplete checkpoints, and models without attention heads."""
    harmed.check_refusals(found["unfit"])
