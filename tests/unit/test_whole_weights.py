"""Every tensor that a model needs comes out of the checkpoint's files, or nothing is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import harmed
from environments import run_in
from frontier.engines import Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.fetching import checkpoints
from harmed import added, reconfigure, refusals, renamed, rewrite, spoilt, stored_as, without
from quantizing import quantizer

Harm = Callable[[Path], Any]

CORE: list[tuple[str, dict[str, Any]]] = [
    ("native", {}),
    ("quanto", {"weights": "int8"}),
    ("bitsandbytes", {"weights": "int8"}),
    ("bitsandbytes", {"weights": "nf4"}),
]
LOADING: list[tuple[str, dict[str, Any]]] = [
    ("torchao", {"weights": "int8"}),
    ("hqq", {"bits": 4}),
]
LAST = "model.layers.1"
HARMS: dict[str, tuple[str, Harm, tuple[str, ...]]] = {
    "foreign prefix": ("llama", renamed("_orig_mod."), ("lack lm_head.weight", "_orig_mod.")),
    "foreign prefix, tied": ("tied", renamed("module."), ("lack", "module.model.")),
    "lost matrix": ("llama", without(f"{LAST}.mlp.down"), (f"lack {LAST}.mlp.down_proj.weight",)),
    "lost layer": ("llama", without(f"{LAST}."), (f"lack {LAST}.input_layernorm.weight", "more")),
    "lost norm": ("llama", without("model.norm"), ("lack model.norm.weight",)),
    "lost embedding": ("llama", without("embed_tokens"), ("lack model.embed_tokens.weight",)),
    "lost head": ("llama", without("lm_head"), ("lack lm_head.weight",)),
    "tied by the files, not by config.json": (
        "tied",
        lambda folder: reconfigure(folder, tie_word_embeddings=False),
        ("lack lm_head.weight",),
    ),
    "tied by config.json, not by the files": (
        "llama",
        lambda folder: reconfigure(folder, tie_word_embeddings=True),
        ("lm_head.weight", "model.embed_tokens.weight", "differ"),
    ),
    "more layers than config.json says": (
        "llama",
        lambda folder: reconfigure(folder, num_hidden_layers=1),
        (f"no place for {LAST}.input_layernorm.weight",),
    ),
    "a tensor of another kind": ("llama", added("v_head.weight", 1, 64), ("no place for v_head",)),
    "biases that config.json does not name": (
        "llama",
        added(f"{LAST}.self_attn.q_proj.bias", 64),
        (f"no place for {LAST}.self_attn.q_proj.bias",),
    ),
    "biases that the files lack": (
        "llama",
        lambda folder: reconfigure(folder, attention_bias=True),
        ("lack model.layers.0.self_attn.k_proj.bias",),
    ),
    "another vocabulary": (
        "llama",
        lambda folder: reconfigure(folder, vocab_size=100),
        ("lm_head.weight is 96 x 64 in the files, and 100 x 64 according to config.json",),
    ),
    "another vocabulary, to which the tokenizer does not fit either": (
        "tied",
        lambda folder: reconfigure(folder, vocab_size=90),
        (
            "model.embed_tokens.weight is 96 x 64 in the files, and 90 x 64 according to config.json",
        ),
    ),
    "another width": (
        "llama",
        lambda folder: reconfigure(folder, intermediate_size=32),
        ("model.layers.0.mlp.down_proj.weight is 64 x 64 in the files, and 64 x 32",),
    ),
    "GPT-2 without a matrix": ("gpt2", without("h.1.mlp.c_fc.weight"), ("h.1.mlp.c_fc.weight",)),
    "Falcon without a matrix": ("falcon", without("h.1.mlp"), ("h.1.mlp.dense_4h_to_h.weight",)),
    "an expert lost": ("mixtral", without("1.block_sparse_moe.experts.1.w2"), ("experts",)),
}
"""The model that is harmed, how, and the text of the error, by name."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The sound checkpoint of a family."""
    known = harmed.configs()
    return cache(lambda name: harmed.write(tmp_path_factory.mktemp(name), known[name]))


