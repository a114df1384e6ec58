"""llama.cpp's engine, and the GGUF files that it is given, against transformers in fp32."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import harmed
from environments import run_in
from frontier.quantizers import Sizes, Target
from quantizing import LLAMA_CPP, quantizer
from stories import stories260k

PROMPT = "Once upon a time"
TOKENS = 24
TYPES = ("F32", "F16", "BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K")
MARGIN = 0.005  # between the best and the next logit, of the largest: no rounding turns them

SMALL = {"vocab_size": 512, "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
LARGE = {"vocab_size": 512, "hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8}
LLAMA = {"num_key_value_heads": 2, "intermediate_size": 192}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    "llama": transformers.LlamaConfig(**SMALL, **LLAMA),
    "llama3": transformers.LlamaConfig(
        **SMALL, **LLAMA, head_dim=32, rope_parameters=LLAMA3, max_position_embeddings=512
    ),
    "llama-tied": transformers.LlamaConfig(
        **LARGE, num_key_value_heads=4, intermediate_size=768, tie_word_embeddings=True
    ),
    "qwen2": transformers.Qwen2Config(**SMALL, **LLAMA),
    "mixtral": transformers.MixtralConfig(**SMALL, **LLAMA, num_local_experts=4),
    "gpt2": transformers.GPT2Config(vocab_size=512, n_embd=64, n_layer=3, n_head=4),
    "falcon": transformers.FalconConfig(**SMALL, ffn_hidden_size=256, multi_query=True),
    "falcon-new": transformers.FalconConfig(**SMALL, new_decoder_architecture=True, num_kv_heads=2),
}

CONVERTED = """
import json, sys
from pathlib import Path
import llama_cpp, numpy as np
from frontier.conversions.gguf import Gguf
from frontier.engines import Generate, Settings
from frontier.engines.loaded import llama_cpp as engine
from quantizing import quantizer

plain = llama_cpp.llama_context_default_params

def in_float32():
    parameters = plain()
    parameters.type_k = parameters.type_v = llama_cpp.GGML_TYPE_F32
    parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return parameters

def logits(loaded):
    found = llama_cpp.llama_get_logits_ith(loaded.context, -1)
    return np.ctypeslib.as_array(found, (loaded.vocabulary,)).tolist()

