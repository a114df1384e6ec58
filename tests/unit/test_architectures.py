"""Any architecture and any configuration: measured, unsupported with the reason, or one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import harmed
from frontier.engines import Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.results.session import Loaded as Facts
from quantizing import quantizer

NATIVE = Settings("cpu", "float32", 1, "plain", quantizer("native"))
SIZES: dict[str, Any] = {"vocab_size": harmed.WORDS, "hidden_size": 32, "num_hidden_layers": 2}
HEADS: dict[str, Any] = {
    "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 64,
}  # fmt: skip
T5 = {"num_layers": 1, "num_heads": 2, "d_ff": 32, "d_kv": 16, "d_model": 32}
BART = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
}  # fmt: skip
LATENT = {
    "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 64,
    "moe_intermediate_size": 16, "n_routed_experts": 4, "n_group": 2, "topk_group": 1,
    "num_experts_per_tok": 2, "kv_lora_rank": 8, "q_lora_rank": 8, "qk_rope_head_dim": 8,
    "v_head_dim": 8, "qk_nope_head_dim": 8, "first_k_dense_replace": 1,
}  # fmt: skip


def config(kind: str) -> Any:
    """A small configuration of that architecture."""
    small = SIZES | {"bos_token_id": 1, "eos_token_id": 0, "pad_token_id": 0}
    known: dict[str, Callable[[], Any]] = {
        "mamba": lambda: transformers.MambaConfig(**small, state_size=4),
        "mamba2": lambda: transformers.Mamba2Config(
            **small, state_size=4, num_heads=4, head_dim=16, n_groups=1
        ),
        "falcon-mamba": lambda: transformers.FalconMambaConfig(**small, state_size=4),
        "rwkv": lambda: transformers.RwkvConfig(**small, attention_hidden_size=32),
        "jamba": lambda: transformers.JambaConfig(
            **small, **HEADS, num_experts=2, use_mamba_kernels=False, attn_layer_period=2,
            attn_layer_offset=1,
        ),
        "recurrent-gemma": lambda: transformers.RecurrentGemmaConfig(
            **small, num_attention_heads=2, intermediate_size=64, lru_width=32
        ),
        "gemma2": lambda: transformers.Gemma2Config(**small, **HEADS, head_dim=16),
        "gemma2-window": lambda: transformers.Gemma2Config(
            **small, **HEADS, head_dim=16, sliding_window=6
        ),
        "deepseek": lambda: transformers.DeepseekV3Config(**small, **LATENT),
        "llama": lambda: transformers.LlamaConfig(**small, **HEADS),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=harmed.WORDS, n_embd=32, n_layer=2, n_head=2
        ),
        "falcon": lambda: transformers.FalconConfig(
            **small, num_attention_heads=2, alibi=False, bias=False
        ),
        "falcon-new": lambda: transformers.FalconConfig(
            **small, num_attention_heads=4, num_kv_heads=2, new_decoder_architecture=True,
            alibi=False, bias=False,
        ),
        "bert": lambda: transformers.BertConfig(
            **small, num_attention_heads=2, intermediate_size=64
        ),
        "t5": lambda: transformers.T5Config(vocab_size=harmed.WORDS, **T5),
        "bart": lambda: transformers.BartConfig(vocab_size=harmed.WORDS, **BART),
    }  # fmt: skip
    return known[kind]()


def write(folder: Path, kind: str) -> Path:
    """A checkpoint of it, as it is published."""
    built = config(kind)
    if kind in ("bert", "t5", "bart"):
        masked = kind == "bert"
        auto = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForSeq2SeqLM
        harmed.write(folder, harmed.configs()["tied"])
        (folder / "model.safetensors").unlink()
        auto.from_config(built).save_pretrained(folder)
        return folder
    return harmed.write(folder, built)


def greedy(folder: Path, ids: list[int], tokens: int) -> list[int]:
    """The reference: argmax after argmax over the whole sequence, without a cache."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for _ in range(tokens):
            ids = [*ids, int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())]
    return ids[-tokens:]


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "falcon-mamba", "rwkv", "jamba", "deepseek"])
def test_without_attention_heads_of_the_usual_kind(kind: str, tmp_path: Path) -> None:
    """They are measured with the cache that they have, and nothing is invented for others."""
    folder = write(tmp_path / kind, kind)
    loaded = engine.load(folder, NATIVE)
    expected = " ".join(f"w{token}" for token in greedy(folder, [5, 7, 9], 6) if token)
    assert loaded.generate(Generate("w5 w7 w9", 6, ())).text == expected
    if kind == "jamba":  # one of its two layers has a cache: a head of 16 for keys and for values
        assert loaded.loaded.kv_bytes_per_token == 16 * 2 * 4
    elif (
        kind == "deepseek"
    ):  # each of two layers caches the latent, and the rotary part of the keys
        assert loaded.loaded.kv_bytes_per_token == 2 * (8 + 8) * 4
    else:
        assert loaded.loaded.kv_bytes_per_token is None
    loaded.close()