@pytest.fixture
def copy(written: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    """A copy of it, to be harmed."""
    return lambda name: Path(shutil.copytree(written(name), tmp_path / name))


def check(refusal: str | None, words: tuple[str, ...]) -> None:
    """One line, the user's to mend, that says these words."""
    assert refusal is not None, "it was loaded"
    assert refusal.startswith("UserError: ")
    assert "\n" not in refusal
    for word in words:
        assert word in refusal


@pytest.mark.parametrize("name", HARMS)
def test_harmed_checkpoints_are_refused(name: str, copy: Callable[[str], Path]) -> None:
    """The error names the tensor, whatever quantizes it while loading."""
    kind, harm, words = HARMS[name]
    folder = copy(kind)
    harm(folder)
    methods = CORE if kind == "llama" else CORE[:1]
    for refusal in refusals([(method, keys, str(folder)) for method, keys in methods]):
        check(refusal, words)


def test_quantizers_of_another_environment_refuse_them_too(
    copy: Callable[[str], Path], environment: Callable[[str], Path]
) -> None:
    """torchao and HQQ, as those of the core."""
    folder = copy("llama")
    without(f"{LAST}.mlp.down")(folder)
    jobs = [(method, keys, str(folder)) for method, keys in LOADING]
    program = (
        "import sys, json, harmed; print(json.dumps(harmed.refusals(json.loads(sys.argv[1]))))"
    )
    for refusal in json.loads(run_in(environment("loading"), program, json.dumps(jobs))):
        check(refusal, (f"lack {LAST}.mlp.down_proj.weight",))


HARMLESS: dict[str, tuple[str, Harm]] = {
    "as it is": ("llama", lambda folder: None),
    "tied": ("tied", lambda folder: None),
    "a tied head that is in the files as well": (
        "tied",
        lambda folder: rewrite(
            folder,
            lambda found: {**found, "lm_head.weight": found["model.embed_tokens.weight"].clone()},
        ),
    ),
    "the rotary frequencies of old files": (
        "llama",
        added("model.layers.0.self_attn.rotary_emb.inv_freq", 8),
    ),
    "the causal masks of old files": (
        "gpt2",
        lambda folder: rewrite(
            folder,
            lambda found: {
                **found,
                "transformer.h.0.attn.bias": torch.ones(1, 1, 8, 8, dtype=torch.uint8),
                "transformer.h.0.attn.masked_bias": torch.tensor(-1e4),
            },
        ),
    ),
    "the hub's GPT-2, whose names have no prefix": (
        "gpt2",
        lambda folder: rewrite(
            folder,
            lambda found: {
                name.removeprefix("transformer."): tensor for name, tensor in found.items()
            },
        ),
    ),
    "experts": ("mixtral", lambda folder: None),
    "falcon": ("falcon", lambda folder: None),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_computed_or_tied_need_not_be_there(name: str, copy: Callable[[str], Path]) -> None:
    """Old files may contain it, which does no harm."""
    kind, change = HARMLESS[name]
    folder = copy(kind)
    change(folder)
    assert refusals([("native", {}, str(folder))]) == [None]


VALUES: dict[str, tuple[str, Harm, tuple[str, ...]]] = {
    "NaN": ("llama", spoilt("1.mlp.up_proj.weight", float("nan")), ("1.mlp.up_proj.weight", "NaN")),
    "infinity": ("llama", spoilt("norm.weight", float("inf")), ("norm.weight", "infinite")),
    "minus infinity": ("tied", spoilt("k_proj.weight", float("-inf")), ("k_proj", "infinite")),
    "bfloat16": (
        "llama",
        lambda folder: (
            spoilt("o_proj.weight", float("nan"))(folder),
            stored_as(torch.bfloat16, "weight")(folder),
        ),
        ("o_proj.weight", "NaN"),
    ),
    "float16 that overflowed": (
        "llama",
        lambda folder: (
            spoilt("q_proj.weight", 1e6)(folder),
            stored_as(torch.float16, "weight")(folder),
        ),
        ("q_proj.weight", "infinite"),
    ),
    "all NaN": (
        "gpt2",
        lambda folder: rewrite(
            folder, lambda found: {name: tensor * float("nan") for name, tensor in found.items()}
        ),
        ("NaN",),
    ),
    "integers": ("llama", stored_as(torch.int64, "weight"), ("stored as I64", "no quantization")),
    "one matrix in integers": ("llama", stored_as(torch.int8, "v_proj.weight"), ("v_proj", "I8")),
    "a bias in integers": ("gpt2", stored_as(torch.int32, "ln_f.bias"), ("ln_f.bias", "I32")),
    "truth values": ("falcon", stored_as(torch.bool, "ln_f.weight"), ("ln_f.weight", "BOOL")),
}


@pytest.mark.parametrize("name", VALUES)
def test_weights_that_are_no_numbers_are_refused(name: str, copy: Callable[[str], Path]) -> None:
    """The job that locks a checkpoint refuses them; without a lock, whatever loads it does."""
    kind, harm, words = VALUES[name]
    folder = copy(kind)
    harm(folder)
    with pytest.raises(UserError) as locking:
        checkpoints.describe(folder)
    for refusal in (f"UserError: {locking.value}", *refusals([("native", {}, str(folder))])):
        check(refusal, words)


def test_weights_beyond_the_range_of_float16(copy: Callable[[str], Path]) -> None:
    """They load, and turn to infinity on the way: no such variant."""
    folder = copy("llama")
    spoilt("q_proj.weight", 1e6)(folder)
    assert refusals([("native", {}, str(folder))]) == [None]
    with pytest.raises(UnsupportedError, match=r"q_proj\.weight has weights beyond the range"):
        engine.load(folder, Settings("cpu", "float16", 1, "plain", quantizer("native")))


def test_a_tokenizer_larger_than_the_embedding(
    copy: Callable[[str], Path], written: Callable[[str], Path]
) -> None:
    """A token without a row of its own."""
    folder = copy("llama")
    rewrite(
        folder,
        lambda found: {
            name: tensor[:90] if len(tensor) == harmed.WORDS else tensor
            for name, tensor in found.items()
        },
    )
    reconfigure(folder, vocab_size=90)
    (refusal,) = refusals([("native", {}, str(folder))])
    check(refusal, ("tokenizer is larger", "'w95' is token 95", "vocab_size is 90"))
