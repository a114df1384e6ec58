"""Checkpoints that were published quantized: run as they are, or unsupported, and nothing else."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import example, given
from hypothesis import strategies as st

import harmed
import shipped
from frontier.catalogue.devices import Device
from frontier.catalogue.models import Model
from frontier.checkpoints.published import published
from frontier.engines import Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError
from frontier.planning.placement import Placement, placed
from frontier.quantizers import QUANTIZERS
from quantizing import quantizer

NATIVE = Settings("cpu", "float32", 1, "plain", quantizer("native"))
IDS = torch.tensor([[5, 7, 9, 11]])
NF4 = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
BNB: dict[str, dict[str, Any]] = {
    "nf4": NF4,
    "nf4 with nested scales": NF4 | {"bnb_4bit_use_double_quant": True},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
    "int8": {"load_in_8bit": True},
}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama in float32."""
    return harmed.write(tmp_path_factory.mktemp("base"), harmed.configs()["llama"])


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(IDS).logits.float()
    return found


def saved(base: Path, folder: Path, **keys: Any) -> Path:
    """The checkpoint as bitsandbytes' users publish it."""
    config = transformers.BitsAndBytesConfig(**keys)
    model = transformers.AutoModelForCausalLM.from_pretrained(base, quantization_config=config)
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(base / name, folder / name)
    return folder


def configured(base: Path, folder: Path, block: Any, key: str = "quantization_config") -> Path:
    """The plain checkpoint with such a block in its config.json."""
    shutil.copytree(base, folder)
    harmed.reconfigure(folder, **{key: block})
    return folder


def in_fp8(base: Path, folder: Path) -> Path:
    """The checkpoint with its layers' matrices in 8-bit floats, each one block with one scale."""

    def pack(found: harmed.Tensors) -> harmed.Tensors:
        packed = {}
        for name, tensor in found.items():
            if name.endswith("_proj.weight"):
                scale = tensor.abs().max() / 448
                packed[name] = (tensor / scale).to(torch.float8_e4m3fn)
                packed[f"{name}_scale_inv"] = scale.reshape(1, 1)
            else:
                packed[name] = tensor
        return packed

    block = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    configured(base, folder, block)
    harmed.rewrite(folder, pack)
    return folder


@pytest.mark.parametrize("name", BNB)
def test_bitsandbytes_runs_as_published(name: str, base: Path, tmp_path: Path) -> None:
    """It is the native variant, with its packed layers counted; any other is another model."""
    folder = saved(base, tmp_path / "made", **BNB[name])
    loaded = engine.load(folder, replace(NATIVE, published="bitsandbytes"))
    assert loaded.loaded.quantized_layers == 2 * 7
    whole = engine.load(base, NATIVE)
    assert loaded.loaded.weights_bytes < 0.6 * whole.loaded.weights_bytes
    ours, plain = logits(loaded.model), logits(whole.model)
    error = float((ours - plain).square().mean().sqrt() / plain.std())
    assert 0 < error < 0.5
    theirs = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    torch.testing.assert_close(ours, logits(theirs), atol=0.02, rtol=0.02)
    for method, keys in (
        ("bitsandbytes", {"weights": "nf4"}),
        ("bitsandbytes", {"weights": "int8"}),
        ("quanto", {"weights": "int8"}),
        ("rounding", {"bits": 4}),
    ):
        other = replace(NATIVE, quantizer=quantizer(method, **keys))
        with pytest.raises(UnsupportedError, match="published quantized: bitsandbytes") as refusal:
            engine.load(folder, other)
        assert f"again by {method} (" in str(refusal.value)
    with pytest.raises(UnsupportedError, match="give the model `published: bitsandbytes`"):
        engine.load(folder, NATIVE)


def test_fp8_runs_unpacked_where_no_gpu_computes_in_it(base: Path, tmp_path: Path) -> None:
    """The measurement records it."""
    folder = in_fp8(base, tmp_path / "fp8")
    loaded = engine.load(folder, replace(NATIVE, published="fp8"))
    assert loaded.loaded.kernel == "weights dequantized to float32 while loading"
    plain = logits(engine.load(base, NATIVE).model)
    error = float((logits(loaded.model) - plain).square().mean().sqrt() / plain.std())
    assert 0 < error < 0.1


