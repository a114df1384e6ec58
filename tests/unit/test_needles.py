"""Needles in haystacks: texts of the stated length with the needle at its depth, and their score."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from conftest import ROOT
from frontier import templates
from frontier.catalogue.configuration import read_catalogue
from frontier.datasets.needle import Needle
from frontier.errors import UserError
from frontier.grammars import GRAMMARS, needle
from frontier.sampling.drawing import SampleSpec
from frontier.scorers import ScoredItem
from frontier.scorers.contains import Contains

NOWHERE = Path("/nowhere")
STATED = re.compile(r"The secret (\w+) is (\w+)\.")


def said(text: str) -> dict[str, str]:
    """The secrets of a text, in its order."""
    return dict(STATED.findall(text))


@given(seed=st.integers(0, 10**6), words=st.integers(1, 300), depth=st.sampled_from((0, 0.5, 1)))
@settings(max_examples=40)
def test_a_text_has_its_length_and_its_needle_at_the_depth(
    seed: int, words: int, depth: float
) -> None:
    """Whole sentences: at most one more than the words, and the needles themselves."""
    rng = random.Random(seed)
    example = needle.hidden(rng, needle.secrets(rng, 4), words, depth)
    text, kind = example.fields["text"], example.fields["kind"]
    assert said(text)[kind] == example.reference
    assert len(said(text)) == 4
    hay = STATED.sub("", text)
    assert words <= len(hay.split()) < words + 20
    assert not re.search(rf"\b{example.reference}\b", hay)
    before = STATED.sub("", text.partition(f"The secret {kind} is")[0])
    assert before.count(".") == round(depth * hay.count("."))


def test_no_secret_is_a_word_of_the_haystack() -> None:
    """A word found is a needle found, and no word is of two kinds."""
    words = Counter(word for one in needle.SECRETS.values() for word in one)
    assert set(words.values()) == {1}
    assert {len(one) for one in needle.SECRETS.values()} == {16}
    hay = " ".join(needle.sentences(random.Random(0), 20_000)).lower()
    assert not {word.lower() for word in words} & {*re.findall(r"\w+", hay)}


def test_rows_are_the_same_everywhere_and_no_model_has_learned_them() -> None:
    rows = list(Needle(lengths=(20, 60), candidates=10).rows(NOWHERE))
    assert rows == list(Needle(lengths=(20, 60), candidates=10).rows(NOWHERE))
    assert rows[0].id == "needle-20-0-a919095842d84d01"
    assert Counter(row.stratum for row in rows) == {"20 words": 10, "60 words": 10}
    assert {row.fields["depth"] for row in rows} == {
        "depth 0%", "depth 25%", "depth 50%", "depth 75%", "depth 100%"
    }  # fmt: skip
    learned = islice(GRAMMARS.load("needle")().examples("train", 0), 3000)
    known = {tuple(said(example.fields["text"]).items()) for example in learned}
    asked = needle.Needle().examples("test", 0)
    assert all(example.split == "test" for example in islice(asked, 50))
    assert not known & {tuple(said(row.fields["text"]).items()) for row in rows}


def test_more_candidates_extend_the_fewer() -> None:
    few = list(Needle(lengths=(30,), candidates=5).rows(NOWHERE))
    assert list(Needle(lengths=(30,), candidates=9).rows(NOWHERE))[:5] == few


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"lengths": ()}, "at least 1 item"),
        ({"lengths": (8, 8)}, "two of them are the same"),
        ({"lengths": (8,), "depths": (1.5,)}, "less than or equal to 1"),
        ({"lengths": (8,), "needles": 9}, "less than or equal to 8"),
    ],
)
def test_keys_that_cannot_work_are_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Needle.model_validate(keys)


def test_the_program_draws_equal_shares_of_each_length(tmp_path: Path) -> None:
    spec = SampleSpec(loader=Needle(lengths=(10, 40), candidates=12), size=8)
    (tmp_path / "demo").mkdir()
    done = subprocess.run(
        [
            sys.executable, ROOT / "workflow/scripts/sample.py", "--spec",
            spec.model_dump_json(exclude_none=True), "--dataset", tmp_path / "demo",
            "--output", tmp_path / "sample.jsonl", "--lock", tmp_path / "lock.json",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lock = json.loads((tmp_path / "lock.json").read_text("utf-8"))
    assert lock["strata"] == {"10 words": 4, "40 words": 4}


def test_the_shipped_tasks_ask_for_a_needle_that_is_there() -> None:
    """Their prompts end where the needle's word follows; the grown models' is their corpus's."""
    catalogue = read_catalogue(ROOT / "config")
    for name in ("needle-1k", "needle-4k", "needle-32k"):
        task, loader = catalogue.tasks[name], catalogue.loaders[name]
        assert isinstance(loader, Needle)
        assert loader.candidates * len(loader.lengths) >= task.sample.size
        few = loader.model_copy(update={"lengths": loader.lengths[:1], "candidates": 2})
        for row in few.rows(NOWHERE):
            prompt = templates.fill(task.prompt, row.fields)
            assert f"{prompt.rpartition(chr(10))[2]} {row.reference}." in prompt
    for name, heads in (("needle-gqa", 2), ("needle-mha", 4), ("needle-mqa", 1)):
        model = catalogue.models[name]
        assert model.grow
        assert model.grow.corpora["needle"].prompt == catalogue.tasks["needle-1k"].prompt
        assert model.attention_heads == {"heads": 4, "kv_heads": heads}


def item(number: int, text: str, **fields: str) -> ScoredItem:
    return ScoredItem(f"r{number}", text, "tiger", fields)


def test_the_score_by_length_and_by_depth() -> None:
    """Shares of each group with Wilson's interval, and all of them in the details."""
    items = [
        item(0, " tiger.", length="32 words", depth="depth 0%"),
        item(1, " tigers", length="32 words", depth="depth 50%"),
        item(2, " a tiger", length="512 words", depth="depth 0%"),
    ]
    scorer = Contains(whole_words=True, by=("length", "depth"))
    assert scorer.reads() == ("length", "depth")
    found = scorer.score(items)
    shares = {name: metric.value for name, metric in found.metrics.items()}
    assert shares == {
        "contained": pytest.approx(2 / 3), "contained_32_words": 0.5, "contained_512_words": 1.0,
        "contained_depth_0": 1.0, "contained_depth_50": 0.0,
    }  # fmt: skip
    assert found.details["length"]["32 words"]["requests"] == 2
    with pytest.raises(UserError, match="no field 'lengths'"):
        Contains(by=("lengths",)).score(items)
