"""MLX's build for CPUs, in its own environment, against transformers: native and packed weights."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.numpy import load_file

import harmed
from environments import run_in
from frontier.catalogue.configuration import read_catalogue
from frontier.checkpoints import mlx_settings
from frontier.engines.common.choosing import candidates
from frontier.errors import UnsupportedError
from frontier.planning.placement import placed
from frontier.quantizers import Sizes, Target
from frontier.requests import Sampling
from quantizing import ENGINES, quantizer
from shipped import CONFIG

PROMPT, CHOICES = "w5 w6 w7 w9 w11", (" w9 w3", " w8")
TOKENS = 24
IDS = [5, 6, 7, 9, 11]
WARM = Sampling(3.0, 0.7, 0)
SEEDS = 60

SHAPE = {**harmed.SHAPE, **harmed.GATED, "num_hidden_layers": 3, "intermediate_size": 128}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
GPT2 = {"vocab_size": harmed.WORDS, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}
CONFIGS: dict[str, Any] = {
    "llama": transformers.LlamaConfig(**SHAPE),
    # Not Llama's usual theta: what reads it as that one gives other tokens.
    "llama-tied": transformers.LlamaConfig(
        **SHAPE, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 50.0},
    ),
    "llama3": transformers.LlamaConfig(
        **SHAPE, head_dim=32, rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True
    ),
    "mistral": transformers.MistralConfig(**SHAPE, sliding_window=32),
    "mixtral": transformers.MixtralConfig(**SHAPE, num_local_experts=4),
    "qwen2": transformers.Qwen2Config(**SHAPE),
    "qwen2-tied": transformers.Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": transformers.Qwen3Config(**SHAPE, head_dim=32),
    "qwen3_moe": transformers.Qwen3MoeConfig(
        **SHAPE, **EXPERTS, norm_topk_prob=True, mlp_only_layers=[1]
    ),
    "phi3": transformers.Phi3Config(**SHAPE),
    "smollm3": transformers.SmolLM3Config(**SHAPE | {"num_hidden_layers": 5}),
    "gemma3_text": transformers.Gemma3TextConfig(
        **SHAPE | {"num_hidden_layers": 7}, head_dim=32, query_pre_attn_scalar=16, sliding_window=16
    ),
    "gpt2": transformers.GPT2Config(**GPT2),
}  # fmt: skip
UNTESTED: dict[str, tuple[Any, str]] = {
    "gelu": (transformers.LlamaConfig(**SHAPE, hidden_act="gelu"), "has hidden_act 'silu', the model has 'gelu'"),
    "yarn": (
        transformers.LlamaConfig(**SHAPE, rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64,
        }),
        "not tested with rotary positions of 'yarn'",
    ),
    "relu": (transformers.GPT2Config(**GPT2, activation_function="relu"), "has activation_function 'gelu_new'"),
    "falcon": (harmed.configs()["falcon"], "falcon is not tested"),
}  # fmt: skip
PACKED = {
    "llama-8": ("llama", {"bits": 8}), "llama-4": ("llama", {"bits": 4, "group_size": 32}),
    "tied-3": ("llama-tied", {"bits": 3}), "gpt2-4": ("gpt2", {"bits": 4}),
    "mixtral-4": ("mixtral", {"bits": 4}), "moe-4": ("qwen3_moe", {"bits": 4}),
}  # fmt: skip
"""Checkpoints and the keys of their quantizer."""

PROGRAM = """
import contextlib, dataclasses, json, sys
from dataclasses import replace
from pathlib import Path
with contextlib.redirect_stdout(sys.stderr):
    from frontier.conversions.mlx import Mlx
    from frontier.engines import Choose, Generate, Settings
    from frontier.engines.loaded import mlx as engine
    from frontier.errors import UnsupportedError, UserError
    from frontier.requests import Sampling
    from quantizing import ENGINES, quantizer

    folder, work = Path(sys.argv[1]), json.loads(sys.argv[2])
    native = Settings("cpu", "float32", 1, "plain", quantizer("native"))

    def refusal(function, *arguments):
        try:
            function(*arguments)
        except (UnsupportedError, UserError) as error:
            return f"{type(error).__name__}: {error}"

    def answers(place, settings):
        loaded = engine.load(place, settings)
        texts = [loaded.generate(Generate(work["prompt"], work["tokens"], ())).text for _ in range(2)]
        chosen = loaded.choose(Choose(work["prompt"], tuple(work["choices"])))
        found = {"texts": texts, "logprobs": chosen.logprobs, **dataclasses.asdict(loaded.loaded)}
        found["long"] = refusal(loaded.generate, Generate(work["prompt"], work["long"], ()))
        loaded.close()
        return found

    def packed(name, keys):
        own = quantizer("mlx", **keys)
        preparation = own.preparation(ENGINES["mlx"], "float32")
        output = folder / f"packed-{name}"
        output.mkdir()
        made = Mlx(**preparation.options).convert(folder / name, output, [])
        found = {"layers": made.quantized_layers, "files": sorted(path.name for path in output.iterdir())}
        return output, found | answers(output, replace(native, quantizer=own))

    found = {name: answers(folder / name, native) for name in work["native"]}
    for label, (name, keys) in work["packed"].items():
        output, found[label] = packed(name, keys)
        output.rename(folder / f"packed-{label}")
    found["refused"] = {name: refusal(engine.load, folder / name, native) for name in work["refused"]}
    found["refused"]["rows"] = refusal(packed, "llama", {"bits": 8, "group_size": 128})
    found["refused"]["as native"] = refusal(engine.load, folder / "packed-llama-8", native)
    found["refused"]["as packed"] = refusal(engine.load, folder / "llama", replace(native, quantizer=quantizer("mlx", bits=8)))
    found["refused"]["two threads"] = refusal(engine.load, folder / "llama", replace(native, threads=2))
    found["refused"]["metal"] = refusal(engine.load, folder / "llama", replace(native, accelerator="mps"))
    for dtype in ("bfloat16", "float16"):
        found[dtype] = answers(folder / "llama", replace(native, dtype=dtype))
    found["refused"]["range"] = refusal(engine.load, folder / "large", replace(native, dtype="float16"))
    plain = folder / "plain"
    plain.mkdir()
    Mlx(dtype="float32").convert(folder / "gpt2", plain, [])
    found["written"] = answers(plain, native)
    loaded = engine.load(folder / "llama", native)
    found["sampled"] = [
        loaded.generate(Generate(work["prompt"], 1, (), sampling=Sampling(*work["warm"], seed))).text
        for seed in range(work["seeds"])
    ]
