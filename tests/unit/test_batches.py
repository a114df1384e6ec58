"""Batches of the transformers engine: the answers of one request at a time, several at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_architectures import NATIVE, write

import little
from frontier.engines import Due, Failed, Generate, Generation
from frontier.engines.common.padding import try_ways
from frontier.engines.loaded import transformers as engine
from frontier.errors import OutOfMemoryError
from frontier.machine import limits
from frontier.techniques.compile import Compile

PADDED = "padded on the left"
PROMPTS = [
    " ".join(f"w{(7 * row + word * word) % 90 + 1}" for word in range(3 + 5 * (row % 4)))
    for row in range(7)
]


def asked(model: engine.TransformersModel, requests: Sequence[Generate]) -> list[Generation]:
    """The answers to all of these at once, in their order."""
    now = time.perf_counter_ns()
    found = dict(model.answer([Due(str(at), one, now) for at, one in enumerate(requests)]))
    assert not [one for one in found.values() if isinstance(one, Failed)]
    return [found[str(at)] for at in range(len(requests))]  # type: ignore[misc]


def batches(answers: Sequence[Generation]) -> list[int]:
    """The sizes of the batches, in order of time."""
    starts = [one.start_ns for one in answers]
    return [starts.count(start) for start in sorted(set(starts))]


@pytest.fixture
def model(tmp_path: Path) -> engine.TransformersModel:
    """A random Llama whose answers vary with the prompt."""
    return engine.load(little.checkpoint(tmp_path / "little"), NATIVE)


WAYS = {
    "llama": PADDED, "gpt2": PADDED, "falcon": PADDED, "deepseek": PADDED, "jamba": PADDED,
    "mamba": PADDED, "rwkv": "one request at a time: a batch changes the probabilities",
}  # fmt: skip


@pytest.mark.parametrize("kind", WAYS)
def test_answers_are_those_of_one_at_a_time(kind: str, tmp_path: Path) -> None:
    """Every architecture gives the same answers; transformers' RWKV mixes the rows."""
    loaded = engine.load(write(tmp_path / kind, kind), NATIVE)
    requests = [Generate(prompt, 6) for prompt in PROMPTS]
    alone = [loaded.generate(one) for one in requests]
    answers = asked(loaded, requests)
    assert (loaded.loaded.batching or "").startswith(WAYS[kind])
    assert batches(answers) == ([len(requests)] if WAYS[kind] == PADDED else [1] * len(requests))
    for one, other in zip(answers, alone, strict=True):
        assert (one.text, one.tokens) == (other.text, other.tokens)
        assert (one.prompt_tokens, one.finish_reason) == (other.prompt_tokens, other.finish_reason)
    loaded.close()


