"""Choices by their likelihoods: the answer is the choice that the model finds the likeliest.

The score of a choice is ln p, summed over its tokens. Choices that are equally likely share the
credit, and a question with a likelihood that is not a number is invalid and counts as wrong: an
argmax would give both to the first choice, which in some sets is the right one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from frontier.blocks import Decides
from frontier.scorers import PROPORTION, MeanScorer, Metric, Option, Score, ScoredItem
from frontier.scorers.common import groups
from frontier.stats.bootstrap import bootstrap, mean
from frontier.stats.intervals import wilson
from frontier.stats.serial import Floats

Accuracy = Literal["accuracy", "accuracy_per_character", "accuracy_per_byte"]
LENGTHS: dict[Accuracy, Callable[[str], int]] = {
    "accuracy": lambda _: 1,
    "accuracy_per_character": len,
    "accuracy_per_byte": lambda text: len(text.encode()),
}
"""The divisor of the sum of a choice, without the space before it."""
MASS = "mass_on_right"


class Loglikelihood(MeanScorer):
    """Keys of the `loglikelihood` scorer, for tasks with `choices`."""

    PRIMARY = "accuracy"
    ASKS = "choose"
    REFERENCES = "several"

    metric: Annotated[Accuracy | Literal["mass_on_right"], Decides("score")] = "accuracy"
    """The metric by which variants are compared. `accuracy`: the likeliest choice is right (MC1 of
    TruthfulQA); `accuracy_per_character`, `accuracy_per_byte`: by ln p over the choice's length;
    `mass_on_right`: the share of the right ones in the probability of all (MC2)."""
    macro: Annotated[str | None, Field(min_length=1), Decides("score")] = None
    """A field of the rows, such as `subject`: `macro_accuracy` is the mean over its values."""
    by: Annotated[str | None, Field(min_length=1), Decides("score")] = None
    """A field of the rows, such as `category`, for whose values the accuracy is given too."""

    def primary(self) -> str:
        """The metric of its key."""
        return self.metric

    def reads(self) -> tuple[str, ...]:
        """The fields of the groups."""
        return tuple(name for name in (self.macro, self.by) if name)

    def score(self, items: Sequence[ScoredItem]) -> Score:
        """All metrics with intervals."""
        known = [_known(item.options) for item in items]
        credits = {name: _credits(known, length) for name, length in LENGTHS.items()}
        own = MASS if self.metric == MASS else None
        shares = np.array([_mass_on_right(one) if one else 0.0 for one in known])
        scores = shares if own else credits[self.metric]  # type: ignore[index]
        invalid = known.count(())
        metrics: dict[str, Metric] = {
            name: Metric.of(groups.proportion(found), PROPORTION)
            for name, found in credits.items()
            if name in ("accuracy", self.metric) or _lengths_differ(known)
        }
        means = {
            MASS: shares,
            "probability_of_right": np.array([_probability(one, right=True) for one in known]),
            "probability_of_choices": np.array([_probability(one) for one in known]),
        }
        for name, values in means.items():
            metrics[name] = Metric.of(bootstrap(mean, values.reshape(-1, 1)), PROPORTION)
        metrics["invalid_rate"] = Metric.of(wilson(invalid, len(items)), PROPORTION)
        details: dict[str, Any] = {
            "ties": int(((credits["accuracy"] > 0) & (credits["accuracy"] < 1)).sum())
        }
        further, by = groups.metrics(items, credits["accuracy"], self.macro, self.by)
        metrics |= further
        rows: list[dict[str, Any]] = [
            {
                "score": float(score),
                "answer": _likeliest(one),
                "logprobs": [option.logprob for option in one] or None,
            }
            for score, one in zip(scores, known, strict=True)
        ]
        return Score(metrics, {**details, **by}, rows, unparsable=invalid)

    def verdicts(self) -> bool:
        """Whether the likeliest choice counts, and not the probabilities' share."""
        return self.metric != MASS


class _Known(Option):
    """A choice whose likelihood is a number."""

    logprob: float


def _known(options: Sequence[Option]) -> tuple[_Known, ...]:
    """The choices of a question; none if a likelihood is not a number."""
    found = [_Known(one.text, one.right, one.logprob) for one in options if one.logprob is not None]
    return tuple(found) if len(found) == len(options) else ()


def _credits(known: Sequence[tuple[_Known, ...]], length: Callable[[str], int]) -> Floats:
    """The share of right ones among the likeliest choices, for each question."""
    found = []
    for options in known:
        values = [one.logprob / max(1, length(one.text)) for one in options]
        best = [
            one.right for one, value in zip(options, values, strict=True) if value == max(values)
        ]
        found.append(sum(best) / len(best) if best else 0.0)
    return np.array(found, dtype=np.float64)


def _mass_on_right(options: Sequence[_Known]) -> float:
    """The probability of the right choices over that of all, by differences of logarithms."""
    logprobs = np.array([one.logprob for one in options])
    masses = np.exp(logprobs - logprobs.max())
    return float(masses[[one.right for one in options]].sum() / masses.sum())


def _probability(options: Sequence[_Known], *, right: bool = False) -> float:
    """The probability of the choices, or of the right ones, each text once."""
    of = {one.text: one.logprob for one in options if one.right or not right}
    return float(np.exp([*of.values()]).sum())


def _likeliest(options: Sequence[_Known]) -> str | None:
    return max(options, key=lambda one: one.logprob).text if options else None


def _lengths_differ(known: Sequence[tuple[_Known, ...]]) -> bool:
    return any(len({len(one.text.encode()) for one in options}) > 1 for options in known)
