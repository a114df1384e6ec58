"""The contract of every scorer, found by its path."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from pydantic import ValidationError

from conftest import ROOT
from frontier.catalogue.configuration import read_catalogue
from frontier.errors import UserError
from frontier.judging.asking import Inquiry
from frontier.scorers import (
    CHOSEN,
    POINTS,
    SCORERS,
    CorpusScorer,
    MeanScorer,
    Option,
    Score,
    ScoredItem,
    Scorer,
)
from frontier.scorers.code import Code
from frontier.scorers.conduct import Conduct
from frontier.scorers.judge import Judge
from frontier.scorers.refusal import Refusal

REQUIRED = {"code": {"form": "continuation"}, "judge": {"judge": "any", "device": "cpu"}}
"""Keys of scorers that no task of config/tasks.yaml uses."""
MARKS = {"pair": ("[[A]]", "[[B]]"), "arena": ("[[A>B]]", "[[B>A]]"), "identifier": ("m", "M")}
"""Verdicts for the answer that is shown first, and for the second."""
CODE = {
    "prompt": "def f():\n", "entry_point": "f", "test": "def check(f):\n    assert f() == 7\n",
}  # fmt: skip
PREDICTIONS = ("positive", "negative", "7", "8", "A cat sits here.", "", "\u200b", "7 or 8", "¿?")


@cache
def settings() -> dict[str, list[Scorer]]:
    """Every scorer as the tasks of config/tasks.yaml set it; else with its defaults, if it can be."""
    found: dict[str, list[Scorer]] = {name: [] for name in SCORERS.names()}
    for scorer in read_catalogue(ROOT / "config").scorers.values():
        if scorer not in found[SCORERS.name_of(type(scorer))]:
            found[SCORERS.name_of(type(scorer))].append(scorer)
    for name in (name for name, scorers in found.items() if not scorers):
        with suppress(ValidationError):
            found[name].append(SCORERS.load(name)(**REQUIRED.get(name, {})))
    return found


def references(scorer: Scorer) -> Iterator[str]:
    """Texts that may be a right answer: the scorer's labels, and some others."""
    if isinstance(scorer, Code):
        yield "    return 7\n"
        return
    if isinstance(scorer, Refusal | Conduct):
        yield "A cat sits here." if scorer.safe else "I can't help with that."
        return
    yield from getattr(scorer, "labels", ())
    yield from ("7", "A cat sits here.", "positive", "A", '{"a": 1, "b": {"c": [true, null]}}')


def score(scorer: Scorer, given: Sequence[ScoredItem]) -> Score:
    """The score; a judge's by a judge that knows the right answers."""
    if not isinstance(scorer, Judge):
        return scorer.score(given)
    rated = [("best", True), ("worst", False)]
    rated += [(one.id, one.prediction in one.references) for one in given]
    if scorer.form != "rating":
        return compared(scorer, given, rated)
    asked = [Inquiry(one.id, "", one.id, None, 1, 1) for one in given]
    check = Inquiry("check", "", "best", "worst", 1, 1, check=True)
    said = {name: "[[10]]" if right else "[[1]]" for name, right in rated}
    if isinstance(scorer, Conduct):
        good, bad = ("harmless", "partial") if scorer.safe else ("refused", "harmful")
        said = {name: f"[[{good if right else bad}]]" for name, right in rated}
        said |= {"best": "[[refused]]", "worst": "[[harmful]]"}
    return scorer.score_judged(given, [*asked, check], said)


def compared(
    scorer: Judge, given: Sequence[ScoredItem], rated: Sequence[tuple[str, bool]]
) -> Score:
    """The score of a judge that compares each answer with another one, in both orders."""
    first, second = MARKS[scorer.form]
    asked = [Inquiry(one.id, "other", f"{one.id} 1", f"{one.id} 2", 1, 1) for one in given]
    check = Inquiry("check", "", "best 1", "best 2", 1, 1, check=True)
    said = {f"{name} 1": first if right else second for name, right in rated}
    said |= {f"{name} 2": second if right else first for name, right in rated}
    return scorer.score_judged(given, [*asked, check], said)


def items(scorer: Scorer) -> Sequence[ScoredItem]:
    """Some generations for each reference that is possible for the scorer."""
    fields = {"text": "What is it?"} | dict.fromkeys(scorer.reads(), "A cat sits here, or 7 do.")
    fields |= CODE
    if isinstance(scorer, Refusal | Conduct):
        fields |= scorer.safe
    if isinstance(scorer, Code):
        fields |= {scorer.prefix: CODE["prompt"], scorer.suffix or "": ""}

    def possible(reference: str) -> bool:
        try:
            score(scorer, [answered(scorer, ScoredItem("0", reference, reference, fields))])
        except UserError:
            return False
        return True

    found = [one for one in dict.fromkeys(references(scorer)) if possible(one)]
    pairs = [(text, one) for one in found for text in (one, *PREDICTIONS)]
    return [
        answered(scorer, ScoredItem(str(place), text, one, fields, "What is it?\nAnswer:"))
        for place, (text, one) in enumerate(pairs)
    ]


def answered(scorer: Scorer, item: ScoredItem) -> ScoredItem:
    """The item; where likelihoods are asked for, its prediction is by far the likeliest."""
    if scorer.ASKS == "generate":
        return item
    texts = dict.fromkeys((*item.references, item.prediction, "elephants"))
    options = (
        Option(text, text in item.references, -1.0 if text == item.prediction else -99.0)
        for text in texts
    )
    return replace(item, options=tuple(options))


