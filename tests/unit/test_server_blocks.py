"""Blocks of servers: what they can say, what is refused and how, and what it decides."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import shipped
from frontier.catalogue.entries import Catalogue
from frontier.engines.server import Server
from frontier.errors import UserError, one_line
from frontier.planning.placement import placed
from frontier.quantizers import block_of
from frontier.serving.commands import Command
from quantizing import quantizer

COMMAND = ["serve", "{checkpoint}", "--port", "{port}"]
BLOCK: dict[str, Any] = {
    "kind": "server",
    "reads": ["hub"],
    "accelerators": ["cpu"],
    "command": COMMAND,
}
ENDPOINT: dict[str, Any] = {
    "kind": "server", "reads": ["hub"], "accelerators": ["remote"], "base_url": "https://a.b/v1",
}  # fmt: skip
SECRET = "0123456789abcdef0123456789ABCDEF"


def catalogue(block: dict[str, Any], **device: Any) -> Catalogue:
    """A catalogue with this engine and a device that names it."""
    place = {"engine": "mine", "accelerator": block["accelerators"][0]} | device
    return shipped.catalogue(engines={"mine": block}, devices={"place": place})


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (BLOCK | {"base_url": "http://a/v1"}, "give exactly one of command, base_url"),
        ({key: one for key, one in BLOCK.items() if key != "command"}, "give exactly one of"),
        (BLOCK | {"command": ["serve"]}, "has {port}"),
        (BLOCK | {"command": [*COMMAND, "{checkpint}"]}, "did you mean 'checkpoint'"),
        (BLOCK | {"command": [*COMMAND, "0.0.0.0:80"]}, "listens for every host"),
        (BLOCK | {"accelerators": ["remote"]}, "for a base_url"),
        (ENDPOINT | {"accelerators": ["cpu"]}, "a base_url for that"),
        (ENDPOINT | {"base_url": "a.b/v1"}, "not a URL that starts with http"),
        (ENDPOINT | {"base_url": f"https://u:{SECRET}@a.b/v1"}, "key|password"),
        (BLOCK | {"dialect": {"api": "completion"}}, "did you mean 'completions'"),
        (BLOCK | {"dialect": {"api": "chat", "prompt_ids": True}}, "only with api: completions"),
        (BLOCK | {"dialect": {"usag": "each"}}, "did you mean 'usage'"),
        (BLOCK | {"dialect": {"usage": "askd"}}, "did you mean 'asked'"),
        (BLOCK | {"asks": ["generate", "choose"]}, "choose needs dialect.logprobs"),
        (BLOCK | {"key": {"variable": SECRET}}, "must be the name of an environment variable"),
        (BLOCK | {"key": {"variable": "K", "given_as": SECRET}}, "must be the name of"),
        (ENDPOINT | {"key": {"variable": "K", "given_as": "K"}}, "only for a server that is started"),
        (BLOCK | {"variables": {"API_KEY": SECRET}}, "API_KEY looks like a secret"),
        (BLOCK | {"quantizes": [{"quantization": {"method": "bitsandbite"}}]}, "bitsandbytes"),
        (BLOCK | {"quantizes": [{"quantization": {"method": "server", "scheme": "x", "bits": 4}, "arguments": ["{x}"]}]}, "no placeholder {x}"),
        (BLOCK | {"max_failed": 2}, "less than or equal to 1"),
        (BLOCK | {"root": "v1"}, "root"),
        (BLOCK | {"health": "health"}, "health"),
        (BLOCK | {"dialect": {"add": {"model": "other"}}}, "model: is what is measured"),
        (BLOCK | {"dialect": {"add": {"n": 2}}}, "n: is what is measured"),
        (BLOCK | {"dialect": {"leave_out": ["stream"]}}, "stream: is what is measured"),
        (BLOCK | {"dialect": {"add": {"max_tokens": 9}}}, "add: max_tokens is the task's"),
        (BLOCK | {"dialect": {"leave_out": ["temprature"]}}, "did you mean 'temperature'"),
        (BLOCK | {"version": "http://a.b/version"}, "version"),
        (ENDPOINT | {"query": "?a=b"}, "query"),
        (ENDPOINT | {"query": "a=b c"}, "query"),
        (ENDPOINT | {"key": {"variable": "K", "header": "my key"}}, "the name of a header"),
        (ENDPOINT | {"key": {"variable": "K", "header": "Host"}}, "the name of a header"),
        (BLOCK | {"retry": 3}, "did you mean 'retries'"),
    ],
)  # fmt: skip
def test_what_is_refused(block: dict[str, Any], words: str) -> None:
    """One line names the file and the key, and repeats no secret."""
    with pytest.raises(UserError, match=words) as refused:
        catalogue(block)
    said = one_line(refused.value)
    assert re.match(r"config/engines\.yaml|.*engines\.yaml", said)
    assert SECRET not in said


def test_a_prefix_cache_that_cannot_be_turned_on() -> None:
    """Is refused where a device asks for it; where it can be, the device decides."""
    with pytest.raises(UserError, match="mine has no way to turn a prefix cache on"):
        catalogue(BLOCK, prefix_cache=True)
    switch = {"prefix_caching": {"disable": {}, "enable": {"arguments": ["--cache"]}}}
    assert catalogue(BLOCK | switch, prefix_cache=True).devices["place"].prefix_cache


def test_a_server_quantizes_what_its_block_says() -> None:
    """The very keys, and no others; schemes of its own are no other engine's."""
    engines = shipped.engines()
    nf4, double = (
        block_of(quantizer("bitsandbytes", weights="nf4", double_quant=one))
        for one in (False, True)
    )
    eetq = block_of(quantizer("server", scheme="eetq", bits=8))
    assert engines["tgi"].quantizes_by(nf4)
    assert not engines["tgi"].quantizes_by(double)
    assert engines["tgi"].quantizes_by(eetq)
    assert not engines["vllm"].quantizes_by(eetq)
    assert engines["transformers"].quantizes_by(nf4)
    tgi = engines["tgi"]
    assert isinstance(tgi, Server)
    change = tgi.quantized(nf4)
    assert change
    assert change.arguments == (("--quantize", "bitsandbytes-nf4"),)