found = {}
for name, kinds in json.loads(sys.argv[2]).items():
    for kind in kinds:
        output = Path(sys.argv[1], f"{name}-{kind}")
        output.mkdir()
        made = Gguf(type=kind).convert(Path(sys.argv[1], name), output, [])
        # Half precision in the attention would hide a small fault of the conversion.
        llama_cpp.llama_context_default_params = in_float32
        loaded = engine.load(output, Settings("cpu", "float32", 1, "plain", quantizer("native")))
        llama_cpp.llama_context_default_params = plain
        loaded.generate(Generate(sys.argv[3], 1, ()))
        exact = logits(loaded)
        loaded.close()
        loaded = engine.load(output, Settings("cpu", "float32", 1, "plain", quantizer("native")))
        answer = loaded.generate(Generate(sys.argv[3], int(sys.argv[4]), ()))
        found[f"{name}-{kind}"] = {
            "files": sorted(path.name for path in output.iterdir()),
            "quantized": made.quantized_layers, "text": answer.text,
            "tokens": answer.tokens, "first": exact, "last": logits(loaded),
            **vars(loaded.loaded),
        }
        loaded.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def tokenizer(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tokenizer of 512 pieces that all checkpoints here have."""
    folder = stories260k(test_data, tmp_path_factory.mktemp("stories"))
    return transformers.PreTrainedTokenizerFast.from_pretrained(folder)


def greedy(model: Any, ids: list[int]) -> tuple[list[int], torch.Tensor]:
    """Argmax after argmax over the whole sequence; the tokens and their logits."""
    every, logits = list(ids), []
    with torch.no_grad():
        for _ in range(TOKENS):
            logits.append(model(torch.tensor([every])).logits[0, -1])
            every.append(int(logits[-1].argmax()))
    return every[len(ids) :], torch.stack(logits)


def grown(config: Any, ids: list[int]) -> tuple[Any, list[int], torch.Tensor]:
    """A random model whose greedy answer depends on no near tie, with that answer."""
    spread = 1.2 / config.hidden_size**0.5  # attention looks somewhere, and not at one place
    for seed in range(100):
        torch.manual_seed(seed)
        model = transformers.AutoModelForCausalLM.from_config(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() == 1:
                    parameter.add_(0.1 * torch.randn_like(parameter))
                else:
                    parameter.normal_(0, spread)
                parameter.copy_(parameter.bfloat16())  # saved as such or not: the same
        tokens, logits = greedy(model, ids)
        best = logits.topk(2).values
        if ((best[:, 0] - best[:, 1]) / logits.abs().amax()).min() > MARGIN and 2 not in tokens:
            return model, tokens, logits
    raise AssertionError("every model had a near tie")


@pytest.fixture(scope="module")
def converted(
    tokenizer: Any,
    environment: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The answers of transformers, by model, and of llama.cpp, by model and type."""
    folder = tmp_path_factory.mktemp("checkpoints")
    ids: list[int] = tokenizer(PROMPT)["input_ids"]
    expected = {}
    for name, config in CONFIGS.items():
        config.bos_token_id, config.eos_token_id = 1, 2
        model, tokens, logits = grown(config, ids)
        expected[name] = {
            "text": tokenizer.decode(tokens, skip_special_tokens=True),
            "first": logits[0],
            "last": logits[-1],
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
        if name == "llama-tied":  # in two bytes a number, and in several files
            model.to(torch.bfloat16).save_pretrained(folder / name, max_shard_size="2MB")
        else:
            model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    kinds = {name: ["F32", "Q4_K_M"] for name in CONFIGS}
    kinds |= {name: list(TYPES) for name in ("llama", "llama-tied")}
    arguments = (str(folder), json.dumps(kinds), PROMPT, str(TOKENS))
    return expected, json.loads(run_in(environment("llama_cpp"), CONVERTED, *arguments))


@pytest.mark.parametrize("name", CONFIGS)
def test_a_conversion_computes_what_transformers_does(
    name: str, converted: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """The same greedy answer, and logits that differ by rounding only.

    The first are computed with attention in float32, the last as by the engine's default, in half
    precision. llama.cpp looks GELU up in a table of half-precision numbers.
    """
    expected, found = converted[0][name], converted[1][f"{name}-F32"]
    assert (found["text"], found["tokens"]) == (expected["text"], TOKENS)
    looked_up = name in ("gpt2", "falcon", "falcon-new")
    for part, tolerance in (("first", 1e-3 if looked_up else 1e-5), ("last", 5e-3)):
        error = (torch.tensor(found[part]) - expected[part]).abs().max()
        assert error < tolerance * expected[part].abs().max(), part
    assert found["quantized"] == 0
    rotary = 4 * 16 if name == "llama3" else 0
    assert found["weights_bytes"] == 4 * expected["parameters"] + rotary
    assert {"config.json", "model.gguf", "tokenizer.json"} <= set(found["files"])
    assert "whole.gguf" not in converted[1][f"{name}-Q4_K_M"]["files"]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    ("name", "hidden", "tied"), [("llama", 64, False), ("llama-tied", 256, True)]
)
def test_every_type_runs_and_has_the_size_expected(
    kind: str, name: str, hidden: int, tied: bool, converted: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Rows of 64 have no K types; llama.cpp takes larger ones instead."""
    found = converted[1][f"{name}-{kind}"]
    sizes = Sizes(converted[0][name]["parameters"], 512 * hidden, tied=tied, hidden=hidden)
    built = quantizer("gguf", type=kind)
    expected = built.stored_bytes(sizes, "float32", LLAMA_CPP)
    assert abs(expected / found["weights_bytes"] - 1) < 0.1
    assert found["tokens"] == TOKENS
    matrices = 3 * 7 + 2 if name == "llama" else 4 * 7 + 1
    assert found["quantized"] == (matrices if built.expects_quantized() else 0)


def test_fewer_bits_are_fewer_bytes_and_more_error(
    converted: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Rows have 256 weights, for which the K types need no fallback."""
    kinds = ["Q8_0", "Q6_K", "Q5_K_M", "Q4_K_M", "Q3_K_M", "Q2_K"]
    found = [converted[1][f"llama-tied-{kind}"] for kind in kinds]
    assert [one["weights_bytes"] for one in found] == sorted(
        (one["weights_bytes"] for one in found), reverse=True
    )
    exact = converted[0]["llama-tied"]["first"]
    errors = [float((torch.tensor(one["first"]) - exact).norm() / exact.norm()) for one in found]
    assert errors == sorted(errors)
    assert 1e-3 < errors[0] < 0.05 < errors[-1]


@pytest.mark.parametrize(
    ("name", "kv_heads", "head_dim"),
    [
        ("llama", 2, 16),
        ("llama3", 2, 32),
        ("gpt2", 4, 16),
        ("falcon", 1, 16),
        ("falcon-new", 2, 16),
    ],
)
def test_cache_bytes(
    name: str, kv_heads: int, head_dim: int, converted: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    """Three layers' keys and values in half precision."""
    assert converted[1][f"{name}-F32"]["kv_bytes_per_token"] == 3 * kv_heads * head_dim * 2 * 2


def test_architectures_without_a_conversion_are_left_out() -> None:
    """Known beforehand, for the plan."""
    four = quantizer("gguf", type="Q4_K_M")
    assert four.unsupported(Target("llama", "cpu", LLAMA_CPP)) is None
    assert "bloom" in str(four.unsupported(Target("bloom", "cpu", LLAMA_CPP)))


REQUESTS = """
import json, resource, sys
from dataclasses import replace
from pathlib import Path
import llama_cpp, psutil
from frontier.conversions.gguf import Gguf
from frontier.engines import Generate, Settings
from frontier.engines.loaded import llama_cpp as engine
from quantizing import quantizer
from frontier.errors import UnsupportedError
from frontier.errors import OutOfMemoryError, UserError

checkpoint, output, broken = map(Path, sys.argv[1:4])
Gguf(type="F32").convert(checkpoint, output, [])
settings = Settings("cpu", "float32", 1, "plain", quantizer("native"))
loaded = engine.load(output, settings)
found = {}

def refusal(name, kind, action):
    try:
        action()
    except kind as error:
        found[name] = str(error)

def fed():
    return llama_cpp.llama_perf_context(loaded.context).n_p_eval

loaded.generate(Generate("Once upon a time", 40, ()))
once = fed()
loaded.generate(Generate("Once upon a time", 40, ()))
found["fed"] = [once, fed() - once]
loaded.close()

content = (output / "model.gguf").read_bytes()
(output / "model.gguf").write_bytes(content[: len(content) // 2])
refusal("cut", UserError, lambda: engine.load(output, settings))
(output / "model.gguf").unlink()
refusal("missing", UserError, lambda: engine.load(output, settings))
found["gpu"] = llama_cpp.llama_supports_gpu_offload()
refusal("cuda", UnsupportedError, lambda: engine.load(output, replace(settings, accelerator="cuda")))

for name, change in json.loads(sys.argv[4]).items():
    (broken / "config.json").write_text(json.dumps(change))
    both = (UserError, UnsupportedError)
    refusal(name, both, lambda: Gguf(type="F32").convert(broken, broken, []))

config = json.loads((checkpoint / "config.json").read_text())
config["max_position_embeddings"] = 100_000
(checkpoint / "config.json").write_text(json.dumps(config))
Gguf(type="F32").convert(checkpoint, output, [])
loaded = engine.load(output, settings)
refusal("context", UnsupportedError, lambda: loaded.generate(Generate("Once", 5000, ())))
loaded.close()
engine.CONTEXT = 100_000  # 64 MB of cache
held = []
for _ in range(6):
    engine.load(output, settings).close()
    held.append(psutil.Process().memory_info().rss)
found["grown"] = held[-1] - held[0]
if sys.platform == "linux":
    status = Path("/proc/self/status").read_text()
    now = int(status.partition("VmData:")[2].split()[0]) * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (now + 20_000_000,) * 2)
    refusal("memory", OutOfMemoryError, lambda: engine.load(output, settings))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def requests(
    test_data: Path, environment: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """llama.cpp's answers for the pretrained Llama, and its refusals."""
    folder = stories260k(test_data, tmp_path_factory.mktemp("stories"))
    output, broken = (tmp_path_factory.mktemp(name) for name in ("gguf", "broken"))
    for path in folder.iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    yarn = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 10_000.0}
    configs = {
        "weights": saved,
        "yarn": saved | {"rope_parameters": yarn},
        "bloom": {"model_type": "bloom"},
        "alibi": {"model_type": "falcon", "alibi": True},
    }
    arguments = (str(folder), str(output), str(broken), json.dumps(configs))
    found: dict[str, Any] = json.loads(run_in(environment("llama_cpp"), REQUESTS, *arguments))
    return found


def test_no_request_profits_from_an_earlier_one(requests: dict[str, Any]) -> None:
    """llama.cpp itself counts the prompt's tokens that it was fed: all of them, each time."""
    assert requests["fed"] == [5, 5]


def test_what_does_not_fit_is_reported(requests: dict[str, Any]) -> None:
    """Beyond the context of a model that has more positions."""
    assert "4096 tokens of llama.cpp's context" in requests["context"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
def test_memory_that_runs_out_is_reported(requests: dict[str, Any]) -> None:
    """The cache of a context is allocated whole, when loading."""
    assert "failed to allocate buffer for kv cache" in requests["memory"]


def test_what_cannot_be_read_is_reported_in_a_line(requests: dict[str, Any]) -> None:
    """Both the engine and the conversion report it; neither answers wrongly instead."""
    for name in ("cut", "missing", "weights", "yarn", "bloom", "alibi"):
        assert "\n" not in requests[name], name
    assert "model.gguf: unreadable" in requests["cut"]
    assert "no such file" in requests["missing"]
    assert "model.safetensors: truncated" in requests["weights"]
    assert "rotary positions of type yarn" in requests["yarn"]
    assert "architecture 'bloom'" in requests["bloom"]
    assert "alibi" in requests["alibi"]


def test_a_gpu_that_llama_cpp_was_not_built_for(requests: dict[str, Any]) -> None:
    """Never a silent run on the CPU."""
    if requests["gpu"]:
        pytest.skip("llama.cpp was built with a GPU's backend")
    assert "built without cuda" in requests["cuda"]


def test_closing_gives_the_memory_back(requests: dict[str, Any]) -> None:
    """Five times more loaded and closed, the process has not grown by half of one cache."""
    cache = 100_000 * 5 * 4 * 8 * 2 * 2
    assert requests["grown"] < cache / 2


HARMS: dict[str, tuple[str, Any, str]] = {
    "foreign prefix": ("llama", harmed.renamed("_orig_mod."), "place for _orig_mod."),
    "lost matrix": (
        "llama",
        harmed.without("model.layers.1.mlp.down"),
        "lack model.layers.1.mlp.down_proj.weight",
    ),
    "lost head": ("llama", harmed.without("lm_head"), "lack output.weight"),
    "further layer": (
        "llama",
        lambda folder: harmed.reconfigure(folder, num_hidden_layers=1),
        "no place for model.layers.1.",
    ),
    "no layer for it": (
        "llama",
        lambda folder: harmed.reconfigure(folder, num_hidden_layers=3),
        "lack model.layers.2.",
    ),
    "biases lost": (
        "llama",
        lambda folder: harmed.reconfigure(folder, attention_bias=True),
        "lack blk.0.attn_q.bias",
    ),
    "biases too many": (
        "llama",
        harmed.added("model.layers.1.self_attn.q_proj.bias", 64),
        "no place for model.layers.1.self_attn.q_proj.bias",
    ),
    "vocabulary": (
        "tied",
        lambda folder: harmed.reconfigure(folder, vocab_size=100),
        "model.embed_tokens.weight is 96 x 64 in the files, and 100 x 64 according to config.json",
    ),
    "untied head": (
        "llama",
        lambda folder: harmed.reconfigure(folder, tie_word_embeddings=True),
        "lm_head.weight and model.embed_tokens.weight differ",
    ),
    "gpt2 bias": ("gpt2", harmed.without("h.1.attn.c_attn.bias"), "h.1.attn.c_attn.bias"),
    "falcon matrix": ("falcon", harmed.without("h.0.mlp.dense_4h"), "mlp.dense_4h_to_h.weight"),
    "lost expert": ("mixtral", harmed.without("1.block_sparse_moe.experts.1."), "experts"),
}
WINDOWS = (16, 200, 256, 300)
"""Tokens that a Mistral sees back, or has positions for: and so long a request may be."""
NARROW = """
import json, sys
from pathlib import Path
from frontier.conversions.gguf import Gguf
from frontier.engines import Generate, Settings
from frontier.engines.loaded import llama_cpp as engine
from quantizing import quantizer
from frontier.errors import UnsupportedError
from frontier.errors import UserError

folder, output = map(Path, sys.argv[1:3])
found = {}
for name in json.loads(sys.argv[3]):
    (output / name).mkdir()
    try:
        Gguf(type="F32").convert(folder / name, output / name, [])
        found[name] = None
    except (UserError, UnsupportedError) as error:
        found[name] = f"{type(error).__name__}: {error}"
for name, room in json.loads(sys.argv[4]).items():
    (output / name).mkdir()
    Gguf(type="F32").convert(folder / name, output / name, [])
    loaded = engine.load(output / name, Settings("cpu", "float32", 1, "plain", quantizer("native")))
    found[name] = []
    for length in (room - 4, room - 3, room, room + 1):
        try:
            found[name].append(loaded.generate(Generate("w5 " * length, 4, ())).prompt_tokens)
        except UnsupportedError as error:
            found[name].append(str(error))
    loaded.close()
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def narrow(
    environment: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """The conversion's messages about damaged checkpoints, and the engine's on narrow windows."""
    folder, output = tmp_path_factory.mktemp("harmed"), tmp_path_factory.mktemp("made")
    known = harmed.configs()
    for name, (kind, harm, _) in HARMS.items():
        harm(harmed.write(folder / name, known[kind]))
    rooms = {}
    for room in WINDOWS:
        for name, keys in (
            (f"window {room}", {"sliding_window": room, "max_position_embeddings": 512}),
            (f"positions {room}", {"sliding_window": None, "max_position_embeddings": room}),
        ):
            config = transformers.MistralConfig(**harmed.SHAPE | harmed.GATED | keys)
            harmed.write(folder / name, config)
            rooms[name] = room
    arguments = (str(folder), str(output), json.dumps(list(HARMS)), json.dumps(rooms))
    found: dict[str, Any] = json.loads(run_in(environment("llama_cpp"), NARROW, *arguments))
    return found


@pytest.mark.parametrize("name", HARMS)
def test_harmed_checkpoints_are_not_converted(name: str, narrow: dict[str, Any]) -> None:
    """The tensor that is lost, has no place or another shape is named in one line."""
    refusal = narrow[name]
    assert refusal is not None, "it was converted"
    assert refusal.startswith("UserError: ")
    assert HARMS[name][2] in refusal
    assert "\n" not in refusal


@pytest.mark.parametrize("room", WINDOWS)
@pytest.mark.parametrize("kind", ["window", "positions"])
def test_any_window_and_any_length(kind: str, room: int, narrow: dict[str, Any]) -> None:
    """A request that fits is answered, a longer one refused, also where llama.cpp pads."""
    fits, *longer = narrow[f"{kind} {room}"]
    assert fits == room - 4
    for refusal, length in zip(longer, (room + 1, room + 4, room + 5), strict=True):
        assert f"a request of {length} tokens" in refusal
        assert f"{room} " in refusal