@pytest.mark.parametrize("name", SCORERS.names())
def test_contract_of_every_scorer(name: str) -> None:
    """Rows in the order of the items, shares for scores, the primary metric, values of JSON."""
    assert settings()[name], "it has required keys: add a task to config/tasks.yaml that uses it"
    for scorer in settings()[name]:
        if reason := scorer.unavailable():
            pytest.skip(reason)
        given = items(scorer)
        assert given, "no reference is possible: add one to `references`"
        found = score(scorer, given)
        assert scorer.primary() in found.metrics
        assert found.metrics[scorer.primary()].value is not None
        assert len(found.requests) == len(given)
        scores = [row["score"] for row in found.requests]
        assert all(one is None or 0 <= one <= 1 + 1e-9 for one in scores)  # type: ignore[operator]
        assert scores[0] == pytest.approx(1), "the reference itself is right"
        for metric in found.metrics.values():
            assert metric.value is None or metric.low is None or metric.low <= metric.value
            assert metric.unit
            assert metric.method
        json.dumps([found.details, found.requests], allow_nan=False)
        assert score(scorer, given) == found
        nothing = score(scorer, [])
        assert nothing.metrics.keys() <= found.metrics.keys(), "but for the groups of the items"
        assert nothing.metrics[scorer.primary()].value is None


@pytest.mark.parametrize("name", SCORERS.names())
def test_proportions_are_of_right_and_wrong(name: str) -> None:
    """A comparison without counts only looks at whether each request is right or wrong."""
    for scorer in settings()[name]:
        found = score(scorer, items(scorer))
        if not isinstance(scorer, CorpusScorer) and not scorer.unavailable():
            scored = [row["score"] for row in found.requests if row["score"] is not None]
            of_any_size = isinstance(scorer, MeanScorer)
            assert of_any_size or set(scored) <= {0, 1}
            factor = 100 if of_any_size and scorer.UNIT == POINTS else 1
            share = found.metrics[scorer.primary()].value
            assert share == pytest.approx(factor * np.mean(scored))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SCORERS.names())
def test_every_accepted_answer_is_right_or_refused(name: str) -> None:
    """A further reference is never ignored: score.py refuses it where a scorer takes one."""
    for scorer in settings()[name]:
        possible = dict.fromkeys(one.reference for one in items(scorer))
        if scorer.REFERENCES == "one" or len(possible) < 2:
            continue
        first, second, *_ = possible
        fields = items(scorer)[0].fields
        both = [
            answered(scorer, ScoredItem(text, text, first, fields, "", (second,)))
            for text in (first, second)
        ]
        assert [row["score"] for row in score(scorer, both).requests] == pytest.approx([1, 1])


@pytest.mark.parametrize("name", SCORERS.names())
def test_a_mean_of_scores_is_compared_by_its_requests(name: str) -> None:
    """The difference is that of the primary metric, in its unit, and nothing against itself."""
    for scorer in settings()[name]:
        if not isinstance(scorer, MeanScorer):
            continue
        given = items(scorer)
        right = [
            answered(scorer, ScoredItem(one.id, one.reference, one.reference, one.fields))
            for one in given
        ]
        before, after = score(scorer, given), score(scorer, right)
        sides = [np.array([row["score"] for row in one.requests]) for one in (before, after)]
        change = scorer.difference(*sides)
        values = [one.metrics[scorer.primary()].value for one in (before, after)]
        assert change.estimate.value == pytest.approx(values[1] - values[0])  # type: ignore[operator]
        same = scorer.difference(sides[0], sides[0])
        assert same.estimate.value == 0
        assert same.p == 1


@pytest.mark.parametrize("name", SCORERS.names())
def test_counts_of_a_corpus_metric_are_those_of_its_rows(name: str) -> None:
    """They give each request's score, and nothing changes against itself."""
    for scorer in settings()[name]:
        if not isinstance(scorer, CorpusScorer):
            continue
        given = items(scorer)
        found = score(scorer, given)
        counts = np.array([row["counts"] for row in found.requests], dtype=float)
        assert counts.shape == (len(given), scorer.WIDTH)
        assert counts == pytest.approx(scorer.count(given))
        assert scorer.each(counts) == pytest.approx([row["score"] for row in found.requests])
        assert scorer.difference(counts, counts).estimate.value == 0


@pytest.mark.parametrize("name", SCORERS.names())
def test_a_scorer_is_written_and_read_again(name: str) -> None:
    """The form is that of a specification and a cell."""
    for scorer in settings()[name]:
        written = CHOSEN.write(scorer)
        assert written["kind"] == name
        assert CHOSEN.read(json.loads(json.dumps(written))) == scorer


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ({"kind": "clasification", "options": {}}, r"kind: .*did you mean 'classification'"),
        ({"kind": "classification", "options": {}}, r"options\.labels: Field required"),
        ({"kind": "translation", "options": {"target": "zh", "x": 1}}, r"options\.x: "),
        ({"kind": "translation", "target": "zh"}, "kind and options"),
        ("translation", "kind and options"),
    ],
)
def test_what_is_no_scorer_is_named(value: object, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        CHOSEN.read(value)
