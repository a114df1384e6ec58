"""Quantizers on real checkpoints, through the engines that load them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, PeftModel, get_peft_model
from pydantic import ValidationError
from safetensors.torch import load_file

import chains
import shipped
from environments import run_in
from frontier.catalogue.configuration import read_catalogue
from frontier.quantizers import HUB, QUANTIZERS, Preparation, Sizes, Target, WhileLoading
from frontier.quantizers.server import OnServer
from quantized import Job, examine
from quantizing import ENGINES, LLAMA_CPP, ONNXRUNTIME, OPENVINO, TRANSFORMERS, quantizer

WHILE_LOADING: list[tuple[str, dict[str, Any]]] = [
    (one.method, one.model_dump(exclude_unset=True, exclude={"label"}))
    for one in read_catalogue(shipped.CONFIG).quantizations.values()
    if isinstance(one, WhileLoading) and not isinstance(one, OnServer)
]
"""Method and keys of each block of the catalogue whose quantizer works while loading, in this process."""
NATIVE: tuple[str, dict[str, Any]] = ("native", {})
# hidden, vocabulary, tied: mostly embedding, and with a head of its own.
LOADED = [
    *((kind, dtype) for kind in ("narrow", "wide") for dtype in ("float32", "bfloat16")),
    *((kind, "float32") for kind in ("falcon", "gpt2", "mixtral", "uneven")),
]
"""Models and precisions that every quantization is asked for."""
RUN = """
import json, sys
from quantized import examine
print(json.dumps(examine(json.loads(sys.argv[1]))))
"""
MODELS = {"narrow": (64, 1000, True), "wide": (256, 1000, False)}


def name(value: Any) -> str:
    """A quantization's id in a test's name."""
    return "-".join(str(word) for word in (value[0], *value[1].values()))


def logits(model: Any) -> torch.Tensor:
    """A model's logits for twenty fixed tokens, [20, vocabulary]."""
    with torch.no_grad():
        said: torch.Tensor = model.eval()(torch.arange(20)[None] + 5).logits[0]
    return said


