"""Caches that forget: the same answers as if tokens were really removed from transformers' cache."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from frontier.engines import Choose, Generate, Settings
from frontier.engines.loaded import transformers as engine
from frontier.engines.loaded.generated import TransformersModel
from frontier.errors import UnsupportedError
from frontier.techniques import Context, Technique
from frontier.techniques.attention_sinks import AttentionSinks
from frontier.techniques.common.bounded import OTHERWISE
from frontier.techniques.heavy_hitters import HeavyHitters
from frontier.techniques.sliding_window import SLIDING, SlidingWindow
from quantizing import quantizer
from stories import stories260k

CPU = Settings("cpu", "float32", 1, "plain", quantizer("native"))
PROMPT = "Once upon a time there was a little girl"
NEW = 16
Forget = Callable[[list[list[int]], list[list[float]], int], list[list[int]]]
"""Held positions of each head, the attention to them so far, the next position: those that stay."""


def window(size: int, sinks: int = 0) -> Forget:
    """The first and the last tokens stay."""
    return lambda held, _scores, at: [
        [one for one in head if one < sinks or one > at - size] for head in held
    ]


def heaviest(heavy: int, recent: int) -> Forget:
    """The token with the least attention goes once there is no room, but for the last ones."""

    def forget(held: list[list[int]], scores: list[list[float]], at: int) -> list[list[int]]:
        stay = []
        for head, own in zip(held, scores, strict=True):
            old = [place for place, one in enumerate(head) if one <= at - recent]
            if len(head) == heavy + recent:
                worst = min(old, key=lambda place: own[place])
                head = [one for place, one in enumerate(head) if place != worst]
            stay.append(head)
        return stay

    return forget


CASES: list[tuple[Technique, Forget]] = [
    (AttentionSinks(sinks=2, window=6), window(6, 2)),
    (SlidingWindow(window=7), window(7)),
    (HeavyHitters(heavy=4, recent=3), heaviest(4, 3)),
    (HeavyHitters(heavy=9, recent=1), heaviest(9, 1)),
]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def checkpoint(
    request: pytest.FixtureRequest, test_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Untrained models: one with shared key-value heads, one with learned positions."""
    folder = stories260k(test_data, tmp_path_factory.mktemp(request.param))
    torch.manual_seed(0)
    config: transformers.PretrainedConfig = transformers.LlamaConfig(
        vocab_size=512, hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, num_hidden_layers=2, initializer_range=0.6,
    )  # fmt: skip
    if request.param == "gpt2":
        config = transformers.GPT2Config(
            vocab_size=512, n_embd=32, n_head=4, n_layer=2, initializer_range=0.6
        )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


def loaded(checkpoint: Path, *techniques: Technique) -> TransformersModel:
    """The model with techniques."""
    return engine.load(checkpoint, replace(CPU, techniques=techniques))


def removing(checkpoint: Path, ids: list[int], new: int, forget: Forget) -> list[int]:
    """Greedy tokens with a cache from which tokens are removed, head by head, one step at a time."""
    model = transformers.AutoModelForCausalLM.from_pretrained(
        checkpoint, attn_implementation="eager"
    ).eval()
    cache = transformers.DynamicCache()
    held: list[list[list[int]]] = []
    scores: list[list[list[float]]] = []
    tokens = list(ids)
    with torch.inference_mode():
        for at in range(len(ids) + new - 1):
            for number, layer in enumerate(cache.layers):
                stay = forget(held[number], scores[number], at)
                places = [
                    [before.index(one) for one in after]
                    for before, after in zip(held[number], stay, strict=True)
                ]
                kept = torch.tensor(places)[None, :, :, None].expand(-1, -1, -1, 1)
                width = layer.keys.shape[-1]
                layer.keys = layer.keys.gather(2, kept.expand(-1, -1, -1, width))
                layer.values = layer.values.gather(2, kept.expand(-1, -1, -1, width))
                scores[number] = [
                    [own[place] for place in head]
                    for own, head in zip(scores[number], places, strict=True)
                ]
                held[number] = stay
            output = model(
                torch.tensor([tokens[at : at + 1]]),
                position_ids=torch.tensor([[at]]),
                past_key_values=cache,
                output_attentions=True,
            )
            heads = cache.layers[0].keys.shape[1]
            if not at:
                held = [[[] for _ in range(heads)] for _ in cache.layers]
                scores = [[[] for _ in range(heads)] for _ in cache.layers]
            for number, attention in enumerate(output.attentions):
                summed = attention[0, :, 0].reshape(heads, -1, attention.shape[-1]).sum(1).tolist()
                for head in range(heads):
                    held[number][head].append(at)
                    before = [*scores[number][head], 0.0]
                    scores[number][head] = [
                        one + more for one, more in zip(before, summed[head], strict=True)
                    ]
            if at + 1 >= len(ids):
                tokens.append(int(output.logits[0, -1].argmax()))
    return tokens[len(ids) :]


