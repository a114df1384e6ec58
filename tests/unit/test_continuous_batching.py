"""transformers' continuous batching: the answers of one request at a time, of many at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from test_architectures import NATIVE, write

from frontier.engines import Due, Generate, Generation
from frontier.engines.loaded import transformers as engine
from frontier.engines.loaded.continuous import ContinuousModel
from frontier.errors import UnsupportedError
from frontier.techniques import Context
from frontier.techniques.attention import Attention
from frontier.techniques.compile import Compile
from frontier.techniques.continuous_batching import ContinuousBatching
from frontier.techniques.guided import Guided
from frontier.techniques.prompt_lookup import PromptLookup

FEW = ContinuousBatching(requests=3, step_tokens=16, page=8)
"""A batch so small that requests wait, prompts are read in parts, texts have several pages."""
PROMPTS = [
    " ".join(f"w{(7 * row + word * word) % 90 + 1}" for word in range(3 + 9 * (row % 4)))
    for row in range(8)
]
REQUESTS = [Generate(prompt, 4 + 3 * (at % 3)) for at, prompt in enumerate(PROMPTS)]


def asked(model: Any, requests: Sequence[Generate]) -> list[Generation]:
    """The answers to all of these at once, in their order."""
    now = time.perf_counter_ns()
    found = dict(model.answer([Due(str(at), one, now) for at, one in enumerate(requests)]))
    return [found[str(at)] for at in range(len(requests))]


@pytest.mark.parametrize("kind", ["llama", "gpt2"])
@pytest.mark.parametrize("others", [(), (Attention(implementation="eager"),)], ids=["", "eager"])
def test_answers_are_those_of_one_at_a_time(kind: str, others: Any, tmp_path: Path) -> None:
    """Their texts, tokens and ends, stop texts included; every pass again, with times in order."""
    folder = write(tmp_path / kind, kind)
    plain = engine.load(folder, NATIVE)
    alone = [plain.generate(one) for one in REQUESTS]
    words = next(one.text.split() for one in alone if len(one.text.split()) > 2)
    stopping = [replace(one, stop=(words[2],)) for one in REQUESTS]
    model = engine.load(folder, replace(NATIVE, techniques=(*others, FEW)))
    assert isinstance(model, ContinuousModel)
    model.reserve(REQUESTS)
    for requests, wanted in (
        (REQUESTS, alone), (stopping, [plain.generate(one) for one in stopping]), (REQUESTS, alone),
    ):  # fmt: skip
        began = time.perf_counter_ns()
        found = asked(model, requests)
        for one, other in zip(found, wanted, strict=True):
            assert (one.text, one.tokens) == (other.text, other.tokens)
            assert (one.prompt_tokens, one.finish_reason) == (
                other.prompt_tokens,
                other.finish_reason,
            )
            moments = [arrival.ns for arrival in one.arrivals]
            assert began <= one.start_ns
            assert moments == sorted(moments)
            assert moments[0] > 0
            assert moments[-1] <= one.end_ns
    assert model.loaded.kv_bytes_per_token == plain.loaded.kv_bytes_per_token
    assert "at most 3 requests" in (model.loaded.batching or "")
    thread = model.manager._generation_thread
    model.close()
    assert not thread.is_alive()


def test_a_fallback_is_found_out(tmp_path: Path) -> None:
    """Attention that ignores the pages; requests one after another."""
    other = engine.load(write(tmp_path / "falcon", "falcon"), replace(NATIVE, techniques=(FEW,)))
    with pytest.raises(UnsupportedError):
        asked(other, REQUESTS)
    other.close()
    model: Any = engine.load(write(tmp_path / "llama", "llama"), replace(NATIVE, techniques=(FEW,)))
    asked(model, REQUESTS[:1])
    with pytest.raises(UnsupportedError, match="no two requests were computed together"):
        model._look([(1.0, 2.0), (2.0, 3.0), (3.0, 4.0)])
    model._look([(1.0, 2.0), (2.0, 3.0), (2.5, 4.0)])
    model.manager.batch_processor.cache.cache_tensor.zero_()
    with pytest.raises(UnsupportedError, match="wrote nothing into its pages"):
        model._look([(1.0, 2.0)])
    model.close()


def test_what_is_known_is_refused_while_planning() -> None:
    """Architectures with attention of their own, random tokens, techniques of plain `generate`."""
    here = Context("transformers", "cpu", "float32", "native", "llama", scenario="offline")
    assert FEW.unsupported(here) is None
    for changed in ({"architecture": "falcon"}, {"architecture": "mamba"}, {"samples": True}):
        assert FEW.unsupported(replace(here, **changed))
    for other in (Compile(), PromptLookup(), Guided(regex="a")):
        assert FEW.clashes(other)
    assert FEW.clashes(Attention(implementation="eager")) is None
