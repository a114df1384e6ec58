"""Every server's block against a server of its dialect: texts, counts, ends, prompts, errors.

The conformance server has no model: its answers follow from the prompt, so that what has to be read
is known here, independently of how it was sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import chains
import shipped
from conformance_server import REPLIES, SAMPLED, ConformanceServer
from frontier.client.client import Client
from frontier.engines import (
    Generate,
    Generation,
    Loaded,
    ServerFacts,
    Settings,
)  # fmt: skip
from frontier.engines.common.prompting import Prompting
from frontier.engines.common.sending import Sending
from frontier.engines.loaded.server import ServerModel
from frontier.engines.server import Server
from quantizing import quantizer

BLOCKS = {name: one for name, one in shipped.engines().items() if isinstance(one, Server)}
SPOKEN = {
    "vllm-cpu": "vllm",
    "vllm-chat": "vllm",
    "openvino-model-server": "ovms",
    "huggingface": "tgi",
    "anthropic-sampling": "anthropic",
}
"""Blocks that speak another one's dialect."""
TEMPLATE = "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
CONTEXT = 200
PROMPTS = [f"What is {number} + {number}?" for number in range(12)]
SETTINGS = Settings("cpu", "float32", 1, "plain", quantizer("native"))
CHAT = Settings("cpu", "float32", 1, "chat", quantizer("native"))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer of bytes, whose characters are often cut, with a beginning and an end."""
    built = chains.tokenizer()
    built.chat_template = TEMPLATE
    return chains.checkpoint(tmp_path_factory.mktemp("model") / "chain", built)


@pytest.fixture(scope="module")
def server(checkpoint: Path) -> Iterator[ConformanceServer]:
    """One process for all dialects."""
    with ConformanceServer(checkpoint) as running:
        yield running


class Spoken:
    """Clients of conformance servers, closed at the end."""

    def __init__(self, server: ConformanceServer, checkpoint: Path) -> None:
        self.server, self.checkpoint, self.models = server, checkpoint, list[ServerModel]()

    def model(self, block: Server, url: str, headers: dict[str, str] | None = None) -> ServerModel:
        """The block's model at a server's address."""
        chat = block.dialect.api != "completions"
        settings = CHAT if chat else SETTINGS
        prompting = None if block.base_url else Prompting.of(self.checkpoint, settings)
        sending = Sending(
            block.dialect, settings, "model", prompting, CONTEXT if prompting else None
        )
        facts = ServerFacts("it", base_url=block.base_url)
        loaded = Loaded(None, quantized_layers=None, kv_bytes_per_token=None, server=facts)
        client = Client(f"{url}/v1")
        found = ServerModel(block.only("measure"), settings, client, headers or {}, sending, loaded)
        self.models.append(found)
        return found

    def __call__(self, name: str, **quirks: Any) -> ServerModel:
        """A block's model, at a server of its dialect with other switches."""
        return self.model(BLOCKS[name], self.url(name, **quirks))

    def url(self, name: str, **quirks: Any) -> str:
        """The address of a server of a block's dialect."""
        return self.server.speaks(SPOKEN.get(name, name), **quirks)


@pytest.fixture
def spoken(server: ConformanceServer, checkpoint: Path) -> Iterator[Spoken]:
    """Makes clients."""
    found = Spoken(server, checkpoint)
    yield found
    for model in found.models:
        model.close()


def reply(checkpoint: Path, ids: list[int]) -> str:
    """The server's answer to these tokens."""
    digest = hashlib.sha256(json.dumps(ids).encode()).digest()
    return REPLIES[digest[0] % len(REPLIES)]


def cut(text: str, stop: str) -> str:
    """The text before a stop text."""
    return text.partition(stop)[0]


def steady(answer: Generation) -> tuple[str, ...]:
    """The doubts but for those about the client's times, which other jobs may cause."""
    return tuple(one for one in answer.doubts if not one.startswith("client: "))


@pytest.mark.parametrize("name", BLOCKS)
def test_each_block_reads_its_dialect(name: str, spoken: Spoken, checkpoint: Path) -> None:
    """The text before the stop text, all tokens, the end, and the prompt's tokens."""
    model = spoken(name)
    block = BLOCKS[name]
    built = chains.tokenizer()
    greedy = block.greedy or "temperature" in block.dialect.leave_out
    for prompt in PROMPTS:
        if block.dialect.api == "completions":
            ids = built(prompt)["input_ids"]
        else:
            text = prompt if block.dialect.api == "responses" else f"user: {prompt}\n"
            begin = [] if block.dialect.api == "responses" else [built.bos_token_id]
            ids = [*begin, *built(text, add_special_tokens=False)["input_ids"]]
        said = reply(checkpoint, ids) if greedy and name != "anthropic-sampling" else SAMPLED
        answer = model.generate(Generate(prompt, 60, ("\n",)))
        assert answer.text == cut(said, "\n")
        assert answer.finish_reason == "stop"
        assert sum(one.tokens for one in answer.arrivals) == answer.tokens > 0
        assert all(one.tokens > 0 for one in answer.arrivals)
        times = [0, *(one.ns for one in answer.arrivals), answer.end_ns]
        assert times == sorted(times)
        if block.dialect.usage != "never" or model.sending.prompting:
            assert answer.prompt_tokens == len(ids)
        assert steady(answer) == ()
