"""ONNX Runtime GenAI in its own environment, against transformers: native and packed weights."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import harmed
from environments import run_in
from frontier.catalogue.configuration import read_catalogue
from frontier.checkpoints import genai_families
from frontier.engines.common.choosing import candidates
from frontier.planning.placement import placed
from frontier.quantizers import Sizes
from frontier.requests import Sampling
from frontier.techniques import block_of, technique_of
from frontier.techniques.common import fitting
from quantizing import ENGINES, quantizer
from shipped import CONFIG
from stories import stories260k, with_wide_heads

PROMPT, CHOICES = "w5 w6 w7 w9 w11", (" w9 w3", " w8")
BATCH = ["w5 w6 w7 w9 w11", "w3 w4", "w20 w21 w22 w23 w24 w25 w26", "w8 w9 w10 w11 w12"]
TOKENS = 24
IDS = [5, 6, 7, 9, 11]
WARM = Sampling(3.0, 0.7, 0)
SEEDS = 60

SHAPE = {**harmed.SHAPE, **harmed.GATED, "intermediate_size": 128}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32,
}  # fmt: skip
CONFIGS: dict[str, Any] = {
    # Not Llama's usual theta: what reads it as that one gives other tokens.
    "llama": transformers.LlamaConfig(**SHAPE, rope_parameters={"rope_type": "default", "rope_theta": 50.0}),
    "tied": transformers.LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama3": transformers.LlamaConfig(
        **SHAPE, head_dim=32, rope_parameters=LLAMA3, attention_bias=True, mlp_bias=True, hidden_act="gelu",
    ),
    "mistral": transformers.MistralConfig(**SHAPE, sliding_window=None),
    "qwen2": transformers.Qwen2Config(**SHAPE, use_sliding_window=True, sliding_window=16, max_window_layers=1),
    "qwen3": transformers.Qwen3Config(**SHAPE, head_dim=32),
    "phi3": transformers.Phi3Config(**SHAPE, original_max_position_embeddings=128),
    "gemma": transformers.GemmaConfig(**SHAPE, head_dim=32),
    "gemma2": transformers.Gemma2Config(**SHAPE, head_dim=32, sliding_window=16),
    "granite": transformers.GraniteConfig(
        **SHAPE, embedding_multiplier=3.0, logits_scaling=2.0, residual_multiplier=0.5, attention_multiplier=0.2,
    ),
    "ernie4_5": transformers.Ernie4_5Config(**SHAPE, head_dim=16),
}  # fmt: skip
REFUSED: dict[str, tuple[Any, str]] = {
    "window": (
        transformers.MistralConfig(**SHAPE, sliding_window=32),
        "does not compute this model: its logits differ from transformers' by up to",
    ),
    "yarn": (
        transformers.LlamaConfig(**SHAPE, rope_parameters={
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 64,
        }),
        "not tested with rotary positions of 'yarn'",
    ),
    "narrow": (transformers.LlamaConfig(**SHAPE, head_dim=8), "heads of a multiple of 16 numbers; the model's have 8"),
    "gpt2": (harmed.configs()["gpt2"], "gpt2 is not tested, or its builder has none"),
}  # fmt: skip
PACKED = {
    "llama-8": ("llama", {"weights": "int8"}), "llama-4": ("llama", {"weights": "int4"}),
    "tied-4": ("tied", {"weights": "int4", "group_size": 64}), "tied-8": ("tied", {"weights": "int8"}),
}  # fmt: skip
"""Checkpoints and the keys of their quantizer."""
GUIDED: dict[str, Any] = {
    "json_schema": {
        "type": "object", "properties": {"age": {"enum": [3, 4]}, "pet": {"enum": ["cat", "dog"]}},
        "required": ["age", "pet"], "additionalProperties": False,
    },
    "regex": "(Lily|Tom), [0-9]{2}",
    "grammar": 'root ::= name " and " name\nname ::= "Lily" | "Tom" | "Ben"\n',
}  # fmt: skip

PROGRAM = """
import contextlib, dataclasses, json, sys, time
from dataclasses import replace
from pathlib import Path
with contextlib.redirect_stdout(sys.stderr):
    from frontier.conversions.onnx_genai import OnnxGenAi
    from frontier.engines import Choose, Due, Generate, Settings
    from frontier.engines.loaded import onnxruntime_genai as engine
    from frontier.errors import UnsupportedError, UserError
    from frontier.requests import Sampling
    from frontier.techniques import technique_of
    from harmed import conversion_refusals
    from quantizing import ENGINES, quantizer

    folder, work = Path(sys.argv[1]), json.loads(sys.argv[2])
    native = Settings("cpu", "float32", 1, "plain", quantizer("native"))
    written = folder / "written"

    def refusal(function, *arguments):
        try:
            function(*arguments)
        except (UnsupportedError, UserError) as error:
            return f"{type(error).__name__}: {error}"

    def convert(name, label, **keys):
        output = written / label
        output.mkdir(parents=True)
        made = OnnxGenAi(**keys).convert(folder / name, output, [])
        files = sorted(path.name for path in output.iterdir())
        return output, {"layers": made.quantized_layers, "files": files}

    def answers(place, settings=native):
        loaded = engine.load(place, settings)
        texts = [loaded.generate(Generate(work["prompt"], work["tokens"], ())).text for _ in range(2)]
        chosen = loaded.choose(Choose(work["prompt"], tuple(work["choices"])))
        alone = [loaded.generate(Generate(one, 4 + at, ())) for at, one in enumerate(work["batch"])]
        now = time.perf_counter_ns()
        due = [Due(str(at), Generate(one, 4 + at, ()), now) for at, one in enumerate(work["batch"])]
        batch = dict(loaded.answer(due))
        found = {"texts": texts, "logprobs": chosen.logprobs, **dataclasses.asdict(loaded.loaded)}
        found["alone"] = [[one.text, one.tokens, one.finish_reason] for one in alone]
        found["batch"] = [[one.text, one.tokens, one.finish_reason] for one in (batch[str(at)] for at in range(len(due)))]
        found["together"] = len({one.start_ns for one in batch.values()})
        found["padding"] = refusal(loaded.choose, Choose("w5", (" w0 w3",)))
        loaded.close()
        return found

    found = {}
    for name in work["native"]:
        place, made = convert(name, name)
        found[name] = made | answers(place)
    for label, (name, keys) in work["packed"].items():
        own = quantizer("onnxruntime_genai", **keys)
        place, made = convert(name, label, **own.preparation(ENGINES["onnxruntime_genai"], "float32").options)
        found[label] = made | answers(place, replace(native, quantizer=own))
    found["refused"] = {name: refusal(convert, name, f"of-{name}") for name in work["refused"]}
    found["unfit"] = conversion_refusals(OnnxGenAi().convert, work["unfit"], folder / "unfit-written", [])
    loaded = engine.load(written / "llama", native)
    long = " ".join(f"w{1 + at % 90}" for at in range(127))
    asked = [Generate(long, 1, ()), Generate("w3 w4", 60, ()), Generate("w5 w6", 60, ())]
    alone = [loaded.generate(one).text for one in asked]
    now = time.perf_counter_ns()
    batch = dict(loaded.answer([Due(str(at), one, now) for at, one in enumerate(asked)]))
    found["full"] = [alone, [batch[str(at)].text for at in range(3)]]
    found["last"] = loaded.choose(Choose(long, (" w3 w4",))).logprobs
    found["sampled"] = [
        loaded.generate(Generate(work["prompt"], 1, (), sampling=Sampling(*work["warm"], seed))).text
        for seed in range(work["seeds"])
    ]
    place, _ = convert("stories", "stories")
    found["guided"] = {}
    for key, constraint in {"none": None, **work["guided"]}.items():
        ways = (technique_of({"kind": "guided", key: constraint}),) if constraint else ()
        loaded = engine.load(place, replace(native, techniques=ways))
        asked = [loaded.generate(Generate("Once upon a time", 60, ())) for _ in range(2)]
        found["guided"][key] = [[one.text, one.finish_reason] for one in asked]
    words = engine.load(written / "llama", replace(native, techniques=ways))
    found["refused"]["words"] = refusal(words.generate, Generate(work["prompt"], 4, ()))
    (written / "llama3" / "model.onnx.data").unlink()
    found["refused"]["lost data"] = refusal(engine.load, written / "llama3", native)