print(json.dumps(found))
"""


def sharpen(model: Any) -> None:
    """Random weights by which attention looks somewhere, and norms that count."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            else:
                parameter.normal_(0, 1.2 / 8)
        model.get_output_embeddings().weight[0] = 0  # so that none ends a text


def written(folder: Path, config: Any) -> Path:
    """A checkpoint of such weights."""
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 0, 0
    harmed.write(folder, config)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    sharpen(model)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All checkpoints, those that no engine may load included."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, config in CONFIGS.items():
        written(folder / name, config)
    for name, (config, _) in UNTESTED.items():
        written(folder / name, config)
    harmed.unfit(folder)
    harmed.spoilt("norm.weight", 1e6)(written(folder / "large", CONFIGS["llama"]))
    harmed.spoilt("norm.weight", float("nan"))(written(folder / "nan", CONFIGS["llama"]))
    harmed.added("lm_head.weight", harmed.WORDS, 64)(
        written(folder / "two-heads", CONFIGS["llama-tied"])
    )
    harmed.reconfigure(
        written(folder / "gptq", CONFIGS["llama"]),
        quantization_config={"quant_method": "gptq", "bits": 4},
    )
    harmed.reconfigure(written(folder / "narrow", CONFIGS["llama"]), intermediate_size=64)
    spare = written(folder / "spare", CONFIGS["llama"]) / "model.safetensors"
    spare.with_name("model.fp16.safetensors").write_bytes(spare.read_bytes())
    return folder


