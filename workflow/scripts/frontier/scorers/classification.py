"""Classification by a label named in the generation, as in SST-2: positive or negative.

The answer is the only label that the generation affirms (see answers/labelled.py), not one that it
repeats from the question, negates, asks or lists. A generation without one is invalid and counts as
wrong: `invalid_rate` is the share of these, and `ambiguous_rate` the share of those that mention a
label, but negated, or next to another one without an answer mark ("Answer:").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from frontier.answers import labelled
from frontier.answers.labelled import Reading
from frontier.answers.labels import Labels, canonical
from frontier.blocks import Decides
from frontier.errors import UserError, did_you_mean
from frontier.scorers import PROPORTION, Metric, Score, ScoredItem, Scorer
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.jackknife import jackknife, logit_up_to
from frontier.stats.serial import Floats

INVALID = -1
Codes = NDArray[np.int64]


class Classification(Scorer):
    """Accuracy with the confusion counts, and precision, recall and F1, or macro F1."""

    PRIMARY = "accuracy"

    labels: Annotated[tuple[str, ...], Field(min_length=2), Decides("score")]
    """The possible answers, spelled as in the references."""
    positive: Annotated[str | None, Decides("score")] = None
    """The positive one of two labels; without it macro F1 is reported."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        folded = [canonical(label) for label in self.labels]
        if len(set(folded)) < len(folded) or not all(folded):
            raise ValueError("labels must be non-empty words that differ in more than case")
        if self.positive is not None and self.positive not in self.labels:
            hint = did_you_mean(self.positive, self.labels)
            raise ValueError(f"positive: {self.positive!r} is not a label{hint}")
        if self.positive is not None and len(self.labels) > 2:
            raise ValueError("positive: only for two labels; leave it out to get macro F1")
        return self

    def read(self, item: ScoredItem) -> Reading:
        """The label with which a generation answers its prompt; its label is None if invalid."""
        words = _ready(self.labels)
        return labelled.read(item.prediction, words, item.prompt, item.fields.values())

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """All metrics with intervals. Raises UserError for a reference that is not a label."""
        for item in items:
            if item.reference not in self.labels:
                hint = did_you_mean(item.reference, self.labels)
                raise UserError(
                    f"request {item.id}: reference {item.reference!r} is not a label{hint}"
                )
        readings = [self.read(item) for item in items]
        parsed = [reading.label for reading in readings]
        code = {label: number for number, label in enumerate(self.labels)}
        predicted = np.array([INVALID if p is None else code[p] for p in parsed], dtype=np.int64)
        expected = np.array([code[item.reference] for item in items], dtype=np.int64)
        estimates, details = self._figures(expected, predicted)
        ambiguous = sum(reading.ambiguous for reading in readings)
        estimates["ambiguous_rate"] = wilson(ambiguous, len(items))
        return Score(
            metrics={name: Metric.of(one, PROPORTION) for name, one in estimates.items()},
            details=details | {"ambiguous": ambiguous},
            requests=[
                {
                    "score": float(reading.label == item.reference),
                    "label": reading.label,
                    "ambiguous": reading.ambiguous,
                }
                for item, reading in zip(items, readings, strict=True)
            ],
            unparsable=sum(
                reading.label is None and bool(item.prediction.strip())
                for item, reading in zip(items, readings, strict=True)
            ),
        )

    def _figures(
        self, expected: Codes, predicted: Codes
    ) -> tuple[dict[str, Estimate], dict[str, Any]]:
        """The metrics of the labels' codes, and their counts."""
        n = len(expected)
        estimates = {
            "accuracy": wilson(int((predicted == expected).sum()), n),
            "invalid_rate": wilson(int((predicted == INVALID).sum()), n),
        }
        details: dict[str, Any] = {
            "labels": list(self.labels),
            "confusion": self._confusion(expected, predicted),
        }
        if self.positive is None:
            estimates["macro_f1"] = _macro_f1(expected, predicted, len(self.labels))
            return estimates, details
        positive = self.labels.index(self.positive)
        counts = _binary_counts(expected, predicted, positive)
        estimates["precision"] = wilson(counts["tp"], counts["tp"] + counts["fp"])
        estimates["recall"] = wilson(counts["tp"], counts["tp"] + counts["fn"])
        estimates["f1"] = _f1(expected, predicted, positive)
        return estimates, details | {"positive": self.positive, **counts}

    def _confusion(self, expected: Codes, predicted: Codes) -> dict[str, dict[str, int]]:
        """The number of generations by reference and answer."""
        pairs = Counter(zip(expected.tolist(), predicted.tolist(), strict=True))
        columns = [*enumerate(self.labels), (INVALID, "invalid")]
        return {
            reference: {label: pairs[row, column] for column, label in columns}
            for row, reference in enumerate(self.labels)
        }


@cache
def _ready(labels: tuple[str, ...]) -> Labels:
    return Labels(labels)


def _binary_counts(expected: Codes, predicted: Codes, positive: int) -> dict[str, int]:
    """The four counts. An invalid answer to a positive is a false negative; to a negative it is
    neither tn nor fp, so that tp + fp + fn + tn + invalid_negative are all requests."""
    is_positive, named = expected == positive, predicted == positive
    invalid = predicted == INVALID
    return {
        "tp": int((is_positive & named).sum()),
        "fp": int((~is_positive & named).sum()),
        "fn": int((is_positive & ~named).sum()),
        "tn": int((~is_positive & ~named & ~invalid).sum()),
        "invalid_positive": int((is_positive & invalid).sum()),
        "invalid_negative": int((~is_positive & invalid).sum()),
    }


def _f1(expected: Codes, predicted: Codes, label: int) -> Estimate:
    """F1 = 2 tp / (2 tp + fp + fn) of a label; its interval is Wilson's of tp / (tp + fp + fn).

    F1 = 2 s / (1 + s) increases with that share s, so the ends of the interval follow.
    """
    truth, guess = expected == label, predicted == label
    found = wilson(int((truth & guess).sum()), int((truth | guess).sum()))

    def f1(share: float | None) -> float | None:
        return None if share is None else 2 * share / (1 + share)

    method = f"{found.method}, of tp / (tp + fp + fn)"
    return Estimate(f1(found.value), f1(found.low), f1(found.high), method)


def _macro_f1(expected: Codes, predicted: Codes, labels: int) -> Estimate:
    """F1 averaged over labels, without labels that do not occur."""
    truth, guess = (codes[:, np.newaxis] == np.arange(labels) for codes in (expected, predicted))

    def average(totals: Floats) -> Floats:
        tp, named = totals[:, :labels], totals[:, labels:]
        each = np.divide(2 * tp, named, out=np.zeros(tp.shape), where=named > 0)
        defined = (named > 0).sum(axis=1)
        averaged = np.full(len(totals), np.nan)
        np.divide(each.sum(axis=1), defined, out=averaged, where=defined > 0)
        return averaged

    counts = np.hstack([truth & guess, truth.astype(int) + guess])
    return jackknife(average, counts, scale=logit_up_to(1)).estimate