def config(kind: str) -> Any:
    """A random model's configuration: a Llama of two layers, or another family."""
    if kind in MODELS:
        hidden, vocabulary, tied = MODELS[kind]
        return transformers.LlamaConfig(
            hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, vocab_size=vocabulary,
            tie_word_embeddings=tied, bos_token_id=1, eos_token_id=2,
        )  # fmt: skip
    small = {"vocab_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
    ends = {"bos_token_id": 1, "eos_token_id": 2}
    return {
        "uneven": transformers.LlamaConfig(
            **small, **ends, hidden_size=64, intermediate_size=176, num_key_value_heads=2
        ),
        "gpt2": transformers.GPT2Config(vocab_size=512, n_embd=64, n_head=4, n_layer=2, **ends),
        "falcon": transformers.FalconConfig(**small, **ends, hidden_size=64, alibi=False),
        "mixtral": transformers.MixtralConfig(
            **small, **ends, hidden_size=64, intermediate_size=128, num_key_value_heads=2,
            num_local_experts=4,
        ),
    }[kind]  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Gives the folder of a random model with a tokenizer of bytes."""

    @cache
    def built(kind: str, dtype: str = "float32") -> Path:
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config(kind))
        # Unscaled random weights hardly distinguish tokens.
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.data.mul_(3)
        model.to(getattr(torch, dtype)).save_pretrained(folder)
        chains.tokenizer().save_pretrained(folder)
        return folder

    return built


@pytest.fixture(scope="module")
def facts(checkpoint: Any, environment: Callable[[str], Path]) -> Any:
    """Gives what a quantization makes of a model; all of an engine's environment at once."""

    def job(method: str, keys: dict[str, Any], kind: str, dtype: str) -> Job:
        return method, keys, str(checkpoint(kind, dtype)), dtype

    @cache
    def of(name: str) -> dict[str, dict[str, Any]]:
        own = [one for one in WHILE_LOADING if name == QUANTIZERS.load(one[0]).ENVIRONMENT]
        asked = [(*one, kind, dtype) for one in own for kind, dtype in LOADED]
        said = run_in(environment(name), RUN, json.dumps([job(*one) for one in asked]))
        built = json.loads(said.splitlines()[-1])
        return {json.dumps(one): fact for one, fact in zip(asked, built, strict=True)}

    @cache
    def here(asked: str) -> dict[str, Any]:
        (built,) = examine([job(*json.loads(asked))])
        return built

    def fact(
        quantization: tuple[str, dict[str, Any]], kind: str = "wide", dtype: str = "float32"
    ) -> dict[str, Any]:
        name = QUANTIZERS.load(quantization[0]).ENVIRONMENT
        asked = json.dumps((*quantization, kind, dtype))
        return of(name)[asked] if name else here(asked)

    return fact


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("quantization", WHILE_LOADING, ids=name)
def test_stored_bytes_are_expected(
    facts: Any, checkpoint: Any, quantization: tuple[str, Any], kind: str, dtype: str
) -> None:
    """The plan's figure is within a tenth of what the loaded model stores; so is the native's."""
    hidden, vocabulary, tied = MODELS[kind]
    file = checkpoint(kind, "float32") / "model.safetensors"
    parameters = sum(weight.numel() for weight in load_file(file).values())
    sizes = Sizes(parameters, vocabulary * hidden, tied, hidden)
    found = facts(quantization, kind, dtype)
    for (method, keys), stored in ((quantization, "bytes"), (NATIVE, "parent_bytes")):
        expected = quantizer(method, **keys).stored_bytes(sizes, dtype, TRANSFORMERS)
        assert expected == pytest.approx(found[stored], rel=0.1)


@pytest.mark.parametrize("kind", ["wide", "falcon"])
@pytest.mark.parametrize("quantization", WHILE_LOADING, ids=name)
def test_every_layer_is_quantized(facts: Any, quantization: tuple[str, Any], kind: str) -> None:
    """All matrices of all blocks, and the logits differ, but not by much."""
    found = facts(quantization, kind)
    assert found["layers"] == 2 * (7 if kind == "wide" else 4)
    assert found["bytes"] < 0.55 * found["parent_bytes"]
    # Unrelated logits would err by 1.41 of their spread.
    assert 0 < found["error"] < 1.3 * found["spread"]


@pytest.mark.parametrize("quantization", WHILE_LOADING, ids=name)
def test_greedy_repeats(facts: Any, quantization: tuple[str, Any]) -> None:
    """The same text for the same prompt, again and again."""
    assert len(set(facts(quantization)["texts"])) == 1


@pytest.mark.parametrize(
    "widths",
    [
        [("quanto", {"weights": width}) for width in ("int8", "int4", "int2")],
        [("bitsandbytes", {"weights": width}) for width in ("int8", "nf4")],
        [("torchao", {"weights": width}) for width in ("int8", "fp8", "int4")],
        [("hqq", {"bits": width}) for width in (8, 4, 2)],
    ],
    ids=lambda widths: widths[0][0],
)
def test_fewer_bits_err_more(facts: Any, widths: list[tuple[str, Any]]) -> None:
    """8 < 4 < 2 bits; and of 8 bits, integers spread evenly beat floating point."""
    errors = [facts(width)["error"] for width in widths]
    wider = [width for width in widths if width[1] not in ({"weights": "int2"}, {"bits": 2})]
    for quantization, kind in product(wider, ("wide", "falcon")):
        found = facts(quantization, kind)
        assert found["error"] < 0.5 * found["spread"]
    assert errors == sorted(errors)
    assert errors[-1] > 2 * errors[0]


@pytest.mark.parametrize(
    "quantization", [one for one in WHILE_LOADING if one[0] in ("bitsandbytes", "hqq")], ids=name
)
def test_shapes_that_kernels_do_not_like(facts: Any, quantization: tuple[str, Any]) -> None:
    """Blocks that go over the ends of rows; bitsandbytes' fastest kernel fails on these."""
    found = facts(quantization, "uneven")
    assert found["layers"] == 2 * 7
    assert 0 < found["error"] < (1.3 if quantization[1] == {"bits": 2} else 0.5) * found["spread"]


@pytest.mark.parametrize("quantization", WHILE_LOADING, ids=name)
def test_gpt2_is_quantized_or_refused(facts: Any, quantization: tuple[str, Any]) -> None:
    """Its matrices are no nn.Linear: a quantizer that does not know them would leave them all."""
    found = facts(quantization, "gpt2")
    target = Target("gpt2", "cpu", TRANSFORMERS)
    reason = quantizer(quantization[0], **quantization[1]).unsupported(target)
    if reason is None:
        assert found["layers"] == 2 * 4
        assert 0 < found["error"] < 1.3 * found["spread"]
    else:
        assert "Conv1D" in (reason or "")
        assert "quantized no layer of GPT2LMHeadModel" in found["refused"]


@pytest.mark.parametrize("quantization", WHILE_LOADING, ids=name)
def test_experts_are_never_left_in_silence(facts: Any, quantization: tuple[str, Any]) -> None:
    """Most of a mixture's weights are no nn.Linear: known beforehand, and noticed while loading."""
    target = Target("mixtral", "cpu", TRANSFORMERS)
    assert "experts" in (quantizer(quantization[0], **quantization[1]).unsupported(target) or "")
    refused = facts(quantization, "mixtral")["refused"]
    assert "experts" in refused
    assert "was not quantized" in refused


def test_rows_that_groups_do_not_divide(facts: Any) -> None:
    """torchao leaves such a matrix as it is; so the model is not int4."""
    refused = facts(("torchao", {"weights": "int4"}), "uneven")["refused"]
    assert "down_proj.weight, 64 x 176, was not quantized" in refused


@pytest.mark.parametrize(
    ("quantization", "target", "reason"),
    [
        (("quanto", {"weights": "int8"}), Target("gpt2", "cpu", TRANSFORMERS), "Conv1D"),
        (("torchao", {"weights": "int8"}), Target("gpt2", "cpu", TRANSFORMERS), "Conv1D"),
        (("hqq", {"bits": 4}), Target("gpt2", "cpu", TRANSFORMERS), "Conv1D"),
        (("bitsandbytes", {"weights": "nf4"}), Target("gpt2", "cpu", TRANSFORMERS), None),
        (("quanto", {"weights": "int8"}), Target("llama", "mps", TRANSFORMERS), None),
        (("quanto", {"weights": "float8"}), Target("llama", "mps", TRANSFORMERS), "mps"),
        (("bitsandbytes", {"weights": "nf4"}), Target("llama", "mps", TRANSFORMERS), "mps"),
        (("torchao", {"weights": "int8"}), Target("llama", "mps", TRANSFORMERS), "cuda"),
        (("hqq", {"bits": 4}), Target("llama", "mps", TRANSFORMERS), "cuda"),
        (("quanto", {"weights": "int8"}), Target("llama", "rocm", TRANSFORMERS), None),
        (("bitsandbytes", {"weights": "nf4"}), Target("llama", "rocm", TRANSFORMERS), None),
        (("bitsandbytes", {"weights": "nf4"}), Target("llama", "xpu", TRANSFORMERS), None),
        (("torchao", {"weights": "int8"}), Target("llama", "rocm", TRANSFORMERS), "cpu and cuda"),
        (("hqq", {"bits": 4}), Target("llama", "xpu", TRANSFORMERS), "cpu and cuda"),
        (("gptq", {"bits": 4, "calibration": "demo"}), Target("llama", "rocm", TRANSFORMERS), "not tested on rocm"),
        (("torchao", {"weights": "int4"}), Target("llama", "cuda", TRANSFORMERS), "cpu"),
        (("torchao", {"weights": "fp8"}), Target("llama", "cuda", TRANSFORMERS), None),
        (("torchao", {"weights": "int4"}), Target("llama", "cpu", TRANSFORMERS, hidden=96), "96"),
        (("hqq", {"bits": 4}), Target("llama", "cpu", TRANSFORMERS, hidden=96), None),
        (("native", {"dtype": "bfloat16"}), Target("llama", "cpu", ONNXRUNTIME), "float32"),
        (("native", {"dtype": "float16"}), Target("llama", "cpu", OPENVINO), "float32"),
        (("native", {"dtype": "float32"}), Target("llama", "cpu", OPENVINO), None),
        (("native", {}), Target("llama", "cpu", OPENVINO), None),
    ],
)  # fmt: skip
def test_reasons(quantization: tuple[str, Any], target: Target, reason: str | None) -> None:
    """Unsupported cells are known while planning, with a reason."""
    found = quantizer(quantization[0], **quantization[1]).unsupported(target)
    assert found is None if reason is None else reason in (found or "")


@pytest.mark.parametrize(
    ("method", "keys"), [one for one in WHILE_LOADING if one[0] in ("quanto", "bitsandbytes")]
)
def test_adapters_on_quantized_models(
    checkpoint: Any, tmp_path: Path, method: str, keys: dict[str, Any]
) -> None:
    """A LoRA adapter does to a quantized model what it does to the native one, use after use."""
    folder = checkpoint("wide")

    def load(**arguments: Any) -> Any:
        device = {"device_map": {"": "cpu"}}
        return transformers.AutoModelForCausalLM.from_pretrained(folder, **device | arguments)

    torch.manual_seed(0)
    lora = LoraConfig(r=4, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    get_peft_model(load(), lora).save_pretrained(tmp_path)
    native = PeftModel.from_pretrained(load(), tmp_path).eval()
    quantization = quantizer(method, **keys)
    quantized = quantization.load_model(load)
    plain = float((logits(quantized) - logits(load())).square().mean().sqrt())
    quantized = quantization.load_model(load)
    adapted = PeftModel.from_pretrained(quantized, tmp_path).eval()
    effect = float((logits(native) - logits(load())).square().mean().sqrt())
    assert effect > 0.1
    for _ in range(2):
        error = float((logits(adapted) - logits(native)).square().mean().sqrt())
        assert 0 < error < 1.5 * plain
    assert quantization.quantized_layers(adapted) == 2 * 7


def test_scales_are_counted_before_and_after_use(checkpoint: Any) -> None:
    """A layer's first use may give it another layout: the old one's scales are let go."""

    def load(**arguments: Any) -> Any:
        return transformers.AutoModelForCausalLM.from_pretrained(
            checkpoint("wide"), device_map={"": "cpu"}, **arguments
        )

    for keys in ({"weights": "nf4"}, {"weights": "nf4", "double_quant": True}):
        model = quantizer("bitsandbytes", **keys).load_model(load)
        for _ in range(3):
            for layer in model.modules():
                state = getattr(getattr(layer, "weight", None), "quant_state", None)
                if state is not None:
                    assert layer.scales is state.absmax
                    nested = state.state2.absmax if state.nested else None
                    assert layer.scales_of_scales is nested
            logits(model)


def test_a_tied_head_of_its_own() -> None:
    """ONNX Runtime multiplies by a transposed copy of the embedding; the others by itself."""
    native = quantizer("native")
    for engine, parameters in {"onnxruntime": 1500, "openvino": 1000, "llama_cpp": 1000}.items():
        expected = native.stored_bytes(Sizes(1000, 500, True), "float32", ENGINES[engine])
        assert expected == 4 * parameters
    assert native.stored_bytes(Sizes(1500, 500, False), "float32", ONNXRUNTIME) == 4 * 1500


def test_native_on_every_engine() -> None:
    """transformers reads the checkpoint; the others get their format at the precision asked for."""
    own, half = quantizer("native"), quantizer("native", dtype="float16")
    for engine in ENGINES.values():
        dtype = "bfloat16" if "bfloat16" in engine.dtypes else engine.dtypes[0]
        assert own.compute_dtype("bfloat16", engine) == dtype
        if engine.plain in (None, HUB):
            assert own.preparation(engine, "bfloat16") is None
            continue
        job = Preparation(str(own.makes(engine)), {"dtype": dtype}, engine.environment)
        assert own.preparation(engine, "bfloat16") == job
    gguf = Preparation("gguf", {"dtype": "float16"}, "llama_cpp")
    assert half.preparation(LLAMA_CPP, "bfloat16") == gguf
    for other in (None, "llama_server"):  # it is written in one environment, whichever reads it
        assert half.preparation(replace(LLAMA_CPP, environment=other), "bfloat16") == gguf


@pytest.mark.parametrize(
    ("method", "keys"),
    [
        ("bitsandbytes", {"weights": "int8", "double_quant": True}),
        ("torchao", {"weights": "fp8", "activations": "int8"}),
        ("torchao", {"weights": "int2"}),
        ("hqq", {"bits": 3}),
    ],
)
def test_keys_that_make_no_sense(method: str, keys: dict[str, Any]) -> None:
    """A wrong key is an error while planning."""
    with pytest.raises(ValidationError):
        quantizer(method, **keys)