print(json.dumps(found))
"""


def written(folder: Path, config: Any) -> Path:
    """A checkpoint of random weights by which attention looks somewhere, and norms that count."""
    config.bos_token_id, config.eos_token_id, config.pad_token_id = 1, 0, 0
    harmed.write(folder, config)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            else:
                parameter.normal_(0, 1.2 / 8)
        model.get_output_embeddings().weight[0] = 0  # so that none ends a text
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def built(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All checkpoints, those that are refused included."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name, config in CONFIGS.items():
        written(folder / name, config)
    for name, (config, _) in REFUSED.items():
        written(folder / name, config)
    with_wide_heads(stories260k(test_data, folder / "narrow-stories"), folder / "stories")
    return folder


@pytest.fixture(scope="module")
def found(built: Path, environment: Callable[[str], Path]) -> dict[str, Any]:
    """The answers of one process."""
    work = {
        "native": list(CONFIGS), "packed": PACKED, "prompt": PROMPT, "choices": CHOICES,
        "batch": BATCH, "tokens": TOKENS, "refused": list(REFUSED), "guided": GUIDED,
        "unfit": harmed.unfit(built / "unfit"), "warm": [WARM.temperature, WARM.top_p], "seeds": SEEDS,
    }  # fmt: skip
    python = environment("onnxruntime_genai")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
        for name in ("HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(built / "home"))
        answers: dict[str, Any] = json.loads(run_in(python, PROGRAM, str(built), json.dumps(work)))
    return answers


@pytest.mark.parametrize("name", CONFIGS)
def test_float32_answers_as_transformers_does(
    name: str, built: Path, found: dict[str, Any]
) -> None:
    """Greedy tokens and the likelihoods of two texts, for every family, from the same files."""
    model = transformers.AutoModelForCausalLM.from_pretrained(built / name)
    ids = list(IDS)
    with torch.no_grad():
        first = model(torch.tensor([[*IDS, 9]])).logits[0].log_softmax(-1)
        for _ in range(TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    one = found[name]
    assert one["texts"] == [" ".join(f"w{token}" for token in ids[len(IDS) :])] * 2
    wanted = [float(first[-2, 9] + first[-1, 3]), float(first[-2, 8])]
    assert one["logprobs"] == pytest.approx(wanted, abs=1e-4)
    config = model.config
    heads, width = config.num_key_value_heads, getattr(config, "head_dim", None) or 16
    assert one["kv_bytes_per_token"] == 2 * 4 * 2 * heads * width
    assert (one["layers"], one["kernel"]) == (0, "MatMul on CPU")
    stored = sum(parameter.nbytes for parameter in model.parameters())
    assert one["weights_bytes"] == pytest.approx(stored, rel=0.01), "a tied head is stored once"


@pytest.mark.parametrize("name", [*CONFIGS, *PACKED])
def test_answers_in_a_batch_are_those_alone(name: str, found: dict[str, Any]) -> None:
    """Prompts of other lengths are padded; with packed weights too, on one machine."""
    assert found[name]["batching"] == "padded on the right"
    assert found[name]["together"] == 1
    assert found[name]["batch"] == found[name]["alone"]


def test_texts_that_fill_the_positions(built: Path, found: dict[str, Any]) -> None:
    """Alone; in a batch, whose rows would together be longer than the model; and as a choice."""
    alone, batch = found["full"]
    assert alone == batch
    assert [len(text.split()) for text in alone] == [1, 60, 60]
    model = transformers.AutoModelForCausalLM.from_pretrained(built / "llama")
    ids = [*(1 + at % 90 for at in range(127)), 3]
    with torch.no_grad():
        last = model(torch.tensor([ids])).logits[0, -2:].log_softmax(-1)
    assert found["last"] == pytest.approx([float(last[0, 3] + last[1, 4])], abs=1e-4)


def test_every_family_is_tested() -> None:
    """The list by which planning refuses others."""
    assert {config.model_type for config in CONFIGS.values()} == set(genai_families.FAMILIES)


@pytest.mark.parametrize("label", PACKED)
def test_packed_layers_are_counted_and_smaller(
    label: str, built: Path, found: dict[str, Any]
) -> None:
    """Five matrices a layer, one of which is three, and the head; in int4 a tied one's rows."""
    name, keys = PACKED[label]
    one, whole = found[label], found[name]
    assert one["layers"] == 2 * 5 + 1 + (label == "tied-4")
    model = transformers.AutoModelForCausalLM.from_pretrained(built / name)
    parameters, embedding = sum(part.numel() for part in model.parameters()), 64 * harmed.WORDS
    sizes = Sizes(parameters, embedding, tied=name == "tied", hidden=64)
    reckoned = quantizer("onnxruntime_genai", **keys).stored_bytes(
        sizes, "float32", ENGINES["onnxruntime_genai"]
    )
    assert one["weights_bytes"] == pytest.approx(reckoned, rel=0.03), "norms too"
    assert one["weights_bytes"] < 0.5 * whole["weights_bytes"]
    bits = 8 if label.endswith("8") else 4
    assert one["kernel"] == f"MatMulNBits of {bits} bits, activations of 8 bits on CPU"
    assert one["texts"][0] == one["texts"][1]
    assert bits == 8 or one["texts"] != whole["texts"]
    assert set(one["files"]) >= {"config.json", "genai_config.json", "model.onnx", "tokenizer.json"}


