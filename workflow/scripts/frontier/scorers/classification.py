"""Classification by a label named in the generation, as in SST-2: positive or negative.

The answer is the one label that the generation affirms, as answers/labelled.py reads it: not what
it repeats of the question, negates, asks or lists. A generation without one is invalid and counts
as wrong: `invalid_rate` is the share of such, and `ambiguous_rate` that of those among them which
name a label, but negated, or beside another one without an answer mark ("Answer:").
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from frontier.answers import labelled
from frontier.answers.labelled import Reading
from frontier.answers.labels import Labels, canonical
from frontier.errors import UserError, did_you_mean
from frontier.scorers import PROPORTION, Answer, Metric, Score
from frontier.stats.intervals import Estimate, wilson
from frontier.stats.jackknife import jackknife, logit_up_to
from frontier.stats.serial import Floats

PRIMARY = "accuracy"
INVALID = -1
Codes = NDArray[np.int64]


class Options(BaseModel):
    """The labels; `positive` names the one that precision, recall and F1 are about."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: tuple[str, ...] = Field(
        min_length=2, description="The words that answer, as the references spell them."
    )
    positive: str | None = Field(
        default=None,
        description="Of two labels, the one counted as positive; without it macro F1 is reported.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Options:
        folded = [canonical(label) for label in self.labels]
        if len(set(folded)) < len(folded) or not all(folded):
            raise ValueError("labels must be non-empty words that differ in more than case")
        if self.positive is not None and self.positive not in self.labels:
            hint = did_you_mean(self.positive, self.labels)
            raise ValueError(f"positive: {self.positive!r} is not a label{hint}")
        if self.positive is not None and len(self.labels) > 2:
            raise ValueError("positive: only for two labels; leave it out to get macro F1")
        return self


def parse(
    text: str, labels: Sequence[str], prompt: str = "", fields: Iterable[str] = ()
) -> str | None:
    """The label that a text answers `prompt` with; None where it is invalid.

    `fields` are the row's texts, which stand in the prompt.
    """
    return _read(text, tuple(labels), prompt, fields).label


def _read(text: str, labels: tuple[str, ...], prompt: str, fields: Iterable[str]) -> Reading:
    return labelled.read(text, _ready(labels), prompt, fields)


@cache
def _ready(labels: tuple[str, ...]) -> Labels:
    return Labels(labels)


def score(answers: Sequence[Answer], options: Options) -> Score:
    """Accuracy, the confusion counts, and precision, recall and F1 or macro F1, with intervals.

    Raises UserError where a reference is none of the labels.
    """
    for answer in answers:
        if answer.reference not in options.labels:
            hint = did_you_mean(answer.reference, options.labels)
            raise UserError(
                f"request {answer.id}: reference {answer.reference!r} is no label{hint}"
            )
    readings = [
        _read(answer.prediction, options.labels, answer.prompt, answer.fields.values())
        for answer in answers
    ]
    parsed = [reading.label for reading in readings]
    ambiguous = sum(reading.ambiguous for reading in readings)
    code = {label: number for number, label in enumerate(options.labels)}
    predicted = np.array([INVALID if p is None else code[p] for p in parsed], dtype=np.int64)
    expected = np.array([code[answer.reference] for answer in answers], dtype=np.int64)

    right, n = int((predicted == expected).sum()), len(answers)
    estimates = {
        "accuracy": wilson(right, n),
        "invalid_rate": wilson(sum(p is None for p in parsed), n),
        "ambiguous_rate": wilson(ambiguous, n),
    }
    details: dict[str, Any] = {"labels": list(options.labels), "confusion": {}}
    details["ambiguous"] = ambiguous
    pairs = Counter(zip((answer.reference for answer in answers), parsed, strict=True))
    for reference in options.labels:
        counts = {label: pairs[reference, label] for label in options.labels}
        details["confusion"][reference] = counts | {"invalid": pairs[reference, None]}
    if options.positive is None:
        estimates["macro_f1"] = _macro_f1(expected, predicted, len(options.labels))
    else:
        positive = code[options.positive]
        counts = _binary_counts(expected, predicted, positive)
        details |= {"positive": options.positive, **counts}
        tp = counts["tp"]
        estimates["precision"] = wilson(tp, tp + counts["fp"])
        estimates["recall"] = wilson(tp, tp + counts["fn"])
        estimates["f1"] = _f1(expected, predicted, positive)
    return Score(
        metrics={name: Metric.of(estimate, PROPORTION) for name, estimate in estimates.items()},
        details=details,
        requests=[
            {
                "score": float(reading.label == answer.reference),
                "label": reading.label,
                "ambiguous": reading.ambiguous,
            }
            for answer, reading in zip(answers, readings, strict=True)
        ],
    )


def _binary_counts(expected: Codes, predicted: Codes, positive: int) -> dict[str, int]:
    """The four counts. An invalid answer to a positive is a missed one (fn); to a negative it is
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

    The one grows with the other, so that the ends of the interval follow: F1 = 2 s / (1 + s).
    """
    truth, guess = expected == label, predicted == label
    found = wilson(int((truth & guess).sum()), int((truth | guess).sum()))

    def f1(share: float | None) -> float | None:
        return None if share is None else 2 * share / (1 + share)

    method = f"{found.method}, of tp / (tp + fp + fn)"
    return Estimate(f1(found.value), f1(found.low), f1(found.high), method)


def _macro_f1(expected: Codes, predicted: Codes, labels: int) -> Estimate:
    """F1 averaged over labels; a label seen nowhere is left out."""
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
