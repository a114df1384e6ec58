"""Scorers: a task's generations become metrics.

Each file here is one scorer and its name is the task's `scorer: kind`. It has
- `Options`, a pydantic model (extra keys forbidden, frozen): the other keys of the `scorer:` block,
- `PRIMARY`, the name of the metric by which variants are compared,
- `score(answers: Sequence[Answer], options: Options) -> Score`,
- `CORPUS`, only where the primary metric is of the whole corpus (see `Corpus`). Without it each
  request's score is 1 or 0 (or None) and the metric is their mean.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from frontier.errors import UserError, did_you_mean
from frontier.stats.intervals import Estimate
from frontier.stats.serial import Floats

PROPORTION = "proportion"
"""Unit of metrics in [0, 1]."""

POINTS = "points"
"""Unit of chrF2 and BLEU: [0, 100]."""


@dataclass(frozen=True)
class Answer:
    """One request's generation beside what was expected.

    `fields` are the sample row's, `prompt` is what the task made of them, "" where not known.
    """

    id: str
    prediction: str
    reference: str
    fields: Mapping[str, str]
    prompt: str = ""


@dataclass(frozen=True)
class Metric:
    """A figure over all requests with its interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    method: str
    unit: str

    @classmethod
    def of(cls, estimate: Estimate, unit: str) -> Metric:
        """An estimate with its unit."""
        return cls(estimate.value, estimate.low, estimate.high, estimate.method, unit)


@dataclass(frozen=True)
class Score:
    """What a scorer found: metrics by name, JSON-able details, and one row for each answer.

    `requests` keeps the answers' order; each row has "score" in [0, 1], or None where the answer
    could be called neither right nor wrong, and the scorer's own columns; "counts" are a corpus
    metric's.
    """

    metrics: dict[str, Metric]
    details: dict[str, Any]
    requests: list[dict[str, str | int | float | bool | list[int] | None]]


@dataclass(frozen=True)
class Difference:
    """Other minus native by the primary metric, and the test of it; None where not known."""

    estimate: Estimate
    p: float | None
    p_method: str


@dataclass(frozen=True)
class Corpus:
    """A metric of a whole corpus, which is a function of totals over its requests.

    Each request adds `width` whole numbers to the totals. `score` gives them as its row's "counts",
    so that a comparison need not read the texts again.
    """

    width: int
    count: Callable[[Sequence[Answer]], Floats]
    """The counts of answers, of shape (requests, width)."""
    score: Callable[[Floats], Floats]
    """Each request's score from its counts, as in its row."""
    difference: Callable[[Floats, Floats], Difference]
    """The paired comparison of two variants' counts (native, other) on the same requests."""


def kinds() -> list[str]:
    """The names of all scorers: the files of this folder."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


@cache
def load(kind: str) -> ModuleType:
    """The scorer of a kind; UserError with the nearest kind's name where there is none."""
    if kind not in kinds():
        raise UserError(
            f"no scorer {kind!r}{did_you_mean(kind, kinds())}; there are: {', '.join(kinds())}"
        )
    return importlib.import_module(f"{__name__}.{kind}")


def corpus_of(kind: str) -> Corpus | None:
    """The corpus metric by which a scorer compares variants; None where it is a proportion."""
    found: Corpus | None = getattr(load(kind), "CORPUS", None)
    return found
