"""Experts: counted by the names of tensors, and against those that a forward pass really uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import ggufs
from frontier.checkpoints import experts, safetensor_files
from frontier.checkpoints.experts import Experts
from frontier.engines import Generate, Settings
from frontier.engines.common.experts import held
from frontier.engines.loaded import transformers as engine
from frontier.fetching import checkpoints
from frontier.measuring.facts import expert_facts
from frontier.results.session import Run
from harmed import without
from quantizing import quantizer
from stories import stories260k

SHAPE = {
    "vocab_size": 512, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
    "num_attention_heads": 2, "num_key_value_heads": 1, "pad_token_id": 0,
}  # fmt: skip
MANY = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
CONFIGS: dict[str, Any] = {
    "mixtral": transformers.MixtralConfig(**SHAPE, num_local_experts=4, num_experts_per_tok=2),
    "qwen2_moe": transformers.Qwen2MoeConfig(
        **SHAPE, **MANY, shared_expert_intermediate_size=12, mlp_only_layers=[0]
    ),
    "qwen3_moe": transformers.Qwen3MoeConfig(**SHAPE, **MANY, head_dim=8),
    "granitemoe": transformers.GraniteMoeConfig(
        **SHAPE, num_local_experts=4, num_experts_per_tok=2
    ),
    "llama": transformers.LlamaConfig(**SHAPE),
}
CPU = Settings("cpu", "float32", 1, "plain", quantizer("native"))


@pytest.fixture(scope="module")
def saved(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained mixtures, one without names of experts, and a model without any."""
    found = {}
    for name, config in CONFIGS.items():
        found[name] = stories260k(test_data, tmp_path_factory.mktemp(name))
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(found[name])
    return found


