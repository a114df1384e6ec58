"""Checkpoints converted for an engine with an environment of its own, and what it answers there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

import harmed
from environments import run_in
from stories import stories260k

PROMPTS = ["Once upon a time", "One day, Lily and Ben went to the big park"]
TOKENS = 30

# One process for all of an engine's checkpoints: starting it takes longer than what it does.
PROGRAM = """
import contextlib, dataclasses, importlib, json, sys
from pathlib import Path

def error_of(errors, function, *arguments):
    try:
        function(*arguments)
    except errors as raised:
        return str(raised)
    return None

def answers(folder, settings, prompts, tokens):
    engine = module.load(folder, settings)
    found = {"loaded": dataclasses.asdict(engine.loaded)}
    found["answers"] = [dataclasses.asdict(engine.generate(Generate(prompt, tokens, ()))) for prompt in prompts]
    found["again"] = engine.generate(Generate(prompts[0], tokens, ())).text
    stop = found["again"][20:23]
    found["stopped"] = engine.generate(Generate(prompts[0], tokens, (stop,))).text
    found["direct"] = engine.begun(tokens, chooser(None)) is not None
    engine.begun = lambda *_: None  # as for a graph that only optimum knows how to feed
    found["by optimum"] = [engine.generate(Generate(prompt, tokens, ())).text for prompt in prompts]
    found["stopped by optimum"] = engine.generate(Generate(prompts[0], tokens, (stop,))).text
    engine.close()
    return found

with contextlib.redirect_stdout(sys.stderr):
    from frontier.conversions import CONVERSIONS
    from frontier.engines import Generate, Settings
    from frontier.engines.common.choosing import chooser
    from frontier.errors import UnsupportedError
    from frontier.errors import UserError
    from harmed import conversion_refusals
    from quantizing import ENGINES, quantizer

    name, folder, work = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
    module = importlib.import_module(f"frontier.engines.loaded.{name}")
    found = {}
    for label, job in work["jobs"].items():
        quantization = quantizer(job["method"], **job["options"])
        preparation = quantization.preparation(ENGINES[name], "float32")
        kind = CONVERSIONS.load(preparation.conversion)
        output = folder / label
        output.mkdir()
        made = kind(**preparation.options).convert(Path(job["checkpoint"]), output, [])
        settings = Settings("cpu", "float32", 1, "plain", quantization)
        found[label] = answers(output, settings, work["prompts"], work["tokens"])
        found[label]["quantized layers"] = made.quantized_layers
        found[label]["files"] = sorted(path.name for path in output.iterdir())
    for label, checkpoint in work["refused"].items():
        output = folder / f"refused-{label}"
        output.mkdir()
        refusal = UserError, UnsupportedError
        found[label] = error_of(refusal, kind().convert, Path(checkpoint), output, [])
    unfit, place = work["unfit"], folder / "unfit"
    found["unfit"] = conversion_refusals(kind().convert, unfit, place, [])
    weights = folder / next(iter(work["jobs"])) / work["weights"]
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    found["cut off"] = error_of(UserError, module.load, weights.parent, settings)
print(json.dumps(found))
"""


def checkpoints(data: Path, folder: Path) -> dict[str, Path]:
    """The pretrained 260K Llama, and tiny random models with its tokenizer."""
    stories = stories260k(data, folder / "stories")
    tokenizer = transformers.AutoTokenizer.from_pretrained(stories)
    ends: dict[str, Any] = {"vocab_size": 512, "bos_token_id": 1, "eos_token_id": 2}
    small = {
        "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
        "max_position_embeddings": 256, "initializer_range": 0.08, **ends,
    }  # fmt: skip
    wide = small | {"hidden_size": 256, "initializer_range": 0.04, "intermediate_size": 768}
    configs = {
        "gpt2": transformers.GPT2Config(
            n_embd=64, n_head=4, n_layer=2, n_positions=256, initializer_range=0.08, **ends
        ),
        "falcon": transformers.FalconConfig(**small, alibi=False, bias=False),
        # Not Llama's usual theta: what reads it as that one gives other tokens.
        "untied": transformers.LlamaConfig(
            **wide, num_key_value_heads=2, tie_word_embeddings=False,
            rope_parameters={"rope_type": "default", "rope_theta": 50.0},
        ),
        "falcon-new": transformers.FalconConfig(
            **small, new_decoder_architecture=True, num_kv_heads=2
        ),
        "narrow-heads": transformers.LlamaConfig(**small, intermediate_size=192, head_dim=8),
    }  # fmt: skip
    found = {"stories": stories}
    for name, config in configs.items():
        torch.manual_seed(0)
        found[name] = folder / name
        model = transformers.AutoModelForCausalLM.from_config(config)
        # So that none of them ends a text.
        model.get_output_embeddings().weight.data[config.eos_token_id] = 0
        model.save_pretrained(found[name])
        tokenizer.save_pretrained(found[name])
    return found


def check_answers(found: dict[str, Any]) -> None:
    """One time for each token, in order, the first after the start; the same answer again.

    The engines' contract holds this of native weights; a quantized variant has kernels of its own.
    """
    for answer in found["answers"]:
        times = [ns for ns, tokens in answer["arrivals"] if tokens == 1]
        assert len(times) == len(answer["arrivals"]) == TOKENS
        assert answer["finish_reason"] == "length"
        assert times == sorted(set(times))
        assert 0 < times[0] < times[-1] <= answer["end_ns"]
    assert found["again"] == found["answers"][0]["text"]


def check_against_optimum(found: dict[str, Any]) -> None:
    """Asked directly, the graph answers as it does through optimum's `generate`, stopped or not."""
    assert found["direct"]
    assert found["by optimum"] == [answer["text"] for answer in found["answers"]]
    assert found["stopped"] == found["stopped by optimum"]
    assert found["again"].startswith(found["stopped"])
    assert len(found["stopped"]) <= 20


def greedy(folder: Path, prompt: str) -> list[int]:
    """The reference: argmax after argmax over the whole sequence, without a cache."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    ids: list[int] = tokenizer(prompt)["input_ids"]
    with torch.no_grad():
        for _ in range(TOKENS):
            ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
    return ids[-TOKENS:]


def run_engine(
    engine: str,
    environment: Callable[[str], Path],
    folder: Path,
    built: dict[str, Path],
    variants: dict[str, tuple[str, str, dict[str, Any]]],
    weights: str,
    refused: tuple[str, ...],
) -> dict[str, Any]:
    """Converts and runs `variants` (label: checkpoint, method, options) in the engine's environment."""
    jobs = {
        label: {"checkpoint": str(built[name]), "method": method, "options": options}
        for label, (name, method, options) in variants.items()
    }
    work = {
        "jobs": jobs, "prompts": PROMPTS, "tokens": TOKENS, "weights": weights,
        "refused": {name: str(built[name]) for name in refused},
        "unfit": harmed.unfit(built["stories"].parent / "unfit"),
    }  # fmt: skip
    folder.mkdir()
    printed = run_in(environment(engine), PROGRAM, engine, str(folder), json.dumps(work))
    found: dict[str, Any] = json.loads(printed)
    return found


def parameters(folder: Path) -> int:
    """The number of parameters of a checkpoint."""
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    return sum(weight.numel() for weight in model.parameters())