@pytest.fixture(scope="module")
def found(built: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """The answers of one process."""
    work = {
        "native": list(CONFIGS), "packed": PACKED, "prompt": PROMPT, "choices": CHOICES,
        "tokens": TOKENS, "long": 64 - len(IDS), "warm": [WARM.temperature, WARM.top_p], "seeds": SEEDS,
        "refused": [*UNTESTED, *harmed.UNFIT, "nan", "narrow", "two-heads", "gptq", "spare"],
    }  # fmt: skip
    answers: dict[str, Any] = json.loads(
        run_in(environment("mlx"), PROGRAM, str(built), json.dumps(work))
    )
    return answers


def expected(model: Any) -> tuple[str, list[float]]:
    """The greedy text, step by step without a cache, and the choices' log-likelihoods."""
    ids = list(IDS)
    with torch.no_grad():
        first = model(torch.tensor([[*IDS, 9]])).logits[0].log_softmax(-1)
        for _ in range(TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    text = " ".join(f"w{token}" for token in ids[len(IDS) :])
    return text, [float(first[-2, 9] + first[-1, 3]), float(first[-2, 8])]


def unpacked(folder: Path, bits: int) -> dict[str, torch.Tensor]:
    """The tensors of a packed checkpoint as the numbers that they stand for."""
    stored = load_file(folder / "model.safetensors")
    found = {}
    for name, tensor in stored.items():
        if name.removesuffix(".weight") + ".scales" in stored and name.endswith(".weight"):
            words = np.ascontiguousarray(tensor).view(np.uint8)
            each = np.unpackbits(words, axis=-1, bitorder="little")
            whole = each.reshape(len(tensor), -1, bits) @ (1 << np.arange(bits))
            scale, bias = (
                stored[name.removesuffix("weight") + one] for one in ("scales", "biases")
            )
            size = whole.shape[1] // scale.shape[1]
            numbers = whole * scale.repeat(size, 1) + bias.repeat(size, 1)
            found[name] = torch.tensor(numbers, dtype=torch.float32)
        elif not name.endswith((".scales", ".biases")):
            found[name] = torch.tensor(tensor)
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_answers_as_transformers_does(
    name: str, built: Path, found: dict[str, Any]
) -> None:
    """Greedy tokens and the likelihoods of two texts, for every family, from the same files."""
    model = transformers.AutoModelForCausalLM.from_pretrained(built / name)
    text, logprobs = expected(model)
    assert found[name]["texts"] == [text, text]
    assert found[name]["logprobs"] == pytest.approx(logprobs, abs=1e-4)
    assert found[name]["quantized_layers"] is None
    stored = sum(parameter.nbytes for parameter in model.parameters())
    assert found[name]["weights_bytes"] == stored


@pytest.mark.parametrize("label", ["llama-8", "llama-4", "tied-3"])
def test_packed_weights_answer_as_what_they_stand_for(
    label: str, built: Path, found: dict[str, Any]
) -> None:
    """transformers with the numbers in the file, unpacked by the format's description."""
    name, keys = PACKED[label]
    model = transformers.AutoModelForCausalLM.from_pretrained(built / name)
    before = {key: one.clone() for key, one in model.state_dict().items()}
    packed = unpacked(built / f"packed-{label}", keys["bits"])
    lost = model.load_state_dict(packed, strict=False)
    assert not lost.unexpected_keys
    assert set(lost.missing_keys) <= ({"lm_head.weight"} if "tied" in label else set())
    for key, tensor in packed.items():
        if tensor.dim() == 2:  # no further than half a step of the widest group
            step = (before[key].amax() - before[key].amin()) / (2 ** keys["bits"] - 1)
            assert 0 < float((tensor - before[key]).abs().max()) < float(step)
    text, logprobs = expected(model)
    assert found[label]["texts"] == [text, text]
    assert found[label]["logprobs"] == pytest.approx(logprobs, abs=1e-3)


def test_packed_layers_are_counted_and_smaller(built: Path, found: dict[str, Any]) -> None:
    """Every matrix and the embedding; experts as one, a router too."""
    matrices = {
        "llama": 3 * 7 + 2,
        "llama-tied": 3 * 7 + 1,
        "gpt2": 2 * 4 + 2,
        "mixtral": 3 * 8 + 2,
    }
    matrices["qwen3_moe"] = 2 * 8 + 7 + 2
    for label, (name, keys) in PACKED.items():
        one = found[label]
        assert one["layers"] == one["quantized_layers"] == matrices[name], label
        model = transformers.AutoModelForCausalLM.from_pretrained(built / name)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        embedding = 64 * harmed.WORDS
        tied = name in ("llama-tied", "gpt2")
        reckoned = quantizer("mlx", **keys).stored_bytes(
            Sizes(parameters, embedding, tied=tied, hidden=64), "float32", ENGINES["mlx"]
        )
        assert one["weights_bytes"] == pytest.approx(reckoned, rel=0.1), label
        assert one["weights_bytes"] < 0.4 * found[name]["weights_bytes"]
        files = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
        more = {"tokenizer_config.json", "model.safetensors.index.json"}
        assert set(one["files"]) == files | more


def test_a_model_written_as_it_is(found: dict[str, Any]) -> None:
    """The format without packed layers has the same answers."""
    assert found["written"]["texts"] == found["gpt2"]["texts"]
    assert found["written"]["logprobs"] == pytest.approx(found["gpt2"]["logprobs"], abs=1e-4)


def test_what_it_holds(found: dict[str, Any]) -> None:
    """Keys and values of the heads that are cached, in the precision that is computed in."""
    heads = {
        "llama": 3 * 2 * 16,
        "llama3": 3 * 2 * 32,
        "gpt2": 2 * 4 * 16,
        "gemma3_text": 7 * 2 * 32,
    }
    for name, numbers in heads.items():
        assert found[name]["kv_bytes_per_token"] == 2 * 4 * numbers, name
    for dtype in ("bfloat16", "float16"):
        assert found[dtype]["kv_bytes_per_token"] == 2 * 2 * heads["llama"]
        assert found[dtype]["weights_bytes"] == found["llama"]["weights_bytes"] / 2
        assert found[dtype]["kernel"].startswith(f"CPU, one thread, in {dtype}; ")
        assert found[dtype]["logprobs"] != found["llama"]["logprobs"]
        assert found[dtype]["logprobs"] == pytest.approx(found["llama"]["logprobs"], abs=0.3)


def test_longer_texts_than_are_the_same(found: dict[str, Any]) -> None:
    """GPT-2 keeps a position for the token after the last; a window that is ignored is a limit."""
    assert "longer than the model's 64 positions" in found["gpt2"]["long"]
    window = "UnsupportedError: a request of 64 tokens, new ones included, is longer than the model's sliding window of 32"
    assert found["mistral"]["long"].startswith(window)
    assert found["gemma3_text"]["long"] is None, "mlx-lm has its window"


@pytest.mark.parametrize("name", UNTESTED)
def test_settings_that_would_be_ignored_are_refused(name: str, found: dict[str, Any]) -> None:
    """Instead of other answers."""
    assert found["refused"][name].startswith("UnsupportedError: mlx-lm's ")
    assert UNTESTED[name][1] in found["refused"][name]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lost", "UserError: .*Missing 1 parameters: model.layers.1.mlp.down_proj.weight"),
        ("foreign", "UserError: .*_orig_mod."),
        ("misshapen", "UserError: .*the tokenizer is larger than the model's embedding"),
        ("narrow", r"UserError: .*\(64, ?64\) .*\(128, ?64\) .*model.layers.0.mlp"),
        ("mamba", "UnsupportedError: mlx-lm's mamba is not tested"),
        ("nan", "UserError: .*norm.weight has weights that are NaN or infinite"),
        ("two-heads", "UserError: .*lm_head.weight.* differ"),
        ("gptq", r"UnsupportedError: published quantized: gptq \(4 bits\)"),
        ("spare", "UnsupportedError: mlx-lm reads every file named"),
        ("rows", "UnsupportedError: MLX packs rows in groups of 128; those of .* have 64 weights"),
        (
            "as native",
            "UnsupportedError: 23 layers of the checkpoint are packed, to run it by native",
        ),
        ("as packed", "UnsupportedError: 0 layers of the checkpoint are packed, to run it by mlx"),
        ("two threads", "UnsupportedError: MLX computes in one thread on a CPU"),
        ("metal", "UnsupportedError: MLX was built without Metal"),
        (
            "range",
            "UnsupportedError: model.layers.0.input_layernorm.weight has weights beyond the range of float16",
        ),
    ],
)
def test_what_it_cannot_do_is_reported(name: str, words: str, found: dict[str, Any]) -> None:
    """One line each, with the name of a tensor where one is at fault."""
    entry = found["refused"][name]
    assert entry is not None
    assert "\n" not in entry
    assert re.match(words, entry), entry


