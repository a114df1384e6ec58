"""Choices by likelihood: the scorer, and the likelihoods of an engine's logits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontier.engines.common import choices
from frontier.engines.common.prompting import Pair
from frontier.errors import UserError
from frontier.prompts import Chat, choices_of, following
from frontier.results.records import Record
from frontier.scorers import Option, ScoredItem
from frontier.scorers.choice import Choice
from frontier.scorers.loglikelihood import Loglikelihood
from frontier.scoring.options import options
from frontier.stats.intervals import wilson
from frontier.tables.flips import kl_divergence

ANSWERS = ("no", "yes", "I have no comment", "ça va")


def item(
    logprobs: Sequence[float | None], right: Sequence[int] = (0,), fields: Any = None
) -> ScoredItem:
    texts = [ANSWERS[at % 4] + str(at) for at in range(len(logprobs))]
    found = tuple(
        Option(text, at in right, logprob)
        for at, (text, logprob) in enumerate(zip(texts, logprobs, strict=True))
    )
    return ScoredItem("a", "", texts[right[0]], fields or {}, options=found)


def values(items: Sequence[ScoredItem], **keys: Any) -> dict[str, float | None]:
    return {name: one.value for name, one in Loglikelihood(**keys).score(items).metrics.items()}


def test_the_likeliest_choice_is_the_answer() -> None:
    """MC1 goes by sums, not by lengths, which the two further metrics divide by."""
    items = [item([-3.0, -2.0, -9.0]), item([-1.0, -4.0, -2.0]), item([-6.0, -5.0, -6.5], [2])]
    found = Loglikelihood().score(items)
    assert [row["score"] for row in found.requests] == [0, 1, 0]
    assert [row["answer"] for row in found.requests] == ["yes1", "no0", "yes1"]
    assert found.metrics["accuracy"].value == pytest.approx(1 / 3)
    interval = wilson(1, 3)
    assert (found.metrics["accuracy"].low, found.metrics["accuracy"].high) == (
        interval.low, interval.high,
    )  # fmt: skip
    # by characters: -3/3 -2/4 -9/18; -1/3 -4/4 -2/18; -6/3 -5/4 -6.5/18
    by_length = Loglikelihood(metric="accuracy_per_character").score(items)
    assert [row["score"] for row in by_length.requests] == [0, 0, 1]
    # "yes1" has 4 characters and bytes, "ça va3" has 6 characters and 7 bytes
    umlaut = item([-99.0, -3.8, -99.0, -6.2], [3])
    assert values([umlaut])["accuracy_per_byte"] == 1
    assert values([umlaut])["accuracy_per_character"] == 0


def test_ties_share_the_credit_and_what_is_no_number_is_wrong() -> None:
    """A broken model would choose index 0 by argmax, which in TruthfulQA is always right."""
    tied = item([-2.0, -2.0, -2.0, -2.0])
    broken = item([None, None, None])
    partly = item([-1.0, None])
    unasked = ScoredItem("b", "", "no", {})
    found = Loglikelihood().score([tied, broken, partly, unasked])
    assert [row["score"] for row in found.requests] == [0.25, 0, 0, 0]
    assert found.unparsable == 3
    assert found.metrics["invalid_rate"].value == 0.75
    assert found.details["ties"] == 1
    mass = Loglikelihood(metric="mass_on_right").score([tied, broken])
    assert [row["score"] for row in mass.requests] == [0.25, 0]


def test_mass_on_the_right_ones() -> None:
    """MC2: a share of probabilities of whole texts, which underflow as such; in [0, 1]."""
    probabilities = [0.5, 0.2, 0.1, 0.05]
    logprobs = [math.log(one) for one in probabilities]
    found = values([item(logprobs, [0, 2])], metric="mass_on_right")
    assert found["mass_on_right"] == pytest.approx(0.6 / 0.85)
    assert found["probability_of_right"] == pytest.approx(0.6)
    assert found["probability_of_choices"] == pytest.approx(0.85)
    far = values([item([-2000.0, -2001.0], [0])], metric="mass_on_right")
    assert far["mass_on_right"] == pytest.approx(1 / (1 + math.exp(-1)))


def test_an_answer_that_a_row_repeats_counts_twice() -> None:
    """TruthfulQA's own code does so; in the probability of the choices a text is there once."""
    twice = tuple(Option(text, at < 2, math.log(p)) for at, (text, p) in enumerate(
        [("a", 0.2), ("a", 0.2), ("b", 0.4)]
    ))  # fmt: skip
    found = values([ScoredItem("a", "", "a", {}, options=twice)], metric="mass_on_right")
    assert found["mass_on_right"] == pytest.approx(0.5)
    assert found["probability_of_choices"] == pytest.approx(0.6)


@given(st.lists(st.lists(st.floats(-50, 0), min_size=2, max_size=6), min_size=1, max_size=30))
def test_metrics_are_shares(rows: list[list[float]]) -> None:
    """Holds for any likelihoods; an accuracy is the mean of the scores."""
    items = [item(row, [len(row) - 1]) for row in rows]
    for metric in ("accuracy", "accuracy_per_character", "mass_on_right"):
        scorer = Loglikelihood(metric=metric)
        found = scorer.score(items)
        scores = [row["score"] for row in found.requests]
        assert all(0 <= one <= 1 for one in scores)  # type: ignore[operator]
        primary = found.metrics[metric]
        assert primary.value == pytest.approx(np.mean(scores))  # type: ignore[arg-type]
        if primary.low is not None:
            assert primary.low - 1e-9 <= primary.value <= primary.high + 1e-9


