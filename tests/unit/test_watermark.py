"""The watermark on a model that writes English, against transformers' documented use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, WatermarkDetector, WatermarkingConfig

from frontier.engines import Generate, Generation, Settings
from frontier.engines.loaded import transformers as engine
from frontier.errors import UnsupportedError, UserError
from frontier.techniques import technique_of
from quantizing import quantizer
from stories import stories260k

PROMPT, TOKENS = "Once upon a time", 100
PLAIN = Settings("cpu", "float32", 1, "plain", quantizer("native"))
STRONG = {"bias": 3.0, "hashing_key": 15485863}
SELFHASH = {**STRONG, "seeding_scheme": "selfhash", "greenlist_ratio": 0.5, "context_width": 2}
LOOKUP = {"kind": "prompt_lookup", "tokens": 3, "ngram": 2}


@pytest.fixture(scope="module")
def stories(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained 260K Llama as a checkpoint."""
    return stories260k(test_data, tmp_path_factory.mktemp("stories"))


def answer(stories: Path, *blocks: dict[str, Any]) -> Generation:
    """The answer of the model that runs with these techniques."""
    ways = tuple(map(technique_of, blocks))
    model = engine.load(stories, replace(PLAIN, techniques=ways))
    return model.generate(Generate(PROMPT, TOKENS))


@pytest.mark.parametrize("keys", [STRONG, SELFHASH], ids=["lefthash", "selfhash"])
def test_answers_and_counts_are_those_of_transformers(stories: Path, keys: dict[str, Any]) -> None:
    """The text is `generate`'s, and the tokens of its green list are the detector's."""
    found = answer(stories, {"kind": "watermark", **keys})
    model = AutoModelForCausalLM.from_pretrained(stories)
    tokenizer = AutoTokenizer.from_pretrained(stories)
    config = WatermarkingConfig(**keys)
    fed = torch.tensor([tokenizer(PROMPT)["input_ids"]])
    ids = model.generate(
        fed, max_new_tokens=TOKENS, do_sample=False, watermarking_config=config,
        eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    assert found.text == tokenizer.decode(ids[0, fed.shape[1] :], skip_special_tokens=True)
    detector = WatermarkDetector(model.config, "cpu", config, ignore_repeated_ngrams=True)
    width = keys.get("context_width", 1) - (keys.get("seeding_scheme") == "selfhash")
    seen = detector(ids[:, fed.shape[1] - width :], return_dict=True)
    assert found.watermark == (seen.num_green_tokens[0], seen.num_tokens_scored[0])
    assert seen.z_score[0] > 3
    assert found.text != answer(stories).text


def test_it_costs_nothing_of_a_draft(stories: Path) -> None:
    """Prompt lookup accepts only tokens that the watermark lets the model generate."""
    mark = {"kind": "watermark", **STRONG}
    alone, fast = (answer(stories, *ways) for ways in ([mark], [mark, LOOKUP]))
    assert (fast.text, fast.watermark) == (alone.text, alone.watermark)


def test_a_bias_that_no_logit_shows_is_unsupported(stories: Path) -> None:
    """A number in fp32 is the same with it."""
    with pytest.raises(UnsupportedError, match="watermark changed nothing: no token"):
        answer(stories, {"kind": "watermark", "bias": 1e-12})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"context_width": 4}, "lefthash reads one token"),
        ({"seeding_scheme": "selfhash"}, "greenlist_ratio: must be at least 0.41"),
        ({"greenlist_ratio": 1.0}, "less than or equal to 0.99"),
    ],
)
def test_keys_that_transformers_would_ignore_are_refused(keys: dict[str, Any], words: str) -> None:
    """A key has an effect, or is an error."""
    with pytest.raises(UserError, match=words):
        technique_of({"kind": "watermark", **keys})