def generated(model: TransformersModel, prompt: str = PROMPT) -> list[int]:
    """The tokens of an answer."""
    seen: list[int] = []
    traced = model.traced

    def watch(answer: Any, ids: Any, tokens: Any) -> Any:
        seen.extend(tokens)
        return traced(answer, ids, tokens)

    model.traced = watch  # type: ignore[method-assign]
    model.generate(Generate(prompt, NEW))
    model.traced = traced  # type: ignore[method-assign]
    return seen


@pytest.mark.parametrize(
    ("technique", "forget"), CASES, ids=lambda one: str(getattr(one, "kind", ""))
)
def test_answers_are_those_of_a_cache_that_forgets(
    checkpoint: Path, technique: Technique, forget: Forget
) -> None:
    """Every token, also of a second request, whose cache is empty again."""
    model, plain = loaded(checkpoint, technique), loaded(checkpoint)
    assert model.loaded.simulated
    for prompt in (PROMPT, PROMPT[:-5]):
        ids = model.prompting.encode(prompt, NEW)
        found = generated(model, prompt)
        assert found == removing(checkpoint, ids, len(found), forget)
        assert found != generated(plain, prompt)
    each = plain.loaded.kv_bytes_per_token
    assert model.loaded.kv_bytes_per_token == each
    assert model.loaded.kv_windows == ((technique.cached_tokens, each),)


@pytest.mark.parametrize(
    "technique",
    [
        AttentionSinks(sinks=4, window=96),
        SlidingWindow(window=100),
        HeavyHitters(heavy=80, recent=20),
    ],
    ids=lambda one: one.kind,
)
def test_a_cache_with_room_for_all_changes_nothing(checkpoint: Path, technique: Technique) -> None:
    """The tokens are the parent's; where all requests have room, this is said before any is asked."""
    model, plain = loaded(checkpoint, technique), loaded(checkpoint)
    assert generated(model) == generated(plain)
    request = Choose(PROMPT, ("and a dog", "and a cat"))
    assert model.choose(request).logprobs == pytest.approx(plain.choose(request).logprobs, abs=1e-4)
    with pytest.raises(UnsupportedError, match=r"its 100 tokens have room for each request"):
        model.reserve([Generate(PROMPT, 4), request])
    model.reserve([Generate(PROMPT, 4), Generate(PROMPT, 100)])


def test_likelihoods_are_those_of_a_cache_that_forgets(checkpoint: Path) -> None:
    """A text's tokens are less likely after a window without its beginning; by hand for one token."""
    model = loaded(checkpoint, SlidingWindow(window=3))
    ids = model.prompting.encode(PROMPT, 1)
    found = model.logits(ids, 1)[0]
    assert int(found.argmax()) == removing(checkpoint, ids, 1, window(3))[0]
    found = model.choose(Choose(PROMPT, ("and a dog",))).logprobs[0]
    plain = loaded(checkpoint).choose(Choose(PROMPT, ("and a dog",))).logprobs[0]
    assert not math.isclose(found, plain, abs_tol=1e-3)


@pytest.mark.parametrize("kind", SLIDING)
def test_a_window_of_transformers_own_is_real(kind: str, tmp_path: Path, test_data: Path) -> None:
    """Its cache is as small as it says, its answers those of a cache that forgets."""
    stories260k(test_data, tmp_path)
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind, vocab_size=512, hidden_size=32, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, num_hidden_layers=2, initializer_range=0.6, sliding_window=None,
        pad_token_id=0, num_local_experts=2,
    )  # fmt: skip
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    model = loaded(tmp_path, SlidingWindow(window=7))
    found = generated(model)
    assert found == removing(tmp_path, model.prompting.encode(PROMPT, NEW), len(found), window(7))
    each = model.loaded.kv_bytes_per_token
    assert (model.loaded.simulated, model.loaded.kv_windows) == (False, ((6, each),))
    config.sliding_window = 7
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    with pytest.raises(UnsupportedError, match="a window of 7 tokens without it"):
        loaded(tmp_path, SlidingWindow(window=7))
    with pytest.raises(UnsupportedError, match="caches of another kind"):
        loaded(tmp_path, AttentionSinks(window=7))


def test_what_cannot_be_simulated_is_refused() -> None:
    """While planning: attention of an architecture's own, states, requests at once."""
    sinks = AttentionSinks(window=7)
    here = Context("transformers", "cpu", "float32", "native", architecture="llama")
    assert sinks.unsupported(here) is None
    for changed in ({"architecture": "mamba"}, {"scenario": "offline"}, {"architecture": "falcon"}):
        assert sinks.unsupported(replace(here, **changed))
    mistral = replace(here, architecture="mistral", scenario="offline")
    assert SlidingWindow(window=7).unsupported(mistral) is None
    for name in OTHERWISE:
        module = __import__(f"transformers.models.{name}.modeling_{name}", fromlist=["x"])
        assert not hasattr(module, "eager_attention_forward"), name