@pytest.mark.parametrize("scorer", [Loglikelihood, Choice])
def test_macro_and_categories(scorer: Any) -> None:
    """Over all questions, over the subjects, and of each category, by hand."""
    groups = [("x", "STEM", 1), ("x", "STEM", 0), ("x", "STEM", 1), ("y", "STEM", 0),
              ("z", "social sciences", 1), ("z", "social sciences", 1)]  # fmt: skip
    items = []
    for subject, category, right in groups:
        fields = {"subject": subject, "category": category}
        if scorer is Choice:
            items.append(ScoredItem("a", "Answer: A" if right else "B", "A", fields))
        else:
            items.append(item([-1.0, -2.0], [1 - right], fields))
    found = scorer(macro="subject", by="category").score(items)
    assert found.metrics["accuracy"].value == pytest.approx(4 / 6)
    assert found.metrics["macro_accuracy"].value == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert found.metrics["accuracy_stem"].value == 0.5
    assert found.metrics["accuracy_social_sciences"].value == 1
    assert found.details["category"]["STEM"]["requests"] == 4
    with pytest.raises(UserError, match="no field 'topic'"):
        scorer(macro="topic").score(items)


def record(choices: Sequence[str], logprobs: Sequence[float | None]) -> Record:
    return Record("a", "", "", 0, 9, "chosen", 0, 0, [], 1, 0, choices=tuple(choices),
                  logprobs=tuple(logprobs))  # fmt: skip


def test_a_text_may_be_right_and_wrong_at_once() -> None:
    """The right ones of a row are the first; among labels they are found by their text."""
    row = {"id": "a", "reference": "x", "also_accepted": ["Unknown"], "wrong": ["Unknown", "y"]}
    found = options(record(["x", "Unknown", "Unknown", "y"], [-1, -2, -3, -4]), row, "row")
    assert [one.right for one in found] == [True, True, False, False]
    found = options(record(["x", "y"], [-1, -2]), {"id": "a", "reference": "y"}, ("x", "y"))
    assert [one.right for one in found] == [False, True]
    with pytest.raises(UserError, match="not asked for the choices of its row"):
        options(record(["y", "x"], [-1, -2]), {"id": "a", "reference": "y"}, ("x", "y"))


def test_choices_follow_a_prompt_as_an_answer_would() -> None:
    assert following("Answer:", ["A", "B"]) == (" A", " B")
    assert following("<|assistant|>\n", ["A"]) == ("A",)
    assert following("Answer: ", ["A"]) == ("A",), "its space goes to the choice"
    assert choices_of(("A", "B"), {"reference": "B"}) == ("A", "B")
    assert Chat("x").text == "x"


def test_likelihoods_of_known_logits() -> None:
    """Position i predicts token i + 1; choices of one token share a pass over the prompt."""
    vocabulary, rng = 11, np.random.default_rng(0)
    table = rng.normal(0, 3, (vocabulary, vocabulary)).astype(np.float32)  # by the last token
    passes: list[tuple[int, ...]] = []

    def logits(ids: Sequence[int], last: int) -> Any:
        passes.append(tuple(ids))
        return table[list(ids[-last:])]

    def ln(before: int, token: int) -> float:
        row = table[before].astype(np.float64)
        return float(row[token] - np.log(np.exp(row).sum()))

    pairs = [Pair([1, 2, 3], [4], False), Pair([1, 2, 3], [5], False)]
    found = choices.choice(lambda: pairs, logits)
    assert found.logprobs == pytest.approx([ln(3, 4), ln(3, 5)], abs=1e-5)
    assert passes == [(1, 2, 3)]
    pairs = [Pair([1, 2], [3, 4, 5], False), Pair([1], [7, 7], True)]
    found = choices.choice(lambda: pairs, logits)
    assert found.logprobs == pytest.approx(
        [ln(2, 3) + ln(3, 4) + ln(4, 5), ln(1, 7) + ln(7, 7)], abs=1e-5
    )
    assert passes[1:] == [(1, 2, 3, 4), (1, 7)]
    assert (found.tokens, found.prompt_tokens, found.merged) == ([3, 2], 2, 1)
    table[3, 6] = np.nan
    assert math.isnan(choices.choice(lambda: [Pair([3], [1], False)], logits).logprobs[0])
    table[3, 6] = np.inf
    assert not math.isfinite(choices.choice(lambda: [Pair([3], [1], False)], logits).logprobs[0])


def test_divergence_by_scipy() -> None:
    """The probabilities are normalised; nothing against itself, and more for a larger change."""
    from scipy.stats import entropy

    p, q = [-1.0, -2.0, -5.0], [-1.5, -2.0, -4.0]
    assert kl_divergence(p, q) == pytest.approx(entropy(np.exp(p), np.exp(q)))
    assert kl_divergence(p, p) == 0
    shifted = [one - 7 for one in q]
    assert kl_divergence(p, shifted) == pytest.approx(kl_divergence(p, q))