def test_more_bits_are_closer(found: dict[str, Any]) -> None:
    """8 bits give nearly the likelihoods of float32, 4 bits others."""

    def off(label: str) -> float:
        pairs = zip(found[label]["logprobs"], found["llama"]["logprobs"], strict=True)
        return max(abs(one - other) for one, other in pairs)

    assert 0 < off("llama-8") < 0.5 * off("llama-4")


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_it_would_compute_otherwise_are_refused(
    name: str, found: dict[str, Any]
) -> None:
    """While converting, in one line: a window that its builder ignores shows in the logits."""
    entry = found["refused"][name]
    assert entry.startswith("UnsupportedError: ")
    assert REFUSED[name][1] in entry
    assert "\n" not in entry


def test_what_it_cannot_do_is_reported(found: dict[str, Any]) -> None:
    """A text that ends in the token of padding, a tokenizer that it cannot read, a lost file."""
    for one in (found[name] for name in CONFIGS):
        assert re.match("UnsupportedError: a text ends in token 0, which", one["padding"])
    assert found["refused"]["words"].startswith("UnsupportedError: guided: ONNX Runtime GenAI")
    assert found["refused"]["lost data"].startswith("UserError: ")
    assert "unreadable checkpoint" in found["refused"]["lost data"]
    harmed.check_refusals(found["unfit"])