def used_bytes(folder: Path) -> Iterator[int]:
    """The bytes of weights that each token of an answer reads, by the experts that computed."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
    chosen: list[tuple[Any, torch.Tensor]] = []
    apart = set()
    for name, module in model.named_modules():
        if name.endswith(".experts"):
            module.register_forward_pre_hook(lambda one, given: chosen.append((one, given[1])))
            apart |= {id(one) for one in module.parameters()}
    always = sum(one.nbytes for one in model.parameters() if id(one) not in apart)
    cache = transformers.DynamicCache(config=model.config)
    fed = torch.tensor([[7, 3, 9]])
    with torch.inference_mode():
        for _ in range(4):
            chosen.clear()
            fed = model(fed, past_key_values=cache).logits[:, -1:].argmax(-1)
            if cache.get_seq_length() > 3:
                yield always + sum(
                    module.gate_up_proj[one].nbytes + module.down_proj[one].nbytes
                    for module, indices in chosen
                    for one in {*indices.flatten().tolist()}
                )


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe", "qwen3_moe"])
def test_active_weights_are_those_that_compute(name: str, saved: dict[str, Path]) -> None:
    """Names in the files, names in memory, and hooks on the experts agree, for every token."""
    found, facts = experts.of_checkpoint(saved[name]), checkpoints.describe(saved[name])
    assert found
    model = transformers.AutoModelForCausalLM.from_pretrained(saved[name])
    assert held(model) == found
    part = Run.of({"experts": asdict(found)}).experts
    assert part
    assert part.resting_bytes
    assert part.resting_parameters == part.resting_bytes / 4
    every = sum(one.nbytes for one in model.parameters())
    assert {*used_bytes(saved[name])} == {every - part.resting_bytes}
    assert facts["parameters"] == every / 4
    shape = facts["architecture"]
    assert (shape["experts"], shape["experts_per_token"]) == (found.count, found.used)


def test_a_measurement_has_them(saved: dict[str, Path]) -> None:
    """Bytes as the engine stores them, parameters as in the files; none without experts."""
    model = engine.load(saved["mixtral"], replace(CPU, dtype="bfloat16"))
    model.generate(Generate("Once upon a time", 2))
    facts = expert_facts(saved["mixtral"], model.loaded)
    assert Run.of(asdict(model.loaded) | facts).experts
    files = experts.of_checkpoint(saved["mixtral"])
    assert files
    assert facts["experts"] == asdict(replace(files, bytes=(files.bytes or 0) // 2))
    named = engine.load(saved["granitemoe"], CPU)  # in memory, not in its files
    count = 3 * 4 * 3 * 24 * 16
    assert expert_facts(saved["granitemoe"], named.loaded) == {
        "experts": asdict(Experts(4, 2, 4 * count, count))
    }
    plain = engine.load(saved["llama"], CPU)
    assert (plain.loaded.experts, expert_facts(saved["llama"], plain.loaded)) == (None, {})
    assert experts.of_checkpoint(saved["llama"]) is None


def test_nothing_is_guessed(saved: dict[str, Path], tmp_path: Path) -> None:
    """Names that do not say it, settings that do not, a lost expert, another format, packed ones."""
    granite = experts.of_checkpoint(saved["granitemoe"])
    assert granite == Experts(4, 2, missing="no tensor is named as one of an expert")

    def reason(name: str, config: dict[str, Any], tensors: dict[str, Any]) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps(config))
        if tensors:
            from safetensors.torch import save_file

            save_file(tensors, folder / safetensor_files.WEIGHTS)
        found = experts.of_checkpoint(folder)
        assert found, name
        return found.missing or ""

    says = {"num_experts": 2, "num_experts_per_tok": 1}
    layer = {f"layers.0.experts.{one}.w1.weight": torch.ones(2, 2) for one in range(2)}
    assert reason("whole", says, layer) == ""
    assert "how many experts a layer has" in reason("no count", {}, layer)
    assert "compute for a token" in reason("no use", {"num_experts": 2}, layer)
    assert "2 experts have" in reason("lost", says | {"num_experts": 3}, layer)
    stacked = {"layers.0.experts.gate_up_proj": torch.ones(3, 2, 2)}
    assert "does not say to which of 2 experts" in reason("other", says, stacked)
    router = {"layers.0.experts.router.weight": torch.ones(2, 2)}
    assert "does not say" in reason("router", says, layer | router)
    assert "format" in reason("openvino", {"text_config": says}, {})
    packed = {name: one.to(torch.uint8) for name, one in layer.items()}
    assert "unknown number of bits" in reason("packed", says, packed)
    gptq = {"quantization_config": {"quant_method": "gptq", "bits": 4}}
    assert reason("in four bits", says | gptq, packed) == ""
    assert experts.of_checkpoint(tmp_path / "in four bits") == Experts(2, 1, 8, 16)


def test_a_lost_expert_of_a_real_checkpoint(saved: dict[str, Path], tmp_path: Path) -> None:
    """One tensor of one expert is not there."""
    import shutil

    folder = Path(shutil.copytree(saved["mixtral"], tmp_path / "copy"))
    without("1.block_sparse_moe.experts.1.w2")(folder)
    found = experts.of_checkpoint(folder)
    assert found
    assert "3 experts have" in (found.missing or "")


def test_a_gguf_file_has_its_own_names(tmp_path: Path) -> None:
    """Stacked tensors of a layer's experts; the number of them is among its keys."""
    keys = ggufs.KEYS | {"llama.expert_count": 4, "llama.expert_used_count": 1}
    stacked = {"blk.0.ffn_up_exps.weight": (4, 16, 8), "blk.0.ffn_gate_inp.weight": (4, 8)}

    def found(keys: Any, tensors: Any) -> Experts | None:
        (tmp_path / "model.gguf").write_bytes(ggufs.content(keys, ggufs.TENSORS | tensors))
        return experts.of_checkpoint(tmp_path)

    assert found(keys, stacked) == Experts(4, 1, 4 * 4 * 16 * 8, 4 * 16 * 8)
    assert found(ggufs.KEYS, {}) is None
    for other in (ggufs.KEYS, keys | {"llama.expert_count": 8}):
        unknown = found(other, stacked)
        assert unknown
        assert (unknown.bytes, bool(unknown.missing)) == (None, True)