def test_formats_join_servers_with_what_quantizers_write() -> None:
    """GPTQ, AWQ, compressed tensors on vLLM, TGI and SGLang; GGUF on llama.cpp's and Ollama."""
    models = {"m": {"path": "m", "dtype": "float16"}}
    read = shipped.engines()
    devices = {
        name: {"engine": name, "accelerator": block.accelerators[0], "gpus": int(block.accelerators[0] != "cpu")}
        for name, block in read.items()
        if isinstance(block, Server) and not block.remote
    }  # fmt: skip
    quantizations = {
        "native": {"method": "native"}, "gptq": {"method": "gptq", "bits": 4, "calibration": "c"},
        "awq": {"method": "awq", "calibration": "c"},
        "w8a8": {"method": "llmcompressor", "scheme": "W8A8", "calibration": "c"},
        "gguf": {"method": "gguf", "type": "Q4_K_M"}, "int8": {"method": "quanto", "weights": "int8"},
        "eetq": {"method": "server", "scheme": "eetq", "bits": 8},
    }  # fmt: skip
    tasks = {
        "t": {
            "dataset": "demo",
            "sample": {"size": 1, "grammar": "arithmetic"},
            "prompt": "{question}",
            "max_new_tokens": 1,
            "scorer": {"kind": "mathematics"},
        }
    }
    whole = shipped.catalogue(
        models=models, devices=devices, quantizations=quantizations, tasks=tasks,
        datasets={"demo": {"loader": "demo", "source": {"generator": "demo"}}},
        calibrations={"c": {"tasks": ["t"], "size": 1}},
    )  # fmt: skip
    runs = {
        name: {one for one in quantizations if placed(whole, "m", one, name).unsupported() is None}
        for name in devices
    }
    checkpoints = {"native", "gptq", "awq", "w8a8"}
    assert runs["vllm"] == runs["sglang"] == runs["lmdeploy"] == checkpoints
    assert runs["tgi"] == {*checkpoints, "eetq"}
    for name in ("llama-server", "llama-cpp-python", "ollama"):
        assert runs[name] == {"native", "gguf"}, name
    assert runs["transformers-serve"] == {"native"}


def test_a_key_must_be_there_before_anything_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that the block names; its value is in no message."""
    block = shipped.engines()["openai"]
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(
        UserError, match="openai: the environment variable OPENAI_API_KEY must hold"
    ):
        block.require("openai")
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    block.require("openai")
    shipped.engines()["vllm"].require("vllm")


def test_how_a_server_is_reached_decides_nothing() -> None:
    """Another key, health page or patience repeats no measurement; another dialect does."""
    block = catalogue(BLOCK).engines["mine"]
    same = catalogue(
        BLOCK
        | {"health": "/h", "ready_s": 9, "key": {"variable": "K"}, "retries": 1, "max_failed": 0.5}
    ).engines["mine"]
    assert block.slice("measure") == same.slice("measure")
    for other in ({"dialect": {"usage": "each"}}, {"variables": {"A": "1"}}, {"context": 9}):
        assert catalogue(BLOCK | other).engines["mine"].slice("measure") != block.slice("measure")
    used = same.only("measure")
    assert isinstance(used, Server)
    assert (used.retries, used.health) == (1, "/h")
    with pytest.raises(AttributeError):
        _ = used.max_failed


def test_the_file_of_tabbyapi(tmp_path: Path) -> None:
    """Its settings are in a file, which the command writes before it starts the server's source."""
    server = shipped.engines()["tabbyapi"]
    assert isinstance(server, Server)
    assert server.command
    (tmp_path / "main.py").write_text("import sys; print(sys.argv)", encoding="utf-8")
    values = {
        "checkpoint": "/models/a b", "folder": tmp_path, "host": "127.0.0.1", "port": 5,
        "context": 4000, "python": sys.executable,
    }  # fmt: skip
    command = Command(server.command, {"TABBYAPI": str(tmp_path)})
    arguments, variables = command.filled(values)
    done = subprocess.run(arguments, env=os.environ | variables, check=True, capture_output=True)
    config = tmp_path / "config.yml"
    assert done.stdout.decode().split() == ["['main.py',", "'--config',", f"'{config}']"]
    assert yaml.safe_load(config.read_text(encoding="utf-8")) == {
        "network": {"host": "127.0.0.1", "port": 5, "disable_auth": True},
        "model": {
            "model_dir": "/models", "model_name": "a b", "max_seq_len": 4000, "cache_size": 4096,
        },
    }  # fmt: skip
