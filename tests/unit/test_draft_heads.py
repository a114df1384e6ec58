"""Draft heads: their keys, their models, the settings by which servers load them, their files."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import save_file

import shipped
from frontier.catalogue.entries import Catalogue
from frontier.engines.server import Server
from frontier.errors import UserError
from frontier.fetching import checkpoints
from frontier.planning import cells
from frontier.results import layout
from frontier.serving.commands import Command
from frontier.techniques import block_of, technique_of

CATALOGUE = shipped.read()
HEAD: dict[str, Any] = {"kind": "draft_head", "method": "eagle3", "draft": "qwen3-32b-eagle3"}
TREE = HEAD | {"method": "eagle", "tokens": 5, "branches": 4, "verified": 16}
MTP = {"kind": "draft_head", "method": "mtp", "tokens": 2}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"kind": "draft_head", "method": "eagle"}, "draft: eagle needs one"),
        (HEAD | {"method": "mtp"}, "draft: mtp has no one"),
        (HEAD | {"branches": 4}, "branches and verified go together"),
        (HEAD | {"method": "medusa"}, "method"),
    ],
)
def test_keys(block: dict[str, Any], words: str) -> None:
    """A block that makes no sense is refused."""
    with pytest.raises(UserError, match=words):
        technique_of(block)


def cell(variant: str, device: str, catalogue: Catalogue = CATALOGUE) -> cells.Cell:
    """A cell of the shipped catalogue, or of a changed one."""
    place = layout.asked(variant, device, "demo-translation")
    return cells.cell(catalogue, place, lambda *_: 200 * 10**9)


@pytest.mark.parametrize(
    ("variant", "device", "reason"),
    [
        ("qwen3-32b+eagle3-qwen3-32b", "a6000x3-vllm", None),
        ("qwen3-32b+eagle3-qwen3-32b", "cpu", "transformers has no draft_head with these keys"),
        ("qwen3-32b+eagle3-qwen3-32b", "a6000-tgi", "tgi has no draft_head with these keys"),
        ("qwen3-8b+eagle3-qwen3-32b", "a6000-vllm", "is a draft head of qwen3-32b, not of this model"),
        ("qwen3-32b-eagle3", "a6000-vllm", "a draft head of qwen3-32b, and no model of its own"),
        ("qwen3-8b+mtp", "a6000-vllm", None),
        ("qwen3-8b+mtp", "a6000-sglang", None),
        ("qwen3-8b+mtp+lookup", "a6000-vllm", "would each draft the next tokens"),
    ],
)  # fmt: skip
def test_where_heads_run(variant: str, device: str, reason: str | None) -> None:
    """Servers that have them run them, with the model that the head was trained for."""
    found = cell(variant, device)
    assert found.outcome == ("unsupported" if reason else "planned"), found.reason
    assert (reason or "") in (found.reason or "")


def test_a_head_is_no_draft_and_a_model_is_no_head() -> None:
    """A smaller model cannot be loaded as a head, nor a head as a model."""
    ways = {
        "model": technique_of({"kind": "draft", "draft": "qwen3-32b-eagle3"}),
        "head": technique_of(HEAD | {"draft": "qwen3-0.6b"}),
    }
    changed = CATALOGUE.model_copy(update={"techniques": ways})
    assert "no model of its own" in (cell("qwen3-32b+model", "a6000x3-vllm", changed).reason or "")
    found = cell("qwen3-32b+head", "a6000x3-vllm", changed).reason or ""
    assert "qwen3-0.6b: is no draft head (head_of), which draft_head needs" in found
    heads = {"qwen3-0.6b": {"path": "m", "head_of": "qwen"}, "qwen3": {"path": "n"}}
    with pytest.raises(UserError, match=r"models\.qwen3-0\.6b\.head_of: .*did you mean 'qwen3'"):
        shipped.catalogue(models=heads)


def filled(engine: str, block: dict[str, Any], **values: object) -> list[str]:
    """The arguments of a server that runs a technique."""
    server, way = CATALOGUE.engines[engine], block_of(technique_of(block))
    assert isinstance(server, Server)
    assert server.runs_technique(way), engine
    change = server.technique(way)
    arguments, _ = Command(("serve", *change.arguments, "{port}"), change.variables).filled(
        {"port": 1, **values}
    )
    return arguments[1:-1]


def test_settings_of_servers() -> None:
    """They are those that vLLM and SGLang document; a tree is SGLang's alone."""
    at = {"draft": "/a head"}
    flag, config = filled("vllm", HEAD, **at)
    assert (flag, json.loads(config)) == (
        "--speculative-config",
        {"method": "eagle3", "model": "/a head", "num_speculative_tokens": 3},
    )
    assert json.loads(filled("vllm", MTP)[1]) == {"method": "mtp", "num_speculative_tokens": 2}
    assert filled("sglang", TREE, **at) == [
        "--speculative-algorithm", "EAGLE", "--speculative-draft-model-path", "/a head",
        "--speculative-num-steps", "5", "--speculative-eagle-topk", "4",
        "--speculative-num-draft-tokens", "16",
    ]  # fmt: skip
    assert filled("sglang", HEAD, **at)[-4:] == [
        "--speculative-num-steps", "3", "--speculative-eagle-topk", "1",
    ]  # fmt: skip
    assert not CATALOGUE.engines["vllm"].runs_technique(block_of(technique_of(TREE)))
    assert filled("tgi", {"kind": "prompt_lookup", "ngram": 1, "tokens": 3}) == ["--speculate", "3"]


