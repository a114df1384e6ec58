"""Contextual sparsity: the answers of a model that reads only some neurons' weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError
from frontier.techniques import Context
from frontier.techniques.common import neurons
from frontier.techniques.compile import Compile
from frontier.techniques.contextual_sparsity import ContextualSparsity
from quantizing import quantizer
from stories import stories260k

SIZES = {
    "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "pad_token_id": 0,
}  # fmt: skip
NEURONS = 24
GATED = {"intermediate_size": NEURONS, "num_key_value_heads": 1}
EXPERTS = {"num_experts": 4, "num_local_experts": 4, "moe_intermediate_size": 8}
MODELS: dict[str, tuple[Any, str, int]] = {
    "llama": (transformers.LlamaConfig(**SIZES, **GATED), "model.layers.{}.mlp.down_proj", 3 * 16),
    "phi3": (transformers.Phi3Config(**SIZES, **GATED), "model.layers.{}.mlp.down_proj", 3 * 16),
    "gpt2": (
        transformers.GPT2Config(
            vocab_size=64, n_embd=16, n_inner=NEURONS, n_head=2, n_layer=2, initializer_range=0.6
        ),
        "transformer.h.{}.mlp.c_proj", 2 * 16 + 1,
    ),
    "opt": (
        transformers.OPTConfig(**SIZES, ffn_dim=NEURONS, word_embed_proj_dim=16, init_std=0.6),
        "model.decoder.layers.{}.fc2", 2 * 16 + 1,
    ),
    "gpt_neox": (
        transformers.GPTNeoXConfig(**SIZES, intermediate_size=NEURONS),
        "gpt_neox.layers.{}.mlp.dense_4h_to_h", 2 * 16 + 1,
    ),
}  # fmt: skip
"""Configurations, the projections that read neurons, the parameters of a neuron."""
HERE = Context("transformers", "cpu", "float32", "native", architecture="llama")


def untrained(config: Any) -> Any:
    """A model with random weights."""
    torch.manual_seed(0)
    config.initializer_range = 0.6
    return transformers.AutoModelForCausalLM.from_config(config).eval()


def reading_columns(down: Any, count: int) -> Any:
    """The projection, token by token, as a product of only the columns of the chosen neurons."""
    weight = down.weight if hasattr(down, "nf") else down.weight.T

    def forward(values: torch.Tensor) -> torch.Tensor:
        rows = []
        for one in values.reshape(-1, values.shape[-1]):
            chosen = one.abs().argsort(descending=True)[:count]
            rows.append(one[chosen] @ weight[chosen])
        found = torch.stack(rows).reshape(*values.shape[:-1], -1)
        return found if down.bias is None else found + down.bias

    return forward


@pytest.mark.parametrize("name", MODELS)
def test_only_the_chosen_neurons_are_read(name: str) -> None:
    """The logits of a model that multiplies with their columns alone; the share of parameters."""
    config, path, each = MODELS[name]
    ids = torch.tensor([[5, 9, 2, 33, 17, 9, 60]])
    with torch.inference_mode():
        plain = untrained(config)(ids).logits
        model, technique = untrained(config), ContextualSparsity(share=0.3)
        technique.change_transformers(model)
        assert technique.idle_in_transformers(model, None) == (
            "2 of 2 MLPs did not read their neurons in the usual way"
        )
        found = model(ids).logits
        by_hand = untrained(config)
        for layer in range(2):
            down = by_hand.get_submodule(path.format(layer))
            down.forward = reading_columns(down, 7)
        torch.testing.assert_close(found, by_hand(ids).logits, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(found, plain, atol=1e-2)
    assert technique.idle_in_transformers(model, None) is None
    every = model.num_parameters()
    assert technique.read_share(model) == pytest.approx(1 - 2 * (NEURONS - 7) * each / every)
    assert neurons.parameters(model) == every


@pytest.mark.parametrize(
    ("share", "of", "count"), [(0.29, 100, 29), (0.5, 3, 1), (0.999, 10, 9), (0.001, 10, 1), (1.0, 7, 7)]
)  # fmt: skip
def test_a_share_is_a_number_of_neurons(share: float, of: int, count: int) -> None:
    """Rounded down, so that a share below one leaves some out."""
    assert ContextualSparsity(share=share).count(of) == count


def test_all_neurons_give_the_parents_answers(test_data: Path, tmp_path: Path) -> None:
    """Exactly; fewer give others. A quantization changes no share."""
    folder = stories260k(test_data, tmp_path)
    cpu = Settings("cpu", "float32", 1, "plain", quantizer("native"))
    story = Generate("Once upon a time there was", 24)

    def loaded(share: float | None, method: Any = cpu.quantizer) -> Any:
        ways = () if share is None else (ContextualSparsity(share=share),)
        return engine.load(folder, replace(cpu, techniques=ways, quantizer=method))

    plain, whole, half = loaded(None), loaded(1.0), loaded(0.5)
    ids = plain.prompting.encode(story.prompt, 1)
    assert (whole.logits(ids, 3) == plain.logits(ids, 3)).all()
    told = [one.generate(story).text for one in (plain, whole, half)]
    assert told[0] == told[1] != told[2]
    assert [one.loaded.simulated for one in (plain, whole, half)] == [False, True, True]
    every = sum(one.numel() for one in plain.model.parameters())
    out = 5 * (172 - 86) * 3 * 64
    shares = [one.loaded.read_share for one in (plain, whole, half)]
    assert shares == [None, 1.0, pytest.approx(1 - out / every)]
    packed = loaded(0.5, quantizer("quanto", weights="int8"))
    assert packed.loaded.read_share == pytest.approx(shares[2])


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (transformers.MixtralConfig(**SIZES, **GATED, num_local_experts=4), "are experts"),
        (
            transformers.Qwen2MoeConfig(
                **SIZES, **GATED, **EXPERTS, shared_expert_intermediate_size=NEURONS
            ),
            "are experts",
        ),
        (
            transformers.BitNetConfig(**SIZES, **GATED),
            "0 MLPs were recognised in the 2 layers of BitNetForCausalLM",
        ),
        (transformers.MambaConfig(vocab_size=64, hidden_size=16, num_hidden_layers=2), "0 MLPs"),
    ],
    ids=lambda one: getattr(one, "model_type", ""),
)
def test_models_without_such_neurons_are_unsupported(config: Any, reason: str) -> None:
    """Experts, shared ones included; a norm over all neurons; no MLPs."""
    with pytest.raises(UnsupportedError, match=reason):
        ContextualSparsity(share=0.5).change_transformers(untrained(config))


def test_what_is_known_is_refused_while_planning() -> None:
    """Experts, norms, states, several requests, all neurons, compiled code."""
    half = ContextualSparsity(share=0.5)
    assert half.unsupported(HERE) is None
    for changed in (
        {"architecture": "mamba"}, {"architecture": "bitnet"}, {"experts": True},
        {"scenario": "offline"},
    ):  # fmt: skip
        assert half.unsupported(replace(HERE, **changed)), changed
    assert "leaves nothing out" in (ContextualSparsity(share=1.0).unsupported(HERE) or "")
    assert half.clashes(Compile())