BLOCKS: dict[str, tuple[Any, str]] = {
    "gptq": ({"quant_method": "gptq", "bits": 4, "group_size": 64}, r"gptq \(4 bits\)"),
    "awq": ({"quant_method": "awq", "bits": 4}, r"awq \(4 bits\)"),
    "unknown": (
        {"quant_method": "gptqq"},
        r"gptqq, which no quantizer here loads \(did you mean 'gptq'",
    ),
    "known to transformers only": ({"quant_method": "aqlm"}, "aqlm, which no quantizer here loads"),
    "hqq": ({"quant_method": "hqq", "nbits": 4}, "hqq, which no quantizer here loads"),
    "without a name": ({"bits": 4}, "a method without a name"),
    "empty": ({}, "a method without a name"),
    "no text": ({"quant_method": 5}, "a method without a name"),
    "a list": ([1, 2], "a method without a name"),
    "text": ("gptq", "a method without a name"),
    "half": ({"load_in_4bit": True}, "none of its tensors is"),
    "nothing packed": ({"quant_method": "fp8"}, "none of its tensors is"),
    "control characters": ({"quant_method": "\x1b[31m" + "x" * 99}, r"⟨U\+001B⟩\[31mx+…"),
}


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("key", ["quantization_config", "compression_config"])
def test_whatever_config_json_says(name: str, key: str, base: Path, tmp_path: Path) -> None:
    """Unsupported with the reason, in one line: never a traceback, never the plain model."""
    block, words = BLOCKS[name]
    folder = configured(base, tmp_path / "made", block, key)
    found = published(folder)
    assert found is not None
    for settings in (NATIVE, replace(NATIVE, published=found.method)):
        with pytest.raises(UnsupportedError, match=f"published quantized: .*{words}") as refusal:
            engine.load(folder, settings)
        assert str(refusal.value).isprintable()
    with pytest.raises(UnsupportedError, match="cannot be quantized again by quanto"):
        engine.load(folder, replace(NATIVE, quantizer=quantizer("quanto", weights="int8")))


def test_a_block_within_the_text_model(base: Path, tmp_path: Path) -> None:
    """Models with several kinds of input have it there."""
    folder = configured(
        base, tmp_path / "made", {"quantization_config": {"quant_method": "awq"}}, "text_config"
    )
    assert str(published(folder)) == "awq"
    assert published(configured(base, tmp_path / "null", None)) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
KEYS = ("quant_method", "bits", "load_in_4bit", "bnb_4bit_quant_type", "format")


@given(
    st.dictionaries(st.sampled_from(KEYS), json_values)
    | json_values.filter(lambda v: v is not None)
)
@example({"quant_method": "\n"})
@example({"quant_method": "\x1f" * 80, "format": "\x1f" * 80})
def test_any_block_has_words(tmp_path_factory: pytest.TempPathFactory, block: Any) -> None:
    """Any content counts as a published quantization, described in a short printable text."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "config.json").write_text(json.dumps({"quantization_config": block}))
    found = published(folder)
    assert found is not None
    assert str(found).isprintable()
    assert len(str(found)) < 120


def placement(
    model: Model, method: str, accelerator: str = "cpu", engine: str = "transformers", **keys: Any
) -> Placement:
    """A variant on a device."""
    device = Device(accelerator=accelerator, engine=engine, gpus=int(accelerator == "mps"))
    return Placement(quantizer(method, **keys), model, device, shipped.engines()[engine])


def test_the_plan_knows_it(base: Path, tmp_path: Path) -> None:
    """A folder's own config.json says it, and models.yaml says it of a hub's."""
    block = {"quant_method": "gptq", "bits": 4}
    local = Model(path=configured(base, tmp_path / "gptq", block))
    hub = Model(hub="an/id", revision="0" * 40, published="gptq")
    for model in (local, hub):
        native = placement(model, "native")
        assert native.unsupported() is None
        assert native.environment == "gptqmodel"
        assert native.loader is QUANTIZERS.load("gptq")
        reason = placement(model, "quanto", weights="int8").unsupported()
        assert reason is not None
        assert "published quantized: gptq" in reason
        assert "quanto (weights: int8)" in reason
        for engine_name in ("llama_cpp", "onnxruntime", "openvino"):
            reason = placement(model, "native", engine=engine_name).unsupported()
            assert reason is not None
            assert engine_name in reason
        assert "mps" in (placement(model, "native", accelerator="mps").unsupported() or "")
    plain = placement(Model(path=base), "native")
    assert plain.environment is None
    assert plain.published is None


def test_what_models_yaml_says_has_to_be_so(base: Path) -> None:
    """The chosen environment depends on it."""
    with pytest.raises(Exception, match=r"says published: gptq, and config.json .* names no"):
        engine.load(base, replace(NATIVE, published="gptq"))


@pytest.mark.parametrize(("bits", "said"), [(4.0, "4 bits"), (3.5, "3.5 bits")])
def test_exl3_is_read_by_exllamas_server_alone(bits: float, said: str, tmp_path: Path) -> None:
    """It needs a GPU of NVIDIA's; the reasons elsewhere are known while planning."""
    block = {"quant_method": "exl3", "version": "0.0.1", "bits": bits, "head_bits": 6}
    config = json.dumps({"model_type": "llama", "quantization_config": block})
    (tmp_path / "config.json").write_text(config, encoding="utf-8")
    found = published(tmp_path)
    assert found
    assert (found.method, found.details) == ("exl3", said)
    cpu = {"accelerator": "cpu", "engine": "tabbyapi"}
    gpu = cpu | {"accelerator": "cuda", "gpus": 1}
    devices = {"cpu-tabbyapi": cpu, "cpu": {"accelerator": "cpu"}, "gpu": gpu}
    catalogue = shipped.catalogue(
        models={"m": {"path": str(tmp_path), "dtype": "float16"}},
        devices=devices,
        quantizations={"native": {"method": "native"}},
    )
    reasons = [placed(catalogue, "m", "native", name).unsupported() for name in devices]
    assert reasons == [
        "server runs on cuda, not on cpu",
        f"published quantized: exl3 ({said}), which transformers does not read",
        None,
    ]
