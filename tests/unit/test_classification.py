"""Labels read from generations, and their metrics against scikit-learn's."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from frontier.errors import UserError
from frontier.scorers import SCORERS, Score, ScoredItem
from frontier.scorers.classification import Classification

LABELS = ("negative", "positive")
BINARY = Classification(labels=LABELS, positive="positive")
SPELLINGS = {
    "positive": ["positive", " Positive", "POSITIVE.", "The answer is positive, not negative"],
    "negative": ["negative", "Negative\n", "(negative)", "**negative**\nIt is not positive."],
    "invalid": ["", "neutral", "positively", "nonnegative", "it is good", "¿?", "not positive"],
}


def items(references: list[str], predictions: list[str]) -> list[ScoredItem]:
    pairs = enumerate(zip(references, predictions, strict=True))
    return [ScoredItem(str(i), prediction, reference, {}) for i, (reference, prediction) in pairs]


@pytest.mark.parametrize(("label", "text"), [(k, t) for k, ts in SPELLINGS.items() for t in ts])
def test_spellings(label: str, text: str) -> None:
    item = ScoredItem("0", text, "", {})
    assert (Classification(labels=LABELS).read(item).label or "invalid") == label


def compare_with_sklearn(references: list[str], kinds: list[str], found: Score) -> None:
    """Invalid answers are a third label to scikit-learn: never right, and a positive missed."""
    value = {name: metric.value for name, metric in found.metrics.items()}
    matrix = confusion_matrix(references, kinds, labels=[*LABELS, "invalid"])
    assert [list(row.values()) for row in found.details["confusion"].values()] == matrix[
        :2
    ].tolist()
    assert value["accuracy"] == pytest.approx(accuracy_score(references, kinds))
    precision, recall, f1, _ = precision_recall_fscore_support(
        references, kinds, labels=["positive"], zero_division=np.nan
    )
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        metric = found.metrics[name]
        if np.isnan(expected[0]):
            assert metric.value is None
        else:
            assert metric.value == pytest.approx(expected[0])
            assert metric.low is None or metric.low <= metric.value <= metric.high
    assert value["invalid_rate"] == kinds.count("invalid") / len(kinds)
    assert value["ambiguous_rate"] == found.details["ambiguous"] / len(kinds)
    assert value["ambiguous_rate"] <= value["invalid_rate"]
    counts = found.details
    assert matrix.sum() == sum(counts[k] for k in ("tp", "fp", "fn", "tn", "invalid_negative"))


@given(
    st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from([*SPELLINGS])), min_size=1),
    st.randoms(use_true_random=False),
)
def test_metrics_are_scikit_learns(pairs: list[tuple[str, str]], rng: random.Random) -> None:
    references, kinds = [a for a, _ in pairs], [b for _, b in pairs]
    found = BINARY.score(items(references, [rng.choice(SPELLINGS[kind]) for kind in kinds]))
    compare_with_sklearn(references, kinds, found)
    assert [row["score"] for row in found.requests] == [float(a == b) for a, b in pairs]


def test_metrics_on_the_studys_sentences_are_scikit_learns(test_data: Path) -> None:
    rows = json.loads((test_data / "sst2" / "paper_sample_200.json").read_text())
    rng = random.Random(7)
    references = [LABELS[row["label"]] for row in rows]
    kinds = [rng.choice([*SPELLINGS]) for _ in rows]
    predictions = [rng.choice(SPELLINGS[kind]) for kind in kinds]
    found = BINARY.score(items(references, predictions))
    compare_with_sklearn(references, kinds, found)
    for metric in found.metrics.values():
        assert metric.low is not None
        assert metric.high is not None
        assert 0 <= metric.low < metric.value < metric.high <= 1


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.sampled_from(["a", "b", "c", "no label"])), min_size=1
    )
)
def test_more_than_two_labels_get_macro_f1(pairs: list[tuple[str, str]]) -> None:
    references, predictions = [a for a, _ in pairs], [b for _, b in pairs]
    found = Classification(labels=("a", "b", "c")).score(items(references, predictions))
    expected = f1_score(
        references, predictions, labels=["a", "b", "c"], average="macro", zero_division=np.nan
    )
    assert found.metrics["macro_f1"].value == pytest.approx(expected)
    assert set(found.metrics) == {"accuracy", "invalid_rate", "ambiguous_rate", "macro_f1"}


def test_ambiguous_answers_are_invalid_and_counted() -> None:
    """Apart from those that name no label at all."""
    found = BINARY.score(items(["positive"] * 4, ["not positive", "fine", "positive", "both"]))
    assert found.metrics["invalid_rate"].value == 0.75
    assert found.metrics["ambiguous_rate"].value == 0.25
    assert found.details["ambiguous"] == 1
    assert [row["ambiguous"] for row in found.requests] == [True, False, False, False]


def test_an_echo_of_the_question_is_invalid() -> None:
    """It scored 50 %, for one of the two labels is named first in it."""
    prompt = "{sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:"
    rows = ["a positive film", "the beach", "neither here nor there ."]
    given = [
        ScoredItem(row, built[:end], "positive", {"sentence": row}, built)
        for row in rows
        for built in (prompt.format(sentence=row),)
        for end in (len(row), -25, -18, -9, None)
    ]
    found = BINARY.score(given)
    assert found.metrics["accuracy"].value == 0
    assert found.metrics["invalid_rate"].value == 1


def test_no_requests_no_figures() -> None:
    found = BINARY.score([])
    assert {metric.value for metric in found.metrics.values()} == {None}


def test_a_reference_that_is_no_label_is_named() -> None:
    with pytest.raises(
        UserError, match=r"request 0: reference 'postive' is not a label.*'positive'"
    ):
        BINARY.score(items(["postive"], ["positive"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": ["positive"]}, "at least 2"),
        ({"labels": ["yes", "YES"]}, "differ in more than case"),
        ({"labels": ["ｙｅｓ", "yes"]}, "differ in more than case"),
        ({"labels": ["very_good", "Very good"]}, "differ in more than case"),
        ({"labels": ["yes", "\u200b"]}, "non-empty"),
        ({"labels": ["negative", "positive"], "positive": "postive"}, "did you mean 'positive'"),
        ({"labels": ["a", "b", "c"], "positive": "a"}, "only for two labels"),
        ({"labels": ["a", "b"], "lables": 1}, "lables"),
    ],
)
def test_bad_options_are_reported(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Classification.model_validate(options)


def test_scorers_are_found_by_their_files_name() -> None:
    assert SCORERS.load("classification") is Classification
    with pytest.raises(UserError, match=r"unknown id 'clasification' \(did you mean 'classif"):
        SCORERS.load("clasification")
    with pytest.raises(UserError, match="unknown id"):
        SCORERS.load("classification.read")