def test_no_telemetry(built: Path, found: dict[str, Any]) -> None:
    """Events that wait to be sent would be in the user's cache, with the machine's id."""
    assert found["llama"]["texts"]
    assert not [*built.glob("home/**/*onnxruntime*")]


def test_random_tokens_are_those_of_the_temperature(built: Path, found: dict[str, Any]) -> None:
    """No more of the likeliest than have `top_p` together, by the probabilities after it."""
    model = transformers.AutoModelForCausalLM.from_pretrained(built / "llama")
    with torch.no_grad():
        logits = model(torch.tensor([IDS])).logits[0, -1].numpy()
    allowed = {f"w{token}" for token in candidates(logits, WARM)[0]}
    colder = {f"w{token}" for token in candidates(logits, Sampling(1.0, WARM.top_p, 0))[0]}
    assert len(colder) < len(allowed) < harmed.WORDS
    sampled = {text or "w0" for text in found["sampled"]}  # the end of a text
    assert sampled <= allowed
    assert not sampled <= colder


@pytest.mark.parametrize("key", GUIDED)
def test_guided_answers_fit_and_end(key: str, found: dict[str, Any]) -> None:
    """Its own guidance decides; the parent's answer does not fit, and a request leaves nothing behind."""
    fits = fitting.fits(block_of(technique_of({"kind": "guided", key: GUIDED[key]})))
    (text, ended), again = found["guided"][key]
    assert fits(text), text
    assert ended == "stop"
    assert again == [text, ended]
    assert not fits(found["guided"]["none"][0][0])


def test_planning_refuses_what_is_not_tested() -> None:
    """An architecture, native or packed; other engines do not read the format."""
    catalogue = read_catalogue(CONFIG)
    for quantization in ("native", "genai-int4"):
        reason = placed(catalogue, "falcon7b", quantization, "cpu-onnxruntime-genai").unsupported()
        assert (reason or "").startswith("ONNX Runtime GenAI's falcon is not tested")
        found = placed(catalogue, "qwen2.5-0.5b", quantization, "cpu-onnxruntime-genai")
        assert found.unsupported() is None
    reason = placed(catalogue, "qwen2.5-0.5b", "genai-int4", "cpu-onnxruntime").unsupported()
    assert reason == "onnxruntime reads onnx; onnxruntime_genai writes onnx_genai"