def test_random_tokens_are_those_of_the_temperature(built: Path, found: dict[str, Any]) -> None:
    """No more of the likeliest than have `top_p` together, by the probabilities after it."""
    model = transformers.AutoModelForCausalLM.from_pretrained(built / "llama")
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0, -1].numpy()
    allowed = {f"w{token}" for token in candidates(logits, WARM)[0]}
    colder = {f"w{token}" for token in candidates(logits, Sampling(1.0, WARM.top_p, 0))[0]}
    assert len(colder) < len(allowed) < harmed.WORDS
    assert set(found["sampled"]) <= allowed
    assert not set(found["sampled"]) <= colder


def test_without_a_compiler(
    built: Path,
    found: dict[str, Any],
    environment: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same answers by operations that are not fused, and the report says so."""
    python = environment("mlx")
    monkeypatch.setitem(os.environ, "PATH", str(tmp_path))
    program = PROGRAM.partition("    for label, (name")[0] + "print(json.dumps(found))\n"
    work = {"native": ["llama"], "prompt": PROMPT, "choices": CHOICES, "tokens": TOKENS, "long": 1}
    alone = json.loads(run_in(python, program, str(built), json.dumps(work)))["llama"]
    assert alone["texts"] == found["llama"]["texts"]
    assert alone["kernel"].endswith("not fused, without g++")
    assert found["llama"]["kernel"].endswith(("compiled by g++", "not fused, without g++"))


def test_planning_refuses_what_is_not_tested() -> None:
    """An architecture, native or packed, and rows that groups do not divide."""
    catalogue = read_catalogue(CONFIG)
    for quantization in ("native", "mlx4"):
        reason = placed(catalogue, "falcon7b", quantization, "mps-mlx").unsupported()
        assert (reason or "").startswith("mlx-lm's falcon is not tested: it runs gemma3_text, gpt2")
        for device in ("mps-mlx", "cpu-mlx"):
            assert placed(catalogue, "qwen2.5-0.5b", quantization, device).unsupported() is None
    reason = quantizer("mlx", bits=4).unsupported(Target("llama", "mps", ENGINES["mlx"], hidden=96))
    assert reason == "MLX packs rows in groups of 64; the model's rows have 96 weights"
    reason = placed(catalogue, "qwen2.5-0.5b", "mlx4", "cpu").unsupported()
    assert (reason or "").endswith("; mlx writes mlx")


def test_every_setting_counts_unless_it_is_known_not_to() -> None:
    """A default of transformers passes; another value of what mlx-lm does not read is refused."""
    read = {"hidden_size", "num_attention_heads", "num_key_value_heads"}
    mlx_settings.check(transformers.LlamaConfig(), read)
    mlx_settings.check(
        transformers.LlamaConfig(attention_dropout=0.5, hidden_size=64, num_attention_heads=4), read
    )
    with pytest.raises(UnsupportedError, match="has head_dim 128, the model has 32"):
        mlx_settings.check(transformers.LlamaConfig(head_dim=32), read)
    uneven = transformers.Gemma3TextConfig(
        num_hidden_layers=4,
        layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
    )
    with pytest.raises(UnsupportedError, match="every n-th layer"):
        mlx_settings.settings_of(uneven)