def test_prompts_share_a_batch_only_where_padding_is_not_read(
    model: engine.TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that ignores the mask gets prompts of one length."""
    forward = model.model.forward

    def blind(*given: Any, attention_mask: Any = None, **more: Any) -> Any:
        return forward(*given, attention_mask=None, **more)

    monkeypatch.setattr(model.model, "forward", blind)
    requests = [Generate(prompt, 4) for prompt in ("one", "two", "three four five six", "a b")]
    alone = [model.generate(one) for one in requests]
    answers = asked(model, requests)
    assert (model.loaded.batching or "").startswith("prompts of equal length: padding changes")
    lengths = [one.prompt_tokens for one in answers]
    assert len(batches(answers)) == len(set(lengths)) > 1
    assert [one.text for one in answers] == [one.text for one in alone]


def test_each_row_ends_by_itself(model: engine.TransformersModel) -> None:
    """At its own limit or stop text; what `generate` adds to a row after its end counts nowhere."""
    text = model.generate(Generate("Once upon", 12)).text
    requests = [
        Generate("Once upon", 12), Generate("Once upon", 12, (text[4:6],)),
        Generate("What is 2 + 3 ?", 1), Generate("a film", 5),
    ]  # fmt: skip
    alone = [model.generate(one) for one in requests]
    answers = asked(model, requests)
    assert [one.text for one in answers] == [one.text for one in alone]
    assert [one.tokens for one in answers] == [one.tokens for one in alone]
    assert [one.finish_reason for one in answers] == ["length", "stop", "length", "length"]
    assert answers[1].end_ns < answers[0].end_ns
    for one in answers:
        times = [arrival.ns for arrival in one.arrivals]
        assert times == sorted(times)
        assert 0 < times[-1] <= one.end_ns
        assert one.start_ns + one.end_ns <= time.perf_counter_ns()


def test_the_longest_come_first_and_the_memory_decides_how_many(
    model: engine.TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests = [Generate("word " * count, 4) for count in (1, 9, 3, 12, 2, 8)]
    lengths = [model.generate(one).prompt_tokens + 4 for one in requests]
    room = 2 * max(lengths)
    monkeypatch.setattr(model, "free_bytes", lambda: 2 * room * model.bytes_per_token())
    answers = asked(model, requests)
    assert batches(answers)[0] == 2
    ordered = sorted(range(len(requests)), key=lambda at: answers[at].start_ns)
    assert sorted(lengths[at] for at in ordered[:2]) == sorted(lengths)[-2:]
    for start in {one.start_ns for one in answers}:
        rows = [lengths[at] for at, one in enumerate(answers) if one.start_ns == start]
        assert len(rows) * max(rows) <= room


def test_batches_are_halved_where_memory_runs_out(
    model: engine.TransformersModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They stay so; no request is lost, and a single one that does not fit is the cell's outcome."""
    requests = [Generate(f"word {at}", 4) for at in range(8)]
    alone = [model.generate(one).text for one in requests]
    generate, most, sizes = model.model.generate, 3, []

    def limited(input_ids: torch.Tensor, **given: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > most and "output_logits" not in given:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(input_ids=input_ids, **given)

    monkeypatch.setattr(model.model, "generate", limited)
    answers = asked(model, requests)
    assert [one.text for one in answers] == alone
    assert batches(answers) == [2, 2, 2, 2]
    assert sizes[-6:] == [8, 4, 2, 2, 2, 2]
    assert batches(asked(model, requests)) == [2, 2, 2, 2]
    most = 0
    with pytest.raises(OutOfMemoryError):
        asked(model, requests)


def test_requests_wait_until_they_are_due(model: engine.TransformersModel) -> None:
    """Those that are due meanwhile are answered together next."""
    model.answer([])
    asked(model, [Generate("one", 2), Generate("two", 2)])  # what comes first is not timed
    now = time.perf_counter_ns()
    later = now + 300_000_000
    given = [Due(str(at), Generate(f"word {at}", 2), later if at else now) for at in range(4)]
    found = dict(model.answer(given))
    assert found["0"].start_ns < later
    assert all(found[str(at)].start_ns >= later for at in (1, 2, 3))
    assert len({found[str(at)].start_ns for at in (1, 2, 3)}) == 1


def test_a_batch_that_fails_is_not_tried_again() -> None:
    """An architecture's own code may take one row only."""

    def next_tokens(prompts: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        if len(prompts) > 1:
            raise ValueError("expected one row")
        return [torch.eye(4)[:2]]

    way = try_ways(next_tokens, range(8), exact=True)
    assert (way.together, way.padded) == (False, False)
    assert way.words == "one request at a time: a batch fails: ValueError: expected one row"


def test_compiled_batches_have_one_shape(tmp_path: Path) -> None:
    """Nothing is compiled again for the last, smaller one."""
    folder = little.checkpoint(tmp_path / "little", num_hidden_layers=1)
    compiled = engine.load(folder, replace(NATIVE, techniques=(Compile(),)))
    eager = engine.load(tmp_path / "little", NATIVE)
    requests = [Generate(f"word {at} " * (at + 1), 4) for at in range(4)]
    answers = asked(compiled, requests)
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs > 0
    assert [one.text for one in answers] == [eager.generate(one).text for one in requests]
    more = [*requests, *requests[:2]]
    again = asked(compiled, more)
    assert [one.text for one in again] == [eager.generate(one).text for one in more]
    assert sorted(batches(again)) == [2, 4]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs
    compiled.close()


def test_the_free_memory_is_that_of_this_process() -> None:
    assert 0 < limits.free_bytes() < 1 << 60