@pytest.mark.parametrize(
    "kind", ["llama", "gpt2", "falcon", "falcon-new", "gemma2", "jamba", "deepseek"]
)
def test_cache_bytes_are_those_of_the_cache(kind: str, tmp_path: Path) -> None:
    """The growth of transformers' own cache per token."""
    model = transformers.AutoModelForCausalLM.from_config(config(kind)).eval()

    def held(tokens: int) -> int:
        with torch.no_grad():
            cache = model(torch.arange(tokens)[None], use_cache=True).past_key_values
        parts = (
            getattr(layer, name, None) for layer in cache.layers for name in ("keys", "values")
        )
        return sum(part.nbytes for part in parts if part is not None)

    loaded = engine.load(write(tmp_path / kind, kind), NATIVE)
    loaded.generate(Generate("w5 w7 w9", 3, ()))
    assert loaded.loaded.kv_bytes_per_token == held(6) - held(5)


def test_a_window_bounds_the_bytes_of_the_cache(tmp_path: Path) -> None:
    """Those of transformers' own cache, of one token and of more than the window's."""
    model = transformers.AutoModelForCausalLM.from_config(config("gemma2-window")).eval()
    loaded = engine.load(write(tmp_path / "gemma", "gemma2-window"), NATIVE)
    loaded.generate(Generate("w5 w7 w9", 3, ()))
    facts = loaded.loaded
    known = Facts(kv_bytes_per_token=facts.kv_bytes_per_token, kv_windows=facts.kv_windows)
    for tokens in (1, 5, 6, 7, 20):
        with torch.no_grad():
            cache = model(torch.arange(tokens)[None], use_cache=True).past_key_values
        held = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
        assert known.cache_bytes(tokens) == held
    assert [window for window, _ in facts.kv_windows] == [5]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("recurrent-gemma", "transformers cannot generate with it"),
        ("bert", "BertForMaskedLM attends to later tokens"),
        ("t5", "no causal model of type t5"),
        ("bart", "bart is an encoder-decoder"),
    ],
)
def test_unsupported(kind: str, words: str, tmp_path: Path) -> None:
    """Models that are not causal, or that `generate` cannot run."""
    folder = write(tmp_path / kind, kind)
    with pytest.raises(UnsupportedError, match=words) as refusal:
        engine.load(folder, NATIVE).generate(Generate("w5 w7", 3, ()))
    assert "\n" not in str(refusal.value)


def test_an_architecture_that_transformers_does_not_know(tmp_path: Path) -> None:
    """It may be a new one: no fault of the checkpoint."""
    folder = write(tmp_path / "new", "llama")
    harmed.reconfigure(folder, model_type="llama9")
    with pytest.raises(UnsupportedError, match="does not know the architecture 'llama9'"):
        engine.load(folder, NATIVE)


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound one."""
    return write(tmp_path_factory.mktemp("llama"), "llama")


STRANGE: list[dict[str, Any]] = [
    {"num_attention_heads": 0},
    {"num_attention_heads": None},
    {"num_attention_heads": 3},
    {"num_attention_heads": -2},
    {"num_attention_heads": [2, 2]},
    {"num_key_value_heads": 0},
    {"hidden_size": "wide"},
    {"hidden_size": -1},
    {"hidden_size": 10**9},
    {"hidden_size": 32.5},
    {"num_hidden_layers": -1},
    {"num_hidden_layers": "2"},
    {"vocab_size": 0},
    {"vocab_size": None},
    {"intermediate_size": 0},
    {"hidden_act": "no-such"},
    {"hidden_act": None},
    {"head_dim": 7},
    {"rope_parameters": {"rope_type": "no-such"}},
    {"rope_parameters": 5},
    {"rope_scaling": {"type": "yarn"}},
    {"max_position_embeddings": "many"},
    {"rms_norm_eps": "small"},
    {"tie_word_embeddings": "yes"},
    {"torch_dtype": "float99", "dtype": "float99"},
    {"layer_types": ["full_attention"]},
    {"layer_types": ["x", "y"]},
    {"attn_implementation": "no-such"},
    {"eos_token_id": "end"},
    {"model_type": None},
    {"model_type": 5},
    {"model_type": "bert"},
    {"model_type": "mamba"},
    {"architectures": 5},
    {"auto_map": 5},
    {"text_config": 5},
]


@pytest.mark.parametrize("change", STRANGE, ids=json.dumps)
def test_strange_configurations(change: dict[str, Any], llama: Path, tmp_path: Path) -> None:
    """One line or an outcome; what loads nevertheless answers as the checkpoint does."""
    folder = Path(shutil.copytree(llama, tmp_path / "strange"))
    harmed.reconfigure(folder, **change)
    sound = engine.load(llama, NATIVE).generate(Generate("w5 w7 w9", 4, ())).text
    refusal = answer = None
    try:
        answer = engine.load(folder, NATIVE).generate(Generate("w5 w7 w9", 4, ())).text
    except (UserError, UnsupportedError) as error:
        refusal = str(error)
    assert answer in (None, sound)
    assert refusal is None or refusal.isprintable()