LOOKUP = {"decoding_type": "NGram", "max_draft_len": 4, "max_matching_ngram_size": 3, "is_public_pool": False}  # fmt: skip
SMALLER = {"decoding_type": "DraftTarget", "max_draft_len": 5, "speculative_model_dir": "/d"}
EAGLE = {"decoding_type": "Eagle3", "max_draft_len": 3, "speculative_model_dir": "/d"}


@pytest.mark.parametrize(
    ("block", "config"),
    [
        (None, None),
        ({"kind": "prompt_lookup", "tokens": 4, "ngram": 3}, LOOKUP),
        ({"kind": "draft", "draft": "qwen3-0.6b"}, SMALLER),
        (HEAD, EAGLE),
        (MTP, {"decoding_type": "MTP", "num_nextn_predict_layers": 2}),
    ],
)
def test_the_file_of_tensorrt_llm(
    block: dict[str, Any] | None, config: dict[str, Any] | None, tmp_path: Path
) -> None:
    """Its settings are in a file, which the command writes: YAML, whether anything drafts or not."""
    server = CATALOGUE.engines["tensorrt-llm"]
    assert isinstance(server, Server)
    variables = {**server.variables, "REUSE": "false"}
    if block:
        variables |= server.technique(block_of(technique_of(block))).variables
    values = {
        "checkpoint": "/m", "draft": "/d", "folder": tmp_path, "dtype": "bfloat16", "host": "h",
        "port": 1, "name": "n", "context": 9, "gpus": 1,
    }  # fmt: skip
    assert server.command
    arguments, environment = Command(server.command, variables).filled(values)
    program = tmp_path / "trtllm-serve"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(arguments, env=environment | path, check=True)
    written = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    expected: dict[str, Any] = {
        "kv_cache_config": {"enable_block_reuse": False, "dtype": "auto"}, "dtype": "bfloat16",
    }  # fmt: skip
    if config:
        expected["speculative_config"] = config
        if config in (LOOKUP, SMALLER):
            expected["disable_overlap_scheduler"] = True
    assert written == expected


def test_the_files_of_a_head(tmp_path: Path) -> None:
    """Heads have no tokenizer, and speculators writes their sizes into a part of the configuration."""
    layer = {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "vocab_size": 16}
    config = {
        "architectures": ["Eagle3Speculator"], "auto_map": {"": "config.Eagle3SpeculatorConfig"},
        "draft_vocab_size": 12, "speculators_model_type": "eagle3",
        "transformer_layer_config": layer | {"num_hidden_layers": 1},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tensors = {
        "fc.weight": torch.ones(8, 24, dtype=torch.bfloat16),
        "d2t": torch.arange(12), "t2d": torch.ones(16, dtype=torch.bool),
    }  # fmt: skip
    save_file(tensors, tmp_path / "model.safetensors")
    found = checkpoints.describe(tmp_path)
    assert found["architecture"]["model_type"] == "llama"
    assert found["architecture"]["hidden"] == 8
    assert {*found["files"]} == {"config.json", "model.safetensors"}
    config.pop("speculators_model_type")
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(UserError, match="no 'model_type'"):
        checkpoints.describe(tmp_path)
