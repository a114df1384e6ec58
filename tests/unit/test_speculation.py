"""Speculative decoding in transformers with real assistants: the same answers, counted right."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformers.generation import candidate_generator

from frontier.engines import Generate, Generation, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError
from frontier.techniques import Technique
from frontier.techniques.draft import Draft
from frontier.techniques.prompt_lookup import PromptLookup
from quantizing import quantizer
from stories import stories260k

ALONE = Settings("cpu", "float32", 1, "plain", quantizer("native"))
ONCE = "Once upon a time"
DRAFT = Draft(draft="draft", tokens=4)


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


@pytest.fixture(scope="module")
def ending(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, and a full stop ends its texts."""
    folder = shutil.copytree(stories, tmp_path_factory.mktemp("ending"), dirs_exist_ok=True)
    end = transformers.AutoTokenizer.from_pretrained(folder).convert_tokens_to_ids(".")
    ends = json.dumps({"eos_token_id": [2, end]})
    folder.joinpath("generation_config.json").write_text(ends, encoding="utf-8")
    return folder


def changed(stories: Path, folder: Path, change: Callable[[torch.Tensor], torch.Tensor]) -> Path:
    """A copy with other weights in the layers' matrices."""
    model = transformers.AutoModelForCausalLM.from_pretrained(stories)
    torch.manual_seed(0)
    for layer in model.model.layers:
        for weight in layer.parameters():
            weight.data = change(weight.data)
    model.generation_config = transformers.GenerationConfig(eos_token_id=2)
    model.save_pretrained(folder)
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def worse(stories: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with noise in its weights: it is right now and then."""
    folder = tmp_path_factory.mktemp("worse")
    return changed(stories, folder, lambda one: one + 0.25 * one.std() * torch.randn_like(one))


def loaded(stories: Path, *techniques: Technique, draft: Path | None = None) -> Any:
    """The model with techniques."""
    return engine.load(stories, replace(ALONE, techniques=techniques, draft=draft))


def shape(answer: Generation) -> tuple[str, int, str]:
    """The answer, however many tokens came together."""
    return answer.text, answer.tokens, answer.finish_reason


def test_a_step_ends_with_the_answer(ending: Path) -> None:
    """At any limit, at the end of a text and at a stop text, also amid what a step accepts."""
    alone, fast = loaded(ending), loaded(ending, DRAFT, draft=ending)
    at_a_limit = [Generate(ONCE, most) for most in range(1, 12)]
    at_a_text = [Generate(ONCE, 60, (stop,)) for stop in (" little", "girl", ", ")]
    steps = []
    for request in (*at_a_limit, Generate(ONCE, 60), *at_a_text):
        found, expected = fast.generate(request), alone.generate(request)
        assert shape(found) == shape(expected)
        assert {one.tokens for one in expected.arrivals} == {1}
        steps.append([one.tokens for one in found.arrivals])
    assert steps[:11] == [[5] * (n // 5) + [n % 5] * (n % 5 > 0) for n in range(1, 12)]
    ended = fast.generate(Generate(ONCE, 60))
    assert (ended.text[-5:], ended.finish_reason) == (" Lily", "stop")
    assert sum(steps[11]) % 5, "the end is amid a step"
    assert steps[12:] == [[5], [5, 3], [2]]


@pytest.mark.parametrize(
    "way", [DRAFT, Draft(draft="d", tokens=2, schedule="heuristic_transient", confidence=0.3)]
)
def test_accepted_tokens(
    stories: Path, worse: Path, way: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """transformers' own counts, where no step is cut; the answers of a worse draft are the same."""
    alone, fast = loaded(stories), loaded(stories, way, draft=worse)
    own = candidate_generator.AssistedCandidateGenerator
    drafted: list[int] = []
    matches: list[int] = []
    update = own.update_candidate_strategy

    def noted(generator: Any, ids: torch.Tensor, scores: torch.Tensor, number: int) -> None:
        drafted.append(scores.shape[1] - 1)
        matches.append(number)
        update(generator, ids, scores, number)

    monkeypatch.setattr(own, "update_candidate_strategy", noted)
    found = fast.generate(Generate(ONCE, 25))
    assert shape(found) == shape(alone.generate(Generate(ONCE, 25)))
    assert len(found.arrivals) == len(drafted)
    assert (found.drafted_tokens, found.accepted_tokens) == (sum(drafted), sum(matches))
    assert 0 < sum(matches) < sum(drafted)
    if way is DRAFT:
        assert set(drafted[:-4]) == {4}
    again = fast.generate(Generate(ONCE, 25))
    assert (again.drafted_tokens, again.arrivals and len(again.arrivals)) == (
        found.drafted_tokens, len(found.arrivals),
    )  # fmt: skip


def test_what_is_behind_the_end_was_drafted_in_vain(stories: Path) -> None:
    """Even if the model accepted it: the answer ends at a stop text before."""
    fast = loaded(stories, DRAFT, draft=stories)
    found = fast.generate(Generate(ONCE, 60, (", ",)))
    assert (found.tokens, found.drafted_tokens, found.accepted_tokens) == (2, 4, 2)
    one = fast.generate(Generate(ONCE, 1))
    assert (one.drafted_tokens, one.accepted_tokens) == (0, 0)


def test_a_useless_draft(stories: Path, tmp_path: Path) -> None:
    """No drafted token is accepted, and the answer is the model's."""
    useless = changed(stories, tmp_path, lambda one: torch.zeros_like(one))
    found = loaded(stories, DRAFT, draft=useless).generate(Generate(ONCE, 20))
    assert shape(found) == shape(loaded(stories).generate(Generate(ONCE, 20)))
    assert found.drafted_tokens
    assert found.accepted_tokens == 0


def test_lookup_is_counted_too(stories: Path) -> None:
    """Some of the repeated words follow again; without a repetition nothing is drafted."""
    fast = loaded(stories, PromptLookup(tokens=3, ngram=1))
    found = fast.generate(Generate(f"{ONCE}, there was a little girl. {ONCE}", 9))
    assert found.drafted_tokens > found.accepted_tokens > 0
    assert found.tokens - len(found.arrivals) in (found.accepted_tokens, found.accepted_tokens - 1)
    assert fast.generate(Generate("The", 2)).drafted_tokens == 0
    assert loaded(stories).generate(Generate("The", 2)).drafted_tokens is None


def test_a_drafts_own_settings_do_not_count(stories: Path, tmp_path: Path) -> None:
    """A checkpoint's penalty would change what it drafts."""
    shutil.copytree(stories, tmp_path, dirs_exist_ok=True)
    penalty = json.dumps({"repetition_penalty": 50.0, "do_sample": True, "temperature": 9.0})
    tmp_path.joinpath("generation_config.json").write_text(penalty, encoding="utf-8")
    found = loaded(stories, DRAFT, draft=tmp_path).generate(Generate(ONCE, 20))
    assert found.drafted_tokens == found.accepted_tokens == 16


def test_the_weights_of_both_count(stories: Path) -> None:
    """A draft takes memory too."""
    both = loaded(stories, DRAFT, draft=stories)
    assert both.loaded.weights_bytes == 2 * loaded(stories).loaded.weights_bytes


def test_another_vocabulary_is_unsupported(stories: Path, tmp_path: Path) -> None:
    """The draft's ids would be other tokens."""
    shutil.copytree(stories, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "tokenizer.json"
    saved = json.loads(path.read_text("utf-8"))
    ids = saved["model"]["vocab"]
    ids["e"], ids["t"] = ids["t"], ids["e"]
    path.write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(UnsupportedError, match=r"another vocabulary: 2 tokens .* such as 'e'"):
        loaded(stories, DRAFT, draft=tmp_path)
    config = transformers.LlamaConfig.from_pretrained(stories, vocab_size=520, hidden_size=64)
    padded = tmp_path / "padded"
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(padded)
    transformers.AutoTokenizer.from_pretrained(stories).save_pretrained(padded)
    with pytest.raises(UnsupportedError, match="logits of 520 tokens, the model itself of 512"):
        loaded(stories, DRAFT, draft=padded)


def test_a_draft_of_fewer_positions(stories: Path, tmp_path: Path) -> None:
    """Shorter requests are answered; the first request that does not fit is the reason."""
    shutil.copytree(stories, tmp_path, dirs_exist_ok=True)
    config = json.loads(tmp_path.joinpath("config.json").read_text("utf-8"))
    config["max_position_embeddings"] = 20
    tmp_path.joinpath("config.json").write_text(json.dumps(config), encoding="utf-8")
    model = loaded(stories, DRAFT, draft=tmp_path)
    assert model.generate(Generate(ONCE, 10)).tokens == 10
    with pytest.raises(UnsupportedError, match="longer than the draft model's 20 positions"):
        model.generate(Generate(ONCE, 30))
